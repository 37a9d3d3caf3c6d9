"""What a page shows of a task, as plain data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.report.columns import Column, make_columns
from psyrun.report.failing import describe_failures
from psyrun.report.origin import describe_origin, describe_parameter
from psyrun.report.times import describe_times
from psyrun.results import Result
from psyrun.rows import Rows, RowSet

MOST_ROWS = 100_000
"""So many rows fit into a page."""
_MOST_CELLS = 3_000_000
_MOST_COLUMNS = 100
_USERS = ("parameter", "output")


def describe_task(result: Result, most_rows: int = MOST_ROWS) -> dict[str, Any]:
    """Describe a task and its result, ready for JSON.

    Parameters
    ----------
    result : Result
        What has been computed.
    most_rows : int, optional
        Of more rows a random sample is taken.
    """
    ended = result.completed | result.failed
    names = [*result.params, *result.outputs]
    shown = names[:_MOST_COLUMNS]
    rows = _sample(ended, min(most_rows, _MOST_CELLS // max(len(shown), 1)))
    columns = _columns(result, rows, shown)
    parameters = [column for column in columns if column.role == "parameter"]
    return {
        "name": result.name,
        "space": "" if result.space is None else str(result.space),
        "counts": {
            "total": result.total,
            "completed": len(result.completed),
            "failed": len(result.failed),
            "pending": len(result.pending),
        },
        "parameters": [
            {"name": each.name, "unit": each.unit, "values": describe_parameter(each)}
            for each in parameters
        ],
        "origin": describe_origin(result.provenance),
        "failures": describe_failures(result),
        "times": describe_times(result.timings),
        "table": {
            "rows": len(rows),
            "of": len(ended),
            "left_out": names[_MOST_COLUMNS:],
            "columns": [column.encode() for column in columns],
        },
    }


def _sample(ended: RowSet, most: int) -> Rows:
    """Choose rows at random, the same ones each time, if there are too many."""
    if len(ended) <= most:
        return ended.to_array()
    chosen = np.random.default_rng(0).choice(len(ended), most, replace=False, shuffle=False)
    return ended.to_array()[np.sort(chosen)]


def _columns(result: Result, rows: Rows, names: Sequence[str]) -> list[Column]:
    done = result.completed.has(rows)
    at = np.searchsorted(result.rows, rows[done])
    columns = make_columns("row", "row", rows)
    if not done.all():
        columns += make_columns("state", "state", np.where(done, "completed", "failed"))
    parameters = _parameters(result, rows, at, all_done=bool(done.all()))
    for name in names:
        unit = result.units.get(name, "")
        if name in parameters:
            columns += make_columns(name, "parameter", parameters[name], unit)
        else:
            outputs = make_columns(name, "output", _take(result[name], at), unit)
            columns += [column.among(done) for column in outputs]
    timings = result.timings.at(rows)
    if len(timings):
        timed = np.zeros(len(rows), dtype=bool)
        timed[timings.row] = True
        (column,) = make_columns("run time", "time", timings.duration, "s")
        columns.append(column.among(timed))
    return _named_apart(columns)


def _named_apart(columns: list[Column]) -> list[Column]:
    """Give columns with the same name different ones, those of the user coming first."""
    taken: set[str] = set()
    named = {}
    for k, column in sorted(enumerate(columns), key=lambda item: item[1].role not in _USERS):
        name = column.name
        while name in taken:
            name += f" ({column.role})"
        taken.add(name)
        named[k] = column._replace(name=name)
    return [named[k] for k in range(len(columns))]


def _parameters(result: Result, rows: Rows, at: Rows, *, all_done: bool) -> dict[str, Any]:
    """Return the parameters of some rows; those of failed rows are known to the space only."""
    if all_done or result.space is None:
        return {name: _take(result[name], at) for name in result.params}
    built = result.space[rows].build()
    return {name: built[name] for name in result.params}


def _take(values: Any, at: Rows) -> npt.NDArray[Any] | list[Any]:
    if isinstance(values, np.ndarray):
        return values[at]
    return [values[i] for i in at.tolist()]
