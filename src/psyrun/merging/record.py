"""What a result file holds, written down beside it so that nothing has to be guessed later."""

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from psyrun.files import Fingerprint, read_shared, write_whole
from psyrun.plan import Digest
from psyrun.rows import RowSet
from psyrun.store.base import Store
from psyrun.workdir import Workdir

if TYPE_CHECKING:
    from psyrun.pspace import ParameterSpace


class Record(NamedTuple):
    """What a result file holds.

    Attributes
    ----------
    plan_id, run : str
        The plan that was merged, and its run.
    digest : Digest
        What the result depends on.
    space : ParameterSpace
        The space.
    rows : RowSet
        Rows that are in the result file, one after the other in this order.
    outputs : list of str
        Columns that the function returned; the others are parameters.
    resultfile : Path
        The file.
    store : Store
        Its format.
    fingerprint : Fingerprint
        Its content.
    """

    plan_id: str
    run: str
    digest: Digest
    space: "ParameterSpace"
    rows: RowSet
    outputs: list[str]
    resultfile: Path
    store: Store
    fingerprint: Fingerprint

    def write(self, workdir: Workdir) -> None:
        """Write the record down.

        This is done before the result file takes its place. Whichever of the two a crash leaves
        behind, the record whose fingerprint is that of the result file is the one that counts.
        """
        workdir.state.mkdir(parents=True, exist_ok=True)
        relative = self
        if self.resultfile.is_relative_to(workdir.path):  # so that the directory can be moved
            relative = self._replace(resultfile=self.resultfile.relative_to(workdir.path))
        write_whole(workdir.record(self.plan_id), pickle.dumps(relative, protocol=5))


def is_foreign(resultfile: Path, record: Record | None) -> bool:
    """Tell whether there is a file at the result's place that psyrun has not left there so."""
    return resultfile.exists() and (record is None or record.resultfile != resultfile)


def current_record(workdir: Workdir, known: Iterable[str] = ()) -> Record | None:
    """Return the record of the result file as it is now, None if there is none.

    Parameters
    ----------
    workdir : Workdir
        The task's files.
    known : iterable of str, optional
        Plans whose records may be there though the directory does not list them yet.
    """
    for path in workdir.records(known):
        try:
            found: Any = pickle.loads(read_shared(path))  # noqa: S301 - psyrun's own file
        except Exception:  # noqa: S112 - damaged, so the result file counts as unknown
            continue
        if isinstance(found, Record):
            record = found._replace(resultfile=workdir.path / found.resultfile)
            if record.fingerprint.matches(record.resultfile):
                return record
    return None
