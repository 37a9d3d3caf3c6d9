"""Task files: loading them, and what can be set in them."""

import importlib.machinery
import importlib.util
import linecache
import operator
import re
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

from psyrun.backend import Backend, DefaultBackend
from psyrun.evaluation import Evaluator
from psyrun.exceptions import (
    MissingExtraError,
    TaskLoadError,
    TaskWarning,
    UnknownTaskError,
    UsageError,
)
from psyrun.files import read_shared
from psyrun.plan import Brief, Overrides
from psyrun.pspace import ParameterSpace
from psyrun.quantities import parse_memory
from psyrun.scheduler import ImmediateRun, Scheduler
from psyrun.store import AutodetectStore, DefaultStore, Store
from psyrun.store.base import registered_extension
from psyrun.workdir import PlanDir, check_task_name

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
        module, content = _execute_file(path, path, "psy_conf")
        conf.contents = {path.name: content}
        variables = vars(module)
        _warn_of_near_misses(path.stem, path, variables)
        for name, value in variables.items():
            if name in _DEFAULTED:
                setattr(conf, name, value)
        return conf

    def apply_as_default(self, task: object) -> None:
        """Set those variables of *task* that it does not have."""
        for variable in fields(self):
            if not hasattr(task, variable.name):
                setattr(task, variable.name, getattr(self, variable.name))


_DEFAULTED = frozenset(f.name for f in fields(Config))
_VARIABLES = _DEFAULTED | {"execute", "name"}


class TaskDef(Config):
    """A task, as its file defines it: the variables of `Config` are attributes.

    Parameters
    ----------
    path : path-like
        Task file.
    conf : Config, optional
        Values for what the file does not set; by default those of ``psy-conf.py`` beside it.
    source : path-like, optional
        Copy of the task file to read in its place.

    Raises
    ------
    TaskLoadError
        If the file does not load, lacks `pspace` or `execute`, or sets a variable to nonsense.
    """

    TASK_PATTERN = re.compile(r"^task_(.*)$", re.DOTALL)

    execute: Callable[..., Any]
    name: str

    def __init__(  # a task file stands in for the arguments of Config
        self,
        path: str | PathLike[str],
        conf: Config | None = None,
        source: str | PathLike[str] | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        if conf is None:
            conf = load_conf(self.path.parent)
        module, content = _execute_file(self.path, Path(source or path), self.path.stem)
        self.contents = {**conf.contents, self.path.name: content}
        for name, value in vars(module).items():
            if name in _VARIABLES:
                setattr(self, name, value)
        if "name" not in vars(self):
            matched = self.TASK_PATTERN.match(self.path.stem)
            self.name = matched.group(1) if matched else self.path.stem
        for variable in fields(Config):
            if variable.name not in vars(self):
                setattr(self, variable.name, getattr(conf, variable.name))
        self.overrides = Overrides()
        _warn_of_near_misses(self.name, self.path, vars(module))
        try:
            check_task_name(self.name)
            check_variables(self)
            _check_type(conf, "scheduler_args", Mapping, "a dict")
            self.scheduler_args = merged_arguments(conf.scheduler_args, self.scheduler_args)
            _choose_store(self, explicit="store" in vars(module))
        except (MissingExtraError, UsageError) as err:
            raise TaskLoadError(f"{_shown(self.path)}: {err}") from None

    def make_evaluator(self, number: int) -> Evaluator:
        """Make what evaluates the task's rows, in the working directory of its jobs.

        Parameters
        ----------
        number : int
            Number of the process, for *setup*.
        """
        assert self.pspace is not None
        return Evaluator(
            self.execute,
            self.pspace.keys(),
            store=self.store,
            exclude=self.exclude_from_result,
            omit_missing=self.omit_missing,
            extra=self.setup(number) if self.setup is not None else None,
        )


def merged_arguments(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Add arguments for a scheduler to others, of which None removes one.

    Examples
    --------
    >>> merged_arguments({"account": "lab", "memory": "1G"}, {"memory": None, "n_cpus": 2})
    {'account': 'lab', 'n_cpus': 2}
    """
    return {name: value for name, value in {**defaults, **values}.items() if value is not None}


def load_conf(taskdir: Path, source: Path | None = None) -> Config:
    """Load ``psy-conf.py`` of a directory, or a copy of it; the defaults if there is none."""
    path = source or taskdir / CONF_FILE
    if not path.exists():
        return Config()
    return Config.load_from_file(path)


def load_snapshot(brief: Brief, files: PlanDir) -> TaskDef:
    """Load the task as it was when the plan was made."""
    if brief.is_of_function:
        from psyrun.functions import FunctionTask  # which derives from the class here

        return FunctionTask.load(brief, files)
    task_file = Path(brief.task_file)
    conf = load_conf(task_file.parent, files.sources / CONF_FILE)
    return TaskDef(task_file, conf, source=files.sources / brief.snapshot)


def import_snapshot_on_demand(brief: Brief, files: PlanDir) -> None:
    """Let pickles refer to what the task file defines, without executing it unless one does."""
    if brief.is_of_function:
        from psyrun.functions import let_import

        let_import(brief, files)
        return
    sys.path.insert(0, brief.task_dir)
    sys.meta_path.insert(0, _SnapshotFinder(brief, files))


class _SnapshotFinder:
    def __init__(self, brief: Brief, files: PlanDir) -> None:
        self._brief, self._files = brief, files
        self._name = Path(brief.task_file).stem

    def find_spec(
        self, fullname: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(
            fullname,
            self,  # type: ignore[arg-type]  # it has what a loader needs; importlib.abc is slow
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        load_snapshot(self._brief, self._files)
        return sys.modules[self._name]

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: making the module has executed it."""


def _execute_file(path: Path, source: Path, module_name: str) -> tuple[types.ModuleType, bytes]:
    """Execute *source* as if it were *path*, as a module that pickles can refer to.

    Also return what was executed.
    """
    directory = str(path.parent.absolute())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module = types.ModuleType(module_name)
    module.__file__ = str(path)
    previous = sys.modules.get(module_name)
    sys.modules[module_name] = module
    try:
        content = read_shared(source)
        text = importlib.util.decode_source(content)
        # Tracebacks show the lines that were executed, also when the file has changed since.
        linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
        exec(compile(content, str(path), "exec"), module.__dict__)  # noqa: S102 - it is the task
    except BaseException as err:
        if previous is not None:
            sys.modules[module_name] = previous
        else:
            del sys.modules[module_name]
        if isinstance(err, KeyboardInterrupt):
            raise
        raise TaskLoadError(_what_went_wrong(path, source, err)) from err
    return module, content


def _what_went_wrong(path: Path, source: Path, err: BaseException) -> str:
    line: int | None = None
    if isinstance(err, FileNotFoundError) and err.filename == str(source):
        return f"There is no file {_shown(source)}."
    if isinstance(err, SyntaxError) and err.filename == str(path):
        return f"{_shown(path)}, line {err.lineno}: {type(err).__name__}: {err.msg}"
    for frame in traceback.extract_tb(err.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    place = f"{_shown(path)}, line {line}" if line else _shown(path)
    return f"{place}: {type(err).__name__}: {err}"


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def check_variables(task: TaskDef) -> None:
    """Check the variables of a task, and make instances where there are classes.

    Raises
    ------
    UsageError
        If one is missing or set to nonsense.
    """
    for required in ("pspace", "execute"):
        if getattr(task, required, None) is None:
            raise UsageError(f"the task file has to define {required!r}, but does not.")
    _check_type(task, "pspace", ParameterSpace, "a parameter space, such as Param(x=[1, 2])")
    if not callable(task.execute):
        raise UsageError("'execute' has to be a function.")
    for name in ("store", "scheduler"):
        _make_instance(task, name)
    _check_type(task, "store", Store, "a store, such as PickleStore()")
    _check_type(task, "scheduler", Scheduler, "a scheduler, such as ImmediateRun()")
    if not (isinstance(task.backend, type) and issubclass(task.backend, Backend)):
        raise UsageError(
            f"'backend' has to be a class such as LoadBalancingBackend, not {task.backend!r}."
        )
    for name in ("max_jobs", "min_items", "pool_size"):
        _check_whole_number(task, name, 1)
    for name in ("resubmit", "retries"):
        _check_whole_number(task, name, 0)
    _check_memory(task)
    if task.seed is not None:
        _check_whole_number(task, "seed", 0, " or None")
    if task.max_failures is not None:
        _check_whole_number(task, "max_failures", 1, " or None")
    if task.timeout is not None and not (isinstance(task.timeout, Real) and task.timeout > 0):
        raise UsageError(f"'timeout' has to be a number above 0 or None, not {task.timeout!r}.")
    _check_retry_on(task)
    for name in ("exclude_from_result", "file_dep", "setup_commands"):
        _check_strings(task, name)
    for name in ("workdir", "python"):
        _check_type(task, name, str | PathLike, "a path")
    if task.resultfile is not None:
        _check_type(task, "resultfile", str | PathLike, "a path or None")
    _check_type(task, "scheduler_args", Mapping, "a dict")
    _check_units(task)
    for name, argument in (("setup", "the process number"), ("on_finish", "the result's summary")):
        if getattr(task, name) is not None and not callable(getattr(task, name)):
            raise UsageError(f"{name!r} has to be a function of {argument}, or None.")


def _choose_store(task: TaskDef, *, explicit: bool) -> None:
    """Let the extension of the result file decide on the store, unless the task names one."""
    if task.resultfile is None or isinstance(task.store, AutodetectStore):
        return
    ext = registered_extension(task.resultfile)
    if ext is None or ext == task.store.ext:
        return
    if explicit:
        raise UsageError(
            f"'resultfile' ends in {ext!r}, but 'store' is {task.store!r}, whose files end in "
            f"{task.store.ext!r}; change one of them, or leave 'store' out."
        )
    task.store = AutodetectStore.get_concrete_store(task.resultfile)
    if ext != task.store.ext:
        raise UsageError(
            f"'resultfile' ends in {ext!r}, but {task.store!r} writes files that end in "
            f"{task.store.ext!r}; name it so."
        )


def _make_instance(task: TaskDef, name: str) -> None:
    value = getattr(task, name)
    if isinstance(value, type):
        try:
            setattr(task, name, value())
        except TypeError as err:
            raise UsageError(f"{name!r} is the class {value.__qualname__}: {err}.") from None


def _check_whole_number(task: TaskDef, name: str, least: int, or_none: str = "") -> None:
    value = getattr(task, name)
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise UsageError(
            f"{name!r} has to be a whole number from {least} on{or_none}, not {value!r}."
        )
    setattr(task, name, number)


def _check_strings(task: TaskDef, name: str) -> None:
    value = getattr(task, name)
    items = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [None]
    if not all(isinstance(item, str | PathLike) for item in items):
        raise UsageError(f"{name!r} has to be a list of strings, not {value!r}.")
    setattr(task, name, items)


def _check_units(task: TaskDef) -> None:
    units: Any = task.units
    texts = chain.from_iterable(units.items()) if isinstance(units, Mapping) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(
            f"'units' has to be a dict of names and units such as {{'radius': 'm'}}, not {units!r}."
        )


def _check_memory(task: TaskDef) -> None:
    factor, limit = task.retry_memory_factor, task.retry_memory_limit
    if factor is not None and not (isinstance(factor, Real) and factor > 1):
        raise UsageError(
            f"'retry_memory_factor' has to be a number above 1 or None, not {factor!r}."
        )
    if limit is not None and parse_memory(limit) is None:
        raise UsageError(
            f"'retry_memory_limit' has to be an amount of memory such as '64G', not {limit!r}."
        )


def _check_retry_on(task: TaskDef) -> None:
    value: Any = task.retry_on
    if value is None:
        return
    types = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in types):
        raise UsageError(f"'retry_on' has to be a tuple of exception types or None, not {value!r}.")
    task.retry_on = types


def _check_type(task: Config, name: str, expected: type | types.UnionType, wanted: str) -> None:
    value = getattr(task, name)
    if not isinstance(value, expected):
        raise UsageError(f"{name!r} has to be {wanted}, not {value!r}.")


def _warn_of_near_misses(task_name: str, path: Path, variables: Mapping[str, object]) -> None:
    for name, value in variables.items():
        if name.startswith("_") or name in _VARIABLES or isinstance(value, types.ModuleType | type):
            continue
        close = _close_to(name, _VARIABLES, n=1, cutoff=0.92)
        if close:
            warnings.warn(
                TaskWarning(
                    task_name,
                    f"{_shown(path)} sets {name!r}, which has no meaning to psyrun; "
                    f"did you mean {close[0]!r}?",
                ),
                stacklevel=2,
            )


def _close_to(name: str, known: Iterable[str], n: int, cutoff: float) -> list[str]:
    similar = [other for other in known if set(other[:1] + other[-1:]) & set(name[:1] + name[-1:])]
    if not similar:
        return []
    import difflib  # takes a while to load

    return difflib.get_close_matches(name, similar, n=n, cutoff=cutoff)


class PackageLoader:
    """Loads the tasks of a directory: its files ``task_<name>.py``.

    Parameters
    ----------
    taskdir : path-like
        Directory.

    Attributes
    ----------
    errors : dict of Path to TaskLoadError
        Files that did not load, after `load_task_defs`.

    Raises
    ------
    UsageError
        If there is no such directory.
    """

    def __init__(self, taskdir: str | PathLike[str]) -> None:
        self.taskdir = Path(taskdir)
        if not self.taskdir.is_dir():
            raise UsageError(
                f"There is no task directory {str(self.taskdir)!r}. Name another with --taskdir, "
                f"or make a first task with 'psy new-task NAME'."
            )
        self.errors: dict[Path, TaskLoadError] = {}

    def task_files(self) -> list[Path]:
        """Return the task files in the order of their names."""
        return sorted(
            path for path in self.taskdir.glob("task_*.py") if TaskDef.TASK_PATTERN.match(path.stem)
        )

    def load_task_defs(self, names: Iterable[str] = ()) -> list[TaskDef]:
        """Load tasks.

        A file that does not load leaves the others usable; see `errors`.

        Parameters
        ----------
        names : iterable of str, optional
            Tasks to load, in this order; all by default.

        Returns
        -------
        list of TaskDef

        Raises
        ------
        UnknownTaskError
            If a task does not exist; the message lists close names.
        TaskLoadError
            If ``psy-conf.py`` does not load.
        """
        conf = load_conf(self.taskdir)
        files = self.task_files()
        wanted = list(dict.fromkeys(names))
        by_name: dict[str, TaskDef] = {}
        broken: dict[str, TaskLoadError] = {}
        likely = [path for path in files if path.stem.removeprefix("task_") in wanted]
        # A task may call itself something else than its file, so all are tried in the worst case.
        for path in likely + [path for path in files if path not in likely]:
            if wanted and all(name in by_name or name in broken for name in wanted):
                break
            try:
                task = TaskDef(path, conf)
            except TaskLoadError as err:
                broken[path.stem.removeprefix("task_")] = err
                if not wanted or path in likely:
                    self.errors[path] = err
                continue
            if task.name in by_name:
                self.errors[path] = TaskLoadError(
                    f"{_shown(path)}: {_shown(by_name[task.name].path)} is a task named "
                    f"{task.name!r} as well; rename one of them."
                )
                continue
            by_name[task.name] = task
        for name in wanted:
            if name not in by_name and name not in broken:
                raise UnknownTaskError(self._unknown(name, by_name.keys() | broken.keys()))
        return [by_name[name] for name in wanted or by_name if name in by_name]

    def _unknown(self, name: str, known: Iterable[str]) -> str:
        names = sorted(known)
        close = _close_to(name, names, n=5, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(repr(other) for other in close)}?"
            if close
            else f"the tasks are {', '.join(repr(other) for other in names)}."
            if names
            else "there are no tasks; make one with 'psy new-task NAME'."
        )
        return f"There is no task {name!r} in {str(self.taskdir)!r}; {hint}"
