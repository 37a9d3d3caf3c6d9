"""The entry point of the ``psy`` command."""

from psyrun.cli import psy_main

__all__ = ["psy_main"]
