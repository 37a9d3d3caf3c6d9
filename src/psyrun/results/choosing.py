"""Choosing rows of a result by a condition over its columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UsageError
from psyrun.expressions import Expression
from psyrun.pspace.indexing import accepted_names, assignments
from psyrun.rows import RowSet

if TYPE_CHECKING:
    from psyrun.results.result import Result

_CHUNK = 1 << 14

Condition = Callable[[Mapping[str, Any]], bool]


def chosen(
    result: "Result", condition: str | Callable[..., Any]
) -> tuple[npt.NDArray[np.bool_], RowSet]:
    """Find the rows of a result that satisfy a condition.

    Parameters
    ----------
    result : Result
        The result.
    condition : str or callable
        An expression or a function over the columns.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        Whether each completed row does.
    RowSet
        The other rows that do, as far as their parameters tell.
    """
    names, holds = _as_condition(result, condition)
    columns = [result.columns[name] for name in names]
    rows = assignments(names, [_values(column) for column in columns], len(result))
    completed = np.fromiter(map(holds, rows), dtype=bool, count=len(result))
    if result.space is None or not set(names) <= set(result.space.keys()):
        return completed, RowSet()
    others = (result.scope - result.completed).to_array()
    found = RowSet()
    for start in range(0, len(others), _CHUNK):
        part = others[start : start + _CHUNK]
        kept = np.fromiter(map(holds, result.space[part].iterate()), dtype=bool, count=len(part))
        found |= RowSet(part[kept])
    return completed, found


def _values(column: npt.NDArray[Any]) -> Sequence[Any]:
    """Return the values of a column as those of Python, where they are single ones."""
    return column.tolist() if column.ndim == 1 and column.dtype.kind not in "mM" else list(column)


def _as_condition(
    result: "Result", condition: str | Callable[..., Any]
) -> tuple[list[str], Condition]:
    names = list(result.columns)
    if isinstance(condition, str):
        expression = Expression(condition, names, "column")
        return expression.names, expression.holds
    try:
        accepted = accepted_names(condition, names)
    except TypeError as err:
        raise UsageError(str(err).replace("no parameter of the space", "no column")) from None
    return accepted, lambda row: bool(condition(**{name: row[name] for name in accepted}))
