"""The ``sqsub`` command of Sharcnet."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psyrun.exceptions import SchedulerError
from psyrun.scheduler._batch import BatchScheduler, Job
from psyrun.scheduler._commands import call, call_once
from psyrun.scheduler._options import Option, build_options
from psyrun.scheduler._queue import Entry
from psyrun.scheduler.base import JobId, JobStatus

_OPTIONS = {
    "timelimit": Option("-r"),
    "output_file": Option("-o"),
    "n_cpus": Option("-n"),
    "n_nodes": Option("-N"),
    "n_gpus": Option("--gpp"),
    "memory": Option("--mpp"),
    "partition": Option("-q"),
    "queue": Option("-q"),
    "depends_on": Option("-w", lambda ids: ",".join(map(str, ids))),
    "idfile": Option("--idfile"),
    "name": Option("-j"),
}


class Sqsub(BatchScheduler):
    """Submit jobs with ``sqsub``.

    *scheduler_args* are *timelimit* (required), *memory* (required), *n_cpus*, *n_nodes*, *n_gpus*,
    *partition* (or *queue*) and *name*; others are passed on as they are.

    Parameters
    ----------
    workdir : path-like, optional
        Directory for the file through which ``sqsub`` tells the job's number; by default
        ``/work/<user>/psyrun``. It is made when the first job is submitted.
    """

    USER_DEFAULT_ARGS = {"timelimit": "1h", "n_cpus": 1, "n_nodes": 1, "memory": "1G"}  # noqa: RUF012

    _COMMANDS = ("sqsub", "sqjobs", "sqkill")
    _ENDED_MEANWHILE = ("not found",)

    def __init__(self, workdir: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        if workdir is None:
            workdir = Path("/work") / os.environ.get("USER", "") / "psyrun"
        self.workdir = str(workdir)

    def submit(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit a job; see `Scheduler.submit`.

        Raises
        ------
        SchedulerError
            If a required argument is missing or ``sqsub`` refuses.
        """
        values = _with_defaults(scheduler_args)
        return super().submit(args, output_filename, name, depends_on, values)

    def preview(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
        n: int | None = None,
    ) -> str:
        """Return the command that would submit a job; see `Scheduler.preview`."""
        values = _with_defaults(scheduler_args)
        return super().preview(args, output_filename, name, depends_on, values, n)

    def array_limit(self) -> int | None:
        """Return 1: there are no job arrays."""
        return 1

    def submit_array(
        self,
        n: int,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Raise `NotImplementedError`: there are no job arrays."""
        raise NotImplementedError("sqsub has no job arrays")

    def _submit(self, job: Job) -> JobId:
        return super()._submit(job._replace(depends_on=self._unfinished(job.depends_on)))

    def _unfinished(self, jobids: Sequence[JobId]) -> list[JobId]:
        return super()._unfinished(jobids) if jobids else []

    def _command(self, job: Job) -> list[str]:
        values = dict(job.values)
        for required in ("timelimit", "memory"):
            if required not in values:
                raise SchedulerError(f"Sqsub needs {required!r} in scheduler_args.")
        values |= {
            "idfile": str(self._idfile(job.token)),
            "output_file": job.output,
            "depends_on": job.depends_on or None,
            "name": job.name,
        }
        return ["sqsub", *build_options(_OPTIONS, values), *job.args]

    def _preview(self, job: Job) -> str:
        return shlex.join(self._command(job))

    def _send(self, job: Job) -> JobId:
        command, idfile = self._command(job), self._idfile(job.token)
        idfile.parent.mkdir(parents=True, exist_ok=True)
        call_once(command)
        jobid = self._sent(job.token)
        if jobid is None:
            raise SchedulerError(f"sqsub has not written the job's number to {idfile}.")
        return jobid

    def _sent(self, token: str) -> JobId | None:
        idfile = self._idfile(token)
        try:
            return int(idfile.read_text())
        except (FileNotFoundError, ValueError):
            return None
        finally:
            idfile.unlink(missing_ok=True)

    def _idfile(self, token: str) -> Path:
        return Path(self.workdir) / f"id-{token}"

    def _list(self) -> dict[JobId, Entry]:
        return _parse(call(["sqjobs"], fine=(0, 1)))

    def _kill(self, jobids: Sequence[JobId]) -> None:
        for jobid in jobids:
            self._kill_by(["sqkill"], [jobid])

    def get_status(self, jobid: JobId) -> JobStatus | None:
        """Return what ``sqjobs`` knows of a job, None if nothing."""
        status = super().get_status(jobid)
        if status is None:
            # Exit code 1: there is no such job.
            entry = _parse(call(["sqjobs", str(jobid)], fine=(0, 1))).get(jobid)
            status = None if entry is None else JobStatus(jobid, entry.status, entry.name)
        return status


def _with_defaults(scheduler_args: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"n_cpus": 1, **(scheduler_args or {})}


def _parse(table: str) -> dict[JobId, Entry]:
    jobs: dict[JobId, Entry] = {}
    for line in table.splitlines()[2:]:  # below two lines of headings
        columns = line.split(None, 5)
        if len(columns) > 2 and columns[0].isdigit():
            status = "D" if columns[2] == "C" else columns[2]
            jobs[int(columns[0])] = Entry(status, columns[-1])
    return jobs
