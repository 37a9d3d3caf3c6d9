"""Finding out what went wrong."""

from collections.abc import Iterator
from pathlib import Path

from psyrun.diagnosis import FailureGroup, diagnose
from psyrun.exceptions import UsageError
from psyrun.merging.history import newest_plan
from psyrun.rowlog import RowOutput, read_rows
from psyrun.run.survey import Survey, workdir_of
from psyrun.tasks import TaskDef


def failures(found: Survey) -> list[FailureGroup]:
    """Group the failed rows of a task by cause, the most frequent one first."""
    return diagnose(found.space, found.ledger.failures(), found.ledger.completed)


def logs(task: TaskDef) -> list[Path]:
    """Return the logs of the newest plan's jobs, in the order of the jobs.

    Raises
    ------
    UsageError
        If nothing has been run.
    """
    newest = newest_plan(workdir_of(task))
    if newest is None:
        raise UsageError(f"Task {task.name!r} has not been run, so there are no logs.")
    _, files = newest
    return files.all_logs()


def output_of(task: TaskDef, row: int) -> Iterator[tuple[Path, RowOutput]]:
    """Iterate over what a row has printed, attempt by attempt, with the logs that it stands in."""
    for log in logs(task):
        for output in read_rows(log):
            if output.row == row:
                yield log, output
