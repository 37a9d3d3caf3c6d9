"""What a dashboard tells of the tasks of a directory.

Files are read anew only if they have changed, not more often than what this costs allows, and once
for all pages that are open.
"""

import json
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from os import PathLike
from typing import Any

from psyrun.dashboard.taskfiles import Stamp, TaskFile, TaskFiles, stamp_of
from psyrun.exceptions import PsyrunError, TaskWarning
from psyrun.failure import show_assignment
from psyrun.merging.contents import computed
from psyrun.merging.history import newest_plan
from psyrun.report.content import describe_task
from psyrun.results import load
from psyrun.run import jobs_of, resultfile_of, workdir_of
from psyrun.run.following import Follower, Look
from psyrun.tasks import TaskDef
from psyrun.workdir import Workdir

_EVERY = 1.0
"""Seconds between two looks at the files."""
_SHARE = 5.0
"""So many times as long as a look takes, nothing is looked at after it."""
_MOST_ROWS = 10_000
"""A page that is to keep up with its task holds fewer rows than a report."""
_MOST_CONTENTS = 4
_MOST_DOING = 4
"""So many of the rows that are being evaluated are told, those that have taken longest."""
_TAIL = 6000  # characters of a log


class _Seldom:
    """Does something again not before some time has passed, which grows with what it takes."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._after = 0.0

    def is_due(self) -> bool:
        return time.monotonic() >= self._after

    def do(self, work: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        try:
            return work()
        finally:
            now = time.monotonic()
            self._after = now + max(self._every, _SHARE * (now - begun))


class _Watched:
    """What is known of a task.

    Parameters
    ----------
    task : TaskDef
        The task.
    """

    def __init__(self, task: TaskDef) -> None:
        self.task = task
        self.stamp: Stamp | None = None
        self._told: dict[str, Any] = {}
        self._counted: Stamp | None = None
        self._follower = Follower(task)
        self._seldom = _Seldom(_EVERY)

    def tell(self) -> dict[str, Any]:
        """Tell how the task is doing."""
        try:
            self._told = {**self._told, **self._look()}
        except FileNotFoundError:  # a merge has just taken the place of journals
            if not self._told:
                raise
        return self._told

    def _look(self) -> dict[str, Any]:
        workdir = workdir_of(self.task)
        jobs = jobs_of(self.task)
        self.stamp = _stamp_of_rows(self.task, workdir)
        told: dict[str, Any] = {
            **{"version": _version(self.stamp), "rate": 0.0, "remaining": None, "doing": []},
            **{"running": jobs.running, "queued": jobs.queued, "lost": jobs.lost},
            "trouble": jobs.trouble,
        }
        look = self._follower.look(jobs) if jobs else None
        if look is not None:
            self._counted = None
            return {**told, **_describe(look)}
        if self._counted != self.stamp and (self._seldom.is_due() or not self._told):
            told["counts"] = self._seldom.do(lambda: _count(self.task, workdir))
            self._counted = self.stamp
        return told


def _version(stamp: Stamp | None) -> str:
    return "" if stamp is None else format(hash(stamp), "x")


def _stamp_of_rows(task: TaskDef, workdir: Workdir) -> Stamp:
    """Return what changes whenever a row has been evaluated or merged."""
    newest = newest_plan(workdir)
    journals = newest[1].all_journals() if newest is not None else []
    files = [task.path, workdir.provenance, workdir.timings, resultfile_of(task)]
    return stamp_of(*workdir.plan_heads(), *workdir.records(), *files, *journals)


def _describe(look: Look) -> dict[str, Any]:
    longest = sorted(look.doing, key=lambda each: -each.seconds)[:_MOST_DOING]
    return {
        "counts": _counts(len(look.space), len(look.completed), len(look.failed)),
        "rate": look.rate,
        "remaining": look.remaining,
        "doing": [
            {"what": f"{row} ({show_assignment(look.space[row])})", "seconds": seconds}
            for row, seconds in longest
        ],
    }


def _count(task: TaskDef, workdir: Workdir) -> dict[str, int]:
    found = computed(workdir)
    if found is None:
        return _counts(len(task.pspace or ()), 0, 0)
    return _counts(len(found.space), len(found.ledger.completed), len(found.ledger.failed))


def _counts(total: int, completed: int, failed: int) -> dict[str, int]:
    pending = total - completed - failed
    return {"total": total, "completed": completed, "failed": failed, "pending": pending}


class Watch:
    """Watches the tasks of a directory, for any number of threads.

    Parameters
    ----------
    taskdir : path-like
        Directory of task files.

    Raises
    ------
    UsageError
        If there is no such directory.
    """

    def __init__(self, taskdir: str | PathLike[str]) -> None:
        self._files = TaskFiles(taskdir)
        self._tasks: dict[str, TaskDef] = {}
        self._watched: dict[str, _Watched] = {}
        self._state: list[dict[str, Any]] | None = None
        self._seldom = _Seldom(_EVERY)
        self._looking = threading.Lock()
        self._contents: OrderedDict[str, _Content] = OrderedDict()
        self._describing = threading.Lock()

    def state(self) -> list[dict[str, Any]]:
        """Tell how all tasks are doing.

        Returns
        -------
        list of dict
            For each task its *name*; *error*, why it cannot be told, or *counts* of rows, the jobs
            that are *running*, *queued* or *lost*, the rows that these are *doing*, *rate* in rows
            a second, *remaining* seconds, and *version*, which changes when there is more to show.
        """
        # While one page waits for a look at the files, the others get what was seen before.
        if self._looking.acquire(blocking=self._state is None):
            try:
                if self._state is None or self._seldom.is_due():
                    self._state = self._seldom.do(self._look)
            finally:
                self._looking.release()
        assert self._state is not None
        return self._state

    def _look(self) -> list[dict[str, Any]]:
        files = self._files.load()
        self._tasks = {file.name: file.task for file in files if file.task is not None}
        self._watched = {name: self._watched_of(task) for name, task in self._tasks.items()}
        return [{"name": file.name, **self._tell(file)} for file in files]

    def _watched_of(self, task: TaskDef) -> _Watched:
        known = self._watched.get(task.name)
        return known if known is not None and known.task is task else _Watched(task)

    def _tell(self, file: TaskFile) -> dict[str, Any]:
        if file.task is None:
            return {"error": file.error}
        try:
            return self._watched[file.name].tell()
        except Exception as err:  # a scheduler of the user's own may raise anything
            return {"error": str(err) if isinstance(err, PsyrunError) else repr(err)}

    def log_of(self, name: str) -> dict[str, str] | None:
        """Return the end of the log that a task has written to last: *path* and *tail*."""
        task = self._tasks.get(name)
        newest = newest_plan(workdir_of(task)) if task is not None else None
        try:
            logs = newest[1].all_logs() if newest is not None else []
            if not logs:
                return None
            path = max(logs, key=lambda log: log.stat().st_mtime_ns)
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL))
                return {"path": str(path), "tail": file.read().decode(errors="replace")}
        except FileNotFoundError:  # the task is being cleaned
            return None

    def content_of(self, name: str) -> bytes | None:
        """Return what a page shows of a task as JSON, None if there is no such task.

        With its *version*, as in `state`; this may be behind for as long as making it takes.

        Raises
        ------
        PsyrunError
            If what has been computed cannot be read.
        """
        self.state()
        task, watched = self._tasks.get(name), self._watched.get(name)
        if task is None or watched is None:
            return None
        with self._describing:
            content = self._contents.setdefault(name, _Content())
            self._contents.move_to_end(name)
            while len(self._contents) > _MOST_CONTENTS:
                self._contents.popitem(last=False)
            return content.make(task, watched)


class _Content:
    """What a page shows of a task, made again when there is more to show."""

    def __init__(self) -> None:
        self._stamp: Stamp | None = None
        self._encoded = b""
        self._seldom = _Seldom(_EVERY)

    def make(self, task: TaskDef, watched: _Watched) -> bytes:
        stamp = watched.stamp
        if stamp != self._stamp and (self._seldom.is_due() or self._stamp is None):
            self._encoded = self._seldom.do(lambda: self._describe(task, stamp))
            self._stamp = stamp
        return self._encoded

    def _describe(self, task: TaskDef, stamp: Stamp | None) -> bytes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TaskWarning)
            result = load(workdir_of(task).path, partial=True)
        content = describe_task(result, _MOST_ROWS)
        content["version"] = _version(stamp)
        return json.dumps(content, allow_nan=False).encode()
