"""From a decision to a plan."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from psyrun.exceptions import TaskBusyError, UsageError
from psyrun.merging.provenance import git_state
from psyrun.plan import PROCESS, Brief, Limits, Plan, Source, publish
from psyrun.processes import ProcessId
from psyrun.quantities import parse_memory
from psyrun.run.command import arguments_of, command_of
from psyrun.run.decision import Decision
from psyrun.run.survey import workdir_of
from psyrun.seeding import fresh_entropy
from psyrun.tasks import TaskDef
from psyrun.timelimit import parse_time
from psyrun.workdir import PlanDir

MEMORY = ("memory", "memory_per_cpu")
"""Arguments for schedulers that are amounts of memory."""


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
    UsageError
        If the task's jobs cannot be started as it says.
    OSError
        If the plan cannot be written; nothing has changed then.
    """
    found = decision.survey
    task, history = found.task, found.history
    workdir = workdir_of(task)
    files = workdir.new_plan_dir(decision.number)
    command_of(task, files, PROCESS)  # which raises if the interpreter is not there
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
        overrides=task.overrides,
        rounds=0 if task.scheduler.serial else task.resubmit,
        memory=_memory_of(task),
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
    return Limits(
        timeout=task.timeout,
        retries=task.retries,
        retry_deaths=issubclass(ChildProcessError, retried),
        retry_timeouts=issubclass(TimeoutError, retried),
        max_failures=decision.max_failures,
        time_limit=parse_time(arguments_of(task).get("timelimit")),
    )


def _memory_of(task: TaskDef) -> int | None:
    """Return how many bytes the jobs have, if more may be asked for."""
    if task.retry_memory_factor is None or task.scheduler.serial:
        return None
    memory = memory_of(arguments_of(task))
    if memory is None:
        raise UsageError(
            f"Task {task.name!r} sets retry_memory_factor, but there is no memory to multiply: "
            f"give scheduler_args 'memory' or 'memory_per_cpu', such as '2G'."
        )
    return memory


def memory_of(arguments: Mapping[str, Any]) -> int | None:
    """Return how many bytes arguments for a scheduler ask for, None if that cannot be read."""
    found = (parse_memory(arguments.get(name)) for name in MEMORY)
    return next((memory for memory in found if memory is not None), None)


def _sources(decision: Decision) -> list[Source]:
    if not decision.keep:
        return []
    found = decision.survey
    return found.history.sources(found.space, found.digest.space)
