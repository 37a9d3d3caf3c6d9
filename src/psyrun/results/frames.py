"""Results as data frames and tables of other libraries."""

from collections.abc import Container
from typing import TYPE_CHECKING, Any

import numpy as np

from psyrun.extras import require
from psyrun.results.columns import Array, as_column, objects, spread, values_of
from psyrun.results.state import State

if TYPE_CHECKING:
    from psyrun.results.result import Result

STATES = [state.name.lower() for state in (State.PENDING, State.COMPLETED, State.FAILED)]
"""What the column *state* says, by the numbers of the states."""


def free_name(wanted: str, taken: Container[str]) -> str:
    """Return a name that is not taken yet."""
    while wanted in taken:
        wanted += "_"
    return wanted


def with_all_rows(result: "Result") -> dict[str, Array]:
    """Return the columns of all rows that a result tells of, whatever their state."""
    others = result.scope - result.completed
    columns = result.to_dict()
    if not others:
        return columns
    n = len(result.scope)
    done, open_ = result.scope.rank(result.rows), result.scope.rank(others.to_array())
    for name, column in columns.items():
        if name in result.params and result.space is not None:
            values = np.empty(n, dtype=object)
            values[done] = objects(column)
            values[open_] = objects(values_of(result.space, name, others))
            columns[name] = as_column(values)
        else:
            columns[name] = spread(column, done, n)
    return columns


def to_pandas(result: "Result", states: bool) -> Any:
    """See `Result.to_pandas`."""
    pd = require("pandas", "pandas", "to_pandas()")
    rows = result.scope if states else result.completed
    columns = with_all_rows(result) if states else result.to_dict()
    intervals = list(rows.intervals())
    if len(intervals) == 1:
        index = pd.RangeIndex(*intervals[0], name="row")
    else:
        index = pd.Index(rows.to_array(), name="row")
    data: dict[str, Any] = {
        name: column if column.ndim == 1 else objects(column) for name, column in columns.items()
    }
    if states:
        codes = result.state[rows.to_array()]
        data[free_name("state", data)] = pd.Categorical.from_codes(codes, categories=STATES)
    frame = pd.DataFrame(data, index=index)
    if result.units:
        frame.attrs["units"] = dict(result.units)
    return frame
