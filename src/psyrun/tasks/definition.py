"""Tasks as their files define them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from psyrun.evaluation import Evaluator
from psyrun.exceptions import MissingExtraError, TaskLoadError, UsageError
from psyrun.plan import Overrides
from psyrun.tasks.checks import check_type, check_variables, choose_store
from psyrun.tasks.config import VARIABLES, Config, load_conf, warn_of_near_misses
from psyrun.tasks.execution import execute_file
from psyrun.tasks.hints import shown_path
from psyrun.workdir import check_task_name


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
        module, content = execute_file(self.path, Path(source or path), self.path.stem)
        self.contents = {**conf.contents, self.path.name: content}
        for name, value in vars(module).items():
            if name in VARIABLES:
                setattr(self, name, value)
        if "name" not in vars(self):
            matched = self.TASK_PATTERN.match(self.path.stem)
            self.name = matched.group(1) if matched else self.path.stem
        for variable in fields(Config):
            if variable.name not in vars(self):
                setattr(self, variable.name, getattr(conf, variable.name))
        self.overrides = Overrides()
        warn_of_near_misses(self.name, self.path, vars(module))
        try:
            check_task_name(self.name)
            check_variables(self)
            check_type(conf, "scheduler_args", Mapping, "a dict")
            self.scheduler_args = merged_arguments(conf.scheduler_args, self.scheduler_args)
            choose_store(self, explicit="store" in vars(module))
        except (MissingExtraError, UsageError) as err:
            raise TaskLoadError(f"{shown_path(self.path)}: {err}") from None

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
