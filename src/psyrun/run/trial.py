"""Trying a task on one row."""

from contextlib import chdir
from typing import Any

from psyrun.evaluation import Evaluator
from psyrun.exceptions import UsageError
from psyrun.rows import RowSet
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
    space = task.pspace
    assert space is not None
    if not len(space):
        raise UsageError(f"The parameter space of task {task.name!r} is empty; nothing to test.")
    entropy = task.seed if task.seed is not None else fresh_entropy()
    first = RowSet.span(0, 1).to_array()
    seed = int(row_seeds(space, first, space[first].build(), entropy)[0])
    with chdir(task.path.parent):
        extra = task.setup(0) if task.setup is not None else None
        evaluator = Evaluator(
            task.execute,
            space.keys(),
            store=task.store,
            exclude=task.exclude_from_result,
            omit_missing=task.omit_missing,
            extra=extra,
        )
        assignment = space[0]
        task.store.check({k: v for k, v in assignment.items() if k not in task.exclude_from_result})
        evaluator.payload(assignment, seed)
        return assignment | evaluator.result(assignment, seed)
