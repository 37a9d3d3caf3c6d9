"""The variables that task files can set, and their defaults."""

import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import Any

from psyrun.backend import Backend, DefaultBackend
from psyrun.exceptions import TaskWarning
from psyrun.pspace import ParameterSpace
from psyrun.scheduler import ImmediateRun, Scheduler
from psyrun.store import DefaultStore, Store
from psyrun.tasks.execution import execute_file
from psyrun.tasks.hints import close_to, shown_path

CONF_FILE = "psy-conf.py"


@dataclass(eq=False)
class Config:
    """The variables that can be set in task files, and in ``psy-conf.py`` for all tasks beside it.

    Attributes
    ----------
    backend : type, default: `DistributeBackend`
        How rows are handed out to jobs.
    exclude_from_result : sequence of str, default: ``[]``
        Parameters and outputs to leave out of the result.
    file_dep : sequence of str, default: ``[]``
        Further files that the result depends on, relative to the task file.
    max_failures : int or None, default: None
        Failed rows after which no more are handed out; None stands for no limit.
    max_jobs : int, default: 100
        Most process jobs to submit.
    min_items : int, default: 1
        Least rows for each process job.
    omit_missing : bool, default: False
        Whether parameters that a summand of the space lacks are left out of the call of `execute`,
        so that its own defaults apply; else they are nan.
    on_finish : callable or None, default: None
        Called by the merge with a dict that sums the result up: *task*, *resultfile*, *total*,
        *completed*, *failed*, *pending*, *seconds* (of evaluation). Its failure does no harm.
    overwrite_dirty : bool, default: True
        Whether a changed task may start over.
    pool_size : int, default: 1
        Rows that each process job evaluates at a time, each in a process of its own.
    pspace : ParameterSpace, required
        Space to evaluate.
    python : str, default: ``sys.executable``
        Interpreter of the jobs. A bare name is looked up where psy runs or, if there are
        *setup_commands*, by the job after these; any other relative path is one from the task file.
    resubmit : int, default: 0
        How often rows that are still pending when all jobs have ended (because these were at their
        time limit, preempted, or on a node that failed) are sent again without anyone asking. Not
        for jobs that run at once on this machine, which have no such limits.
    resultfile : path-like or None, default: None
        Where the result goes; None stands for ``<workdir>/<task>/result<ext>``.
    retries : int, default: 0
        Attempts at a row after the first one has failed.
    retry_on : tuple of exception types or None, default: None
        Failures that are worth another attempt; None stands for all. A row over its time counts
        as `TimeoutError`, one whose process has died as `ChildProcessError`.
    retry_memory_factor : float or None, default: None
        By which *memory* and *memory_per_cpu* in *scheduler_args* are multiplied to send rows
        again that have died for lack of memory.
    retry_memory_limit : str, int or None, default: None
        Most memory to ask for, such as ``'64G'``; None stands for 8 times the first.
    scheduler : Scheduler, default: `ImmediateRun`
        What runs the jobs.
    scheduler_args : dict, default: ``{}``
        Arguments for the scheduler; a value may be a function of the job's name. Those of
        ``psy-conf.py`` hold as well, unless the task gives another value, or None.
    seed : int or None, default: None
        Makes the random numbers of each row reproducible. If it is None, each run has others.
    setup : callable or None, default: None
        Called once in each process that evaluates rows, with its number from 0. It may return a
        dict of further arguments for `execute`.
    setup_commands : sequence of str, default: ``[]``
        Lines for the shell that a job executes first, such as ``'module load gcc'``. If one of them
        fails, the job ends.
    store : Store, default: `PickleStore`
        Format of the result. A task that sets *resultfile* and no store has the one that belongs to
        the extension of this file.
    timeout : float or None, default: None
        Seconds that a row may take; None stands for no limit.
    units : dict of str to str, default: ``{}``
        Units of parameters and outputs, by name, such as ``{'radius': 'm'}``; they go with the
        result, to the labels of its pictures.
    workdir : path-like, default: ``'psy-work'``
        Directory for results and what belongs to them, relative to the working directory of psy.
    execute : callable, required
        Function to evaluate. It gets an assignment as keyword arguments and returns a dict.
    name : str
        Name of the task, by default what the file's name says.
    """

    backend: type[Backend] = field(default_factory=lambda: DefaultBackend)
    exclude_from_result: Sequence[str] = field(default_factory=list)
    file_dep: Sequence[str] = field(default_factory=list)
    max_failures: int | None = None
    max_jobs: int = 100
    min_items: int = 1
    omit_missing: bool = False
    on_finish: Callable[[Mapping[str, Any]], object] | None = None
    overwrite_dirty: bool = True
    pool_size: int = 1
    pspace: ParameterSpace | None = None
    python: str = sys.executable
    resubmit: int = 0
    resultfile: str | PathLike[str] | None = None
    retries: int = 0
    retry_on: tuple[type[BaseException], ...] | None = None
    retry_memory_factor: float | None = None
    retry_memory_limit: str | int | None = None
    scheduler: Scheduler = field(default_factory=ImmediateRun)
    scheduler_args: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    setup: Callable[[int], Mapping[str, Any] | None] | None = None
    setup_commands: Sequence[str] = field(default_factory=list)
    store: Store = field(default_factory=DefaultStore)
    timeout: float | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    workdir: str | PathLike[str] = "psy-work"

    def __post_init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        """The files that were loaded, by name, as they were then."""

    @classmethod
    def load_from_file(cls, filename: str | PathLike[str]) -> "Config":
        """Load the values that a Python file sets.

        Parameters
        ----------
        filename : path-like
            File to load.

        Raises
        ------
        TaskLoadError
            If it does not load.
        """
        path = Path(filename)
        conf = cls()
        module, content = execute_file(path, path, "psy_conf")
        conf.contents = {path.name: content}
        variables = vars(module)
        warn_of_near_misses(path.stem, path, variables)
        for name, value in variables.items():
            if name in DEFAULTED:
                setattr(conf, name, value)
        return conf

    def apply_as_default(self, task: object) -> None:
        """Set those variables of *task* that it does not have."""
        for variable in fields(self):
            if not hasattr(task, variable.name):
                setattr(task, variable.name, getattr(self, variable.name))


DEFAULTED = frozenset(f.name for f in fields(Config))
VARIABLES = DEFAULTED | {"execute", "name"}


def load_conf(taskdir: Path, source: Path | None = None) -> Config:
    """Load ``psy-conf.py`` of a directory, or a copy of it; the defaults if there is none."""
    path = source or taskdir / CONF_FILE
    if not path.exists():
        return Config()
    return Config.load_from_file(path)


def warn_of_near_misses(task_name: str, path: Path, variables: Mapping[str, object]) -> None:
    """Warn of variables that are nearly called as one that has a meaning."""
    for name, value in variables.items():
        if name.startswith("_") or name in VARIABLES or isinstance(value, types.ModuleType | type):
            continue
        close = close_to(name, VARIABLES, n=1, cutoff=0.92)
        if close:
            warnings.warn(
                TaskWarning(
                    task_name,
                    f"{shown_path(path)} sets {name!r}, which has no meaning to psyrun; "
                    f"did you mean {close[0]!r}?",
                ),
                stacklevel=2,
            )
