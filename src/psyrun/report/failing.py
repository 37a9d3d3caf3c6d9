"""Failed rows, grouped by cause, as a page shows them."""

from typing import Any

from psyrun.diagnosis import FailureGroup, diagnose
from psyrun.failure import shorten
from psyrun.pspace import ParameterSpace
from psyrun.results import Result
from psyrun.rows import RowSet

_MOST_GROUPS = 30
_MOST_ASSIGNMENTS = 25
_MOST_RANGES = 12
_MOST_CHARACTERS = 20_000  # of a traceback


def describe_failures(result: Result) -> dict[str, Any]:
    """Group the failed rows of a result.

    Returns
    -------
    dict
        Ready for JSON: *groups*, the largest first, and *more*, how many were left out.
    """
    if result.space is None or not len(result.failed):
        return {"groups": [], "more": 0}
    groups = diagnose(result.space, result.failures.items(), result.completed)
    shown = [_describe(group, result.space) for group in groups[:_MOST_GROUPS]]
    return {"groups": shown, "more": len(groups) - len(shown)}


def _describe(group: FailureGroup, space: ParameterSpace) -> dict[str, Any]:
    row, failure = group.example
    rows = group.rows.slice(0, _MOST_ASSIGNMENTS).tolist()
    return {
        "cause": group.cause,
        "region": group.region,
        "count": len(group.rows),
        "rows": _ranges(group.rows),
        "message": f"{failure.type}: {failure.message}"[:_MOST_CHARACTERS],
        "row": row,
        "traceback": failure.traceback[-_MOST_CHARACTERS:],
        "names": space.keys(),
        "assignments": [[i, *(shorten(value) for value in space[i].values())] for i in rows],
    }


def _ranges(rows: RowSet) -> str:
    """Write rows as ranges.

    Examples
    --------
    >>> _ranges(RowSet([1, 2, 3, 7]))
    '1-3, 7'
    """
    texts: list[str] = []
    for first, stop in rows.intervals():
        if len(texts) == _MOST_RANGES:
            texts.append("…")
            break
        texts.append(str(first) if stop == first + 1 else f"{first}-{stop - 1}")
    return ", ".join(texts)
