"""A progress bar of a task that is running."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from psyrun import run
from psyrun.jobstate import read_states
from psyrun.mapper.bars import make_bar
from psyrun.merging.history import newest_plan
from psyrun.tasks import TaskDef

_EVERY = 0.2


@contextmanager
def showing(task: TaskDef, progress: bool) -> Iterator[None]:
    """Show in a bar, from a thread, how many rows jobs have completed while the block runs.

    Parameters
    ----------
    task : TaskDef
        The task.
    progress : bool
        Whether to do so.
    """
    if not progress:
        yield
        return
    found = run.survey(task)
    bar = make_bar(total=found.total)
    over = threading.Event()

    def update() -> None:
        while not over.wait(_EVERY):
            bar.n = _completed(task)
            bar.refresh()

    thread = threading.Thread(target=update, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        bar.n = len(run.survey(task).ledger.completed)
        bar.close()


def _completed(task: TaskDef) -> int:
    """Return how many rows are completed, as the jobs tell, which is cheaper than counting them."""
    newest = newest_plan(run.workdir_of(task))
    if newest is None:
        return 0
    brief, files = newest
    states = [state for _, state in read_states(files.all_jobs())]
    return brief.total - brief.todo + sum(state.completed for state in states)
