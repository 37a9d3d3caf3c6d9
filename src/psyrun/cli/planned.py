"""psy run --dry-run."""

import shlex
from textwrap import indent

from psyrun import run
from psyrun.cli.exits import FINE
from psyrun.cli.wording import count, show_duration
from psyrun.tasks import TaskDef

_WIDTH = 76
"""Characters of a line, apart from the indentation."""


def show_plan(task: TaskDef, decision: run.Decision) -> int:
    """Print what would be submitted, and what it would take."""
    processes = "1 process" if decision.pool_size == 1 else f"{decision.pool_size} processes"
    print(
        f"  {count(decision.n_jobs, 'process job')} of {processes} each, and a merge, "
        f"with {type(task.scheduler).__name__}\n"
        f"  result: {run.resultfile_of(task)}"
    )
    expected = run.forecast(decision)
    if expected is not None:
        _print_forecast(expected, len(decision.todo))
    for submission in run.preview(decision):
        print(f"  {submission.what}:")
        lines = map(_broken, submission.text.rstrip("\n").split("\n"))
        print(indent("\n".join(lines), "    "))
    return FINE


def _print_forecast(expected: run.Forecast, n_rows: int) -> None:
    print(
        f"  expected: {_hours(expected.core_hours)} for {count(n_rows, 'row')} of "
        f"{_short(expected.row_seconds)}; longest batch about {show_duration(expected.longest)}"
    )
    if expected.limit is None:
        return
    limit = show_duration(expected.limit)
    if expected.too_long:
        print(f"  time limit {limit}: too long; use more max_jobs, or resubmit")
    else:
        print(f"  time limit {limit}: fits")


def _hours(core_hours: float) -> str:
    return f"{core_hours:.3g} core hours" if core_hours >= 0.01 else "less than 0.01 core hours"


def _short(seconds: float) -> str:
    return show_duration(seconds) if seconds >= 10 else f"{seconds:.2g} s"


def _broken(line: str) -> str:
    """Break a long line into several, as a shell understands them."""
    if len(line) <= _WIDTH:
        return line
    reader = shlex.shlex(line)  # which leaves quotes as they are
    reader.whitespace_split, reader.commenters = True, ""
    try:
        first, *words = reader
    except ValueError:  # a quote goes on behind the line
        return line
    lines = [first]
    for word in words:
        if len(lines[-1]) + len(word) + 3 > _WIDTH:
            lines.append(f"    {word}")
        else:
            lines[-1] += f" {word}"
    return " \\\n".join(lines)
