"""Loading the tasks of a directory."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from psyrun.exceptions import TaskLoadError, UnknownTaskError, UsageError
from psyrun.tasks.config import load_conf
from psyrun.tasks.definition import TaskDef
from psyrun.tasks.hints import close_to, shown_path


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
                    f"{shown_path(path)}: {shown_path(by_name[task.name].path)} is a task named "
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
        close = close_to(name, names, n=5, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(repr(other) for other in close)}?"
            if close
            else f"the tasks are {', '.join(repr(other) for other in names)}."
            if names
            else "there are no tasks; make one with 'psy new-task NAME'."
        )
        return f"There is no task {name!r} in {str(self.taskdir)!r}; {hint}"
