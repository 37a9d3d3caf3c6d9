"""How a `Param` keeps the values of one parameter: whatever takes least memory."""

from collections.abc import Iterator, Mapping
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


class Single(NamedTuple):
    """One value for all rows."""

    value: Any


Column = list[Any] | range | npt.NDArray[Any] | Single


def as_column(name: str, values: Any) -> Column:
    """Tell a sequence from a single value, and bring it into a form of our own.

    Parameters
    ----------
    name : str
        Name of the parameter, for messages.
    values : object
        Sequence or single value.

    Returns
    -------
    Column
        A copy, so that a later change of *values* does not change the column.

    Raises
    ------
    TypeError
        If *values* have no order, or can be iterated only once.
    """
    if isinstance(values, str | bytes | bytearray | Mapping):
        return Single(values)
    if isinstance(values, range):
        return values
    if isinstance(values, np.ndarray):
        return values.copy() if values.ndim else Single(values[()])
    if isinstance(values, set | frozenset):
        raise TypeError(f"The values of {name} are a set, which has no order; pass a list of them.")
    if isinstance(values, Iterator):
        raise TypeError(
            f"The values of {name} are an iterator, which has no length; pass a list of them."
        )
    try:
        n = len(values)
        column = list(values)
    except TypeError:
        return Single(values)
    if len(column) != n:
        raise TypeError(
            f"The values of {name} are no sequence: a {type(values).__name__} of length {n} which "
            f"yields {len(column)} items; pass a list."
        )
    return _typed(values, column)


def _typed(values: Any, column: list[Any]) -> Column:
    """Keep a data-frame column of numbers as an array, which is smaller and faster."""
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf" and hasattr(values, "to_numpy"):
        return np.array(values.to_numpy())
    return column


def length(column: Column) -> int | None:
    """Return the number of values, None for a single one."""
    return None if isinstance(column, Single) else len(column)


def take(column: Column, rows: Rows) -> list[Any]:
    """Return the values at some rows."""
    if isinstance(column, Single):
        return [column.value] * len(rows)
    if isinstance(column, np.ndarray):
        return list(column[rows])
    if isinstance(column, range):
        if len(rows) and max(abs(column[0]), abs(column[-1])) < 2**63:
            return (column.start + column.step * rows).tolist()  # type: ignore[no-any-return]
        return [column[i] for i in rows.tolist()]
    return pick(column, rows)


def pick(values: list[Any], rows: Rows) -> list[Any]:
    """Return the elements of a list at some positions."""
    if len(rows) < 2:
        return [values[i] for i in rows.tolist()]
    return list(itemgetter(*rows.tolist())(values))


def all_values(column: Column, n: int) -> list[Any]:
    """Return the values of all *n* rows."""
    return [column.value] * n if isinstance(column, Single) else list(column)


def iterate(column: Column, n: int) -> Iterator[Any]:
    """Iterate over the values of all *n* rows."""
    return repeat(column.value, n) if isinstance(column, Single) else iter(column)


def value_at(column: Column, row: int) -> Any:
    """Return the value in one row."""
    return column.value if isinstance(column, Single) else column[row]
