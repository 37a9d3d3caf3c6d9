"""Following a run while it lasts, from its files: how far it is, what fails, what is left."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from psyrun.failure import Failure
from psyrun.jobstate import JobState, read_states
from psyrun.journal import Kind
from psyrun.journal.reader import Journal
from psyrun.merging.contents import computed
from psyrun.plan import MERGE, Brief
from psyrun.pspace import ParameterSpace
from psyrun.rows import RowSet
from psyrun.run.jobs import Jobs, jobs_of
from psyrun.run.rowtimes import expected_seconds
from psyrun.run.survey import workdir_of
from psyrun.tasks import TaskDef
from psyrun.workdir import PlanDir

_WINDOW = 30.0
"""Seconds over which the rate is taken."""
_KEPT = 20_000
"""Run times to remember for the forecast."""


class Doing(NamedTuple):
    """A row that is being evaluated.

    Attributes
    ----------
    row : int
        The row.
    seconds : float
        For how long.
    """

    row: int
    seconds: float


class Look(NamedTuple):
    """How far a task is.

    Attributes
    ----------
    space : ParameterSpace
        Its space.
    completed, failed : RowSet
        Rows of the space.
    todo : RowSet
        Rows that the run is to evaluate, done or not.
    failures : list of (int, Failure)
        What has failed since the look before; at the first look, nothing.
    jobs : Jobs
        Its jobs.
    rate : float
        Rows a second, lately.
    remaining : float or None
        Seconds that the rest will take, None if it cannot be told.
    slowest : Doing or None
        The row that has been evaluated for longest, of those that are.
    merged : bool
        Whether the result file holds all that has been computed.
    doing : list of Doing
        All rows that are being evaluated.
    """

    space: ParameterSpace
    completed: RowSet
    failed: RowSet
    todo: RowSet
    failures: list[tuple[int, Failure]]
    jobs: Jobs
    rate: float = 0.0
    remaining: float | None = None
    slowest: Doing | None = None
    merged: bool = False
    doing: Sequence[Doing] = ()

    @property
    def done(self) -> int:
        """Number of rows that have been evaluated, now or earlier."""
        return len(self.completed) + len(self.failed)

    @property
    def goal(self) -> int:
        """Number of rows that will have been evaluated at the end of the run."""
        return len(self.completed | self.failed | self.todo)

    @property
    def complete(self) -> bool:
        """Whether all rows of the space are in the result file."""
        return self.merged and len(self.completed) == len(self.space)


class Follower:
    """Follows a task, over all plans that make up its run.

    Parameters
    ----------
    task : TaskDef
        The task.
    from_start : bool, optional
        Whether what has failed before the first look is news.
    """

    def __init__(self, task: TaskDef, *, from_start: bool = False) -> None:
        self.task = task
        self._from_start = from_start
        self._run: _Run | None = None

    def look(self, jobs: Jobs | None = None) -> Look | None:
        """Look at the files; None if the task has not been run.

        Parameters
        ----------
        jobs : Jobs, optional
            The jobs, if they are known.
        """
        jobs = jobs_of(self.task) if jobs is None else jobs
        if jobs.brief is None or jobs.files is None:
            return None
        if self._run is None or self._run.brief.plan_id != jobs.brief.plan_id:
            news = self._from_start or self._run is not None
            self._run = _Run(self.task, jobs.brief, jobs.files, news=news)
        return self._run.look(jobs)

    def end(self) -> Look | None:
        """Look once more at a run that has ended, with all that its merge has left."""
        found = computed(workdir_of(self.task))
        if found is None:
            return None
        failed = found.ledger.failed
        none = Jobs([], [], False, [], 0.0, brief=found.brief, files=found.files)
        merged = found.result_is_complete
        return Look(found.space, found.ledger.completed, failed, RowSet(), [], none, merged=merged)

    def has_ended(self, jobs: Jobs) -> bool:
        """Tell whether nothing is at work any more, and nothing is queued."""
        if jobs or jobs.trouble:
            return False
        again = jobs_of(self.task, refresh=True)  # the queue may have been asked too early
        return not again and not again.trouble


class _Run:
    """Follows the jobs of one plan."""

    def __init__(self, task: TaskDef, brief: Brief, files: PlanDir, *, news: bool) -> None:
        self.brief, self._files = brief, files
        found = computed(workdir_of(task))
        assert found is not None and found.plan is not None
        self._space, self._todo = found.space, found.plan.todo
        self._earlier = found.ledger.completed - self._todo, found.ledger.failed - self._todo
        self._completed = found.ledger.completed & self._todo
        # Until the plan is merged, what has failed among these rows may have failed before it.
        is_merged = found.record is not None and found.record.plan_id == files.plan_id
        self._failed = found.ledger.failed & self._todo if is_merged else RowSet()
        self._ends: dict[Path, int] = {}
        self._rows: deque[int] = deque(maxlen=_KEPT)
        self._seconds: deque[float] = deque(maxlen=_KEPT)
        self._worked = 0.0
        self._samples: deque[tuple[float, int]] = deque()
        failures = [*self._read_journals()]
        self._failures = failures if news else []

    def look(self, jobs: Jobs) -> Look:
        failures = [*self._failures, *self._read_journals()]
        self._failures = []
        completed = self._earlier[0] | self._completed
        failed = (self._earlier[1] | self._failed) - completed
        states = [state for path, state in read_states(self._files.all_jobs())]
        left = self._todo - self._completed - self._failed
        doing = [each for each in _doing(states, set(jobs.running)) if each.row in left]
        return Look(
            self._space,
            completed,
            failed,
            self._todo,
            [(row, failure) for row, failure in failures if row not in completed],
            jobs,
            self._rate(len(self._completed) + len(self._failed), jobs),
            self._remaining(states, doing, left, set(jobs.running)),
            max(doing, key=lambda each: each.seconds, default=None),
            doing=doing,
        )

    def _read_journals(self) -> Iterator[tuple[int, Failure]]:
        """Read what has been added to the journals; return what has failed."""
        for path in self._files.all_journals():
            with suppress(FileNotFoundError):  # it has just been merged
                if path.stat().st_size > self._ends.get(path, 0):
                    yield from self._read(
                        Journal(path, self._files.plan_id, self._ends.get(path, 0))
                    )

    def _read(self, journal: Journal) -> list[tuple[int, Failure]]:
        self._ends[journal.path] = journal.end
        frames = journal.frames
        completed, failed = (frames["kind"] == kind for kind in (Kind.COMPLETED, Kind.FAILED))
        self._completed |= RowSet(frames["row"][completed])
        self._failed |= RowSet(frames["row"][failed])
        both = completed | failed
        self._rows.extend(frames["row"][both].tolist())
        self._seconds.extend(frames["duration"][both].tolist())
        self._worked += float(frames["duration"][both].sum(dtype=np.float64))
        at = np.flatnonzero(failed)
        payloads = journal.payloads(at)
        rows = frames["row"][at].tolist()
        return [(row, Failure.decode(p)) for row, p in zip(rows, payloads, strict=True)]

    def _rate(self, done: int, jobs: Jobs) -> float:
        now = time.monotonic()
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] < now - _WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        if done > before and now - since > 1.0:
            return (done - before) / (now - since)
        return jobs.rate if jobs.running else 0.0

    def _remaining(
        self, states: list[JobState], doing: list[Doing], left: RowSet, running: set[str]
    ) -> float | None:
        """Estimate the time for the rows left, at the share of its time that jobs spend on rows."""
        n_running = sum(state.step in running for state in states if state.step != MERGE)
        if not len(self._rows) or not n_running:
            return None
        now, pool = time.time(), self.brief.pool_size
        spent = [(s.ended or now) - s.begun for s in states if s.step != MERGE]
        in_work = sum(each.seconds for each in doing)
        share = (self._worked + in_work) / max(pool * sum(spent), 1e-3)
        rows = np.fromiter(self._rows, dtype=np.int64)
        work = expected_seconds(self._space, rows, list(self._seconds), left)
        usual = work / max(len(left), 1)
        # A row that takes longer than usual will go on for a while.
        rest = sum(max(usual - each.seconds, each.seconds / 4) for each in doing)
        work = rest + usual * max(len(left) - len(doing), 0)
        processes = max(1, min(pool * n_running, len(left)))
        return work / (processes * min(max(share, 1e-6), 1.0))


def _doing(states: Sequence[JobState], running: set[str]) -> list[Doing]:
    now = time.time()
    return [
        Doing(row, max(now - since, 0.0))
        for state in states
        if state.step in running
        for row, since in state.doing
    ]
