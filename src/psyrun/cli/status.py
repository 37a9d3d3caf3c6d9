"""psy status."""

import argparse
import json
from typing import Any, NamedTuple

from psyrun import run
from psyrun.cli.endings import describe_ends
from psyrun.cli.exits import FINE
from psyrun.cli.tasks import Tasks
from psyrun.cli.wording import hint, show_duration
from psyrun.failure import show_assignment
from psyrun.tasks import TaskDef

_SHOWN = 20
"""How many assignments ``psy status -v`` shows of each kind."""
_WIDTH = 200
"""How many characters of a message it shows."""

_HEADINGS = (
    "task",
    "completed",
    "failed",
    "pending",
    "running",
    "queued",
    "rate",
    "left",
    "up to date",
)


class _Status(NamedTuple):
    found: run.Survey
    jobs: run.Jobs
    ends: run.Ends

    @property
    def remaining(self) -> float | None:
        """Seconds until the present run is over, None if none is at work."""
        pending = len(self.found.pending)
        return pending / self.jobs.rate if self.jobs.rate and self.jobs.running else None


def show_status(args: argparse.Namespace) -> int:
    """Show how far tasks are."""
    tasks = Tasks(args)
    shown: list[_Status] = []

    def look_at(task: TaskDef) -> int:
        found = run.survey(task)
        jobs = run.jobs_of(task, refresh=args.refresh)
        shown.append(_Status(found, jobs, run.ends_of(task, jobs)))
        return FINE

    code = tasks.each(look_at)
    if args.json:
        print(json.dumps({"tasks": [_as_json(status) for status in shown]}, indent=2))
    elif shown:
        _print_table([_HEADINGS, *(_line(status) for status in shown)])
        for status in shown:
            _print_notes(status)
            if args.verbose:
                _print_details(status)
    return code


def _as_json(status: _Status) -> dict[str, Any]:
    found, jobs, ends = status
    completed, failed = len(found.ledger.completed), len(found.ledger.failed)
    return {
        "name": found.task.name,
        "total": found.total,
        "completed": completed,
        "failed": failed,
        "pending": found.total - completed - failed,
        "running_jobs": len(jobs.running),
        "queued_jobs": len(jobs.queued),
        "lost_jobs": len(jobs.lost),
        "ended_jobs": ends.counts(),
        "round": jobs.brief.round if jobs.brief is not None else 0,
        "rounds": jobs.brief.rounds if jobs.brief is not None else 0,
        "rows_per_second": jobs.rate if jobs.running else None,
        "remaining_seconds": status.remaining,
        "up_to_date": found.up_to_date,
        "resultfile": str(found.resultfile),
    }


def _line(status: _Status) -> tuple[str, ...]:
    found, jobs, _ = status
    completed, failed = len(found.ledger.completed), len(found.ledger.failed)
    return (
        found.task.name,
        f"{completed}/{found.total}",
        _or_dash(failed),
        _or_dash(found.total - completed - failed),
        _or_dash(len(jobs.running)),
        _or_dash(len(jobs.queued)),
        f"{jobs.rate:.3g}/s" if jobs.running and jobs.rate else "-",
        "-" if status.remaining is None else show_duration(status.remaining),
        "yes" if found.up_to_date else "no",
    )


def _or_dash(n: int) -> str:
    return str(n) if n else "-"


def _print_table(lines: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        cells = [other.rjust(width) for other, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))


def _print_notes(status: _Status) -> None:
    found, jobs, ends = status
    name = found.task.name
    if found.changes and found.history.digest is not None:
        print(f"{name}: {' and '.join(found.changes)} changed since these rows were computed")
    if jobs and jobs.brief is not None and jobs.brief.round:
        print(f"{name}: round {jobs.brief.round} of {jobs.brief.rounds}")
    if jobs.trouble:
        print(f"{name}: {jobs.trouble}")
    if counts := ends.counts():
        print(f"{name}: {describe_ends(counts)}; see '{hint('failures', name)}'")
    if ends.note:
        print(f"{name}: {ends.note}")
    for damage in found.ledger.damages:
        if not (damage.torn and jobs.running):
            what = "ends in a torn row" if damage.torn else "is damaged"
            print(f"{name}: {damage.path} {what}; what was lost there is pending")


def _print_details(status: _Status) -> None:
    found = status.found
    completed = len(found.ledger.completed)
    print(f"\n{found.task.name}: {completed} out of {found.total} rows completed.")
    for title, rows in (("Pending", found.pending), ("Failed", found.ledger.failed)):
        if not rows:
            continue
        print(f"  {title}:")
        failures = found.ledger.failures()
        for row in rows.slice(0, min(len(rows), _SHOWN)).tolist():
            print(f"    {row}: {show_assignment(found.space[row])}")
            if title == "Failed":
                _, failure = next(failures)
                print(f"      {failure.type}: {_first_line(failure.message)}")
        if len(rows) > _SHOWN:
            print(f"    ... and {len(rows) - _SHOWN} more")


def _first_line(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= _WIDTH else line[:_WIDTH] + "..."
