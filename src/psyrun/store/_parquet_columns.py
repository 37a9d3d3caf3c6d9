"""Columns as Arrow has them."""

import math
from typing import Any

import numpy as np

from psyrun.extras import require
from psyrun.store._arrays import as_column, unguard
from psyrun.store._gaps import Column, Gapped, as_objects
from psyrun.store._layout import Array, Unstorable
from psyrun.store._rewriting import check_text, with_elements

_UNITS = {"Y": "D", "M": "D", "W": "D", "h": "s", "m": "s"}
_ARROW_UNITS = ("D", "s", "ms", "us", "ns")


def check_types(column: Column) -> None:
    """Refuse what has no type in Parquet.

    Raises
    ------
    Unstorable
        If there is such a value.
    """
    values = column.values if isinstance(column, Gapped) else column
    kind = values.dtype.kind
    if kind == "c":
        raise Unstorable("complex numbers")
    if values.dtype.itemsize > 8 and kind == "f":
        raise Unstorable(f"numbers of type {values.dtype.name}")
    if kind in "Mm":
        unit = np.datetime_data(_plain_unit(values).dtype)[0]
        if unit not in _ARROW_UNITS:
            raise Unstorable(f"times in units of {unit}")
    if kind == "U" or (kind == "O" and len(values) and isinstance(values[0], str)):
        check_text(values)


def _plain_unit(times: Array) -> Array:
    """Return times in a unit that Arrow has."""
    kind = times.dtype.kind
    unit, count = np.datetime_data(times.dtype)
    if kind == "m" and unit in ("Y", "M"):
        raise Unstorable("timedeltas in years or months")
    plain = _UNITS.get(unit, unit)
    if kind == "m" and plain == "D":
        plain = "s"  # only dates are counted in days
    return times if (plain, 1) == (unit, count) else times.astype(f"{kind}8[{plain}]")


def to_arrow(column: Column) -> Any:
    """Convert a column to an Arrow array."""
    pa = require("pyarrow", "parquet", "ParquetStore")
    if isinstance(column, Gapped):
        array = _flat(column.values)
        if column.present.all():
            return array
        index = np.zeros(len(column.present), dtype=np.int64)
        index[column.present] = np.arange(len(column.values))
        return array.take(pa.array(index, mask=~column.present))
    column = with_elements(column)
    array = _flat(column.reshape(-1))
    for extent in reversed(column.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, extent)
    return array


def _flat(values: Array) -> Any:
    pa = require("pyarrow", "parquet", "ParquetStore")
    kind = values.dtype.kind
    if kind in "US":
        values, kind = unguard(values).astype(object), "O"
    if kind == "O":
        return pa.array(values, type=pa.binary() if _holds_bytes(values) else pa.string())
    if kind in "Mm":
        values = _plain_unit(values)
    if values.dtype == np.float16:
        values = values.astype(np.float32)  # which older readers know
    return pa.array(values)


def _holds_bytes(values: Array) -> bool:
    return len(values) > 0 and isinstance(values[0], bytes)


def from_arrow(column: Any) -> Column:
    """Convert an Arrow array; what it holds that is no number, text or time comes as objects."""
    pa = require("pyarrow", "parquet", "ParquetStore")
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # combining none gives none
        array = pa.array([], type=column.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    present = ~array.is_null().to_numpy(zero_copy_only=False)
    some = array.drop_null()
    if pa.types.is_fixed_size_list(array.type) and present.all():
        shape = [len(array)]
        while pa.types.is_fixed_size_list(array.type):
            shape.append(array.type.list_size)
            array = array.flatten()
        values = _values(array)
        if values.dtype == object:
            values = as_column(values)
        if len(values) == math.prod(shape):
            return values.reshape(shape)
    return Gapped(_values(some), present)


def _values(array: Any) -> Array:
    types = require("pyarrow", "parquet", "ParquetStore").types
    kind = array.type
    plain = (
        types.is_integer(kind)
        or types.is_floating(kind)
        or (types.is_boolean(kind) and not array.null_count)
        or types.is_date(kind)
        or types.is_duration(kind)
        or (types.is_timestamp(kind) and kind.tz is None)
    )
    if plain:
        values: Array = array.to_numpy(zero_copy_only=False)
        return values.copy() if not values.flags.writeable else values
    return as_objects(array.to_pylist())
