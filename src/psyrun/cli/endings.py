"""How jobs have ended, and what to do about it."""

from collections.abc import Mapping
from typing import Any

from psyrun import run
from psyrun.cli.wording import count, hint
from psyrun.run.ends import LOST
from psyrun.scheduler.base import (
    CANCELLED,
    FAILED,
    NODE_FAILED,
    OUT_OF_MEMORY,
    PREEMPTED,
    TIMED_OUT,
)
from psyrun.tasks import TaskDef

_AGAIN = "{run} sends the rest again; with resubmit = 5 in the task file this happens by itself"
_ADVICE = {
    OUT_OF_MEMORY: "ask for more memory in scheduler_args; with retry_memory_factor = 2 in the "
    "task file\n    this happens by itself",
    TIMED_OUT: "ask for more time, or use more jobs; " + _AGAIN.replace("; ", ";\n    "),
    PREEMPTED: _AGAIN,
    NODE_FAILED: _AGAIN,
    CANCELLED: "somebody has ended them; {run} sends the rest again",
    FAILED: "the log tells why; {run} sends the rest again",
    LOST: "nobody knows why; perhaps the log tells. {run} sends the rest again",
}


def describe_ends(counts: Mapping[str, int]) -> str:
    """Say how many jobs have ended in which way.

    Examples
    --------
    >>> describe_ends({"out of memory": 3, "timed out": 1})
    '3 jobs out of memory, 1 timed out'
    """
    (state, n), *others = counts.items()
    return ", ".join([f"{count(n, 'job')} {state}", *(f"{n} {state}" for state, n in others)])


def print_ends(task: TaskDef, jobs: run.Jobs, ends: run.Ends) -> None:
    """Say which jobs have not ended in good order, and what to do."""
    for state in ends.counts():
        steps = ends.in_state(state)
        more = f" and {len(steps) - 3} more" if len(steps) > 3 else ""
        print(f"\n  {describe_ends({state: len(steps)})}: {', '.join(steps[:3])}{more}")
        if words := ends.jobs[steps[0]].words:
            print(f"    {words}")
        print(f"    {_ADVICE[state].format(run=hint('run', task.name))}")
        log = jobs.files.find_log(steps[0]) if jobs.files is not None else None
        if log is not None and log.exists():
            print(f"    log: {log}")
    if ends.note:
        print(f"\n  {ends.note}")


def ends_as_json(ends: run.Ends) -> list[dict[str, Any]]:
    """Return the jobs that have not ended in good order, for programs."""
    counts = ends.counts()
    return [
        {"job": step, "state": end.state, "words": end.words}
        for step, end in ends.jobs.items()
        if end.state in counts
    ]
