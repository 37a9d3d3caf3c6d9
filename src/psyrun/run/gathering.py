"""Merging what is in a directory, whoever has left it there."""

from pathlib import Path

from psyrun.exceptions import UsageError
from psyrun.merging.history import read_history
from psyrun.merging.ledger import Ledger
from psyrun.merging.merge import ResultTable, describe_damages
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
    workdir = _workdir_at(directory.absolute())
    if workdir is not None:
        return _merge_journals(workdir, merged)
    files = sorted(
        path
        for path in directory.glob(f"*{merged.suffix}")
        if path.is_file() and path.absolute() != merged.absolute()
    )
    if not files:
        raise UsageError(
            f"There are no {merged.suffix} files in {str(directory)!r}, and it is not the "
            f"directory of a task either."
        )
    store.save_chunks(str(merged), (dict(store.load(str(path))) for path in files))
    return f"{len(files)} files", []


def _workdir_at(directory: Path) -> Workdir | None:
    """Return the task's files, if *directory* is a task's directory or one of its plans'."""
    candidates = [directory, *(p.parent for p in directory.parents if p.name == "plans")]
    for path in candidates:
        if path.name:
            workdir = Workdir(path.parent, path.name)
            if workdir.plan_heads() or workdir.records():
                return workdir
    return None


def _merge_journals(workdir: Workdir, merged: Path) -> tuple[str, list[str]]:
    store = AutodetectStore.get_concrete_store(str(merged))
    for head in workdir.plan_heads()[-1:]:
        import_snapshot_on_demand(*read_brief(head))
    history = read_history(workdir)
    if history.plan is None or history.brief is None:
        raise UsageError(f"Nothing has been computed in {str(workdir.path)!r}.")
    plan = history.plan
    sources = [origin.source(plan.space, plan.digest.space) for origin in history.origins]
    ledger = Ledger(workdir, history.origins, sources)
    store.save_chunks(str(merged), ResultTable(ledger, plan.space, plan.exclude).chunks())
    what = f"{len(ledger.completed)} of {history.brief.total} rows"
    return what, describe_damages(ledger)
