"""Which scheduler a task's jobs go to, and which one the jobs of a plan are on."""

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from psyrun import scheduler as family
from psyrun.exceptions import SchedulerError, TaskLoadError, UsageError
from psyrun.files import read_shared
from psyrun.plan import Brief, Overrides
from psyrun.scheduler import Scheduler
from psyrun.tasks import TaskDef, load_snapshot, merged_arguments
from psyrun.workdir import PlanDir

_LITERALS = {"None": None, "True": True, "False": False}


def find_scheduler(name: str, taskdir: Path) -> tuple[str, str, type[Scheduler]]:
    """Find a scheduler by its name.

    Parameters
    ----------
    name : str
        Name of a scheduler of psyrun, in capitals or not, or ``module.Class``.
    taskdir : Path
        Directory of the task file, from which *module* can be imported, too.

    Returns
    -------
    str, str, type
        The module and the name that the class is imported by, and the class.

    Raises
    ------
    UsageError
        If there is no such scheduler.
    """
    module, _, class_name = name.rpartition(".")
    own = {known.lower(): known for known in _names_of_schedulers()}
    if not module:
        module, class_name = family.__name__, own.get(class_name.lower(), class_name)
    directory = str(taskdir.absolute())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        found = getattr(importlib.import_module(module), class_name)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not (isinstance(found, type) and issubclass(found, Scheduler)):
        raise UsageError(
            f"There is no scheduler {module}.{class_name}; those of psyrun are "
            f"{', '.join(own.values())}, others are named as module.Class."
        )
    return module, class_name, found


def _names_of_schedulers() -> list[str]:
    return [name for name in family.__all__ if name not in ("JobEnd", "JobStatus", "Scheduler")]


def parse_arguments(texts: Iterable[str]) -> dict[str, Any]:
    """Read arguments for a scheduler as they are typed.

    Parameters
    ----------
    texts : iterable of str
        Such as ``'partition=short'``. Whole numbers, ``True``, ``False`` and ``None`` are read as
        such, all else stays text.

    Raises
    ------
    UsageError
        If one of them is no ``key=value``.

    Examples
    --------
    >>> parse_arguments(["n_cpus=4", "memory=2G", "requeue=True"])
    {'n_cpus': 4, 'memory': '2G', 'requeue': True}
    """
    arguments: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"{text!r} is no argument for a scheduler; write it as key=value.")
        number = int(value) if value.removeprefix("-").isdecimal() and value.isascii() else value
        arguments[key] = _LITERALS.get(value, number)
    return arguments


def override(task: TaskDef, overrides: Overrides) -> None:
    """Let a task have another scheduler, or other arguments for it, than its file says.

    Raises
    ------
    UsageError
        If there is no such scheduler, or it cannot be made without arguments.
    """
    task.overrides = overrides
    task.scheduler_args = merged_arguments(task.scheduler_args, overrides.scheduler_args)
    if overrides.scheduler is not None:
        task.scheduler = _make_scheduler(overrides.scheduler, task.path.parent)


def _make_scheduler(name: str, taskdir: Path) -> Scheduler:
    *_, kind = find_scheduler(name, taskdir)
    try:
        return kind()
    except TypeError as err:
        raise UsageError(
            f"The scheduler {name} cannot be used by its name alone ({err}); set 'scheduler' in "
            f"the task file or in psy-conf.py."
        ) from None


def task_of(brief: Brief, files: PlanDir) -> TaskDef:
    """Load a task as a plan has it, with what the plan's run has overridden.

    Raises
    ------
    TaskLoadError
        If it does not load.
    """
    module = Path(brief.task_file).stem
    present = sys.modules.get(module)
    task = load_snapshot(brief, files)
    if present is not None:  # objects of the present one are about
        sys.modules[module] = present
    override(task, brief.overrides)
    return task


def scheduler_of(task: TaskDef, brief: Brief, files: PlanDir) -> Scheduler:
    """Return the scheduler that the jobs of a plan are on.

    That of the task, unless its file has changed since or the run had another one.

    Raises
    ------
    SchedulerError
        If it cannot be found any more.
    """
    name = brief.overrides.scheduler
    if name == task.overrides.scheduler and _is_as_then(task, files):
        return task.scheduler
    if files.path not in _found:
        try:
            _found[files.path] = (
                task_of(brief, files).scheduler
                if name is None
                else _make_scheduler(name, task.path.parent)
            )
        except (TaskLoadError, UsageError) as err:
            raise SchedulerError(
                f"The scheduler of the jobs of task {brief.task!r} cannot be asked: {err}"
            ) from err
    return _found[files.path]


_found: dict[Path, Scheduler] = {}
"""The schedulers of plans whose tasks have another one now."""


def _is_as_then(task: TaskDef, files: PlanDir) -> bool:
    try:
        then = {path.name: read_shared(path) for path in files.sources.iterdir()}
    except OSError:
        return True  # what is gone cannot tell better
    return then == task.contents
