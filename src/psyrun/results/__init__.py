"""Results: what has been computed of a task, ready to be looked at."""

from psyrun.results.loading import load
from psyrun.results.result import Result
from psyrun.results.state import State

__all__ = ["Result", "State", "load"]
