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
        text = submission.text
        lines = text if "\n" in text else _broken(text)
        print(indent(lines.rstrip("\n"), "    "))
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


def _broken(command: str) -> str:
    """Break a command into lines as a shell understands them."""
    try:
        words = [shlex.quote(word) for word in shlex.split(command)]
    except ValueError:
        return command
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 3 > _WIDTH:
            lines.append("  ")
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    return " \\\n".join(lines)
