"""How far a task is, in words."""

from collections.abc import Sequence

from psyrun.cli.wording import count, show_duration
from psyrun.failure import Failure, show_assignment
from psyrun.plan import MERGE
from psyrun.run.following import Look

_AT_ONCE = 3
"""Failures that are told one by one; if there are more, they are grouped."""
_LONG = 2.0
"""Seconds from which on it is told that a row is being evaluated."""


def failure_lines(name: str, failures: Sequence[tuple[int, Failure]]) -> list[str]:
    """Say what has failed, in a line each."""
    if len(failures) <= _AT_ONCE:
        return [f"{name}: row {row} failed: {_reason(failure)}" for row, failure in failures]
    from psyrun.diagnosis.groups import group_failures

    lines = []
    for group in group_failures(failures):
        row, failure = group.example
        n = len(group.rows)
        what = f"row {row} failed" if n == 1 else f"{n} rows failed, first {row}"
        lines.append(f"{name}: {what}: {_reason(failure)}")
    return lines


def _reason(failure: Failure) -> str:
    message = failure.message.partition("\n")[0]
    said = f"{failure.type}: {message}" if message else failure.type
    return f"{said} ({failure.assignment})" if failure.assignment else said


def counts(look: Look) -> str:
    """Say how many rows are done."""
    line = f"{look.done}/{look.goal} rows"
    return f"{line}, {len(look.failed)} failed" if look.failed else line


def pace(look: Look) -> str:
    """Say how fast it goes on, and how long it will, or what it waits for."""
    if look.done >= look.goal and look.jobs:
        return "merging"
    if not look.jobs.running and (queued := _queued(look)):
        return queued
    parts = [f"{look.rate:.3g}/s"] if look.rate else []
    if look.remaining is not None:
        parts.append(f"{show_duration(look.remaining)} left")
    return ", ".join(parts)


def slowest(look: Look) -> str:
    """Say which row is being evaluated for longest, unless that is not long."""
    if look.slowest is None or look.slowest.seconds < _LONG:
        return ""
    row = look.slowest.row
    assignment = show_assignment(look.space[row]) if row < len(look.space) else ""
    return f"slowest: row {row} ({assignment}), {show_duration(look.slowest.seconds)}"


def progress_line(name: str, look: Look) -> str:
    """Say in one line how far a task is."""
    return f"{name}: {', '.join(filter(None, [counts(look), pace(look)]))}"


def notes(look: Look) -> str:
    """Say what stands below a bar."""
    failed = f"{len(look.failed)} failed" if look.failed else ""
    queued = _queued(look) if look.jobs.running else ""
    return ", ".join(filter(None, [failed, queued, slowest(look)]))


def _queued(look: Look) -> str:
    """Say how many jobs are queued that evaluate rows."""
    n = sum(step != MERGE for step in look.jobs.queued)
    return f"{count(n, 'job')} queued" if n else ""
