"""From a plan to jobs."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

from psyrun.exceptions import PsyrunError, SchedulerError
from psyrun.jobstate import JobState, read_states
from psyrun.plan import PROCESS, steps_of
from psyrun.run.command import arguments_of, command_of, job_name
from psyrun.run.merge_step import merge_here
from psyrun.run.planning import Started
from psyrun.run.submitted import Submitted
from psyrun.scheduler.base import JobId
from psyrun.tasks import TaskDef
from psyrun.workdir import PlanDir

_INDEX = "%a"
"""What stands for the index in the arguments of a job array."""


class Piece(NamedTuple):
    """Process jobs that are submitted as one array.

    Attributes
    ----------
    step : str
        Their step, in which ``%a`` stands for the index in the array.
    steps : list of str
        The step of each.
    scheduler_args : dict
        Arguments for the scheduler.
    """

    step: str
    steps: list[str]
    scheduler_args: dict[str, Any]


def pieces_of(task: TaskDef, files: PlanDir, steps: list[str]) -> list[Piece]:
    """Divide process jobs among as few arrays as the scheduler allows.

    Parameters
    ----------
    task : TaskDef
        The task.
    files : PlanDir
        The plan's files.
    steps : list of str
        The steps of all process jobs.

    Returns
    -------
    list of Piece
        None where an array makes no sense or cannot be.
    """
    limit = task.scheduler.array_limit()
    if len(steps) < 2 or (limit is not None and limit < 2):
        return []
    words = [*command_of(task, files, PROCESS), str(files.logs), task.name]
    if any(_INDEX in word for word in words):
        return []  # the scheduler would take it for the index
    n_pieces = 1 if limit is None else -(-len(steps) // limit)
    arguments = _share(task, n_pieces)
    bounds = [i * len(steps) // n_pieces for i in range(n_pieces + 1)]
    return [
        Piece(f"{PROCESS}:{_offset(start)}{_INDEX}", steps[start:stop], arguments)
        for start, stop in pairwise(bounds)
    ]


def _offset(start: int) -> str:
    return f"{start}+" if start else ""


def _share(task: TaskDef, n_pieces: int) -> dict[str, Any]:
    """Divide among the pieces how many jobs may run at a time."""
    arguments = dict(task.scheduler_args)
    running = arguments_of(task).get("max_running")
    if isinstance(running, int) and n_pieces > 1:
        arguments["max_running"] = max(1, running // n_pieces)
    return arguments


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
    jobs: list[tuple[str, JobId]] = []
    sent = _Sent(task, started.files)
    try:
        for submitted in _submissions(task, started, sent, on_step):
            jobs += submitted
            Submitted(jobs, complete=False).write(started.files)
            if started.files.killed.exists():
                raise SchedulerError(f"The jobs of task {task.name!r} have just been killed.")
    except Exception as err:
        with suppress(Exception):
            task.scheduler.kill_all(sent.ids)
        if isinstance(err, PsyrunError):
            raise
        raise SchedulerError(f"Task {task.name!r} could not be submitted: {err}") from err
    finally:
        with suppress(OSError):
            Submitted(jobs, complete=True).write(started.files)


class _Sent:
    """What has been submitted, arrays as one."""

    def __init__(self, task: TaskDef, files: PlanDir) -> None:
        self._task, self._files = task, files
        self.ids: list[JobId] = []

    def job(self, step: str, after: list[JobId] | None = None) -> JobId:
        jobid = self._task.scheduler.submit(
            command_of(self._task, self._files, step),
            str(self._files.log(step)),
            job_name(self._task.name, step),
            after,
            dict(self._task.scheduler_args),
        )
        self.ids.append(jobid)
        return jobid

    def array(self, piece: Piece) -> JobId:
        array = self._task.scheduler.submit_array(
            len(piece.steps),
            command_of(self._task, self._files, piece.step),
            str(self._files.log(piece.step)),
            job_name(self._task.name, PROCESS),
            None,
            piece.scheduler_args,
        )
        self.ids.append(array)
        return array


def _submissions(
    task: TaskDef, started: Started, sent: _Sent, on_step: Callable[[str], None]
) -> Iterator[list[tuple[str, JobId]]]:
    """Submit job after job; yield the steps and ids of those that the scheduler has just taken."""
    *process_steps, merge_step = steps_of(started.brief)
    rest = process_steps
    for piece in pieces_of(task, started.files, process_steps):
        try:
            array = sent.array(piece)
        except NotImplementedError:
            break
        for step in piece.steps:
            on_step(step)
        yield [(step, task.scheduler.member(array, i)) for i, step in enumerate(piece.steps)]
        rest = rest[len(piece.steps) :]
    for step in rest:
        on_step(step)
        yield [(step, sent.job(step))]
    on_step(merge_step)
    if task.scheduler.serial:
        merge_here(started.files)
    else:
        yield [(merge_step, sent.job(merge_step, list(sent.ids)))]


def progress(started: Started) -> tuple[int, int]:
    """Return how many rows of a plan its jobs say to have completed, and how many have failed."""
    states = [state for _, state in read_states(started.files.all_jobs())]
    return sum(state.completed for state in states), sum(state.failed for state in states)


def end_of(started: Started, step: str) -> JobState | None:
    """Return the end record of a job, None if it has left none."""
    for _, state in read_states([started.files.job(step)]):
        return state if state.ended is not None else None
    return None
