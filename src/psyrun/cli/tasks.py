"""The tasks that a command is about."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout

from psyrun.cli.exits import FINE, WRONG_USE
from psyrun.cli.wording import complain, reason
from psyrun.exceptions import PsyrunError
from psyrun.tasks import PackageLoader, TaskDef


class Tasks:
    """The tasks that are named on the command line, or all; complain about those that do not load.

    Parameters
    ----------
    args : argparse.Namespace
        What was typed.

    Attributes
    ----------
    code : int
        The worst exit code so far.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        loader = PackageLoader(args.taskdir)
        named = getattr(args, "task", ())
        with redirect_stdout(sys.stderr):  # what task files print must not spoil what psy does
            self._tasks = loader.load_task_defs([named] if isinstance(named, str) else named)
        for error in loader.errors.values():
            complain(error)
        self.code = WRONG_USE if loader.errors else FINE

    def __iter__(self) -> Iterator[TaskDef]:
        return iter(self._tasks)

    def each(self, command: Callable[[TaskDef], int]) -> int:
        """Call a command for each task, whatever becomes of the others; return the worst code."""
        for task in self._tasks:
            try:
                code = command(task)
            except BrokenPipeError:
                raise
            except PsyrunError as err:
                complain(err)
                code = WRONG_USE
            except OSError as err:
                complain(f"Task {task.name!r}: {reason(err)}")
                code = WRONG_USE
            self.code = max(self.code, code)
        return self.code
