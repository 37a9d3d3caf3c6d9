"""From a decision to a plan, and from a plan to jobs."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from psyrun.exceptions import PsyrunError, SchedulerError, TaskBusyError
from psyrun.jobstate import JobState, read_states
from psyrun.merging.provenance import git_state
from psyrun.plan import Brief, Limits, Plan, Source, publish
from psyrun.processes import ProcessId
from psyrun.run.decision import Decision
from psyrun.run.jobs import Submitted, steps_of
from psyrun.run.merge_job import merge_here
from psyrun.run.survey import workdir_of
from psyrun.seeding import fresh_entropy
from psyrun.tasks import TaskDef
from psyrun.timelimit import parse_time
from psyrun.workdir import PlanDir


class Started(NamedTuple):
    """A plan that has been written down."""

    brief: Brief
    files: PlanDir


def make_plan(decision: Decision) -> Started:
    """Write down what was decided.

    Raises
    ------
    TaskBusyError
        If another psy process was quicker.
    OSError
        If the plan cannot be written; nothing has changed then.
    """
    found = decision.survey
    task, history = found.task, found.history
    workdir = workdir_of(task)
    files = workdir.new_plan_dir(decision.number)
    fresh_run = not decision.keep or history.run is None
    brief = Brief(
        plan_id=files.plan_id,
        run=files.plan_id if fresh_run else str(history.run),
        task=task.name,
        task_file=str(task.path),
        task_dir=str(task.path.parent),
        snapshot=task.path.name,
        backend=f"{task.backend.__module__}:{task.backend.__qualname__}",
        batches=task.backend.batches(len(decision.todo), decision.n_jobs),
        pool_size=decision.pool_size,
        total=found.total,
        todo=len(decision.todo),
        limits=_limits_of(task, decision),
        process=ProcessId.current(),
        created=time.time(),
        git=git_state(task.path.parent),
        has_on_finish=task.on_finish is not None,
    )
    plan = Plan(
        space=found.space,
        todo=decision.todo,
        sources=_sources(decision),
        digest=found.digest,
        resultfile=found.resultfile,
        store=task.store,
        exclude=list(task.exclude_from_result),
        entropy=task.seed if task.seed is not None else fresh_entropy(),
        reproducible=task.seed is not None,
        units=dict(task.units),
    )
    if decision.adopted is not None:
        decision.adopted.write(workdir)
    if not publish(brief, plan, files, task.contents):
        raise TaskBusyError(f"Another psy process has just started task {task.name!r}.")
    return Started(brief, files)


def _limits_of(task: TaskDef, decision: Decision) -> Limits:
    retried = (BaseException,) if task.retry_on is None else task.retry_on
    time_limit = task.scheduler_args.get("timelimit")
    if callable(time_limit):
        time_limit = time_limit(job_name(task.name, "process"))
    return Limits(
        timeout=task.timeout,
        retries=task.retries,
        retry_deaths=issubclass(ChildProcessError, retried),
        retry_timeouts=issubclass(TimeoutError, retried),
        max_failures=decision.max_failures,
        time_limit=parse_time(time_limit),
    )


def _sources(decision: Decision) -> list[Source]:
    if not decision.keep:
        return []
    found = decision.survey
    return [origin.source(found.space, found.digest.space) for origin in found.history.origins]


def job_name(task: str, step: str) -> str:
    """Return the name under which a scheduler knows a job."""
    return f"{task}:{step}"


def command_of(task: TaskDef, files: PlanDir, step: str) -> list[str]:
    """Return the command that does a step of a plan."""
    return [task.python, "-P", "-m", "psyrun.worker", str(files.head), step]


def submit(
    task: TaskDef, started: Started, on_step: Callable[[str], None] = lambda step: None
) -> None:
    """Submit the jobs of a plan; where they run at once, return when they have ended.

    Parameters
    ----------
    task : TaskDef
        The task.
    started : Started
        The plan.
    on_step : callable, optional
        Called with each step before it is submitted.

    Raises
    ------
    SchedulerError
        If the scheduler refuses; what it had taken is killed again.
    """
    jobs: list[tuple[str, Any]] = []
    files = started.files
    try:
        for step, jobid in _submissions(task, started, on_step):
            jobs.append((step, jobid))
            Submitted(jobs, complete=False).write(files)
    except Exception as err:
        for _, jobid in jobs:
            with suppress(Exception):
                task.scheduler.kill(jobid)
        if isinstance(err, PsyrunError):
            raise
        raise SchedulerError(f"Task {task.name!r} could not be submitted: {err}") from err
    finally:
        with suppress(OSError):
            Submitted(jobs, complete=True).write(files)


def _submissions(
    task: TaskDef, started: Started, on_step: Callable[[str], None]
) -> Iterator[tuple[str, Any]]:
    brief, files = started.brief, started.files
    scheduler, arguments = task.scheduler, dict(task.scheduler_args)
    *process_steps, merge_step = steps_of(brief)
    ids = []
    array = _submit_array(task, started) if len(process_steps) > 1 else None
    if array is not None:
        ids.append(array)
        for i, step in enumerate(process_steps):
            on_step(step)
            yield step, f"{array}_{i}"
    else:
        for step in process_steps:
            on_step(step)
            jobid = scheduler.submit(
                command_of(task, files, step),
                str(files.log(step)),
                job_name(brief.task, step),
                None,
                arguments,
            )
            ids.append(jobid)
            yield step, jobid
    on_step(merge_step)
    if scheduler.serial:
        merge_here(files)
        return
    yield (
        merge_step,
        scheduler.submit(
            command_of(task, files, merge_step),
            str(files.log(merge_step)),
            job_name(brief.task, merge_step),
            ids,
            arguments,
        ),
    )


def _submit_array(task: TaskDef, started: Started) -> Any:
    brief, files = started.brief, started.files
    try:
        return task.scheduler.submit_array(
            len(brief.batches),
            command_of(task, files, "process:%a"),
            str(files.log("process:%a")),
            job_name(brief.task, "process"),
            None,
            dict(task.scheduler_args),
        )
    except NotImplementedError:
        return None


def progress(started: Started) -> tuple[int, int]:
    """Return how many rows of a plan its jobs say to have completed, and how many have failed."""
    states = [state for _, state in read_states(started.files.all_jobs())]
    return sum(state.completed for state in states), sum(state.failed for state in states)


def end_of(started: Started, step: str) -> JobState | None:
    """Return the end record of a job, None if it has left none."""
    for _, state in read_states([started.files.job(step)]):
        return state if state.ended is not None else None
    return None
