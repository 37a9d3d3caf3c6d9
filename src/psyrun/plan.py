"""Plans: what one ``psy run`` decided to evaluate.

A plan is written in two parts. The brief, a small JSON file, tells jobs what they need to hand
rows out; creating it is what starts a run, and only one of several psy processes can. The rest
is pickled and read by those who evaluate and merge.

This module imports nothing heavy, since every worker does.
"""

import json
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from psyrun.exceptions import JournalError, UsageError
from psyrun.files import create_exclusively, read_shared, sync_directory, write_whole
from psyrun.processes import ProcessId
from psyrun.workdir import PlanDir

MERGE = "merge"
"""The step that comes after those of the process jobs."""

PROCESS = "process"
"""The steps of the process jobs begin with this."""

FUNCTION = ".function"
"""What the names of tasks' files end with that stand for functions."""

_TRIED = 1000
"""Rows in which a parameter that cannot be pickled is looked for."""

if TYPE_CHECKING:
    from psyrun.pspace import ParameterSpace
    from psyrun.rows import Rows, RowSet
    from psyrun.store.base import Store


class Limits(NamedTuple):
    """What the evaluation of rows is held to.

    Attributes
    ----------
    timeout : float or None
        Seconds for one row.
    retries : int
        Attempts after the first.
    retry_deaths, retry_timeouts : bool
        Whether a row is tried again if its process has died, or if it took too long.
    max_failures : int or None
        Failed rows after which no more are handed out.
    time_limit : float or None
        Seconds that each job has.
    """

    timeout: float | None = None
    retries: int = 0
    retry_deaths: bool = True
    retry_timeouts: bool = True
    max_failures: int | None = None
    time_limit: float | None = None


class Overrides(NamedTuple):
    """What a run takes in place of what its task file says.

    Attributes
    ----------
    scheduler : str or None
        Name of a scheduler of psyrun, or ``module.Class``.
    scheduler_args : dict
        Arguments for the scheduler; None removes one.
    """

    scheduler: str | None = None
    scheduler_args: Mapping[str, Any] = {}


class Brief(NamedTuple):
    """A plan in brief, ``plans/<number>.json``.

    Attributes
    ----------
    plan_id : str
        ``<number>-<token>``.
    run : str
        Token of the run: plans that go on from one another share it, starting over takes another.
    task, task_file, task_dir : str
        Name of the task; its file; the directory that its jobs work in.
    snapshot : str
        Name of the copy of the task file in the plan's sources.
    backend : str
        Import path of the backend's class.
    batches : list of (int, int)
        For each process job the rows it gets, as positions among the rows to do.
    pool_size : int
        Rows that each job evaluates at a time.
    total, todo : int
        Rows of the space; rows to do.
    limits : Limits
        What the evaluation of rows is held to.
    process : ProcessId
        The psy process that made the plan.
    created : float
        When, in seconds since the epoch.
    git : dict or None
        Commit of the task file's checkout, and whether it was dirty.
    has_on_finish : bool
        Whether the task wants to be told when it is merged.
    overrides : Overrides
        What the run has in place of what the task file says.
    round : int
        How often rows that were still pending have been sent again without anyone asking.
    rounds : int
        How often that may be done.
    memory : int or None
        Bytes that the first jobs of the run had, if jobs with more may follow.
    """

    plan_id: str
    run: str
    task: str
    task_file: str
    task_dir: str
    snapshot: str
    backend: str
    batches: list[tuple[int, int]]
    pool_size: int
    total: int
    todo: int
    limits: Limits
    process: ProcessId
    created: float
    git: dict[str, Any] | None = None
    has_on_finish: bool = False
    overrides: Overrides = Overrides()
    round: int = 0
    rounds: int = 0
    memory: int | None = None

    @property
    def is_of_function(self) -> bool:
        """Whether the task has been made of a function, and has no file."""
        return self.snapshot.endswith(FUNCTION)

    def encode(self) -> bytes:
        """Return the brief as JSON."""
        content = self._asdict()
        content |= {"limits": self.limits._asdict(), "overrides": self.overrides._asdict()}
        return json.dumps(content, indent=1).encode()

    @classmethod
    def decode(cls, content: bytes) -> "Brief":
        """Read a brief from JSON."""
        values = json.loads(content)
        values["process"] = ProcessId(*values["process"])
        values["limits"] = Limits(**values["limits"])
        values["overrides"] = Overrides(**values.get("overrides", {}))
        values["batches"] = [(start, stop) for start, stop in values["batches"]]
        return cls(**values)


class Digest(NamedTuple):
    """What a result depends on, by content.

    Attributes
    ----------
    task : str
        Hash of the task file.
    file_dep : dict of str to str
        Hash of each further file.
    space : str
        Hash of the parameter space.
    """

    task: str
    file_dep: dict[str, str]
    space: str

    def changes_from(self, former: "Digest") -> list[str]:
        """Name what differs from a former state, for people."""
        changed = []
        if self.task != former.task:
            changed.append("task file")
        names = sorted(self.file_dep.keys() | former.file_dep.keys())
        changed += [n for n in names if self.file_dep.get(n) != former.file_dep.get(n)]
        if self.space != former.space:
            changed.append("parameter space")
        return changed


class Source(NamedTuple):
    """Rows computed earlier that a plan builds on.

    Attributes
    ----------
    plan_id : str
        The earlier plan, for its journals, or for the record of what it merged.
    merged : bool
        Whether the rows are in the result file.
    there, here : numpy.ndarray of int64, shape (n,), or None
        Rows in the source's space and the same assignments' rows in the plan's space; None if
        the spaces are the same.
    """

    plan_id: str
    merged: bool
    there: "Rows | None" = None
    here: "Rows | None" = None


class Plan(NamedTuple):
    """The part of a plan that evaluating and merging need.

    Attributes
    ----------
    space : ParameterSpace
        The task's space.
    todo : RowSet
        Rows to evaluate.
    sources : list of Source
        Where the other rows are.
    digest : Digest
        What the result will depend on.
    resultfile : Path
        Where the result goes.
    store : Store
        How it is written.
    exclude : list of str
        Columns to leave out.
    entropy : int
        From which the random state of each row is derived.
    reproducible : bool
        Whether the entropy is a seed that the task sets.
    units : dict of str to str
        Units of parameters and outputs.
    wanted : RowSet or None
        Rows that the run has been started for, if this plan sends a part of them again.
    """

    space: "ParameterSpace"
    todo: "RowSet"
    sources: list[Source]
    digest: Digest
    resultfile: Path
    store: "Store"
    exclude: list[str]
    entropy: int
    reproducible: bool
    units: Mapping[str, str] = {}
    wanted: "RowSet | None" = None


def publish(brief: Brief, plan: Plan, files: PlanDir, sources: Mapping[str, bytes]) -> bool:
    """Write a plan down, unless another psy process was quicker.

    Parameters
    ----------
    brief, plan : Brief, Plan
        The plan.
    files : PlanDir
        Where it goes.
    sources : mapping of str to bytes
        Files to keep a copy of, by name: the task file and what configures it.

    Returns
    -------
    bool
        Whether this plan is the one that stands.

    Raises
    ------
    UsageError
        If a parameter has values that cannot be pickled.
    """
    pickled = _pickle(brief, plan)
    files.head.parent.mkdir(parents=True, exist_ok=True)
    files.create()
    stands = False
    try:
        for name, content in sources.items():
            write_whole(files.sources / name, content)
        write_whole(files.plan, pickled)
        sync_directory(files.path)
        stands = create_exclusively(files.head, brief.encode())
    finally:
        if not stands:
            files.remove_contents()
    return stands


def _pickle(brief: Brief, plan: Plan) -> bytes:
    try:
        return pickle.dumps(plan, protocol=5)
    except Exception as err:
        culprit = "The parameter space"
        for name, column in plan.space[:_TRIED].build().items():
            try:
                pickle.dumps(column, protocol=5)
            except Exception:
                culprit = f"Parameter {name!r}"
                break
        raise UsageError(
            f"{culprit} of task {brief.task!r} has values that cannot be pickled, and so not be "
            f"handed to jobs ({err}); use names or numbers, and look the objects up in 'execute'."
        ) from err


def steps_of(brief: Brief) -> list[str]:
    """Return the steps of a plan's jobs."""
    return [f"{PROCESS}:{i}" for i in range(len(brief.batches))] + [MERGE]


def normal_step(step: str) -> str:
    """Return the step that a member of a job array has been given as an offset and an index.

    Examples
    --------
    >>> normal_step("process:100+5"), normal_step("process:5"), normal_step("merge")
    ('process:105', 'process:5', 'merge')
    """
    kind, colon, number = step.partition(":")
    return f"{kind}:{sum(map(int, number.split('+')))}" if colon else kind


def read_brief(head: Path) -> tuple[Brief, PlanDir]:
    """Read a plan's brief.

    Raises
    ------
    JournalError
        If it is damaged.
    """
    try:
        brief = Brief.decode(read_shared(head))
    except (ValueError, TypeError, KeyError) as err:
        raise JournalError(
            f"{head} is damaged ({err}), so psyrun cannot tell what was to be done there; move "
            f"{head.parent.parent} away to start over."
        ) from err
    return brief, PlanDir(head, brief.plan_id)


def is_abandoned(head: Path, patience: float = 2.0) -> bool:
    """Tell whether a psy process has died between creating a brief and writing it.

    That can be only where there are no hard links; a brief is then empty for a moment.
    """
    give_up = time.monotonic() + patience
    while not read_shared(head):
        if time.monotonic() > give_up:
            return True
        time.sleep(0.01)
    return False


def read_plan(files: PlanDir) -> Plan:
    """Read the pickled part of a plan.

    Raises
    ------
    JournalError
        If it is damaged.
    """
    content = read_shared(files.plan)
    try:
        plan: Any = pickle.loads(content)  # noqa: S301 - psyrun's own file
        assert isinstance(plan, Plan)
    except Exception as err:  # unpickling damaged data may raise anything
        raise JournalError(
            f"{files.plan} is damaged ({type(err).__name__}: {err}), so psyrun cannot tell what "
            f"was to be done there; move {files.head.parent.parent} away to start over."
        ) from err
    return plan
