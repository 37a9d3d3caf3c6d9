"""A task that has been started from Python, as who has started it looks after it."""

import time
import warnings
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from psyrun import run
from psyrun.diagnosis import FailureGroup
from psyrun.exceptions import TaskWarning, UsageError
from psyrun.failure import shorten
from psyrun.farming.bar import showing
from psyrun.jobstate import read_states
from psyrun.merging.history import newest_plan
from psyrun.results import Result, load
from psyrun.run import finding
from psyrun.run.overriding import task_of
from psyrun.tasks import TaskDef
from psyrun.workdir import Workdir

_SHORTEST, _LONGEST = 0.05, 2.0
"""Seconds between looking at a task's files while waiting."""


class FarmStatus(NamedTuple):
    """How far a task is.

    Attributes
    ----------
    total : int
        Rows of its space.
    completed, failed, pending : int
        How many of these have been computed, have failed, and are neither.
    running, queued : int
        Jobs.
    """

    total: int
    completed: int
    failed: int
    pending: int
    running: int
    queued: int

    @property
    def at_work(self) -> bool:
        """Whether there are jobs."""
        return bool(self.running or self.queued)


class Farm:
    """A task that runs, or has run: what `psyrun.farm` and `psyrun.attach` return.

    All that it tells comes from the work directory, so there may be any number of these for one
    task, in any process.

    Attributes
    ----------
    name : str
        Name of the task.
    directory : Path
        The task's directory in the work directory.
    """

    def __init__(self, task: TaskDef) -> None:
        self._task = task
        self.name = task.name
        self.directory = run.workdir_of(task).path

    def __repr__(self) -> str:
        status = self.status()
        parts = [f"{status.completed} of {status.total} rows completed"]
        parts += [f"{status.failed} failed"] if status.failed else []
        for n, how in ((status.running, "running"), (status.queued, "queued")):
            parts += [f"{n} {'job' if n == 1 else 'jobs'} {how}"] if n else []
        return f"<Farm {self.name!r}: {', '.join(parts)}>"

    def status(self) -> FarmStatus:
        """Return how far the task is.

        Returns
        -------
        FarmStatus
        """
        jobs = run.jobs_of(self._task)
        found = run.survey(self._task)
        return FarmStatus(
            total=found.total,
            completed=len(found.ledger.completed),
            failed=len(found.ledger.failed),
            pending=len(found.pending),
            running=len(jobs.running),
            queued=len(jobs.queued),
        )

    def wait(self, timeout: float | None = None, progress: bool = False) -> bool:
        """Wait until no job is at work on the task.

        Parameters
        ----------
        timeout : float, optional
            Most seconds to wait; without limit by default.
        progress : bool, optional
            Whether to show a progress bar; it is shown on a terminal and in a notebook only.

        Returns
        -------
        bool
            Whether all rows are completed and merged. If not, jobs may have ended without them, or
            the time is over; `status` tells.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause, told = _SHORTEST, ""
        with showing(self._task, progress):
            while (jobs := run.jobs_of(self._task)) or jobs.trouble:
                if jobs.trouble and jobs.trouble != told:
                    self._warn(jobs.trouble)
                    told = jobs.trouble
                left = _LONGEST if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return False
                time.sleep(min(pause, left))
                pause = min(1.2 * pause, _LONGEST)
        return run.survey(self._task).up_to_date

    def result(self, partial: bool = False) -> Result:
        """Return what has been computed.

        Rows that have failed or are missing are left out, with a warning.

        Parameters
        ----------
        partial : bool, optional
            Whether to return at once what has been computed so far; by default, wait until no job
            is at work.

        Returns
        -------
        Result

        Raises
        ------
        UsageError
            If nothing has been merged.

        Warns
        -----
        TaskWarning
            If rows are not completed although no job is at work.
        """
        if not partial and not self.wait():
            self.warn_of_missing_rows()
        return load(self.directory, partial=partial)

    def failures(self) -> list[FailureGroup]:
        """Return why rows have failed, grouped by cause, the most frequent one first."""
        return finding.failures(run.survey(self._task))

    def kill(self) -> list[str]:
        """End the jobs of the task, and of no other; what has been computed is kept.

        Returns
        -------
        list of str
            The jobs.

        Raises
        ------
        SchedulerError
            If the scheduler refuses.
        """
        return run.kill(self._task, refresh=True)

    def warn_of_missing_rows(self) -> None:
        """Tell in a warning which rows are not there, and what has kept jobs from doing them."""
        status = self.status()
        if status.failed:
            self._warn(f"{status.failed} of {status.total} rows have failed; see failures()")
        if status.pending:
            self._warn(f"{status.pending} of {status.total} rows have not been evaluated")
        newest = newest_plan(run.workdir_of(self._task))
        for _, state in read_states(newest[1].all_jobs() if newest else ()):
            if state.how == "failed":
                self._warn(f"job {state.step} failed: {shorten(state.why)}")

    def _warn(self, what: str) -> None:
        warnings.warn(TaskWarning(self.name, f"{self.name}: {what.rstrip('.')}."), stacklevel=3)


def attach(name: str, workdir: str | PathLike[str] = "psy-work") -> Farm:
    """Look after a task that has been started before, in this process or another.

    Parameters
    ----------
    name : str
        Name of the task. It may also be one that ``psy run`` has started.
    workdir : path-like, optional
        The work directory.

    Returns
    -------
    Farm

    Raises
    ------
    UsageError
        If there is no such task in the work directory.
    """
    root = Path(workdir).absolute()
    newest = newest_plan(Workdir(root, name))
    if newest is None:
        there = sorted(path.name for path in root.glob("*") if (path / "plans").is_dir())
        known = f"the tasks there are {', '.join(there)}" if there else "there are none"
        raise UsageError(f"No task {name!r} has been started in {str(workdir)!r}; {known}.")
    task = task_of(*newest)
    task.workdir = root
    return Farm(task)
