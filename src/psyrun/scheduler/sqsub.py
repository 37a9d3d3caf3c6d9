"""The ``sqsub`` command of Sharcnet."""

import os
import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from psyrun.exceptions import SchedulerError
from psyrun.scheduler._commands import call, call_once
from psyrun.scheduler._options import Option, build_options
from psyrun.scheduler._queue import Entry, Queue
from psyrun.scheduler.base import JobId, JobStatus, Scheduler, resolve


class Sqsub(Scheduler):
    """Submit jobs with ``sqsub``.

    *scheduler_args* are *timelimit* (required), *memory* (required), *n_cpus* and *n_nodes*; others
    are passed on as they are.

    Parameters
    ----------
    workdir : path-like, optional
        Directory for the file through which ``sqsub`` tells the job's number; by default
        ``/work/<user>/psyrun``. It is made when the first job is submitted.
    """

    USER_DEFAULT_ARGS = {"timelimit": "1h", "n_cpus": 1, "n_nodes": 1, "memory": "1G"}  # noqa: RUF012

    _OPTIONS: Mapping[str, Option] = {
        "timelimit": Option("-r"),
        "output_file": Option("-o"),
        "n_cpus": Option("-n"),
        "n_nodes": Option("-N"),
        "memory": Option("--mpp"),
        "depends_on": Option("-w", lambda ids: ",".join(str(x) for x in ids)),
        "idfile": Option("--idfile"),
        "name": Option("-j"),
    }

    def __init__(self, workdir: str | os.PathLike[str] | None = None) -> None:
        if workdir is None:
            workdir = Path("/work") / os.environ.get("USER", "") / "psyrun"
        self.workdir = str(workdir)
        self._queue = Queue(
            "sqsub",
            lambda: [socket.gethostname(), str(os.getuid()), shutil.which("sqjobs") or ""],
            lambda: _parse(call(["sqjobs"], fine=(0, 1))),
            lambda jobid: jobid,
        )

    def submit(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit a job.

        Parameters
        ----------
        args, output_filename, name, depends_on, scheduler_args
            See `Scheduler.submit`.

        Returns
        -------
        int
            The job's id.

        Raises
        ------
        SchedulerError
            If a required argument is missing or ``sqsub`` refuses.
        """
        values = resolve({"n_cpus": 1, **(scheduler_args or {})}, name)
        for required in ("timelimit", "memory"):
            if values.get(required) is None:
                raise SchedulerError(f"Sqsub needs {required!r} in scheduler_args.")
        Path(output_filename).parent.mkdir(parents=True, exist_ok=True)
        directory = Path(self.workdir)
        directory.mkdir(parents=True, exist_ok=True)
        idfile = directory / f"id-{os.getpid()}-{os.urandom(4).hex()}"
        waits_for = [jobid for jobid in depends_on or () if self._is_unfinished(jobid)]
        values |= {
            "idfile": str(idfile),
            "output_file": output_filename,
            "depends_on": waits_for or None,
            "name": name,
        }
        try:
            call_once(["sqsub", *build_options(self._OPTIONS, values), *args])
            jobid = int(idfile.read_text())
        except (FileNotFoundError, ValueError) as err:
            raise SchedulerError(f"sqsub has not written the job's number to {idfile}.") from err
        finally:
            idfile.unlink(missing_ok=True)
        self._queue.expire()
        return jobid

    def _is_unfinished(self, jobid: JobId) -> bool:
        status = self.get_status(jobid)
        return status is not None and status.status != "D"

    def kill(self, jobid: JobId) -> None:
        """Kill a job."""
        call(["sqkill", str(jobid)])
        self._queue.expire()

    def get_status(self, jobid: JobId) -> JobStatus | None:
        """Return what ``sqjobs`` knows of a job, None if nothing."""
        entry = self._queue.find(jobid)
        if entry is None:
            # Exit code 1: there is no such job.
            entry = _parse(call(["sqjobs", str(jobid)], fine=(0, 1))).get(jobid)
        return None if entry is None else JobStatus(jobid, entry.status, entry.name)

    def refresh(self) -> None:
        """Forget what the queue has told."""
        self._queue.forget()

    def get_jobs(self) -> Iterable[JobId]:
        """Return the ids of all queued and running jobs of the user."""
        return [jobid for jobid, job in self._queue.jobs().items() if job.status != "D"]


def _parse(table: str) -> dict[JobId, Entry]:
    jobs: dict[JobId, Entry] = {}
    for line in table.splitlines()[2:]:  # below two lines of headings
        columns = line.split(None, 5)
        if len(columns) > 2 and columns[0].isdigit():
            status = "D" if columns[2] == "C" else columns[2]
            jobs[int(columns[0])] = Entry(status, columns[-1])
    return jobs
