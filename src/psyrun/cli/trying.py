"""psy test."""

import argparse
import sys

from psyrun import run
from psyrun.cli.exits import FINE, INCOMPLETE
from psyrun.cli.tasks import Tasks
from psyrun.cli.wording import complain
from psyrun.exceptions import PsyrunError
from psyrun.failure import Failure, shorten, show_assignment
from psyrun.tasks import TaskDef


def test(args: argparse.Namespace) -> int:
    """Evaluate one assignment of tasks."""
    return Tasks(args).each(_test_task)


def _test_task(task: TaskDef) -> int:
    assert task.pspace is not None
    print(task.name, flush=True)
    try:
        result = run.try_first_row(task)
    except PsyrunError as err:
        where = f" ({show_assignment(task.pspace[0])})" if len(task.pspace) else ""
        complain(f"{task.name}{where}: {err}")
        return INCOMPLETE
    except KeyboardInterrupt:
        raise
    except BaseException as err:
        failure = Failure.of_exception(err, task.pspace[0], seed=0)
        print(f"Row 0 ({failure.assignment}) failed:\n{failure.traceback}", file=sys.stderr)
        return INCOMPLETE
    for name, value in result.items():
        print(f"  {name}: {shorten(value)}")
    return FINE
