"""What the psy commands do, as functions that print nothing."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psyrun.backend.base import number_of_jobs
from psyrun.digest import digest, space_digest
from psyrun.evaluation import Evaluator
from psyrun.exceptions import PsyrunError, SchedulerError, TaskBusyError, UsageError
from psyrun.files import Fingerprint, write_whole
from psyrun.jobstate import JobState, is_running, read_states
from psyrun.ledger import History, Ledger, read_history
from psyrun.merging import result_chunks
from psyrun.plan import Brief, Digest, Plan, Source, publish
from psyrun.pspace import Param
from psyrun.record import Record
from psyrun.rows import RowSet
from psyrun.seeding import fresh_entropy, row_seeds
from psyrun.store import AutodetectStore
from psyrun.tasks import CONF_FILE, TaskDef, load_snapshot
from psyrun.workdir import PlanDir, Workdir

MERGE = "merge"


def workdir_of(task: TaskDef) -> Workdir:
    """Return the files of a task."""
    return Workdir(task.workdir, task.name)


def resultfile_of(task: TaskDef) -> Path:
    """Return where the result of a task goes."""
    if task.resultfile is not None:
        return Path(task.resultfile).absolute()
    return workdir_of(task).result(task.store.ext)


@dataclass(frozen=True)
class Jobs:
    """The jobs of a plan that have not ended.

    Attributes
    ----------
    running, queued : list of str
        Steps.
    starting : bool
        Whether a psy process is at work on the plan.
    """

    running: list[str]
    queued: list[str]
    starting: bool

    def __bool__(self) -> bool:
        return bool(self.running or self.queued or self.starting)


@dataclass(frozen=True)
class Survey:
    """What is there of a task.

    Attributes
    ----------
    task : TaskDef
        The task.
    digest : Digest
        What its result depends on now.
    history : History
        Its former runs.
    ledger : Ledger
        The rows of the task's space that have been computed.
    changes : list of str
        What has changed since.
    """

    task: TaskDef
    digest: Digest
    history: History
    ledger: Ledger
    changes: list[str]

    @property
    def total(self) -> int:
        """Number of rows of the space."""
        assert self.task.pspace is not None
        return len(self.task.pspace)

    @property
    def resultfile(self) -> Path:
        """Where the result goes."""
        return resultfile_of(self.task)

    @property
    def pending(self) -> RowSet:
        """Rows that are neither completed nor failed."""
        return RowSet.span(0, self.total) - self.ledger.completed - self.ledger.failed

    @property
    def merged(self) -> bool:
        """Whether the result file holds what has been computed."""
        record = self.history.record
        return self.history.merged and record is not None and record.resultfile == self.resultfile

    @property
    def up_to_date(self) -> bool:
        """Whether the result is complete and that of the task as it is now."""
        return self.merged and not self.changes and len(self.ledger.completed) == self.total


def survey(task: TaskDef) -> Survey:
    """Find out what is there of a task, from its files.

    Raises
    ------
    UsageError
        If a file of *file_dep* is not there.
    """
    assert task.pspace is not None
    workdir = workdir_of(task)
    try:
        now = digest(task.path, [str(name) for name in task.file_dep], task.pspace)
    except FileNotFoundError as err:
        raise UsageError(
            f"Task {task.name!r} depends on {err.filename!r} (file_dep), which is not there."
        ) from None
    history = read_history(workdir)
    sources = [origin.source(task.pspace, now.space) for origin in history.origins]
    ledger = Ledger(workdir, history.origins, sources)
    changes = now.changes_from(history.digest) if history.digest is not None else []
    return Survey(task, now, history, ledger, changes)


def jobs_of(task: TaskDef, history: History) -> Jobs:
    """Find out which jobs of the newest plan have not ended.

    Files tell of jobs that have begun; the scheduler is asked about the others only.
    """
    brief, files = history.brief, history.files
    if brief is None or files is None:
        return Jobs([], [], False)
    running, begun = [], set()
    for path, state in read_states(files.all_jobs()):
        begun.add(state.step)
        if is_running(state, path):
            running.append(state.step)
    submitted = _read_submitted(files)
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
    return Jobs(running, queued, starting)


def wait_for_orphans(task: TaskDef, patience: float = 15.0) -> None:
    """Wait until the workers of a psy process that was killed have noticed and ended.

    Only those can be waited for that run on this machine at once; they end by themselves.
    """
    deadline = time.monotonic() + patience
    while task.scheduler.serial and time.monotonic() < deadline:
        history = read_history(workdir_of(task))
        if history.brief is None or history.brief.process.alive() is not False:
            return
        if not jobs_of(task, history).running:
            return
        time.sleep(0.05)


def steps_of(brief: Brief) -> list[str]:
    """Return the steps of a plan's jobs."""
    return [f"process:{i}" for i in range(len(brief.batches))] + [MERGE]


@dataclass(frozen=True)
class Decision:
    """What a ``psy run`` is going to do.

    Attributes
    ----------
    survey : Survey
        What is there.
    keep : bool
        Whether rows that have been computed are kept.
    todo : RowSet
        Rows to evaluate.
    n_jobs : int
        Number of process jobs.
    pool_size : int
        Rows that each evaluates at a time.
    """

    survey: Survey
    keep: bool
    todo: RowSet
    n_jobs: int
    pool_size: int

    @property
    def nothing_to_do(self) -> bool:
        """Whether the task is up to date."""
        return self.keep and self.survey.up_to_date

    @property
    def reused(self) -> int:
        """Number of computed rows that are kept."""
        return len(self.survey.ledger.completed) if self.keep else 0

    @property
    def failed_before(self) -> int:
        """Number of rows to evaluate again because they had failed."""
        return len(self.survey.ledger.failed & self.todo) if self.keep else 0

    @property
    def dropped(self) -> int:
        """Number of computed rows that a new start gives up."""
        return 0 if self.keep else len(self.survey.ledger.completed)


def decide(task: TaskDef, *, keep: bool = False, n_parallel: int | None = None) -> Decision:
    """Decide what to evaluate.

    Parameters
    ----------
    task : TaskDef
        The task.
    keep : bool, optional
        Whether to keep what has been computed although the task has changed.
    n_parallel : int, optional
        Rows to evaluate at a time; only where jobs run one after the other on this machine.

    Raises
    ------
    UsageError
        If the result file was not written by psyrun, or *n_parallel* does not fit the scheduler.
    """
    if n_parallel is not None and not task.scheduler.serial:
        raise UsageError(
            f"-j says how many rows to evaluate at a time on this machine, but task {task.name!r} "
            f"runs on {type(task.scheduler).__name__}; set max_jobs and pool_size in its file."
        )
    wait_for_orphans(task)
    found = survey(task)
    if found.history.record is None and resultfile_of(task).exists():
        _adopt_result(task, keep=keep)
        found = survey(task)
    keep = keep or not found.changes
    rows = RowSet.span(0, found.total)
    todo = rows - found.ledger.completed if keep else rows
    n_jobs = number_of_jobs(len(todo), task.max_jobs, task.min_items)
    return Decision(
        survey=found,
        keep=keep,
        todo=todo,
        n_jobs=min(n_jobs, 1) if task.scheduler.serial else n_jobs,
        pool_size=n_parallel or task.pool_size,
    )


def _adopt_result(task: TaskDef, *, keep: bool) -> None:
    """Make a result file that another program, or psyrun 0.8, has left a starting point."""
    path = resultfile_of(task)
    way_out = (
        f"move it away to start over, or keep its rows with 'psy run --continue {task.name}'"
        if not keep
        else "move it away to start over"
    )
    refusal = f"The result file {path} is not as psyrun left it"
    if not keep:
        raise UsageError(f"{refusal}, and is not overwritten: {way_out}.")
    assert task.pspace is not None
    names = task.pspace.keys()
    try:
        data = task.store.load(str(path))
        space = Param(**{name: list(data[name]) for name in names if name in data})
    except Exception as err:
        raise UsageError(f"{refusal}, and cannot be read ({err}): {way_out}.") from err
    workdir = workdir_of(task)
    former = Digest(task="", file_dep={}, space=space_digest(space))
    Record(
        plan_id="0000-adopted",
        run="adopted",
        digest=former,
        space=space,
        rows=RowSet.span(0, len(space)),
        resultfile=path,
        store=task.store,
        fingerprint=Fingerprint.of(path),
    ).write(workdir)


@dataclass(frozen=True)
class Started:
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
    assert task.pspace is not None
    workdir = workdir_of(task)
    heads = workdir.plan_heads()
    files = workdir.new_plan_dir(int(heads[-1].stem) + 1 if heads else 1)
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
    )
    plan = Plan(
        space=task.pspace,
        todo=decision.todo,
        sources=_sources(decision),
        digest=found.digest,
        resultfile=resultfile_of(task),
        store=task.store,
        exclude=list(task.exclude_from_result),
        entropy=task.seed if task.seed is not None else fresh_entropy(),
        reproducible=task.seed is not None,
    )
    copies = [path for path in (task.path, task.path.parent / CONF_FILE) if path.exists()]
    if not publish(brief, plan, files, copies):
        raise TaskBusyError(f"Another psy process has just started task {task.name!r}.")
    return Started(brief, files)


def _sources(decision: Decision) -> list[Source]:
    if not decision.keep:
        return []
    found = decision.survey
    assert found.task.pspace is not None
    return [
        origin.source(found.task.pspace, found.digest.space) for origin in found.history.origins
    ]


@dataclass(frozen=True)
class Submitted:
    """The jobs of a plan as the scheduler knows them, and whether these are all."""

    jobs: list[tuple[str, Any]]
    complete: bool

    def write(self, files: PlanDir) -> None:
        """Write this down."""
        content = {"jobs": self.jobs, "complete": self.complete}
        write_whole(files.submitted, json.dumps(content).encode())


def _read_submitted(files: PlanDir) -> Submitted:
    try:
        content = json.loads(files.submitted.read_bytes())
        return Submitted([(step, jobid) for step, jobid in content["jobs"]], content["complete"])
    except (OSError, ValueError, KeyError):
        return Submitted([], complete=False)


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
    array = _submit_array(task, started, on_step) if len(process_steps) > 1 else None
    if array is not None:
        ids.append(array)
        for step in process_steps:
            on_step(step)
            yield step, array
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


def _submit_array(task: TaskDef, started: Started, on_step: Callable[[str], None]) -> Any:
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


def kill(task: TaskDef) -> list[str]:
    """Kill the jobs of a task, and of no other; return their steps.

    Raises
    ------
    SchedulerError
        If the scheduler refuses.
    """
    history = read_history(workdir_of(task))
    if history.brief is None or history.files is None:
        return []
    jobs = jobs_of(task, history)
    alive = set(jobs.running) | set(jobs.queued)
    killed = [step for step in steps_of(history.brief) if step in alive]
    if jobs.starting and history.brief.process.alive():
        _terminate(history.brief.process.pid)
    submitted = _read_submitted(history.files)
    for jobid in dict.fromkeys(jobid for step, jobid in submitted.jobs if step in alive):
        task.scheduler.kill(jobid)
    if task.scheduler.serial:
        for path, state in read_states(history.files.all_jobs()):
            if is_running(state, path) and state.process.alive():
                _terminate(state.process.pid)
    return killed


def _terminate(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def files_of(task: TaskDef) -> list[Path]:
    """Return all files that psyrun has made for a task."""
    workdir = workdir_of(task)
    record = read_history(workdir).record
    files = list(workdir.files())
    if record is not None and record.resultfile not in files:
        files.append(record.resultfile)
    return files


def clean(task: TaskDef) -> None:
    """Delete all files that psyrun has made for a task.

    Raises
    ------
    TaskBusyError
        If jobs of the task are at work.
    """
    workdir = workdir_of(task)
    history = read_history(workdir)
    if jobs_of(task, history):
        raise TaskBusyError(
            f"Task {task.name!r} has jobs at work, so nothing was deleted; "
            f"end them with 'psy kill {task.name}' first."
        )
    if history.record is not None:
        history.record.resultfile.unlink(missing_ok=True)
    workdir.remove()


def try_first_row(task: TaskDef) -> dict[str, Any]:
    """Evaluate the first row of a task here, as a job would, and keep nothing.

    Returns
    -------
    dict
        Parameters and result.

    Raises
    ------
    UsageError
        If the space is empty.
    StoreTypeError
        If the store cannot hold the result.
    BaseException
        Whatever the task's functions raise.
    """
    space = task.pspace
    assert space is not None
    if not len(space):
        raise UsageError(f"The parameter space of task {task.name!r} is empty; nothing to test.")
    entropy = task.seed if task.seed is not None else fresh_entropy()
    first = RowSet.span(0, 1).to_array()
    seed = int(row_seeds(space, first, space[first].build(), entropy)[0])
    with chdir(task.path.parent):
        extra = task.setup(0) if task.setup is not None else None
        evaluator = Evaluator(
            task.execute,
            space.keys(),
            store=task.store,
            exclude=task.exclude_from_result,
            omit_missing=task.omit_missing,
            extra=extra,
        )
        assignment = space[0]
        task.store.check({k: v for k, v in assignment.items() if k not in task.exclude_from_result})
        evaluator.payload(assignment, seed)
        return assignment | evaluator.result(assignment, seed)


def merge_directory(directory: Path, merged: Path) -> tuple[int, str]:
    """Merge what is in a directory into one file.

    Parameters
    ----------
    directory : Path
        A task's directory in the work directory, at any time; or a directory of result files.
    merged : Path
        File to write; its extension decides on the format.

    Returns
    -------
    int
        Number of rows.
    str
        What was merged, in words.

    Raises
    ------
    UsageError
        If there is nothing to merge.
    """
    store = AutodetectStore.get_concrete_store(str(merged))
    if not directory.is_dir():
        raise UsageError(f"There is no directory {str(directory)!r} to merge.")
    for path in (directory, *directory.absolute().parents[:3]):
        if (path / "plans").is_dir():
            return _merge_journals(Workdir(path.absolute().parent, path.absolute().name), merged)
    files = sorted(
        path
        for path in directory.glob(f"*{merged.suffix}")
        if path.is_file() and path.absolute() != merged.absolute()
    )
    if not files:
        raise UsageError(
            f"There are no {merged.suffix} files in {str(directory)!r}, and it is not the "
            f"directory of a task either."
        )
    store.save_chunks(str(merged), (dict(store.load(str(path))) for path in files))
    return -1, f"{len(files)} files"


def _merge_journals(workdir: Workdir, merged: Path) -> tuple[int, str]:
    store = AutodetectStore.get_concrete_store(str(merged))
    history = read_history(workdir)
    if history.plan is None or history.brief is None or history.files is None:
        raise UsageError(f"Nothing has been computed in {str(workdir.path)!r}.")
    plan = history.plan
    with suppress(PsyrunError):  # its classes may be needed to read results, mostly they are not
        load_snapshot(history.brief, history.files)
    sources = [origin.source(plan.space, plan.digest.space) for origin in history.origins]
    ledger = Ledger(workdir, history.origins, sources)
    store.save_chunks(str(merged), result_chunks(ledger, plan.space, plan.exclude))
    n = len(ledger.completed)
    return n, f"{n} of {history.brief.total} rows"
