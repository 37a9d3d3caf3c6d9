"""What a run would submit, and what it may be expected to take."""

from typing import NamedTuple

from psyrun.exceptions import SchedulerError
from psyrun.plan import MERGE, PROCESS
from psyrun.run.command import arguments_of, command_of, job_name
from psyrun.run.decision import Decision
from psyrun.run.submission import Piece, pieces_of
from psyrun.run.survey import workdir_of
from psyrun.tasks import TaskDef
from psyrun.timelimit import parse_time
from psyrun.workdir import PlanDir


class Forecast(NamedTuple):
    """What a run may be expected to take, going by the rows that have been computed.

    Attributes
    ----------
    row_seconds : float
        Mean run time of a row.
    core_hours : float
        What all rows take, on as many processors as the jobs ask for.
    longest : float
        Seconds that the longest batch takes.
    limit : float or None
        Seconds that a job has, None if that is not known.
    """

    row_seconds: float
    core_hours: float
    longest: float
    limit: float | None

    @property
    def too_long(self) -> bool:
        """Whether jobs will not get to the end of their batches."""
        return self.limit is not None and self.longest > self.limit


def forecast(decision: Decision) -> Forecast | None:
    """Estimate what a run will take; None if no row has been computed.

    Parameters
    ----------
    decision : Decision
        What is going to be run.
    """
    task = decision.survey.task
    known = decision.survey.ledger.timings()
    if not len(known) or not decision.todo:
        return None
    row_seconds = known.total() / len(known)
    arguments = arguments_of(task)
    n_cpus = arguments.get("n_cpus")
    cores = n_cpus if isinstance(n_cpus, int) else decision.pool_size
    batches = task.backend.batches(len(decision.todo), decision.n_jobs)
    sizes = [stop - start for start, stop in batches]
    shared = sum(sizes) > len(decision.todo)  # each job could do all rows
    largest = len(decision.todo) / decision.n_jobs if shared else max(sizes)
    return Forecast(
        row_seconds=row_seconds,
        core_hours=row_seconds * len(decision.todo) / decision.pool_size * cores / 3600,
        longest=row_seconds * max(1.0, largest / decision.pool_size),
        limit=parse_time(arguments.get("timelimit")),
    )


class Submission(NamedTuple):
    """Something that would be submitted.

    Attributes
    ----------
    what : str
        Which jobs, in words.
    text : str
        The command or the script.
    """

    what: str
    text: str


def preview(decision: Decision) -> list[Submission]:
    """Return what would be submitted, of several alike the first only.

    Parameters
    ----------
    decision : Decision
        What is going to be run.

    Raises
    ------
    UsageError
        If the task's jobs could not be started as it says.
    SchedulerError
        If the scheduler would refuse.
    """
    task = decision.survey.task
    files = workdir_of(task).plan_dir(f"{decision.number:04d}-00000000")
    steps = [f"{PROCESS}:{i}" for i in range(decision.n_jobs)]
    shown, ids = _process_jobs(task, files, steps)
    if task.scheduler.serial:
        return shown
    text = task.scheduler.preview(*_job(task, files, MERGE), ids, arguments_of(task, MERGE))
    return [*shown, Submission("the merge, after these", text)]


def _process_jobs(
    task: TaskDef, files: PlanDir, steps: list[str]
) -> tuple[list[Submission], list[str]]:
    """Return how process jobs would be submitted, and what stands for their ids."""
    try:
        pieces = pieces_of(task, files, steps)
        doubt = ""
    except SchedulerError:
        pieces = [Piece(f"{PROCESS}:%a", steps, arguments_of(task))]
        doubt = " (the scheduler does not answer, perhaps less)"
    if pieces:
        first = pieces[0]
        text = task.scheduler.preview(
            *_job(task, files, first.step, PROCESS), None, first.scheduler_args, len(first.steps)
        )
        what = f"job array of {len(first.steps)} process jobs{doubt}"
        return [Submission(_first_of(what, len(pieces)), text)], _ids(len(pieces))
    if not steps:
        return [], []
    text = task.scheduler.preview(*_job(task, files, steps[0]), None, arguments_of(task, steps[0]))
    return [Submission(_first_of("process job", len(steps)), text)], _ids(min(len(steps), 2))


def _job(task: TaskDef, files: PlanDir, step: str, named: str = "") -> tuple[list[str], str, str]:
    name = job_name(task.name, named or step)
    return command_of(task, files, step), str(files.log(step)), name


def _first_of(what: str, n: int) -> str:
    return what if n == 1 else f"{what}, the first of {n}"


def _ids(n: int) -> list[str]:
    return [f"ID{i + 1}" for i in range(n)]
