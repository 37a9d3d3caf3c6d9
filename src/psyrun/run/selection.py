"""Which rows the user means."""

import builtins
import math
from types import CodeType
from typing import Any

from psyrun.exceptions import UsageError
from psyrun.failure import show_assignment
from psyrun.pspace import ParameterSpace
from psyrun.rows import RowSet

_CHUNK = 1 << 14
_FUNCTIONS = {
    **{name: getattr(builtins, name) for name in ("abs", "len", "max", "min", "round", "sum")},
    **{name: getattr(math, name) for name in ("isnan", "isclose", "log", "log10", "pi", "sqrt")},
}


def parse_rows(text: str, total: int) -> RowSet:
    """Read a list of rows.

    Parameters
    ----------
    text : str
        Such as ``'3,17,100-200'``; both ends of a range belong to it.
    total : int
        Number of rows that there are.

    Raises
    ------
    UsageError
        If it cannot be read or names a row that does not exist.

    Examples
    --------
    >>> parse_rows("3,17,100-102", 1000)
    RowSet(3, 17, 100-102)
    """
    rows = RowSet()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(
                f"{part.strip()!r} is no row and no range of rows; write rows as in 3,17,100-200."
            )
        start, stop = int(first), int(last or first)
        if start > stop or stop >= total:
            raise UsageError(
                f"There are no rows {part.strip()!r}: the rows of this task are 0 to {total - 1}."
            )
        rows |= RowSet.span(start, stop + 1)
    return rows


def rows_where(space: ParameterSpace, expression: str) -> RowSet:
    """Find the rows for which an expression over the parameters holds.

    Parameters
    ----------
    space : ParameterSpace
        The space.
    expression : str
        A Python expression, such as ``'n > 4000 and solver == "lu"'``.

    Raises
    ------
    UsageError
        If it cannot be evaluated.

    Examples
    --------
    >>> from psyrun import Param
    >>> rows_where(Param(n=[1, 2, 3]), "n > 1")
    RowSet(1-2)
    """
    try:
        code = compile(expression, "<expression>", "eval")
    except SyntaxError as err:
        raise UsageError(f"{expression!r} is no expression over parameters: {err.msg}.") from None
    _check_names(code, expression, space)
    found = RowSet()
    for start in range(0, len(space), _CHUNK):
        part = space[start : start + _CHUNK]
        holds = [i for i, row in enumerate(part.iterate(), start) if _holds(code, expression, row)]
        found |= RowSet(holds)
    return found


def _check_names(code: CodeType, expression: str, space: ParameterSpace) -> None:
    parameters = space.keys()
    for name in code.co_names:
        if name not in parameters and name not in _FUNCTIONS and f".{name}" not in expression:
            raise UsageError(
                f"{expression!r} names {name!r}, which is no parameter; the parameters are "
                f"{', '.join(parameters)}."
            )


def _holds(code: CodeType, expression: str, assignment: dict[str, Any]) -> bool:
    try:
        # The user's own words on the user's own machine.
        return bool(eval(code, {"__builtins__": {}}, _FUNCTIONS | assignment))  # noqa: S307
    except Exception as err:
        raise UsageError(
            f"{expression!r} cannot be evaluated for {show_assignment(assignment)}: "
            f"{type(err).__name__}: {err}."
        ) from None
