"""Deciding what to evaluate."""

import os
from collections.abc import Callable
from typing import NamedTuple

from psyrun.backend.base import number_of_jobs
from psyrun.digest import space_digest
from psyrun.exceptions import UsageError
from psyrun.files import Fingerprint
from psyrun.merging.history import ADOPTED
from psyrun.merging.record import Record, is_foreign
from psyrun.plan import Digest
from psyrun.pspace import Param
from psyrun.rows import RowSet
from psyrun.run.jobs import wait_for_orphans
from psyrun.run.survey import Survey, resultfile_of, survey
from psyrun.tasks import TaskDef


class Decision(NamedTuple):
    """What a ``psy run`` is going to do.

    Attributes
    ----------
    survey : Survey
        What is there.
    keep : bool
        Whether rows that have been computed are kept.
    todo : RowSet
        Rows to evaluate.
    n_jobs : int
        Number of process jobs.
    pool_size : int
        Rows that each evaluates at a time.
    max_failures : int or None
        Failed rows after which no more are handed out.
    number : int
        Number of the plan that comes of it, if no other psy process is quicker.
    selected : RowSet or None
        Rows that were asked for, None if all.
    adopted : Record or None
        What a result file holds that psyrun has not left as it is.
    """

    survey: Survey
    keep: bool
    todo: RowSet
    n_jobs: int
    pool_size: int
    max_failures: int | None
    number: int
    selected: RowSet | None = None
    adopted: Record | None = None

    @property
    def nothing_to_do(self) -> bool:
        """Whether the task is up to date, or what was asked for has been computed."""
        if self.selected is not None and not self.todo:
            return self.keep and self.survey.merged and not self.survey.changes
        return self.keep and self.survey.up_to_date

    @property
    def reused(self) -> int:
        """Number of computed rows that are kept."""
        return len(self.survey.ledger.completed) if self.keep else 0

    @property
    def failed_before(self) -> int:
        """Number of rows to evaluate again because they had failed."""
        return len(self.survey.ledger.failed & self.todo) if self.keep else 0

    @property
    def dropped(self) -> int:
        """Number of computed rows that a new start gives up."""
        return 0 if self.keep else len(self.survey.ledger.completed)


def decide(
    task: TaskDef,
    *,
    keep: bool = False,
    n_parallel: int | None = None,
    fail_fast: bool = False,
    select: Callable[[Survey], RowSet] | None = None,
) -> Decision:
    """Decide what to evaluate.

    Parameters
    ----------
    task : TaskDef
        The task.
    keep : bool, optional
        Whether to keep what has been computed although the task has changed.
    n_parallel : int, optional
        Rows to evaluate at a time; only where jobs run one after the other on this machine.
    fail_fast : bool, optional
        Whether to stop at the first failure.
    select : callable, optional
        Says which of the rows are wanted.

    Raises
    ------
    UsageError
        If the result file was not written by psyrun, *n_parallel* does not fit the scheduler, or
        only some rows are wanted of a task that would have to start over.
    """
    if n_parallel is not None and not task.scheduler.serial:
        raise UsageError(
            f"-j says how many rows to evaluate at a time on this machine, but task {task.name!r} "
            f"runs on {type(task.scheduler).__name__}; set max_jobs and pool_size in its file."
        )
    wait_for_orphans(task)
    found = survey(task)
    adopted = None
    if is_foreign(found.resultfile, found.history.record):
        adopted = _adopt_result(task, keep=keep and found.history.record is None)
        found = survey(task, adopted)
    keep = keep or not found.changes
    rows = RowSet.span(0, found.total)
    todo = rows - found.ledger.completed if keep else rows
    selected = None
    if select is not None:
        if not keep and found.ledger.completed:
            raise UsageError(
                f"The {' and '.join(found.changes)} of task {task.name!r} changed, so it would "
                f"start over with some of its rows only; keep what has been computed with "
                f"--continue, or run all rows."
            )
        selected = select(found)
        todo &= selected
    n_jobs = number_of_jobs(len(todo), task.max_jobs, task.min_items)
    return Decision(
        survey=found,
        keep=keep,
        todo=todo,
        number=found.history.number + 1,
        selected=selected,
        adopted=adopted,
        n_jobs=min(n_jobs, 1) if task.scheduler.serial else n_jobs,
        pool_size=n_parallel or task.pool_size,
        max_failures=1 if fail_fast else task.max_failures,
    )


def _adopt_result(task: TaskDef, *, keep: bool) -> Record:
    """Make a result file that another program, or psyrun 0.8, has left a starting point."""
    path = resultfile_of(task)
    way_out = (
        f"move it away to start over, or keep its rows with 'psy run --continue {task.name}'"
        if not keep
        else "move it away to start over"
    )
    refusal = f"The result file {path} is not as psyrun left it"
    if not keep:
        raise UsageError(f"{refusal}, and is not overwritten: {way_out}.")
    assert task.pspace is not None
    names = task.pspace.keys()
    try:
        data = task.store.load(str(path))
    except Exception as err:
        raise UsageError(f"{refusal}, and cannot be read ({err}): {way_out}.") from err
    if not any(name in data for name in names):
        raise UsageError(f"{refusal}, and has none of the task's parameters: {way_out}.")
    space = Param(**{name: list(data[name]) for name in names if name in data})
    former = Digest(task="", file_dep={}, space=space_digest(space))
    return Record(
        plan_id=f"adopted-{os.urandom(4).hex()}",
        run=ADOPTED,
        digest=former,
        space=space,
        rows=RowSet.span(0, len(space)),
        outputs=[name for name in data if name not in names],
        resultfile=path,
        store=task.store,
        fingerprint=Fingerprint.of(path),
    )
