"""Columns with gaps: numbers, text, ... of some rows, and nothing in the others."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from psyrun.store._arrays import as_column, unguard
from psyrun.store._layout import FAMILIES, Array, Unstorable, join
from psyrun.values import MISSING, is_missing

_BITS = np.array(MISSING).view(np.uint64)


class Gapped(NamedTuple):
    """A column of scalars.

    Attributes
    ----------
    values : ndarray, shape (number of rows that have a value,)
        The values. Text and bytes are objects, so that a long one does not make all long.
    present : ndarray of bool, shape (number of rows,)
        Which rows have a value.
    """

    values: Array
    present: npt.NDArray[np.bool_]


Column = Gapped | Array
"""Scalars with gaps, or an array of arrays, which has no gaps but NaN."""


def to_gapped(values: Sequence[Any] | Array) -> Column:
    """Convert a column.

    Raises
    ------
    Unstorable
        If it cannot be converted.
    """
    if type(values) is np.ndarray and values.dtype.kind in "biufcMm":
        column = as_column(values)
        return column if column.ndim > 1 else _without_missing(column)
    rows = list(values)
    textual = next((kind for kind in map(type, rows) if issubclass(kind, str | bytes)), None)
    if textual is None:
        present = np.array([not (v is None or is_missing(v)) for v in rows], dtype=bool)
    else:  # NaN has no place among text
        present = np.array([not (v is None or v != v) for v in rows], dtype=bool)
    some = [v for v, there in zip(rows, present, strict=True) if there]
    if textual is not None and set(map(type, some)) == {textual}:
        return Gapped(as_objects(some), present)
    try:
        column = as_column(some)
    except Unstorable as problem:
        row = None if problem.row is None else int(np.flatnonzero(present)[problem.row])
        raise Unstorable(problem.what, row) from None
    if column.ndim == 1:
        return Gapped(_textual(column), present)
    return column if present.all() else as_column(rows)


def gap(rows: int) -> Gapped:
    """Return the column of rows that lack it."""
    return Gapped(np.empty(0), np.zeros(rows, dtype=bool))


def join_gapped(parts: Sequence[Column]) -> Column:
    """Put parts of a column below each other.

    Raises
    ------
    Unstorable
        If they cannot share a column.
    """
    if not all(isinstance(part, Gapped) for part in parts):
        return join([filled(part) if isinstance(part, Gapped) else part for part in parts])
    gapped = [part for part in parts if isinstance(part, Gapped)]
    families = [_family(part.values) for part in gapped]
    if {"text", "bytes"} & set(families):
        gapped = [_without_nan(part) for part in gapped]
        families = [_family(part.values) for part in gapped]
    known = [family for family in families if family]
    other = next((family for family in known if family != known[0]), None)
    if other is not None:
        row = sum(len(part.present) for part in gapped[: families.index(other)])
        raise Unstorable(f"{other} beside {known[0]}", row)
    values = [part.values for part in gapped if len(part.values)]
    present = np.concatenate([part.present for part in gapped])
    if known and known[0] in ("text", "bytes"):
        return Gapped(np.concatenate(values), present)
    return Gapped(join(values), present)


def _family(values: Array) -> str | None:
    if not len(values):
        return None
    if values.dtype == object:
        return "text" if isinstance(values[0], str) else "bytes"
    return FAMILIES[values.dtype.kind]


def filled(column: Gapped) -> Array:
    """Return a value for each row: NaN, NaT or None where there is none.

    Integers become floats, if there are gaps and that changes none of them.
    """
    values, present = column
    if present.all():
        return values
    kind = values.dtype.kind
    if kind in "iu" and (not len(values) or np.max(np.abs(values.astype(float))) < 2**53):
        values, kind = values.astype(float), "f"
    missing: Any = {"f": MISSING, "c": MISSING, "M": "NaT", "m": "NaT"}.get(kind)
    dtype = values.dtype if missing is not None else np.dtype(object)
    result = np.full(len(present), missing, dtype)
    result[present] = values
    return result


def _without_missing(column: Array) -> Gapped:
    present = np.ones(len(column), dtype=bool)
    if column.dtype == np.float64:
        present = column.view(np.uint64) != _BITS
    elif column.dtype.kind in "mM":
        present = ~np.isnat(column)
    return Gapped(column[present], present)


def _without_nan(column: Gapped) -> Gapped:
    values, present = column
    if values.dtype.kind != "f" or not np.isnan(values).all():
        return column
    return gap(len(present))


def _textual(column: Array) -> Array:
    return column if column.dtype.kind not in "US" else as_objects(unguard(column).tolist())


def as_objects(values: list[Any]) -> Array:
    """Return an array of one dimension, whatever the values are."""
    return np.fromiter(values, dtype=object, count=len(values))
