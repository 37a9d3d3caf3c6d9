"""What has been computed of a task, from the files in its work directory alone."""

from pathlib import Path
from typing import NamedTuple

from psyrun.merging.history import History, Origin
from psyrun.merging.ledger import Ledger
from psyrun.merging.reading import read_ledger
from psyrun.merging.record import Record, current_record
from psyrun.plan import Brief, Plan, Source
from psyrun.pspace import ParameterSpace
from psyrun.workdir import PlanDir, Workdir


class Contents(NamedTuple):
    """What has been computed of a task.

    Attributes
    ----------
    space : ParameterSpace
        The space of the newest plan, or that of the result file where there is no plan.
    ledger : Ledger
        The rows of this space that are known.
    record : Record or None
        What the result file holds.
    brief, plan, files
        The newest plan, if there is any.
    """

    space: ParameterSpace
    ledger: Ledger
    record: Record | None
    brief: Brief | None = None
    plan: Plan | None = None
    files: PlanDir | None = None

    @property
    def result_is_complete(self) -> bool:
        """Whether the result file holds all of these rows."""
        if self.record is None:
            return False
        if self.files is not None and self.record.plan_id != self.files.plan_id:
            return False
        return self.record.rows == self.ledger.completed


def workdir_at(directory: Path) -> Workdir | None:
    """Return the task's files, if *directory* is a task's directory or one of its plans'."""
    directory = directory.absolute()
    candidates = [directory, *(p.parent for p in directory.parents if p.name == "plans")]
    for path in candidates:
        if path.name:
            workdir = Workdir(path.parent, path.name)
            if workdir.plan_heads() or workdir.records():
                return workdir
    return None


def computed(workdir: Workdir) -> Contents | None:
    """Read which rows have been computed, merged or not; None if nothing has been run.

    Raises
    ------
    JournalError
        If the newest plan is damaged.
    """
    history, ledger = read_ledger(workdir, _own_sources)
    known = history.plan or history.record
    if known is None:
        return None
    return Contents(known.space, ledger, history.record, history.brief, history.plan, history.files)


def _own_sources(history: History) -> list[Source]:
    known = history.plan or history.record
    if known is None:
        return []
    return history.sources(known.space, known.digest.space)


def merged(workdir: Workdir) -> Contents | None:
    """Read which rows the result file holds; None if there is none as psyrun has left it."""
    record = current_record(workdir)
    if record is None:
        return None
    origin = Origin(record.plan_id, record.space, record.digest.space, record=record)
    ledger = Ledger(workdir, [origin], [origin.source(record.space, record.digest.space)])
    return Contents(record.space, ledger, record)
