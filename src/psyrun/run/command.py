"""The commands that jobs are."""

import shlex
import shutil
from pathlib import Path
from typing import Any

from psyrun.exceptions import UsageError
from psyrun.plan import PROCESS
from psyrun.tasks import TaskDef
from psyrun.workdir import PlanDir

_SETUP = """\
trap 'echo "psyrun: the job has been ended by this setup command: $line" >&2' EXIT
{lines}
trap - EXIT
exec "$@"
"""


def job_name(task: str, step: str) -> str:
    """Return the name under which a scheduler knows a job."""
    return f"{task}:{step}"


def arguments_of(task: TaskDef, step: str = PROCESS) -> dict[str, Any]:
    """Return the arguments for the scheduler of a job; what depends on its name is settled."""
    name = job_name(task.name, step)
    return {k: v(name) if callable(v) else v for k, v in task.scheduler_args.items()}


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
    lines = [f'line={shlex.quote(line)}; eval "$line" || exit' for line in task.setup_commands]
    script = _SETUP.format(lines="\n".join(lines))
    bash = shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin")
    shell = ["/bin/sh", "-c"] if bash is None else [bash, "-lc"]
    return [*shell, script, "psyrun"]


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
