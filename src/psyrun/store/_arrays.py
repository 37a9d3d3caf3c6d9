"""Columns as arrays: what the stores for NumPy and HDF5 hold, and how rows become alike.

A column is an array with one row for each row of the table. It holds numbers (also booleans and
complex ones), text, bytes, datetimes or timedeltas. The rows may be arrays, if all have the same
number of dimensions; they are padded to the largest extent.

NumPy and HDF5 cannot tell NULs at the end of a text or bytes from padding. A value that ends so is
stored with `GUARD` behind it, a code point reserved for such internal uses.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import StoreTypeError
from psyrun.store.base import Columns, row_count
from psyrun.values import EXACT, MISSING

Array = npt.NDArray[Any]
Extent = tuple[int, ...]

GUARD = "\uffff"
_GUARD_BYTES = GUARD.encode()

FAMILIES = {
    **dict.fromkeys("biufc", "numbers"),
    **{"U": "text", "S": "bytes", "M": "datetimes", "m": "timedeltas"},
}
"""What can share a column, by the kind of the dtype."""

_FLOAT = np.dtype(np.float64)
_FAR_APART = "times so far apart in units so fine"
_EMPTY_DTYPES = {"text": "U1", "bytes": "S1", "datetimes": "M8[us]", "timedeltas": "m8[us]"}
_HARMLESS = frozenset(
    {type(None), bool, float, complex, str, bytes}
    | {np.bool_, np.int32, np.int64, np.float32, np.float64, np.complex128, np.str_}
)
_NUMBERS = frozenset({bool, int, float, np.bool_, np.int64, np.float32, np.float64})


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


# --- Layouts: what rows need ---------------------------------------------------------------------


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
        dtype = self.dtype or _FLOAT
        if self.gaps and dtype.kind in "biu":
            dtype = np.result_type(dtype, _FLOAT)
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
    result = np.full((len(array), *extent), _fill(dtype), dtype)
    if FAMILIES[array.dtype.kind] == FAMILIES[dtype.kind] and array.ndim == result.ndim:
        result[tuple(map(slice, array.shape))] = _exactly(array, dtype)
    elif dtype.kind in "fc":  # missing rows in a column of arrays; keep which NaN it is
        result[:] = array.reshape((-1,) + (1,) * len(extent))
    return result


def _fill(dtype: np.dtype[Any]) -> Any:
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


# --- From values to arrays -----------------------------------------------------------------------


def to_columns(data: Columns, store: str) -> tuple[dict[str, Array], int]:
    """Convert a table.

    Parameters
    ----------
    data : dict of str to sequence
        The table.
    store : str
        Name of the store, for messages.

    Returns
    -------
    dict of str to ndarray
        The columns.
    int
        The number of rows.

    Raises
    ------
    ValueError
        If the columns have different lengths.
    StoreTypeError
        If a column cannot be converted.
    """
    n = row_count(data)
    return {name: to_column(name, values, store) for name, values in data.items()}, n


def check_values(data: Mapping[str, object], store: str) -> None:
    """Refuse a row with a value that `to_column` refuses."""
    for name, value in data.items():
        kind = type(value)
        if kind not in _HARMLESS and not (kind is int and -(2**63) <= value < 2**64):  # type: ignore[operator]
            to_column(name, [value], store)


def to_column(name: str, values: Sequence[Any], store: str) -> Array:
    """Convert a column; see `to_columns`."""
    if not isinstance(name, str) or "\0" in name:
        raise StoreTypeError(
            f"{store} cannot hold a column named {name!r}; use text without NUL characters."
        )
    try:
        return _column(values)
    except Unstorable as problem:
        raise problem.named(name, store) from None


def join_columns(parts: Sequence[tuple[dict[str, Array], int]], store: str) -> dict[str, Array]:
    """Put tables, each with its number of rows, below each other; see `join`."""
    names = dict.fromkeys(name for columns, _ in parts for name in columns)
    joined = {}
    for name in names:
        try:
            joined[name] = join([lacking(n) if name not in c else c[name] for c, n in parts])
        except Unstorable as problem:
            raise problem.named(name, store) from None
    return joined


def lacking(n: int) -> Array:
    """Return the column of *n* rows which lack it."""
    return np.full(n, MISSING)


def _column(values: Sequence[Any] | Array) -> Array:
    if type(values) is np.ndarray and values.dtype.kind in "biufcMm":
        return _plain(values)
    rows = list(values)
    types = set(map(type, rows))
    if not any(map(_is_array_type, types)):
        return _scalars(rows, types)
    parts = []
    for row, value in enumerate(rows):
        try:
            part = _array(value) if _is_array_type(type(value)) else _scalars([value])[0]
        except Unstorable as problem:
            raise Unstorable(problem.what, row) from None
        parts.append(np.asarray(part)[np.newaxis])
    return join(parts)


def _is_array_type(kind: type) -> bool:
    return issubclass(kind, list | tuple | range) or (
        hasattr(kind, "__array__") and not issubclass(kind, np.generic)
    )


def _plain(array: Array) -> Array:
    """Return an array with native byte order and unit, in C order."""
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind in "mM" and np.datetime_data(dtype)[0] == "generic":
        dtype = np.dtype(f"{dtype.kind}8[us]")
    return array.astype(dtype, order="C", copy=False)


def _array(value: Any) -> Array:
    """Convert a single value that is an array or a nested list."""
    if isinstance(value, np.ma.MaskedArray):
        raise Unstorable("a masked array")
    try:
        array = np.asarray(value)
        exact = isinstance(value, np.ndarray | range) or array.dtype.kind in "biu"
        if exact and array.dtype.kind in "biufcMm":
            return _plain(array)
        if array.dtype.names is not None:
            raise Unstorable("a structured array")
        objects = np.array(value, dtype=object)
    except ValueError:
        raise Unstorable("a ragged list") from None
    try:
        return _scalars(objects.ravel().tolist()).reshape(objects.shape)
    except Unstorable as problem:
        raise Unstorable(problem.what) from None


def _scalars(values: list[Any], types: set[type] | None = None) -> Array:
    """Convert scalars to an array of one dimension."""
    types = set(map(type, values)) if types is None else types
    if types <= {float}:
        return np.array(values, _FLOAT)
    if types <= _NUMBERS:
        array = np.array(values)
        if array.dtype.kind in "biu" or bool(np.all(np.abs(array) < EXACT)):
            return array
    if types in ({str}, {bytes}):
        return np.array([_guarded(value) for value in values])
    return _mixed(values)


def _mixed(values: list[Any]) -> Array:
    cells: list[Any] = []
    family = None
    for row, value in enumerate(values):
        try:
            found, cell = _cell(value)
        except Unstorable as problem:
            raise Unstorable(problem.what, row) from None
        if found is not None and found != family:
            if family is not None:
                kind = type(value).__name__
                raise Unstorable(f"{found} ({kind}) beside {family} in the rows before", row)
            family = found
        cells.append(cell)
    if family in (None, "numbers"):
        return _numbers([np.nan if cell is None else cell for cell in cells])
    dtypes = {np.asarray(cell).dtype for cell in cells if cell is not None and cell == cell}
    missing = _fill(next(iter(dtypes), np.dtype(_EMPTY_DTYPES[family])))
    whole = [missing if cell is None or cell != cell else cell for cell in cells]
    if family in ("text", "bytes") or len(dtypes) < 2:
        return _plain(np.array(whole))
    return join([_plain(np.array([cell])) for cell in whole])


def _numbers(cells: list[Any]) -> Array:
    array = np.array(cells)
    if all(isinstance(cell, int | np.integer) and cell >= 0 for cell in cells):
        return np.array(cells, np.uint64)
    if array.dtype.kind in "fc":
        for row, cell in enumerate(cells):
            if isinstance(cell, int | np.integer) and int(array[row].real) != cell:
                what = "an integer beyond 2**53 in a column which needs floats"
                raise Unstorable(what, row)
    return array


def _cell(value: Any) -> tuple[str | None, Any]:
    """Return the family of a value, None for a missing one, and what NumPy makes an array of."""
    if hasattr(value, "to_numpy"):  # the times of pandas are finer than those of Python
        value = value.to_numpy()
    if value is None or (isinstance(value, float | np.floating) and value != value):
        return None, value
    if isinstance(value, np.datetime64):
        return "datetimes", value
    if isinstance(value, np.timedelta64):
        return "timedeltas", value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise Unstorable("an integer beyond 64 bits")
        return "numbers", value
    if isinstance(value, float | complex | np.number | np.bool_):
        return "numbers", value
    if isinstance(value, str | bytes):
        return ("text" if isinstance(value, str) else "bytes"), _guarded(value)
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        raise Unstorable("a datetime with a time zone")
    if isinstance(value, datetime.date):
        return "datetimes", np.datetime64(value)
    if isinstance(value, datetime.timedelta):
        return "timedeltas", np.timedelta64(value)
    if _is_array_type(type(value)):
        raise Unstorable("a ragged list")
    raise Unstorable(f"a value of type {type(value).__qualname__}")


# --- Text and bytes which end in NUL --------------------------------------------------------------


def _guarded(value: Any) -> Any:
    nul, guard = ("\0", GUARD) if isinstance(value, str) else (b"\0", _GUARD_BYTES)
    return value + guard if value.endswith((nul, guard)) else value


def unguard(array: Array) -> Array:
    """Remove the guards of a stored array; it becomes an array of objects if it has any."""
    if array.dtype.kind not in "US":
        return array
    guard: Any = GUARD if array.dtype.kind == "U" else _GUARD_BYTES
    if not np.any(np.char.endswith(array, guard)):
        return array
    values = np.array(array, dtype=object)
    for index, value in np.ndenumerate(values):
        values[index] = value.removesuffix(guard)
    return values
