"""The tasks of a directory, loaded again only where a file has changed."""

import sys
from contextlib import redirect_stdout
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from psyrun.exceptions import TaskLoadError
from psyrun.tasks import CONF_FILE, Config, PackageLoader, TaskDef, load_conf

Stamp = tuple[tuple[str, int, int], ...]
"""Sizes and times of files: as long as it stays the same, so do the files."""


def stamp_of(*paths: Path) -> Stamp:
    """Return the sizes and modification times of the files that there are."""
    stamps = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            continue
        stamps.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(stamps)


class TaskFile(NamedTuple):
    """A task file: the task in it, or why it does not load.

    Attributes
    ----------
    name : str
        Name of the task; of the file, if it does not load.
    task : TaskDef or None
        The task.
    error : str
        Why there is none.
    """

    name: str
    task: TaskDef | None
    error: str = ""


class TaskFiles:
    """The task files of a directory.

    Parameters
    ----------
    taskdir : path-like
        Directory.

    Raises
    ------
    UsageError
        If there is no such directory.
    """

    def __init__(self, taskdir: str | PathLike[str]) -> None:
        self._loader = PackageLoader(taskdir)
        self._known: dict[Path, tuple[Stamp, TaskFile]] = {}

    def load(self) -> list[TaskFile]:
        """Return the present task files in the order of their names, each task name once."""
        conf_path = self._loader.taskdir / CONF_FILE
        conf: Config | TaskLoadError | None = None
        known: dict[Path, tuple[Stamp, TaskFile]] = {}
        found: dict[str, TaskFile] = {}
        for path in self._loader.task_files():
            stamp = stamp_of(path, conf_path)
            if path in self._known and self._known[path][0] == stamp:
                known[path] = self._known[path]
            else:
                conf = conf or _load_conf(self._loader.taskdir)
                known[path] = (stamp, _load(path, conf))
            file = known[path][1]
            if file.name in found:
                error = f"{path.name} is one of several files with a task named {file.name!r}."
                file = TaskFile(path.name, None, error)
            found[file.name] = file
        self._known = known
        return list(found.values())


def _load_conf(taskdir: Path) -> Config | TaskLoadError:
    try:
        with redirect_stdout(sys.stderr):
            return load_conf(taskdir)
    except TaskLoadError as err:
        return err


def _load(path: Path, conf: Config | TaskLoadError) -> TaskFile:
    name = path.stem.removeprefix("task_")
    if isinstance(conf, TaskLoadError):
        return TaskFile(name, None, str(conf))
    try:
        with redirect_stdout(sys.stderr):
            task = TaskDef(path, conf)
    except TaskLoadError as err:
        return TaskFile(name, None, str(err))
    return TaskFile(task.name, task)
