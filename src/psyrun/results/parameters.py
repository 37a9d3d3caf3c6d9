"""The parameters of results, as their space knows them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from psyrun.pspace import ParameterSpace
from psyrun.pspace.columns import Column, Single
from psyrun.pspace.reading import ArrayReader, Leaf, ValueReader
from psyrun.results.columns import Array, as_column
from psyrun.rows import Rows, RowSet
from psyrun.values import EXACT, MISSING

_INT64 = range(-(2**63), 2**63)
_JOINED = {np.dtype(kind) for kind in (bool, np.int64, np.float64, np.complex128)}
_NUMBERS = (bool, int, float, complex, np.bool_, np.number)


def values_of(space: ParameterSpace, name: str, rows: RowSet | None = None) -> list[Any]:
    """Return the values of a parameter in some rows of its space, or in all."""
    return space._read(ValueReader([name]), _wanted(space, rows))[name]


def column_of(space: ParameterSpace, name: str, rows: RowSet | None = None) -> Array:
    """Return the column of a parameter in some rows of its space, or in all.

    It is what `psyrun.results.columns.as_column` makes of the values; numbers are not looked at
    row by row for that.
    """
    reader = _NumberReader(name)
    try:
        column = space._read(reader, _wanted(space, rows))[name]
    except _NotNumbersError:
        column = np.empty(0)
    if not len(column) or (reader.has_integers and _is_doubtful(column)):
        return as_column(values_of(space, name, rows))
    return column.copy() if reader.owns(column) else column


def _is_doubtful(column: Array) -> bool:
    """Tell whether integers that were made floats may have been rounded, or may be all there is."""
    if column.dtype.kind not in "fc":
        return False
    return bool(np.any(np.abs(column) >= EXACT) or np.all(column == np.round(column)))


def _wanted(space: ParameterSpace, rows: RowSet | None) -> Rows | None:
    return None if rows is None or len(rows) == len(space) else rows.to_array()


class _NotNumbersError(Exception):
    """An array cannot be made without looking at each value."""


class _NumberReader(ArrayReader):
    """Reads the numbers of a parameter as they are.

    Attributes
    ----------
    has_integers : bool
        Whether there are any among what was read, or in the lists that it is from.
    """

    def __init__(self, name: str) -> None:
        super().__init__([name])
        self._arrays: dict[int, Array] = {}
        self.has_integers = False

    def owns(self, array: Array) -> bool:
        """Tell whether an array is kept here or in the space."""
        return any(array is own for own in self._arrays.values())

    def column(self, leaf: Leaf, name: str, rows: Rows | None) -> Array:
        """Read values, also a few of a long range."""
        column = leaf.columns[name]
        if not isinstance(column, range):
            return super().column(leaf, name, rows)
        if len(column) and (column[0] not in _INT64 or column[-1] not in _INT64):
            raise _NotNumbersError
        self.has_integers = True
        if rows is None:
            return np.arange(column.start, column.stop, column.step, dtype=np.int64)
        found: Array = column.start + column.step * rows
        return found

    def array(self, leaf: Leaf, name: str) -> Array:
        """Return the values of the parameter, which are no range."""
        if id(leaf) not in self._arrays:
            self._arrays[id(leaf)] = self._as_array(leaf.columns[name])
        return self._arrays[id(leaf)]

    def _as_array(self, column: Column) -> Array:
        if isinstance(column, np.ndarray):
            if column.ndim > 1:
                raise _NotNumbersError
            array = column.astype(column.dtype.newbyteorder("="), copy=False)
            types: set[type] = set()
        else:
            values = [column.value] if isinstance(column, Single) else column
            types = set(map(type, values))
            numbers = all(issubclass(kind, _NUMBERS) for kind in types)
            if not numbers or (len(types) > 1 and types != {int, float}):
                raise _NotNumbersError
            array = np.array(values)
        # Of integers that are too large for 64 bits, a part may be small enough.
        if array.dtype.kind not in "biufc" or (types == {int} and array.dtype != np.int64):
            raise _NotNumbersError
        self.has_integers |= array.dtype.kind in "iu" or int in types
        return array

    def absent(self, n: int) -> Array:
        """Repeat the NaN that stands for a missing value."""
        return np.full(n, MISSING)

    def concatenate(self, columns: Sequence[Array]) -> Array:
        """Put arrays one after the other."""
        parts = [column for column in columns if len(column)]
        dtypes = {part.dtype for part in parts}
        if len(dtypes) > 1 and not dtypes <= _JOINED:
            raise _NotNumbersError
        return super().concatenate(parts)
