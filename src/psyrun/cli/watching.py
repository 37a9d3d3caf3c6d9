"""psy watch, psy wait."""

import argparse
import math
import time
from contextlib import closing
from typing import Protocol

from psyrun import run
from psyrun.cli.endings import describe_ends
from psyrun.cli.exits import FINE, INCOMPLETE, TIMED_OUT
from psyrun.cli.live import open_screen
from psyrun.cli.tasks import Tasks
from psyrun.cli.wording import complain, hint
from psyrun.run.following import Follower, Look
from psyrun.tasks import TaskDef

_SHORTEST, _LONGEST = 0.2, 5.0
"""Seconds between two looks of psy wait."""
_RARER = 20


def watch(args: argparse.Namespace) -> int:
    """Show how tasks get on until nothing is at work any more."""
    tasks = Tasks(args)
    at_work = _that_were_run(tasks, named=bool(args.task))
    with closing(open_screen(args.interval)) as screen:
        while at_work:
            looks = _look(at_work, tasks, screen)
            if at_work:
                screen.show(looks)
                time.sleep(args.interval)
    return tasks.code


def wait(args: argparse.Namespace) -> int:
    """Wait until nothing is at work any more."""
    tasks = Tasks(args)
    at_work = _that_were_run(tasks, named=bool(args.task))
    begun = time.monotonic()
    deadline = begun + (math.inf if args.timeout is None else args.timeout)
    while at_work:
        looks = _look(at_work, tasks, _Output())
        now = time.monotonic()
        if at_work and now >= deadline:
            for name, look in looks.items():
                complain(f"{name} is still at work: {look.done} of {look.goal} rows are done")
            return max(tasks.code, TIMED_OUT)
        if at_work:
            pause = min(max(_SHORTEST, (now - begun) / _RARER), _LONGEST)
            time.sleep(max(0.0, min(pause, deadline - now)))
    return tasks.code


class _Says(Protocol):
    def say(self, line: str) -> None: ...


class _Output:
    def say(self, line: str) -> None:
        print(line, flush=True)


def _that_were_run(tasks: Tasks, named: bool) -> dict[str, Follower]:
    """Return what follows the tasks; those that were never run are passed over unless named."""
    followers = {}
    for task in tasks:
        if run.workdir_of(task).plan_heads():
            followers[task.name] = Follower(task)
        elif named:
            complain(f"Task {task.name!r} has not been run; do so with '{hint('run', task.name)}'.")
            tasks.code = max(tasks.code, INCOMPLETE)
    return followers


def _look(at_work: dict[str, Follower], tasks: Tasks, screen: _Says) -> dict[str, Look]:
    """Look at tasks; tell how those went that have ended, and take them out."""
    looks = {}
    for name, follower in list(at_work.items()):
        look = follower.look()
        if look is None or follower.has_ended(look.jobs):
            del at_work[name]
            tasks.code = max(tasks.code, _tell_end(follower, screen))
        else:
            looks[name] = look
    return looks


def _tell_end(follower: Follower, screen: _Says) -> int:
    """Say how a task went; return the exit code."""
    task, look = follower.task, follower.end()
    if look is None:
        return INCOMPLETE
    screen.say(_end_line(task, look))
    jobs = run.jobs_of(task)
    if ends := run.ends_of(task, jobs).counts():
        screen.say(f"{task.name}: {describe_ends(ends)}; see '{hint('failures', task.name)}'")
    return FINE if look.complete else INCOMPLETE


def _end_line(task: TaskDef, look: Look) -> str:
    total = len(look.space)
    pending = total - look.done
    parts = [f"{len(look.completed)} of {total} rows completed"]
    parts += [f"{len(look.failed)} failed"] if look.failed else []
    parts += [f"{pending} pending"] if pending else []
    line = f"{task.name}: {', '.join(parts)}"
    if look.failed:
        return f"{line}: {hint('failures', task.name)}"
    if pending:
        return f"{line}: {hint('status -v', task.name)}"
    return line if look.merged else f"{line}, but not merged: {hint('run', task.name)}"
