"""Running jobs here and now."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from psyrun.processes import WATCH_PARENT
from psyrun.scheduler.base import JobId, JobStatus, Scheduler


class ImmediateRun(Scheduler):
    """Run each job on this machine at once, one after the other."""

    serial = True

    def __init__(self) -> None:
        self._last_id = 0

    def submit(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Run a job; return when it has ended.

        Parameters
        ----------
        args : sequence of str
            The command and its arguments.
        output_filename : str
            File to append the job's output to.
        name, depends_on, scheduler_args
            Not needed: what was submitted earlier has ended.

        Returns
        -------
        int
            The job's id.
        """
        self._last_id += 1
        environment = os.environ | {WATCH_PARENT: str(os.getpid())}
        path = Path(output_filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - words, not a shell's line
                args,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )
            try:
                process.wait()
            except KeyboardInterrupt:
                # The terminal has sent the signal to the job as well, which ends in good order.
                process.wait()
                raise
        return self._last_id

    def kill(self, jobid: JobId) -> None:
        """Do nothing: what was submitted has ended."""

    def get_status(self, jobid: JobId) -> JobStatus | None:
        """Return None: what was submitted has ended."""
        return None

    def get_jobs(self) -> Iterable[JobId]:
        """Return nothing: what was submitted has ended."""
        return []
