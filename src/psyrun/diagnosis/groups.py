"""Grouping failed rows by cause, and finding what the assignments of a group have in common."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from psyrun.diagnosis.regions import region_of
from psyrun.failure import DIED, OUT_OF_MEMORY, TIMED_OUT, Failure
from psyrun.pspace import ParameterSpace
from psyrun.rows import RowSet

__all__ = ["FailureGroup", "diagnose", "group_failures", "region_of"]

_MOST_REGIONS = 20  # nobody reads more, and with a million rows each takes up to a few seconds
_MOST_CHARACTERS = 200
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_PLACE = re.compile(r"(?P<file>.+):(?P<line>\d+) in (?P<function>.+)")


@dataclass(frozen=True)
class FailureGroup:
    """Rows that have failed for the same cause.

    Attributes
    ----------
    cause : str
        The cause in one line, as ``LinAlgError in solve() (model.py:12)``.
    type : str
        Name of the exception's type, `psyrun.failure.DIED`, `psyrun.failure.OUT_OF_MEMORY` or
        `psyrun.failure.TIMED_OUT`.
    where : str
        Place in the code, ``file:line in function``; empty if unknown.
    rows : RowSet
        The rows.
    region : str or None
        What tells their assignments from those of completed rows, see `region_of`.
    example : (int, Failure)
        The first of the rows, and its failure.
    """

    cause: str
    type: str
    where: str
    rows: RowSet
    region: str | None
    example: tuple[int, Failure]


def diagnose(
    space: ParameterSpace, failures: Iterable[tuple[int, Failure]], completed: RowSet
) -> list[FailureGroup]:
    """Group failed rows by cause, and describe what the assignments in each group have in common.

    Parameters
    ----------
    space : ParameterSpace
        The space that the rows belong to.
    failures : iterable of (int, Failure)
        Rows, each with why it has failed.
    completed : RowSet
        The rows that have a result.

    Returns
    -------
    list of FailureGroup
        The groups, largest first; only the largest twenty have a region.

    Examples
    --------
    >>> from psyrun import Param
    >>> from psyrun.diagnosis import diagnose
    >>> from psyrun.failure import Failure
    >>> from psyrun.rows import RowSet
    >>> failure = Failure("LinAlgError", "Singular matrix", "/home/me/model.py:12 in solve")
    >>> space = Param(n=range(0, 8000, 100))
    >>> (group,) = diagnose(space, [(i, failure) for i in range(40, 80)], RowSet.span(0, 40))
    >>> print(f"{len(group.rows)} x {group.cause}, all with {group.region}")
    40 x LinAlgError in solve() (model.py:12), all with n >= 4000
    """
    groups = group_failures(failures)
    described = groups[:_MOST_REGIONS]
    regions = (region_of(space, group.rows, completed) for group in described)
    groups[:_MOST_REGIONS] = [replace(g, region=r) for g, r in zip(described, regions, strict=True)]
    return groups


def group_failures(failures: Iterable[tuple[int, Failure]]) -> list[FailureGroup]:
    """Group failed rows by cause; their `region` is left None.

    Exceptions have the same cause if they are of the same type and were raised in the same place;
    where the place is unknown, if their messages differ in numbers only. Processes that died are
    grouped by signal or exit code.

    Parameters
    ----------
    failures : iterable of (int, Failure)
        Rows, each with why it has failed.

    Returns
    -------
    list of FailureGroup
        The groups, largest first, those of equal size by their first row.
    """
    drafts: dict[tuple[str, ...], _Draft] = {}
    for row, failure in failures:
        draft = drafts.setdefault(_key(failure), _Draft(row, failure))
        draft.rows.append(row)
        if row < draft.row:
            draft.row, draft.failure = row, failure
    groups = [draft.finished() for draft in drafts.values()]
    return sorted(groups, key=lambda group: (-len(group.rows), group.example[0]))


@dataclass
class _Draft:
    """A group in the making; only one of its failures is kept in memory."""

    row: int
    failure: Failure
    rows: list[int] = field(default_factory=list)

    def finished(self) -> FailureGroup:
        failure = self.failure
        return FailureGroup(
            cause=_describe(failure),
            type=failure.type,
            where=failure.where,
            rows=RowSet(self.rows),
            region=None,
            example=(self.row, failure),
        )


def _is_of_process(failure: Failure) -> bool:
    """Tell the end of a process from an exception of a type with the same name."""
    return failure.type in (DIED, OUT_OF_MEMORY, TIMED_OUT) and not failure.traceback


def _key(failure: Failure) -> tuple[str, ...]:
    if _is_of_process(failure):
        return (failure.type, "", failure.message if failure.type == DIED else "")
    if failure.where:
        return (failure.type, failure.where)
    return (failure.type, "", _NUMBER.sub("#", failure.message))


def _describe(failure: Failure) -> str:
    if _is_of_process(failure):
        return _one_line(failure.message) or failure.type
    place = _PLACE.fullmatch(failure.where)
    if place is not None:
        function = place["function"]
        call = function if function.startswith("<") else f"{function}()"
        return f"{failure.type} in {call} ({PurePath(place['file']).name}:{place['line']})"
    detail = failure.where or failure.message
    return _one_line(f"{failure.type}: {detail}" if detail else failure.type)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 3]}..."
