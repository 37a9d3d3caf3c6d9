"""Sending rows again without anyone asking, when the merge finds that they are missing.

Rows that are still pending are sent again as often as the task's *resubmit* says. Rows that died
for lack of memory are sent again with more, as its *retry_memory_factor* says, after the others.
"""

import time
import traceback
from contextlib import chdir, suppress
from typing import NamedTuple

from psyrun.backend.base import number_of_jobs
from psyrun.exceptions import PsyrunError, SchedulerError, TaskBusyError
from psyrun.failure import OUT_OF_MEMORY as NO_MEMORY_LEFT
from psyrun.files import read_shared
from psyrun.jobstate import BY_FAILURES, read_states
from psyrun.merging.ledger import Ledger
from psyrun.merging.merge import running_steps
from psyrun.merging.reading import read_ledger
from psyrun.plan import Brief, Overrides, Plan, Source, publish
from psyrun.processes import ProcessId
from psyrun.quantities import format_memory, parse_memory
from psyrun.rows import RowSet
from psyrun.run.command import arguments_of
from psyrun.run.ends import LOST, Ends, find_out_ends, read_told
from psyrun.run.overriding import task_of
from psyrun.run.planning import MEMORY, Started, memory_of
from psyrun.run.submission import submit
from psyrun.run.submitted import read_submitted
from psyrun.scheduler.base import CANCELLED, OUT_OF_MEMORY
from psyrun.tasks import TaskDef
from psyrun.workdir import PlanDir, Workdir

_PAUSES = (0.0, 1.0, 2.0, 4.0)
"""Seconds to wait before asking a scheduler that may not know yet how a job has ended."""

_MOST_MEMORY = 8
"""How many times the first memory may be asked for, if the task does not say."""


class Outcome(NamedTuple):
    """What has come of a merged plan.

    Attributes
    ----------
    words : str
        What is sent again, or why rows are not; empty if there is nothing to say.
    goes_on : bool
        Whether rows have been sent again.
    """

    words: str = ""
    goes_on: bool = False


class _Found(NamedTuple):
    """What a merge has found."""

    brief: Brief
    files: PlanDir
    plan: Plan
    sources: list[Source]
    ledger: Ledger


class _Next(NamedTuple):
    """What is sent again."""

    rows: RowSet
    round: int
    overrides: Overrides
    wanted: RowSet
    words: str


def conclude(brief: Brief, files: PlanDir, plan: Plan) -> Outcome:
    """Write down how the jobs of a merged plan have ended, and send again what is to be.

    Parameters
    ----------
    brief, files, plan : Brief, PlanDir, Plan
        The plan.
    """
    try:
        with chdir(brief.task_dir):
            if brief.rounds or brief.memory:
                return _go_on(_look(brief, files, plan))
            find_out_ends(brief, files, lambda: task_of(brief, files).scheduler)
    except (PsyrunError, OSError) as err:
        return _give_up(files, f"Rows that are missing could not be sent again: {err}")
    except Exception:  # of somebody's scheduler; the result stands
        traceback.print_exc()
        return _give_up(files, "Rows that are missing could not be sent again; see the merge's log")
    return Outcome()


def _look(brief: Brief, files: PlanDir, plan: Plan) -> _Found:
    workdir = Workdir.of_plan(files, brief.task)
    space, digest = plan.space, plan.digest.space
    history, ledger = read_ledger(
        workdir, lambda history: history.sources(space, digest), newest=files.head
    )
    return _Found(brief, files, plan, history.sources(space, digest), ledger)


def _go_on(found: _Found) -> Outcome:
    brief, files, plan, _, ledger = found
    if not _wanted(plan) - ledger.completed:
        return Outcome()
    task = task_of(brief, files)
    ends = _wait_for_ends(task, brief, files)
    why_not = _veto(task, files)
    if why_not:
        return _give_up(files, f"Rows that are missing are not sent again: {why_not}.")
    again = _decide(found, task, ends)
    if isinstance(again, str):
        return _give_up(files, again) if again else Outcome()
    _send(found, task, again)
    return Outcome(again.words, goes_on=True)


def _wanted(plan: Plan) -> RowSet:
    """Return the rows that the run has been started for."""
    return plan.todo if plan.wanted is None else plan.wanted


def _wait_for_ends(task: TaskDef, brief: Brief, files: PlanDir) -> Ends:
    ends = Ends({})
    for pause in _PAUSES:
        time.sleep(pause)
        task.scheduler.refresh()
        ends = find_out_ends(brief, files, lambda: task.scheduler)
        if not ends.in_state(LOST):
            break
    return ends


def _veto(task: TaskDef, files: PlanDir) -> str:
    """Return why nothing may be sent again, empty if it may."""
    told = read_told(files).jobs
    if files.killed.exists():
        return "the jobs have been killed"
    if any(end.state == CANCELLED for end in told.values()):
        return "jobs have been cancelled"
    if any(state.by == BY_FAILURES for _, state in read_states(files.all_jobs())):
        return "too many have failed (max_failures)"
    ids = dict(read_submitted(files).jobs)
    for step in running_steps(files):
        if step not in told and step in ids:
            status = task.scheduler.get_status(ids[step])
            if status is not None and status.status != "D":
                return f"{step} is still at work"
    return ""


def _decide(found: _Found, task: TaskDef, ends: Ends) -> _Next | str:
    """Return what is sent again, or why rows are not, empty if there is no need to say."""
    brief, _, plan, _, ledger = found
    wanted = _wanted(plan)
    pending = wanted - ledger.completed - ledger.failed
    hungry = RowSet()
    if brief.memory:
        hungry = _hungry(found, pending, ends) & wanted
        hungry |= pending - plan.todo  # those of former rounds, put off until the others are done
    waiting = pending - hungry
    reasons = []
    if waiting and brief.rounds:
        if brief.round >= brief.rounds:
            why = f"after round {brief.round} of {brief.rounds} (resubmit)"
        elif not plan.todo & ledger.completed:
            why = "and are not sent again because none was completed this time"
        else:
            words = f"Round {brief.round + 1} of {brief.rounds}: {_rows(waiting)} sent again."
            return _Next(waiting, brief.round + 1, brief.overrides, wanted, words)
        reasons.append(f"{_rows(waiting)} left {why}")
    if hungry:
        overrides = _with_more_memory(brief, task)
        if overrides is not None:
            memory = ", ".join(str(overrides.scheduler_args[name]) for name in _amounts(task))
            words = f"{_rows(hungry)} sent again with more memory: {memory}."
            return _Next(hungry, brief.round, overrides, hungry, words)
        most = format_memory(memory_of(arguments_of(task)) or 0)
        reasons.append(f"{_rows(hungry)} in need of more memory than {most} (retry_memory_limit)")
    return "; ".join(reasons) + "." if reasons else ""


def _rows(rows: RowSet) -> str:
    return "1 row is" if len(rows) == 1 else f"{len(rows)} rows are"


def _hungry(found: _Found, pending: RowSet, ends: Ends) -> RowSet:
    """Return the rows that have died for lack of memory, and what was left of jobs that have."""
    rows = [
        row
        for row, failure in found.ledger.failures()
        if failure.type == NO_MEMORY_LEFT or failure.type.endswith("MemoryError")
    ]
    hungry = RowSet(rows)
    for step in ends.in_state(OUT_OF_MEMORY):
        batch = found.brief.batches[int(step.rpartition(":")[2])]
        hungry |= RowSet(found.plan.todo.slice(*batch)) & pending
    return hungry


def _amounts(task: TaskDef) -> list[str]:
    """Return the names of the scheduler's arguments that are amounts of memory."""
    arguments = arguments_of(task)
    return [name for name in MEMORY if parse_memory(arguments.get(name)) is not None]


def _with_more_memory(brief: Brief, task: TaskDef) -> Overrides | None:
    """Return what lets jobs have more memory; None if they have had the most."""
    assert brief.memory is not None and task.retry_memory_factor is not None
    arguments = arguments_of(task)
    present = memory_of(arguments) or brief.memory
    most = parse_memory(task.retry_memory_limit) or _MOST_MEMORY * brief.memory
    factor = min(task.retry_memory_factor, most / present)
    if factor <= 1:
        return None
    more = {
        name: format_memory(factor * (parse_memory(arguments[name]) or 0))
        for name in _amounts(task)
    }
    return brief.overrides._replace(scheduler_args={**brief.overrides.scheduler_args, **more})


def _send(found: _Found, task: TaskDef, again: _Next) -> None:
    """Make a plan of what is left, and submit it."""
    brief, files, plan, sources, _ = found
    to_be = Workdir.of_plan(files, brief.task).new_plan_dir(int(files.head.stem) + 1)
    n_jobs = number_of_jobs(len(again.rows), task.max_jobs, task.min_items)
    next_brief = brief._replace(
        plan_id=to_be.plan_id,
        batches=task.backend.batches(len(again.rows), n_jobs),
        todo=len(again.rows),
        process=ProcessId.current(),
        created=time.time(),
        overrides=again.overrides,
        round=again.round,
    )
    next_plan = plan._replace(
        todo=again.rows,
        sources=sources,
        wanted=again.wanted,
    )
    contents = {path.name: read_shared(path) for path in files.sources.iterdir()}
    if not publish(next_brief, next_plan, to_be, contents):
        raise TaskBusyError("another psy process has just started the task")
    if files.killed.exists():  # by a psy that did not know of the new plan
        to_be.killed.touch()
        raise SchedulerError("the jobs have been killed")
    try:
        submit(task_of(next_brief, to_be), Started(next_brief, to_be))
    except PsyrunError as err:
        _give_up(to_be, f"Rows that are missing could not be sent again: {err}")
        raise


def _give_up(files: PlanDir, why: str) -> Outcome:
    """Leave a note of why rows are not sent again."""
    with suppress(OSError):
        read_told(files)._replace(note=why).write(files)
    return Outcome(why)
