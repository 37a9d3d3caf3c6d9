"""Pictures of results: chosen, computed, and drawn by matplotlib or as text."""

from psyrun.plotting.drawing import plot

__all__ = ["plot"]
