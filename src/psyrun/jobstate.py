"""How a job is doing, as its worker writes it down: the file ``jobs/<step>.json``."""

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from psyrun.files import read_shared, write_whole
from psyrun.processes import ProcessId

BY_SIGNAL, BY_TIME, BY_FAILURES = "signal", "time limit", "max_failures"
"""What may stop a job."""

PATIENCE = 120.0
"""Seconds without a sign of life after which a job on another machine is taken to be dead."""


class JobState(NamedTuple):
    """What a worker tells of its job.

    Attributes
    ----------
    step : str
        The job's step, ``process:<i>`` or ``merge``.
    process : ProcessId
        The worker.
    begun : float
        When it began, in seconds since the epoch.
    completed, failed : int
        Rows evaluated so far.
    ended : float or None
        When it ended, None while it runs.
    how : str or None
        How it ended: ``'finished'``, ``'stopped'`` or ``'failed'``.
    why : str
        One sentence about that.
    by : str
        What has stopped it, if it is one of the above.
    doing : sequence of (int, float)
        Rows that were being evaluated when this was written, and since when, in seconds since the
        epoch.
    """

    step: str
    process: ProcessId
    begun: float
    completed: int = 0
    failed: int = 0
    ended: float | None = None
    how: str | None = None
    why: str = ""
    by: str = ""
    doing: Sequence[tuple[int, float]] = ()

    @classmethod
    def beginning(cls, step: str) -> "JobState":
        """Return the state of a job that begins, in its worker."""
        return cls(step, ProcessId.current(), time.time())

    def counting(
        self, completed: int, failed: int, doing: Sequence[tuple[int, float]] = ()
    ) -> "JobState":
        """Return this state with other counts, and other rows that are being evaluated."""
        return self._replace(completed=completed, failed=failed, doing=doing)

    def ending(self, how: str, why: str = "", by: str = "") -> "JobState":
        """Return this state as the job's end record."""
        return self._replace(ended=time.time(), how=how, why=why, by=by)

    def write(self, path: Path) -> None:
        """Write the state down; this is also the worker's sign of life."""
        content = json.dumps(self._asdict(), indent=1).encode()
        try:
            write_whole(path, content, durable=self.ended is not None)
        except OSError:
            if not path.exists():
                raise
            # A disk that is full has still room for what takes the place of the former state.
            with path.open("r+b") as file:
                file.write(content.ljust(path.stat().st_size))

    @classmethod
    def read(cls, path: Path) -> "JobState":
        """Read a state.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        content: Mapping[str, Any] = json.loads(read_shared(path))
        return cls(**{**content, "process": ProcessId(*content["process"])})


def read_states(paths: Iterable[Path]) -> list[tuple[Path, JobState]]:
    """Read the states of jobs, leaving out files that are damaged or have just been deleted."""
    states = []
    for path in paths:
        try:
            states.append((path, JobState.read(path)))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return states


def is_running(state: JobState, path: Path) -> bool:
    """Tell whether a job that has begun is still at work.

    On this machine the process itself is asked. Elsewhere the age of its last sign of life
    decides, by the clock of the file system.

    Parameters
    ----------
    state : JobState
        State of the job.
    path : Path
        The file it was read from.
    """
    if state.ended is not None:
        return False
    alive = state.process.alive()
    # A sign of life from the future is one from before the clock was set back.
    return alive if alive is not None else abs(age_of(path)) < PATIENCE


def age_of(path: Path) -> float:
    """Return the seconds since a file was written, by the clock of the file system."""
    probe = path.with_name(f".now-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except OSError:
        # Nothing can be written here; the clock of this machine is the next best.
        try:
            return time.time() - path.stat().st_mtime
        except OSError:
            return PATIENCE
    finally:
        probe.unlink(missing_ok=True)
