"""The ``psy`` command: parses, calls `psyrun.run`, prints."""

from psyrun.cli.main import psy_main

__all__ = ["psy_main"]
