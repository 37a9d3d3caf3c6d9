"""How the rows of a column become alike.

A column is an array with one row for each row of the table. It holds numbers (also booleans and
complex ones), text, bytes, datetimes or timedeltas. The rows may be arrays, if all have the same
number of dimensions; they are padded to the largest extent.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import StoreTypeError
from psyrun.values import EXACT

Array = npt.NDArray[Any]
Extent = tuple[int, ...]

FAMILIES = {
    **dict.fromkeys("biufc", "numbers"),
    **{"U": "text", "S": "bytes", "M": "datetimes", "m": "timedeltas"},
}
"""What can share a column, by the kind of the dtype."""

FLOAT = np.dtype(np.float64)
_FAR_APART = "times so far apart in units so fine"


class Unstorable(Exception):  # noqa: N818  # becomes a StoreTypeError where name and row are known
    """A description of what cannot be held, and the row if it is one of several."""

    def __init__(self, what: str, row: int | None = None) -> None:
        self.what = what
        self.row = row

    def named(self, name: str, store: str) -> StoreTypeError:
        """Return the error to raise, for a column of a store."""
        where = f"Column {name!r}" + ("" if self.row is None else f", row {self.row}")
        return StoreTypeError(
            f"{where}: {store} cannot hold {self.what}; use PickleStore, or leave the column out "
            f"with exclude_from_result."
        )


class Layout(NamedTuple):
    """What some rows need of their column.

    Attributes
    ----------
    dtype : dtype or None
        Their common type; None if all values are missing.
    extent : tuple of int or None
        Shape that all rows fit in; None if all are missing.
    gaps : bool
        Whether some row is missing or smaller than `extent`.
    """

    dtype: np.dtype[Any] | None
    extent: Extent | None
    gaps: bool = False

    @classmethod
    def of(cls, array: Array) -> "Layout | None":
        """Return what an array needs; None if it has no rows."""
        if len(array) == 0:
            return None
        maybe_missing = array.dtype.kind == "f" and array.ndim == 1 and array[0] != array[0]
        if maybe_missing and bool(np.isnan(array).all()):
            return cls(None, None)
        return cls(array.dtype if array.size else None, array.shape[1:])

    @property
    def target(self) -> tuple[np.dtype[Any], Extent]:
        """Type and extent of the column; integers have no missing value, so they become floats."""
        dtype = self.dtype or FLOAT
        if self.gaps and dtype.kind in "biu":
            dtype = np.result_type(dtype, FLOAT)
        return dtype, self.extent or ()


def unite(a: Layout | None, b: Layout | None) -> Layout | None:
    """Return what the rows of both need.

    Raises
    ------
    Unstorable
        If they cannot share a column.
    """
    if a is None or b is None or a == b:
        return a or b
    gaps = a.gaps or b.gaps or a.extent != b.extent
    return Layout(_common_dtype(a.dtype, b.dtype), _common_extent(a.extent, b.extent), gaps)


def _common_dtype(a: np.dtype[Any] | None, b: np.dtype[Any] | None) -> np.dtype[Any] | None:
    if a is None or b is None or a == b:
        return a if b is None else b
    if FAMILIES[a.kind] != FAMILIES[b.kind]:
        raise Unstorable(f"{FAMILIES[b.kind]} beside {FAMILIES[a.kind]}")
    try:
        return np.result_type(a, b)
    except OverflowError:
        raise Unstorable(_FAR_APART) from None


def _common_extent(a: Extent | None, b: Extent | None) -> Extent | None:
    if a is None or b is None:
        return a if b is None else b
    if len(a) != len(b):
        raise Unstorable(f"arrays of {len(b)} beside arrays of {len(a)} dimensions")
    return tuple(map(max, a, b))


def fit(array: Array, dtype: np.dtype[Any], extent: Extent) -> Array:
    """Convert and pad an array.

    Raises
    ------
    Unstorable
        If a value would change.
    """
    if array.dtype == dtype and array.shape[1:] == extent:
        return array
    result = np.full((len(array), *extent), fill(dtype), dtype)
    if FAMILIES[array.dtype.kind] == FAMILIES[dtype.kind] and array.ndim == result.ndim:
        result[tuple(map(slice, array.shape))] = _exactly(array, dtype)
    elif dtype.kind in "fc":  # missing rows in a column of arrays; keep which NaN it is
        result[:] = array.reshape((-1,) + (1,) * len(extent))
    return result


def fill(dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "mM":
        return np.array("NaT", dtype)
    return {"U": "", "S": b"", "f": np.nan, "c": np.nan}.get(dtype.kind, 0)


def _exactly(array: Array, dtype: np.dtype[Any]) -> Array:
    """Convert an array, but refuse to change a value."""
    result = array.astype(dtype)
    if array.dtype.kind in "iu" and dtype.kind in "fc":
        large = np.flatnonzero((array > EXACT) | (array < -EXACT))
        changed = [i for i in large if int(result.flat[i].real) != int(array.flat[i])]
        what = "integers beyond 2**53 in a column which needs floats"
    elif array.dtype.kind in "mM" and array.dtype != dtype:
        back = result.astype(array.dtype)
        changed = list(np.flatnonzero((back != array) & ~(np.isnat(back) & np.isnat(array))))
        what = _FAR_APART
    else:
        return result
    if changed:
        raise Unstorable(what, int(np.unravel_index(changed[0], array.shape)[0]))
    return result


def fitted(array: Array, dtype: np.dtype[Any], extent: Extent) -> Array | None:
    """Convert new rows to the type and extent of their column; None if the column must change."""
    try:
        layout = unite(Layout(dtype, extent), Layout.of(array))
        return fit(array, dtype, extent) if layout and layout.target == (dtype, extent) else None
    except Unstorable:
        return None


def join(parts: Sequence[Array]) -> Array:
    """Put parts of a column below each other.

    Raises
    ------
    Unstorable
        If they cannot share a column.
    """
    layout, row = None, 0
    for part in parts:
        try:
            layout = unite(layout, Layout.of(part))
        except Unstorable as problem:
            raise Unstorable(problem.what, row) from None
        row += len(part)
    if layout is None:
        return parts[0] if parts else np.empty(0)
    dtype, extent = layout.target
    result, row = np.empty((row, *extent), dtype), 0
    for part in parts:
        try:
            result[row : row + len(part)] = fit(part, dtype, extent)
        except Unstorable as problem:
            raise Unstorable(problem.what, row + (problem.row or 0)) from None
        row += len(part)
    return result
