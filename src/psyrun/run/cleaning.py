"""Deleting what was generated for a task."""

from pathlib import Path

from psyrun.exceptions import TaskBusyError
from psyrun.merging.history import read_history
from psyrun.run.jobs import jobs_of
from psyrun.run.survey import workdir_of
from psyrun.tasks import TaskDef


def files_of(task: TaskDef) -> list[Path]:
    """Return all files that psyrun has made for a task."""
    workdir = workdir_of(task)
    record = read_history(workdir).record
    files = list(workdir.files())
    if record is not None and record.resultfile not in files:
        files.append(record.resultfile)
    return files


def clean(task: TaskDef) -> None:
    """Delete all files that psyrun has made for a task.

    Raises
    ------
    TaskBusyError
        If jobs of the task are at work, or this cannot be found out.
    """
    workdir = workdir_of(task)
    jobs = jobs_of(task)
    if jobs.trouble:
        raise TaskBusyError(f"{jobs.trouble} Nothing was deleted.")
    if jobs:
        raise TaskBusyError(
            f"Task {task.name!r} has jobs at work, so nothing was deleted; "
            f"end them with 'psy kill {task.name}' first."
        )
    record = read_history(workdir).record
    if record is not None:
        record.resultfile.unlink(missing_ok=True)
    workdir.remove()
