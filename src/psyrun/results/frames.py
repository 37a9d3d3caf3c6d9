"""Results as data frames and tables of other libraries."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from psyrun.extras import require
from psyrun.results.columns import Array, as_column, free_name, objects, spread
from psyrun.results.parameters import column_of, values_of
from psyrun.results.state import State
from psyrun.rows import RowSet

if TYPE_CHECKING:
    from psyrun.results.result import Result

_COMPLEX = ["real", "imag"]

STATES = [state.name.lower() for state in (State.PENDING, State.COMPLETED, State.FAILED)]
"""What the column *state* says, by the numbers of the states."""


def with_all_rows(result: "Result") -> dict[str, Array]:
    """Return the columns of all rows that a result tells of, whatever their state."""
    others = result.scope - result.completed
    columns = result.to_dict()
    if not others:
        return columns
    n = len(result.scope)
    done, open_ = result.scope.rank(result.rows), result.scope.rank(others.to_array())
    for name, column in columns.items():
        if result.space is None or name not in result.params:
            columns[name] = spread(column, done, n)
        elif name in result.overridden:
            values = np.empty(n, dtype=object)
            values[done] = objects(column)
            values[open_] = objects(values_of(result.space, name, others))
            columns[name] = as_column(values)
        else:
            columns[name] = column_of(result.space, name, result.scope)
    return columns


def _table(result: "Result", states: bool) -> tuple[dict[str, Array], RowSet, Array | None]:
    """Return the columns of a table, its rows, and the states of these if they are wanted."""
    if not states:
        return result.to_dict(), result.completed, None
    return with_all_rows(result), result.scope, result.state[result.scope.to_array()]


def to_pandas(result: "Result", states: bool) -> Any:
    """See `Result.to_pandas`."""
    pd = require("pandas", "pandas", "to_pandas()")
    columns, rows, codes = _table(result, states)
    intervals = list(rows.intervals())
    if len(intervals) == 1:
        index = pd.RangeIndex(*intervals[0], name="row")
    else:
        index = pd.Index(rows.to_array(), name="row")
    data: dict[str, Any] = {
        name: column if column.ndim == 1 else objects(column) for name, column in columns.items()
    }
    if codes is not None:
        data[free_name("state", data)] = pd.Categorical.from_codes(codes, categories=STATES)
    frame = pd.DataFrame(data, index=index)
    if result.units:
        frame.attrs["units"] = dict(result.units)
    return frame


def to_arrow(result: "Result", states: bool) -> Any:
    """See `Result.to_arrow`."""
    pa = require("pyarrow", "arrow", "to_arrow()")
    columns, _, codes = _table(result, states)
    data = {name: _arrow_column(pa, column) for name, column in columns.items()}
    if codes is not None:
        data[free_name("state", data)] = pa.DictionaryArray.from_arrays(codes, STATES)
    fields = [
        pa.field(name, column.type, metadata=_metadata(result, name))
        for name, column in data.items()
    ]
    about = {"psyrun": json.dumps({"name": result.name} | result.provenance)}
    return pa.table(list(data.values()), schema=pa.schema(fields, about))


def _metadata(result: "Result", name: str) -> dict[str, str] | None:
    unit = result.units.get(name)
    return None if unit is None else {"units": unit}


def _arrow_column(pa: Any, column: Array) -> Any:
    if column.dtype == object:
        try:
            return pa.array(list(map(_plain, column)))
        except (pa.ArrowException, OverflowError):
            return pa.array(list(map(_as_text, column)), pa.string())
    if column.dtype.kind == "c":
        if column.ndim == 1:
            parts = [pa.array(part) for part in (column.real, column.imag)]
            return pa.StructArray.from_arrays(parts, _COMPLEX)
        column = _split(column)
    if 0 in column.shape[1:]:
        return pa.array(column.tolist())
    array = pa.array(_in_common_unit(column.ravel()))
    for size in reversed(column.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def to_polars(result: "Result", states: bool) -> Any:
    """See `Result.to_polars`."""
    pl = require("polars", "polars", "to_polars()")
    columns, _, codes = _table(result, states)
    data = {name: _polars_column(pl, column) for name, column in columns.items()}
    if codes is not None:
        data[free_name("state", data)] = pl.Series(STATES, dtype=pl.Enum(STATES))[codes]
    return pl.DataFrame(data)


def _polars_column(pl: Any, column: Array) -> Any:
    if column.dtype == object:
        values = list(map(_plain, column))
        try:
            series = pl.Series(values)
        except (pl.exceptions.PolarsError, TypeError, OverflowError):
            series = None
        # Of dictionaries it would keep what the first ones have.
        if series is None or series.dtype in (pl.Object, pl.Struct):
            series = pl.Series(list(map(_as_text, column)), dtype=pl.String)
        return series
    if column.dtype.kind == "c":
        if column.ndim == 1:
            parts = zip(_COMPLEX, (column.real, column.imag), strict=True)
            return pl.DataFrame(dict(parts)).to_struct()
        column = _split(column)
    return pl.Series(_in_common_unit(column))


def _in_common_unit(column: Array) -> Array:
    """Convert times to microseconds, unless they are in a unit that both libraries know."""
    if column.dtype.kind not in "mM":
        return column
    unit, count = np.datetime_data(column.dtype)
    if count == 1 and (unit in ("ms", "us", "ns") or (column.dtype.kind, unit) == ("M", "D")):
        return column
    return column.astype(f"{column.dtype.kind}8[us]")


def _split(column: Array) -> Array:
    """Turn complex numbers into pairs along a further axis."""
    return np.stack([column.real, column.imag], axis=-1)


def _plain(value: Any) -> Any:
    """Turn an array into lists, which both libraries take."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)
