"""Tasks that are made of a function."""

import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from psyrun.exceptions import JournalError, UsageError
from psyrun.files import read_shared
from psyrun.plan import FUNCTION, Brief, Overrides, read_plan
from psyrun.pspace import ParameterSpace
from psyrun.tasks.checks import check_variables
from psyrun.tasks.config import Config
from psyrun.tasks.definition import TaskDef
from psyrun.tasks.fingerprint import Fingerprint
from psyrun.workdir import PlanDir, check_task_name

_SNAPSHOT = "variables.cloudpickle"
_CLASSES = "classes.cloudpickle"
_PATHS = "paths.json"
_TRIED = 1000
"""Rows of the space in which classes are looked for that no module has."""


class FunctionTask(TaskDef):
    """A task that is made of a function: what a task file sets is given as arguments.

    It has no file. In the place of the file's content, its plans have a hash of what the function
    does, and the variables as pickles.

    Parameters
    ----------
    function : callable
        Function to evaluate.
    pspace : ParameterSpace
        The parameter space.
    name : str
        Name of the task.
    variables : mapping
        Variables as in a task file.

    Raises
    ------
    UsageError
        If a variable is unknown or set to nonsense, or the function cannot be used in jobs.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        pspace: ParameterSpace,
        name: str,
        variables: Mapping[str, Any],
    ) -> None:
        self.name = check_task_name(name)
        self.execute, self.pspace = function, pspace
        self.path = Path.cwd() / _file_name(name)
        self._set(variables)
        check_variables(self)
        _check_function(function)
        self.workdir = Path(self.workdir).absolute()
        if self.resultfile is not None:
            self.resultfile = Path(self.resultfile).absolute()
        self.contents = self._make_contents()

    def _set(self, variables: Mapping[str, Any]) -> None:
        defaults = Config()
        known = [field.name for field in fields(Config) if field.name != "pspace"]
        for unknown in variables.keys() - set(known):
            raise UsageError(f"A task has no variable {unknown!r}; it has {', '.join(known)}.")
        for variable in known:
            setattr(self, variable, variables.get(variable, getattr(defaults, variable)))
        self.overrides = Overrides()

    def _make_contents(self) -> dict[str, bytes]:
        kept = {f.name: getattr(self, f.name) for f in fields(Config) if f.name != "pspace"}
        kept["execute"] = self.execute
        assert self.pspace is not None
        fingerprint = Fingerprint()
        snapshot = _pickle(kept)
        paths = [os.path.abspath(path) for path in sys.path]  # noqa: PTH100 - these are str
        what = (self.execute, self.setup, self.seed, self.omit_missing, self.exclude_from_result)
        content = b"".join(map(fingerprint.of, what)).hex().encode()
        fingerprint.of(dict(self.pspace[:_TRIED].build()))
        contents = {self.path.name: content, _SNAPSHOT: snapshot}
        contents[_PATHS] = json.dumps(paths).encode()
        if fingerprint.classes:
            contents[_CLASSES] = _pickle({"classes": fingerprint.classes})
        return contents

    @classmethod
    def load(cls, brief: Brief, files: PlanDir) -> "FunctionTask":
        """Load a task as it was when a plan was made.

        Raises
        ------
        JournalError
            If that cannot be read.
        """
        task = cls.__new__(cls)
        task.name, task.path = brief.task, Path(brief.task_file)
        task.overrides = Overrides()
        task.contents = {path.name: read_shared(path) for path in files.sources.iterdir()}
        let_import(brief, files)
        for name, value in _unpickle(files.sources / _SNAPSHOT).items():
            setattr(task, name, value)
        task.pspace = read_plan(files).space
        return task


def let_import(brief: Brief, files: PlanDir) -> None:
    """Let pickles refer to modules and classes that the process had which has made a plan.

    Raises
    ------
    JournalError
        If these cannot be read.
    """
    paths: list[str] = json.loads(read_shared(files.sources / _PATHS))
    sys.path += [path for path in [brief.task_dir, *paths] if path not in sys.path]
    if not (files.sources / _CLASSES).exists():
        return
    main = sys.modules["__main__"]
    is_psyrun = main.__spec__ is not None and main.__spec__.name.startswith("psyrun.")
    for kind in _unpickle(files.sources / _CLASSES)["classes"]:
        name = kind.__qualname__
        if kind.__module__ == "__main__" and (is_psyrun or not hasattr(main, name)):
            setattr(main, name, kind)


def _file_name(name: str) -> str:
    """Return what stands for the name of the task file; nobody can import a module of that name."""
    return f"task {name}{FUNCTION}"


def _check_function(function: Callable[..., Any]) -> None:
    for is_kind, kind in (
        (inspect.isgeneratorfunction, "a generator function"),
        (inspect.isasyncgenfunction, "an asynchronous generator function"),
        (inspect.iscoroutinefunction, "a coroutine function (async def)"),
    ):
        if is_kind(function):
            raise UsageError(
                f"{show_function(function)} is {kind}; a task needs one that returns a dict."
            )


def show_function(function: Callable[..., Any]) -> str:
    """Name a function for people."""
    return f"Function {getattr(function, '__name__', repr(function))!r}"


def _pickle(variables: Mapping[str, Any]) -> bytes:
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(variables)
    except Exception as err:
        culprit, why = _find_culprit(variables, err)
        raise UsageError(
            f"{culprit} cannot be sent to jobs: {why}; make it within the function, or in 'setup'."
        ) from err
    return pickled


def _find_culprit(variables: Mapping[str, Any], err: Exception) -> tuple[str, Exception]:
    import cloudpickle

    for name, value in variables.items():
        try:
            cloudpickle.dumps(value)
        except Exception as reason:
            return show_function(value) if name == "execute" else repr(name), reason
    return "The task", err


def _unpickle(path: Path) -> dict[str, Any]:
    import cloudpickle

    content = read_shared(path)
    try:
        variables: dict[str, Any] = cloudpickle.loads(content)
    except Exception as err:
        raise JournalError(
            f"{path} cannot be read ({type(err).__name__}: {err}); what it refers to has to be "
            f"importable, and Python and the libraries of the same versions."
        ) from err
    return variables
