"""The commands that jobs are."""

import shutil
from pathlib import Path
from typing import Any

from psyrun.exceptions import UsageError
from psyrun.plan import PROCESS
from psyrun.scheduler.base import resolve
from psyrun.tasks import TaskDef
from psyrun.workdir import PlanDir

_SETUP = """\
psyrun_tell() { echo "psyrun: ended by this setup command: $psyrun_line"; }
trap "psyrun_tell >&2" EXIT
psyrun_left=$1; shift
while [ "$psyrun_left" -gt 0 ]; do
    psyrun_line=$1; shift; psyrun_left=$((psyrun_left - 1))
    eval "$psyrun_line" || exit
done
trap - EXIT
exec "$@"
"""
"""Executes as many lines of shell as its first argument says, and then the command behind them."""


def job_name(task: str, step: str) -> str:
    """Return the name under which a scheduler knows a job."""
    return f"{task}:{step}"


def arguments_of(task: TaskDef, step: str = PROCESS) -> dict[str, Any]:
    """Return the arguments for the scheduler of a job; what depends on its name is settled."""
    return resolve(task.scheduler_args, job_name(task.name, step))


def command_of(task: TaskDef, files: PlanDir, step: str) -> list[str]:
    """Return the command that does a step of a plan.

    Raises
    ------
    UsageError
        If the interpreter is not there.
    """
    command = [_interpreter(task), "-P", "-m", "psyrun.worker", str(files.head), step]
    return [*_setup(task), *command]


def _setup(task: TaskDef) -> list[str]:
    """Return the beginning of a command that executes lines of shell before the rest."""
    if not task.setup_commands:
        return []
    lines = [str(line) for line in task.setup_commands]
    bash = shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin")
    shell = ["/bin/sh", "-c"] if bash is None else [bash, "-lc"]
    return [*shell, _SETUP, "psyrun", str(len(lines)), *lines]


def _interpreter(task: TaskDef) -> str:
    """Return the interpreter as a path that is good everywhere.

    A bare name may be what the setup commands provide, so where there are any it stays one.
    """
    python = str(task.python)
    if "/" not in python and task.setup_commands:
        return python
    path = task.path.parent / Path(python).expanduser() if "/" in python else python
    found = shutil.which(path)
    if found is None:
        where = f"at {path}" if "/" in python else "on the search path"
        raise UsageError(
            f"Task {task.name!r} has python = {python!r}, and there is no such program {where}."
        )
    return str(Path(found).absolute())
