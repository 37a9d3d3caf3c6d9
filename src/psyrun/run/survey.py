"""What is there of a task."""

from pathlib import Path
from typing import NamedTuple

from psyrun.digest import digest
from psyrun.exceptions import UsageError
from psyrun.merging.history import ADOPTED, History
from psyrun.merging.ledger import Ledger
from psyrun.merging.provenance import plan_described_by
from psyrun.merging.reading import read_ledger
from psyrun.merging.record import Record
from psyrun.plan import Digest
from psyrun.pspace import ParameterSpace
from psyrun.rows import RowSet
from psyrun.tasks import TaskDef
from psyrun.workdir import Workdir


def workdir_of(task: TaskDef) -> Workdir:
    """Return the files of a task."""
    return Workdir(task.workdir, task.name)


def resultfile_of(task: TaskDef) -> Path:
    """Return where the result of a task goes."""
    if task.resultfile is not None:
        return Path(task.resultfile).absolute()
    return workdir_of(task).result(task.store.ext)


class Survey(NamedTuple):
    """What is there of a task.

    Attributes
    ----------
    task : TaskDef
        The task.
    digest : Digest
        What its result depends on now.
    history : History
        Its former runs.
    ledger : Ledger
        The rows of the task's space that have been computed.
    changes : list of str
        What has changed since.
    """

    task: TaskDef
    digest: Digest
    history: History
    ledger: Ledger
    changes: list[str]

    @property
    def space(self) -> ParameterSpace:
        """The task's space."""
        assert self.task.pspace is not None
        return self.task.pspace

    @property
    def total(self) -> int:
        """Number of rows of the space."""
        return len(self.space)

    @property
    def resultfile(self) -> Path:
        """Where the result goes."""
        return resultfile_of(self.task)

    @property
    def pending(self) -> RowSet:
        """Rows that are neither completed nor failed."""
        return RowSet.span(0, self.total) - self.ledger.completed - self.ledger.failed

    @property
    def merged(self) -> bool:
        """Whether the result file holds what has been computed and is described beside it."""
        record = self.history.record
        if record is None or not self.history.merged or record.resultfile != self.resultfile:
            return False
        if record.run == ADOPTED:
            return True
        # A journal may have come to light after the merge, or a worker thought to be dead.
        described = plan_described_by(workdir_of(self.task).provenance)
        return described == record.plan_id and len(record.rows) == len(self.ledger.completed)

    @property
    def up_to_date(self) -> bool:
        """Whether the result is complete and that of the task as it is now."""
        return self.merged and not self.changes and len(self.ledger.completed) == self.total


def survey(task: TaskDef, adopted: Record | None = None) -> Survey:
    """Find out what is there of a task, from its files.

    Parameters
    ----------
    task : TaskDef
        The task.
    adopted : Record, optional
        What a result file holds that psyrun has not left as it is.

    Raises
    ------
    UsageError
        If a file of *file_dep* is not there.
    """
    assert task.pspace is not None
    space, workdir = task.pspace, workdir_of(task)
    try:
        content = task.contents[task.path.name]
        file_dep = [str(name) for name in task.file_dep]
        now = digest(content, task.path.parent, file_dep, space)
    except FileNotFoundError as err:
        raise UsageError(
            f"Task {task.name!r} depends on {err.filename!r} (file_dep), which is not there."
        ) from None
    history, ledger = read_ledger(
        workdir, lambda history: history.sources(space, now.space), adopted
    )
    changes = now.changes_from(history.digest) if history.digest is not None else []
    return Survey(task, now, history, ledger, changes)
