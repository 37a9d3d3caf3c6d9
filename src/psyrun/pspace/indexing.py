"""Rows as users give them, and as they get them."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from psyrun.pspace.columns import Rows

NO_ROWS = np.empty(0, dtype=np.int64)


def as_array(rows: range | Rows) -> Rows:
    """Turn a range into an array."""
    if isinstance(rows, range):
        return np.arange(rows.start, rows.stop, rows.step, dtype=np.int64)
    return rows


def as_rows(rows: Any, n: int) -> Rows:
    """Check an index array or mask for a space of *n* rows, and make it non-negative rows.

    Raises
    ------
    IndexError
        If there is no such row, or the mask has another length.
    TypeError
        If these are no rows.
    """
    array = np.asarray(rows)
    if array.ndim != 1:
        raise TypeError(f"A parameter space is indexed by a row, a slice or rows, not by {rows!r}.")
    if array.dtype == bool:
        if len(array) != n:
            raise IndexError(f"A mask of {len(array)} rows does not fit a space of {n} rows.")
        return np.flatnonzero(array)
    if not len(array):
        return NO_ROWS
    if array.dtype.kind not in "iu":
        raise TypeError(f"A parameter space is indexed by rows, integers, not by {array.dtype}.")
    if array.min() < -n or array.max() >= n:
        bad = array[(array < -n) | (array >= n)][0]
        raise IndexError(f"There is no row {bad} in a parameter space of {n} rows.")
    array = array.astype(np.int64)
    array[array < 0] += n
    return array


def assignments(
    names: Sequence[str], columns: Sequence[Iterable[Any]], n: int
) -> Iterator[dict[str, Any]]:
    """Turn columns of *n* rows into dictionaries."""
    if not columns:
        return ({} for _ in range(n))
    return map(dict, map(zip, repeat(names), zip(*columns, strict=True)))


def accepted_names(predicate: Callable[..., Any], names: list[str]) -> list[str]:
    """Tell which of some parameters a predicate takes.

    Raises
    ------
    TypeError
        If it requires an argument that is none of them.
    """
    try:
        arguments = inspect.signature(predicate).parameters.values()
    except (TypeError, ValueError):  # some built-in functions have no signature
        return names
    if any(a.kind is a.VAR_KEYWORD for a in arguments):
        return names
    for a in arguments:
        optional = a.default is not a.empty or a.kind is a.VAR_POSITIONAL
        if not optional and (a.kind is a.POSITIONAL_ONLY or a.name not in names):
            raise TypeError(
                f"The predicate requires {a.name!r}, which is no parameter of the space; those are "
                f"{', '.join(names)}."
            )
    accepted = {a.name for a in arguments if a.kind is not a.POSITIONAL_ONLY}
    return [name for name in names if name in accepted]
