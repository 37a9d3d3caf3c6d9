"""Evaluating one row here, as a job would."""

from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

from psyrun.evaluation import Evaluator
from psyrun.exceptions import UsageError
from psyrun.rows import RowSet
from psyrun.run.survey import survey
from psyrun.seeding import fresh_entropy, row_seeds
from psyrun.tasks import TaskDef


def try_first_row(task: TaskDef) -> dict[str, Any]:
    """Evaluate the first row of a task here, as a job would, and keep nothing.

    Returns
    -------
    dict
        Parameters and result.

    Raises
    ------
    UsageError
        If the space is empty.
    StoreTypeError
        If the store cannot hold the result.
    BaseException
        Whatever the task's functions raise.
    """
    if not task.pspace:
        raise UsageError(f"The parameter space of task {task.name!r} is empty; nothing to test.")
    call = prepare_call(task, 0)
    kept = {k: v for k, v in call.assignment.items() if k not in task.exclude_from_result}
    task.store.check(kept)
    return call.assignment | call.evaluate()


class Call(NamedTuple):
    """One row, ready to be evaluated here."""

    assignment: dict[str, Any]
    seed: int
    evaluator: Evaluator
    directory: Path

    def evaluate(self) -> dict[str, Any]:
        """Evaluate the row as a job would, and return its result."""
        with chdir(self.directory):
            return self.evaluator.result(self.assignment, self.seed)


def prepare_call(task: TaskDef, row: int) -> Call:
    """Prepare the evaluation of one row in this process, with the seed that it has had.

    Raises
    ------
    UsageError
        If there is no such row.
    """
    space = task.pspace
    assert space is not None
    if not 0 <= row < len(space):
        raise UsageError(
            f"Task {task.name!r} has no row {row}: "
            + (f"its rows are 0 to {len(space) - 1}." if len(space) else "its space is empty.")
        )
    seed = _seed(task, row)
    with chdir(task.path.parent):
        evaluator = task.make_evaluator(0)
    return Call(space[row], seed, evaluator, task.path.parent)


def _seed(task: TaskDef, row: int) -> int:
    """Return the seed of a row: the one that it failed with, if it has failed."""
    found = survey(task)
    failure = found.ledger.failure_of(row)
    if task.seed is None and failure is not None and failure.seed is not None:
        return failure.seed
    plan = found.history.plan
    entropy = task.seed if task.seed is not None else plan.entropy if plan else fresh_entropy()
    rows = RowSet.span(row, row + 1).to_array()
    return int(row_seeds(found.space, rows, found.space[rows].build(), entropy)[0])
