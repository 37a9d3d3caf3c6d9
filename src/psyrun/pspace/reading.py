"""Reading columns out of a parameter space, be it as values or as codes.

A space knows how its rows are composed of the rows of `Param` objects. What is read from those, and
how columns are repeated and strung together, is up to a reader.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from psyrun.pspace import columns as _columns
from psyrun.pspace.columns import Column, Rows, Single
from psyrun.values import MISSING

C = TypeVar("C")
Array = npt.NDArray[Any]


class Leaf(Protocol):
    """What a reader needs to know of a `Param`."""

    columns: dict[str, Column]

    def __len__(self) -> int: ...


class Reader(ABC, Generic[C]):
    """Reads columns of type *C*.

    Parameters
    ----------
    names : sequence of str
        The parameters to read; others are left out.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def leaf(self, leaf: Leaf, rows: Rows | None) -> dict[str, C]:
        """Read the columns of a `Param`, at some or at all (None) rows."""
        return {n: self.column(leaf, n, rows) for n in self.names if n in leaf.columns}

    @abstractmethod
    def column(self, leaf: Leaf, name: str, rows: Rows | None) -> C:
        """Read one column of a `Param`, at some or at all (None) rows."""

    @abstractmethod
    def absent(self, n: int) -> C:
        """Make up the column of a parameter that is absent from *n* rows."""

    @abstractmethod
    def tile(self, column: C, each: int, times: int) -> C:
        """Repeat each row *each* times, and all of this *times* times."""

    @abstractmethod
    def concatenate(self, columns: Sequence[C]) -> C:
        """Put columns one after the other."""

    @abstractmethod
    def take(self, column: C, rows: Rows) -> C:
        """Pick rows of a column."""


class ValueReader(Reader[list[Any]]):
    """Reads values as lists of the original objects."""

    def column(self, leaf: Leaf, name: str, rows: Rows | None) -> list[Any]:
        """Read the values of one parameter of a `Param`."""
        column = leaf.columns[name]
        if rows is None:
            return _columns.all_values(column, len(leaf))
        return _columns.take(column, rows)

    def absent(self, n: int) -> list[Any]:
        """Repeat the value that stands for a missing one."""
        return [MISSING] * n

    def tile(self, column: list[Any], each: int, times: int) -> list[Any]:
        """Repeat references, not values."""
        if each > 1:
            column = list(chain.from_iterable(map(repeat, column, repeat(each))))
        return column * times if times != 1 else column

    def concatenate(self, columns: Sequence[list[Any]]) -> list[Any]:
        """Put lists one after the other."""
        return list(chain.from_iterable(columns))

    def take(self, column: list[Any], rows: Rows) -> list[Any]:
        """Pick elements of a list."""
        return _columns.pick(column, rows)


class ArrayReader(Reader[Array]):
    """Reads arrays, in which something stands for the values."""

    @abstractmethod
    def array(self, leaf: Leaf, name: str) -> Array:
        """Return what stands for the values of a parameter of a `Param`, one for a `Single`."""

    def column(self, leaf: Leaf, name: str, rows: Rows | None) -> Array:
        """Read one column of a `Param`."""
        array = self.array(leaf, name)
        if isinstance(leaf.columns[name], Single):
            return np.repeat(array, len(leaf) if rows is None else len(rows), axis=0)
        return array if rows is None else array[rows]

    def tile(self, column: Array, each: int, times: int) -> Array:
        """Repeat elements."""
        if each != 1:
            column = np.repeat(column, each, axis=0)
        return column if times == 1 else np.tile(column, (times, *[1] * (column.ndim - 1)))

    def concatenate(self, columns: Sequence[Array]) -> Array:
        """Put arrays one after the other."""
        return np.concatenate(columns) if columns else self.absent(0)

    def take(self, column: Array, rows: Rows) -> Array:
        """Pick elements of an array."""
        return column[rows]
