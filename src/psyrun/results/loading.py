"""Loading a result: from a task's directory, a file, or by a task's name."""

import json
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial as bind
from os import PathLike
from pathlib import Path
from typing import Any

from psyrun.exceptions import (
    JournalError,
    NotMergedError,
    TaskLoadError,
    TaskWarning,
    UnknownTaskError,
    UsageError,
)
from psyrun.files import again_if_stale, read_shared
from psyrun.merging.contents import Contents, computed, merged, workdir_at
from psyrun.merging.history import newest_plan
from psyrun.merging.merge import ResultTable
from psyrun.merging.provenance import provenance
from psyrun.merging.reading import read_unmerged
from psyrun.merging.record import Record
from psyrun.merging.timings import Timings
from psyrun.results.columns import Columns, Values
from psyrun.results.parameters import column_of
from psyrun.results.result import Result
from psyrun.rows import RowSet
from psyrun.store import AutodetectStore
from psyrun.store.base import concatenate
from psyrun.tasks import PackageLoader, import_snapshot_on_demand, load_conf
from psyrun.workdir import Workdir

_importing = threading.RLock()
"""Held by who changes how modules are found, until that is as before."""


def load(
    what: str | PathLike[str],
    partial: bool = False,
    taskdir: str | PathLike[str] = "psy-tasks",
) -> Result:
    """Load what has been computed of a task.

    Parameters
    ----------
    what : path-like
        The task's directory in the work directory, such as ``'psy-work/example'``; or a result
        file of any store; or the name of a task.
    partial : bool, optional
        Whether to load all that has been computed, also what has not been merged yet: of a task
        that is running, or that has been stopped. By default, what is in the result file.
    taskdir : path-like, optional
        Directory with the task's file, for its name.

    Returns
    -------
    Result

    Raises
    ------
    UsageError
        If there is no such task, directory or file; or nothing has been merged yet.
    StoreError
        If the file is damaged or of no known format.
    """
    path = Path(what)
    if path.is_dir():
        workdir = workdir_at(path)
        if workdir is None:
            raise UsageError(
                f"{str(what)!r} is not the directory of a task: nothing has been run there. Give "
                f"one such as 'psy-work/example', a result file, or the name of a task."
            )
        return _load_task(workdir, partial)
    if path.exists():
        return _load_file(path, partial)
    return _load_task(_workdir_of(what, Path(taskdir)), partial)


def _workdir_of(what: str | PathLike[str], taskdir: Path) -> Workdir:
    """Find the files of a task by its name, also if its own file does not load any more."""
    path = Path(what)
    if path.name != str(what) or not taskdir.is_dir():
        raise UsageError(
            f"There is no file or directory {str(what)!r}"
            + ("." if taskdir.is_dir() else f", and no directory {str(taskdir)!r} with tasks.")
        )
    loader = PackageLoader(taskdir)
    name = str(what)
    try:
        tasks = loader.load_task_defs([name])
    except UnknownTaskError as err:
        # The task's file may be gone, but what it has computed is there.
        found = workdir_at(Path(load_conf(taskdir).workdir) / name)
        if found is None:
            raise UnknownTaskError(f"{err} There is no file {name!r} either.") from None
        return found
    if tasks:
        return Workdir(tasks[0].workdir, tasks[0].name)
    found = workdir_at(Path(load_conf(taskdir).workdir) / name)
    if found is None:
        raise next(iter(loader.errors.values()))
    return found


def _load_file(path: Path, partial: bool) -> Result:
    workdir = workdir_at(path.absolute().parent)
    if workdir is not None:
        with _modules_of(workdir):
            found = merged(workdir)
        if found is not None and _same(found.record, path):
            return _load_task(workdir, partial)
    data = AutodetectStore().load(path)
    n = min((len(column) for column in data.values()), default=0)
    rows = RowSet.span(0, n)
    return Result(path.stem, None, [], list(data), Columns(data), rows, scope=rows, total=n)


def _same(record: Record | None, path: Path) -> bool:
    return record is not None and record.resultfile.exists() and record.resultfile.samefile(path)


def _load_task(workdir: Workdir, partial: bool) -> Result:
    with _modules_of(workdir):
        try:
            found, result = read_unmerged(workdir, bind(_read, workdir, partial))
        except JournalError as err:
            if isinstance(err.__cause__, ImportError | AttributeError | TaskLoadError):
                raise _unreadable(workdir, err.__cause__) from err
            raise
    _warn_of_damages(workdir.task, found)
    return result


def _read(workdir: Workdir, partial: bool) -> tuple[tuple[Contents, Result], Record | None]:
    found = computed(workdir) if partial else merged(workdir)
    if found is None:
        raise _why_nothing(workdir, partial)
    return (found, _result_of(workdir, found)), found.record


def _result_of(workdir: Workdir, found: Contents) -> Result:
    columns, outputs = _table_of(found)
    names, total = found.space.keys(), len(found.space)
    read_timings = _timings_of(found)
    told = _provenance_of(workdir, found, read_timings)
    return Result(
        name=workdir.task,
        space=found.space,
        params=[name for name in names if name in columns],
        outputs=[name for name in outputs if name in columns and name not in names],
        columns=columns,
        completed=found.ledger.completed,
        failed=found.ledger.failed,
        scope=RowSet.span(0, total),
        total=total,
        failures=dict(found.ledger.failures()),
        read_timings=read_timings,
        provenance=told,
        units=told.get("units", {}),
        overridden=frozenset(name for name in outputs if name in columns and name in names),
    )


def _table_of(found: Contents) -> tuple[Columns, list[str]]:
    """Return the columns of the completed rows, and the names of those that were returned."""
    names, completed, record = found.space.keys(), found.ledger.completed, found.record
    data: Mapping[str, Sequence[Any]]
    if found.result_is_complete:
        assert record is not None
        data = again_if_stale(lambda: record.store.load(record.resultfile))
        outputs = record.outputs
    else:
        exclude = found.plan.exclude if found.plan is not None else []
        table = ResultTable(found.ledger, found.space, exclude)
        data = concatenate(table.chunks())
        outputs = table.outputs
    # A store may have made something else of the parameters' values; the space knows them exactly.
    sources: dict[str, Values | Callable[[], Values]] = {
        name: bind(column_of, found.space, name, completed) for name in names if name in data
    }
    return Columns(sources | {name: data[name] for name in outputs if name in data}), outputs


def _timings_of(found: Contents) -> Callable[[], Timings]:
    """Return what tells the timings: from journals at once, as the next merge deletes these."""
    if not found.result_is_complete:
        timings = found.ledger.timings()
        return lambda: timings
    return found.ledger.timings


def _provenance_of(
    workdir: Workdir, found: Contents, read_timings: Callable[[], Timings]
) -> dict[str, Any]:
    brief, plan, files = found.brief, found.plan, found.files
    if not (found.result_is_complete or brief is None or plan is None or files is None):
        told = provenance(brief, plan, found.ledger, read_timings(), files.environment)
        return {name: value for name, value in told.items() if name != "merged"}
    try:
        described: dict[str, Any] = json.loads(workdir.provenance.read_bytes())
    except (OSError, ValueError):
        return {}
    of_this = found.record is not None and described.get("plan") == found.record.plan_id
    return described if of_this else {}


def _warn_of_damages(task: str, found: Contents) -> None:
    # The end of a journal that is being written looks torn.
    damages = [damage for damage in found.ledger.damages if not damage.torn]
    if damages:
        warnings.warn(
            TaskWarning(
                task,
                f"Journals of task {task!r} are damaged, the rows lost there count as pending: "
                f"{', '.join(sorted({str(damage.path) for damage in damages}))}.",
            ),
            stacklevel=4,
        )


def _why_nothing(workdir: Workdir, partial: bool) -> UsageError:
    """Say why there is nothing to load."""
    task = workdir.task
    for path in workdir.records()[:1]:
        try:
            record = pickle.loads(read_shared(path))  # noqa: S301 - psyrun's own file
            resultfile = workdir.path / record.resultfile
        except Exception as err:  # unpickling may raise anything
            return _unreadable(workdir, err)
        how = "not as psyrun left it" if resultfile.exists() else "not there any more"
        return UsageError(
            f"The result file {str(resultfile)!r} of task {task!r} is {how}; load that file by "
            f"itself for the table alone, or compute its rows again with 'psy run {task}'."
        )
    if not workdir.plan_heads():
        return UsageError(f"Task {task!r} has not been run; do so with 'psy run {task}'.")
    return NotMergedError(task)


def _unreadable(workdir: Workdir, err: BaseException) -> UsageError:
    return UsageError(
        f"The parameter space of task {workdir.task!r} cannot be read "
        f"({type(err).__name__}: {err}); make importable what it refers to, or load the result "
        f"file by itself for the table alone."
    )


@contextmanager
def _modules_of(workdir: Workdir) -> Iterator[None]:
    """Let pickles refer to what the task's file defines, as it was when it was run."""
    with _importing:
        yield from _with_modules_of(workdir)


def _with_modules_of(workdir: Workdir) -> Iterator[None]:
    former = sys.path.copy(), sys.meta_path.copy(), sys.modules.copy()
    ours: set[str] = set()
    with suppress(JournalError, OSError):
        newest = newest_plan(workdir)
        if newest is not None:
            brief, _ = newest
            module = sys.modules.get(Path(brief.task_file).stem)
            if module is not None and getattr(module, "__file__", None) != brief.task_file:
                ours.add(module.__name__)
                del sys.modules[module.__name__]
            import_snapshot_on_demand(*newest)
    try:
        yield
    finally:
        sys.path[:], sys.meta_path[:] = former[:2]
        sys.modules.update({name: former[2][name] for name in ours})
