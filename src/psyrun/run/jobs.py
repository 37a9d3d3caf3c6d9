"""The jobs of a task: which there are, how they are doing, ending them."""

import os
import signal
import time
from contextlib import suppress
from typing import NamedTuple

from psyrun.exceptions import SchedulerError
from psyrun.jobstate import JobState, age_of, is_running, read_states
from psyrun.merging.history import newest_plan
from psyrun.plan import MERGE, Brief, steps_of
from psyrun.run.ends import Ends, find_out_ends, read_told
from psyrun.run.overriding import scheduler_of
from psyrun.run.submitted import read_submitted
from psyrun.run.survey import workdir_of
from psyrun.scheduler.base import JobId
from psyrun.tasks import TaskDef
from psyrun.workdir import PlanDir

_SUBMITTING = 600.0
"""Seconds that one submission may take on another machine, whose processes cannot be seen."""


class Jobs(NamedTuple):
    """The jobs of a plan that have not ended.

    Attributes
    ----------
    running, queued : list of str
        Steps.
    starting : bool
        Whether a psy process is at work on the plan.
    lost : list of str
        Steps that have begun and are not at work any more, but have left no end record.
    rate : float
        Rows a second that the running jobs have evaluated so far.
    trouble : str
        Why the scheduler could not be asked about the others, empty if it could.
    in_order : bool
        Whether all process jobs have ended in good order.
    brief, files : Brief, PlanDir or None
        The plan, if there is any.
    """

    running: list[str]
    queued: list[str]
    starting: bool
    lost: list[str]
    rate: float
    trouble: str = ""
    in_order: bool = True
    brief: Brief | None = None
    files: PlanDir | None = None

    def __bool__(self) -> bool:
        return bool(self.running or self.queued or self.starting)


def jobs_of(task: TaskDef, *, refresh: bool = False) -> Jobs:
    """Find out which jobs of the newest plan have not ended.

    Files tell of jobs that have begun; the scheduler is asked about the others only.

    Parameters
    ----------
    task : TaskDef
        The task.
    refresh : bool, optional
        Whether the scheduler has to be asked anew though it has been asked just now.
    """
    newest = newest_plan(workdir_of(task))
    if newest is None:
        return Jobs([], [], False, [], 0.0)
    return _jobs_of_plan(task, *newest, refresh=refresh)


def _jobs_of_plan(task: TaskDef, brief: Brief, files: PlanDir, *, refresh: bool = False) -> Jobs:
    running, rate = [], 0.0
    states = {state.step: (path, state) for path, state in read_states(files.all_jobs())}
    for step, (path, state) in states.items():
        if is_running(state, path):
            running.append(step)
            rate += _rate(state)
    ended = {step for step, (_, state) in states.items() if state.ended is not None}
    submitted = read_submitted(files)
    queued, trouble = [], ""
    if MERGE not in ended:
        told = read_told(files).jobs
        unclear = [job for job in submitted.jobs if job[0] not in {*running, *ended, *told}]
        try:
            status = _ask(task, brief, files, unclear, refresh=refresh)
            running += [step for step, state in status.items() if state == "R"]
            queued += [step for step, state in status.items() if state != "R"]
        except SchedulerError as err:
            trouble = f"The queue could not be asked for the jobs of task {task.name!r}: {err}"
    starting = not submitted.complete and _is_at_work(brief, files)
    if starting:
        known = {*states, *(step for step, _ in submitted.jobs)}
        queued += [step for step in steps_of(brief) if step not in known]
    lost = [step for step in states if step not in {*running, *queued, *ended}]
    finished = {step for step, (_, state) in states.items() if state.how == "finished"}
    in_order = finished.issuperset(steps_of(brief)[:-1])
    return Jobs(running, queued, starting, lost, rate, trouble, in_order, brief, files)


def ends_of(task: TaskDef, jobs: Jobs) -> Ends:
    """Find out how the jobs of the newest plan have ended, if none is at work any more.

    Parameters
    ----------
    task : TaskDef
        The task.
    jobs : Jobs
        What `jobs_of` has found.
    """
    brief, files = jobs.brief, jobs.files
    if brief is None or files is None or jobs or jobs.trouble:
        return Ends({})
    if jobs.in_order:
        return Ends({}, read_told(files).note)
    return find_out_ends(brief, files, lambda: scheduler_of(task, brief, files))


def _rate(state: JobState) -> float:
    return (state.completed + state.failed) / max(time.time() - state.begun, 1e-3)


def _ask(
    task: TaskDef,
    brief: Brief,
    files: PlanDir,
    jobs: list[tuple[str, JobId]],
    *,
    refresh: bool,
) -> dict[str, str]:
    """Ask the scheduler for the status of those jobs that are in the queue or running."""
    if not jobs:
        return {}
    scheduler = scheduler_of(task, brief, files)
    if refresh:
        scheduler.refresh()
    told = {step: scheduler.get_status(jobid) for step, jobid in jobs}
    return {step: s.status for step, s in told.items() if s is not None and s.status != "D"}


def _is_at_work(brief: Brief, files: PlanDir) -> bool:
    """Tell whether the process that submits a plan's jobs is still at it."""
    alive = brief.process.alive()
    if alive is not None:
        return alive
    return age_of(files.submitted if files.submitted.exists() else files.head) < _SUBMITTING


def wait_for_orphans(task: TaskDef, patience: float = 15.0) -> None:
    """Wait until the workers of a psy process that was killed have noticed and ended.

    Only those can be waited for that run on this machine at once; they end by themselves.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        newest = newest_plan(workdir_of(task))
        if newest is None or newest[0].process.alive() is not False:
            return
        paths = [(path, state) for path, state in read_states(newest[1].all_jobs())]
        if not any(is_running(state, path) for path, state in paths):
            return
        with suppress(SchedulerError):
            if not scheduler_of(task, *newest).serial:
                return
        time.sleep(0.05)


def kill(task: TaskDef, *, refresh: bool = False) -> list[str]:
    """Kill the jobs of a task, and of no other, for good; return their steps.

    Parameters
    ----------
    task : TaskDef
        The task.
    refresh : bool, optional
        Whether the scheduler has to be asked anew though it has been asked just now.

    Raises
    ------
    SchedulerError
        If the scheduler refuses or cannot be asked.
    """
    killed: list[str] = []
    seen: set[str] = set()
    # The merge of a plan may just be starting another one, for the rows that are left.
    while (newest := newest_plan(workdir_of(task))) and newest[0].plan_id not in seen:
        brief, files = newest
        seen.add(brief.plan_id)
        killed += _kill_plan(task, brief, files, refresh=refresh)
    return killed


def _kill_plan(task: TaskDef, brief: Brief, files: PlanDir, *, refresh: bool) -> list[str]:
    jobs = _jobs_of_plan(task, brief, files, refresh=refresh)
    if jobs or jobs.trouble:
        files.killed.touch()
    if jobs.trouble:
        raise SchedulerError(jobs.trouble)
    if not jobs:
        return []
    alive = {*jobs.running, *jobs.queued}
    if jobs.starting and brief.process.alive() and not brief.is_of_function:
        _terminate(brief.process.pid)
    scheduler = scheduler_of(task, brief, files)
    ids = [jobid for step, jobid in read_submitted(files).jobs if step in alive]
    if ids:
        scheduler.kill_all(ids)
    if scheduler.serial:
        for path, state in read_states(files.all_jobs()):
            if is_running(state, path) and state.process.alive():
                _terminate(state.process.pid)
    return [step for step in steps_of(brief) if step in alive]


def _terminate(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
