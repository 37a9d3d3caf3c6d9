"""Reading what is there of a task while another process may merge it.

A merge writes the result file first and deletes the journals then. Who has read of the former
result file, and comes to the journals after that, would miss their rows.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from psyrun.merging.history import ADOPTED, History, newest_plan, read_history
from psyrun.merging.ledger import Ledger
from psyrun.merging.record import Record, current_record
from psyrun.plan import Source
from psyrun.workdir import Workdir

T = TypeVar("T")

_ATTEMPTS = 5
"""How often a task is read that a merge keeps changing meanwhile."""


def read_ledger(
    workdir: Workdir,
    sources_of: Callable[[History], Sequence[Source]],
    adopted: Record | None = None,
    newest: Path | None = None,
) -> tuple[History, Ledger]:
    """Read what is there of a task's former runs, and the rows that are known by that.

    Parameters
    ----------
    workdir : Workdir
        The task's files.
    sources_of : callable
        Tells for each origin of a history how its rows are found in the space.
    adopted : Record, optional
        Takes the place of the record of the result file.
    newest : Path, optional
        The newest plan, if it is known.

    Raises
    ------
    JournalError
        If the newest plan is damaged.
    """

    def read() -> tuple[tuple[History, Ledger], Record | None]:
        history = read_history(workdir, adopted, newest)
        return (history, Ledger(workdir, history.origins, sources_of(history))), history.record

    return read_unmerged(workdir, read)


def read_unmerged(workdir: Workdir, read: Callable[[], tuple[T, Record | None]]) -> T:
    """Read something of a task, again if the task has been merged meanwhile.

    Parameters
    ----------
    workdir : Workdir
        The task's files.
    read : callable
        Returns what is read, and the record of the result file that this began with.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(FileNotFoundError):  # of a journal that has just been merged
            found, record = read()
            if _is_current(workdir, record):
                return found
    return read()[0]


def _is_current(workdir: Workdir, record: Record | None) -> bool:
    """Tell whether the result file is still the one of a record."""
    if record is None:
        newest = newest_plan(workdir)
        return current_record(workdir, [] if newest is None else [newest[1].plan_id]) is None
    known = record.run == ADOPTED or workdir.record(record.plan_id).exists()
    return known and record.fingerprint.matches(record.resultfile)
