"""New task files."""

from pathlib import Path
from string import Template

from psyrun.exceptions import UsageError
from psyrun.run import find_scheduler
from psyrun.workdir import check_task_name

_TEMPLATE = Template('''\
from psyrun import Param
$import_line

pspace = Param(x=[0, 1]) * Param(y=[2, 3])  # parameter space

scheduler = $scheduler()  # what runs the jobs
scheduler_args = $scheduler_args
max_jobs = 100  # most process jobs
min_items = 1  # least rows for each of them
pool_size = 1  # rows that each of them evaluates at a time


def execute(x, y):
    """Evaluate one assignment; return a dict of results."""
    return {'sum': x + y}
''')


def new_task_file(taskdir: Path, name: str, scheduler: str) -> Path:
    """Write a new task file and return its path.

    Parameters
    ----------
    taskdir : Path
        Directory of the task files; it is made if need be.
    name : str
        Name of the task.
    scheduler : str
        Name of a scheduler of psyrun, or ``module.Class``.

    Raises
    ------
    UsageError
        If there is such a task already, or no such scheduler.
    """
    check_task_name(name)
    module, class_name, kind = find_scheduler(scheduler, taskdir)
    path = taskdir / f"task_{name}.py"
    if path.exists():
        raise UsageError(f"Task {name!r} already exists: {path}")
    taskdir.mkdir(parents=True, exist_ok=True)
    arguments = "".join(f"    {k!r}: {v!r},\n" for k, v in kind.USER_DEFAULT_ARGS.items())
    with path.open("x", encoding="utf-8") as file:
        file.write(
            _TEMPLATE.substitute(
                import_line=f"from {module} import {class_name}",
                scheduler=class_name,
                scheduler_args=f"{{\n{arguments}}}" if arguments else "{}",
            )
        )
    return path
