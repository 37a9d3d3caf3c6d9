"""Merging what is in a directory, whoever has left it there."""

from pathlib import Path

from psyrun.exceptions import UsageError
from psyrun.merging.contents import Contents, computed, workdir_at
from psyrun.merging.merge import ResultTable, describe_damages
from psyrun.merging.reading import read_unmerged
from psyrun.merging.record import Record
from psyrun.plan import read_brief
from psyrun.store import AutodetectStore
from psyrun.tasks import import_snapshot_on_demand
from psyrun.workdir import Workdir


def merge_directory(directory: Path, merged: Path) -> tuple[str, list[str]]:
    """Merge what is in a directory into one file.

    Parameters
    ----------
    directory : Path
        A task's directory in the work directory, at any time; or a directory of result files.
    merged : Path
        File to write; its extension decides on the format.

    Returns
    -------
    str
        What was merged, in words.
    list of str
        What could not be read.

    Raises
    ------
    UsageError
        If there is nothing to merge.
    """
    store = AutodetectStore.get_concrete_store(str(merged))
    if not directory.is_dir():
        raise UsageError(f"There is no directory {str(directory)!r} to merge.")
    workdir = workdir_at(directory)
    if workdir is not None:
        return _merge_journals(workdir, merged)
    files = sorted(
        path
        for path in directory.glob(f"*{store.ext}")
        if path.is_file() and path.absolute() != merged.absolute()
    )
    if not files:
        raise UsageError(
            f"There are no {store.ext} files in {str(directory)!r}, and it is not the "
            f"directory of a task either."
        )
    store.save_chunks(str(merged), (dict(store.load(str(path))) for path in files))
    return f"{len(files)} files", []


def _merge_journals(workdir: Workdir, merged: Path) -> tuple[str, list[str]]:
    store = AutodetectStore.get_concrete_store(str(merged))
    for head in workdir.plan_heads()[-1:]:
        import_snapshot_on_demand(*read_brief(head))

    def save() -> tuple[Contents, Record | None]:
        found = computed(workdir)
        if found is None or found.plan is None:
            raise UsageError(f"Nothing has been computed in {str(workdir.path)!r}.")
        table = ResultTable(found.ledger, found.space, found.plan.exclude)
        store.save_chunks(str(merged), table.chunks())
        return found, found.record

    found = read_unmerged(workdir, save)
    what = f"{len(found.ledger.completed)} of {len(found.space)} rows"
    return what, describe_damages(found.ledger)
