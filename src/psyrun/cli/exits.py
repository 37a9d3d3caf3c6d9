"""Exit codes."""

FINE = 0
INCOMPLETE = 1
"""Rows have failed or are missing after a run that has ended."""
WRONG_USE = 2
"""The command was used wrongly, or a task cannot be loaded."""
TIMED_OUT = 3
"""What was waited for is still at work."""
INTERRUPTED = 130
"""As shells say it of a program that Ctrl-C has ended."""
