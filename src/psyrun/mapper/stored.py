"""Recognising the rows of a space in a file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from psyrun.exceptions import AmbiguousOperationError
from psyrun.pspace import Param, ParameterSpace
from psyrun.pspace.columns import Rows
from psyrun.pspace.matching import match
from psyrun.values import MISSING


def find_stored(
    space: ParameterSpace, table: Mapping[str, Sequence[Any]], filename: str
) -> tuple[Rows, Rows]:
    """Find which rows of a space a file holds.

    Parameters
    ----------
    space : ParameterSpace
        The space.
    table : mapping
        Columns of the file.
    filename : str
        Name of the file, for messages.

    Returns
    -------
    rows, lines : ndarray of int64
        Rows of the space, and the lines of the file that hold them.

    Raises
    ------
    AmbiguousOperationError
        If the file lacks a parameter.
    """
    if not table:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    names = space.keys()
    for name in names:
        if name not in table:
            raise AmbiguousOperationError(
                f"{filename!r} lacks the parameter {name!r}, so that nobody can tell which rows it "
                f"holds: use another file, and do not exclude parameters."
            )
    stored = Param(**{name: table[name] for name in names})
    rows, lines = match(space, stored)
    more_rows, more_lines = _others(len(space), rows), _others(len(stored), lines)
    if not len(more_rows) or not len(more_lines):
        return rows, lines
    found, at = match(_as_stored(space[more_rows]), _as_stored(stored[more_lines]))
    return np.append(rows, more_rows[found]), np.append(lines, more_lines[at])


def _others(n: int, rows: Rows) -> Rows:
    mask = np.ones(n, dtype=bool)
    mask[rows] = False
    return np.flatnonzero(mask)


def _as_stored(space: ParameterSpace) -> Param:
    return Param(**{name: list(map(_value_as_stored, c)) for name, c in space.build().items()})


def _value_as_stored(value: Any) -> Any:
    """Undo what a store for arrays does to missing values and to arrays of different extents."""
    if value is None or (isinstance(value, str) and not value):
        return MISSING
    if not isinstance(value, list | tuple | np.ndarray):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "US":
        filled = array != array.dtype.type()
    elif array.dtype.kind in "biuf":
        filled = ~np.isnan(array)
    else:
        return value
    extents = [np.max(places, initial=-1) + 1 for places in np.nonzero(filled)]
    return array[tuple(map(slice, extents))] if np.any(filled) else MISSING
