"""The jobs of a task: which there are, how they are doing, ending them."""

import json
import os
import signal
import time
from contextlib import suppress
from typing import Any, NamedTuple

from psyrun.files import read_shared, write_whole
from psyrun.jobstate import is_running, read_states
from psyrun.merging.history import newest_plan
from psyrun.plan import MERGE, Brief
from psyrun.run.survey import workdir_of
from psyrun.tasks import TaskDef
from psyrun.workdir import PlanDir


def steps_of(brief: Brief) -> list[str]:
    """Return the steps of a plan's jobs."""
    return [f"process:{i}" for i in range(len(brief.batches))] + [MERGE]


class Submitted(NamedTuple):
    """The jobs of a plan as the scheduler knows them, and whether these are all."""

    jobs: list[tuple[str, Any]]
    complete: bool

    def write(self, files: PlanDir) -> None:
        """Write this down."""
        content = {"jobs": self.jobs, "complete": self.complete}
        write_whole(files.submitted, json.dumps(content).encode())


def read_submitted(files: PlanDir) -> Submitted:
    """Read which jobs of a plan have been submitted so far."""
    try:
        content = json.loads(read_shared(files.submitted))
        return Submitted([(step, jobid) for step, jobid in content["jobs"]], content["complete"])
    except (OSError, ValueError, KeyError):
        return Submitted([], complete=False)


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
    """

    running: list[str]
    queued: list[str]
    starting: bool
    lost: list[str]
    rate: float

    def __bool__(self) -> bool:
        return bool(self.running or self.queued or self.starting)


def jobs_of(task: TaskDef) -> Jobs:
    """Find out which jobs of the newest plan have not ended.

    Files tell of jobs that have begun; the scheduler is asked about the others only.
    """
    newest = newest_plan(workdir_of(task))
    if newest is None:
        return Jobs([], [], False, [], 0.0)
    brief, files = newest
    running, lost, begun, rate = [], [], set(), 0.0
    for path, state in read_states(files.all_jobs()):
        begun.add(state.step)
        if is_running(state, path):
            running.append(state.step)
            took = max(time.time() - state.begun, 1e-3)
            rate += (state.completed + state.failed) / took
        elif state.ended is None:
            lost.append(state.step)
    submitted = read_submitted(files)
    queued = []
    for step, jobid in submitted.jobs:
        if step in begun:
            continue
        status = task.scheduler.get_status(jobid)
        if status is not None and status.status == "R":
            running.append(step)
        elif status is not None and status.status != "D":
            queued.append(step)
    starting = not submitted.complete and brief.process.alive() is not False
    if starting:
        named = {step for step, _ in submitted.jobs} | begun
        queued += [step for step in steps_of(brief) if step not in named]
    return Jobs(running, queued, starting, lost, rate)


def wait_for_orphans(task: TaskDef, patience: float = 15.0) -> None:
    """Wait until the workers of a psy process that was killed have noticed and ended.

    Only those can be waited for that run on this machine at once; they end by themselves.
    """
    deadline = time.monotonic() + patience
    while task.scheduler.serial and time.monotonic() < deadline:
        newest = newest_plan(workdir_of(task))
        if newest is None or newest[0].process.alive() is not False:
            return
        if not jobs_of(task).running:
            return
        time.sleep(0.05)


def kill(task: TaskDef) -> list[str]:
    """Kill the jobs of a task, and of no other; return their steps.

    Raises
    ------
    SchedulerError
        If the scheduler refuses.
    """
    newest = newest_plan(workdir_of(task))
    if newest is None:
        return []
    brief, files = newest
    jobs = jobs_of(task)
    alive = set(jobs.running) | set(jobs.queued)
    killed = [step for step in steps_of(brief) if step in alive]
    if jobs.starting and brief.process.alive():
        _terminate(brief.process.pid)
    submitted = read_submitted(files)
    for jobid in dict.fromkeys(jobid for step, jobid in submitted.jobs if step in alive):
        task.scheduler.kill(jobid)
    if task.scheduler.serial:
        for path, state in read_states(files.all_jobs()):
            if is_running(state, path) and state.process.alive():
                _terminate(state.process.pid)
    return killed


def _terminate(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
