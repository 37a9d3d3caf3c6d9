"""How a row of a space is doing."""

from enum import IntEnum


class State(IntEnum):
    """How a row of the space is doing."""

    PENDING = 0
    COMPLETED = 1
    FAILED = 2
    MISSING = 3
    """There is no such row: a gap of a grid, or a row that was left out."""
