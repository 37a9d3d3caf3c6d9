"""From the values that users give to arrays.

NumPy and HDF5 cannot tell NULs at the end of a text or bytes from padding. A value that ends so is
stored with `GUARD` behind it, a code point reserved for such internal uses.
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from psyrun.exceptions import StoreTypeError
from psyrun.store._layout import FLOAT, Array, Unstorable, fill, join
from psyrun.store.base import Columns, row_count
from psyrun.values import EXACT, MISSING

GUARD = "\uffff"
_GUARD_BYTES = GUARD.encode()

_EMPTY_DTYPES = {"text": "U1", "bytes": "S1", "datetimes": "M8[us]", "timedeltas": "m8[us]"}
_HARMLESS = frozenset(
    {type(None), bool, float, complex, str, bytes}
    | {np.bool_, np.int32, np.int64, np.float32, np.float64, np.complex128, np.str_}
)
_NUMBERS = frozenset({bool, int, float, np.bool_, np.int64, np.float32, np.float64})


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
    check_name(name, store)
    try:
        return as_column(values)
    except Unstorable as problem:
        raise problem.named(name, store) from None


def check_name(name: object, store: str) -> None:
    """Refuse what is no name of a column."""
    if not isinstance(name, str) or "\0" in name:
        raise StoreTypeError(
            f"{store} cannot hold a column named {name!r}; use text without NUL characters."
        )


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


def as_column(values: Sequence[Any] | Array) -> Array:
    """Convert a column.

    Raises
    ------
    Unstorable
        If it cannot be converted.
    """
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
        return np.array(values, FLOAT)
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
    missing = fill(next(iter(dtypes), np.dtype(_EMPTY_DTYPES[family])))
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
