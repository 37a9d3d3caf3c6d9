"""Which rows the user means."""

from psyrun.exceptions import UsageError
from psyrun.expressions import Expression
from psyrun.pspace import ParameterSpace
from psyrun.rows import RowSet

_CHUNK = 1 << 14


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
    condition = Expression(expression, space.keys())
    found = RowSet()
    for start in range(0, len(space), _CHUNK):
        part = space[start : start + _CHUNK]
        found |= RowSet([i for i, row in enumerate(part.iterate(), start) if condition.holds(row)])
    return found
