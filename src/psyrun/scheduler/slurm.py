"""Slurm."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psyrun.scheduler.base import (
    JobId,
    JobStatus,
    Listing,
    Option,
    Scheduler,
    build_options,
    call,
    resolve,
)

_STATES = {"PENDING": "Q", "SUSPENDED": "Z", "STOPPED": "Z"} | dict.fromkeys(
    ["RUNNING", "CONFIGURING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING", "REQUEUED"], "R"
)


class Slurm(Scheduler):
    """Submit jobs with ``sbatch``.

    *scheduler_args* are *timelimit*, *memory*, *memory_per_cpu*, *n_cpus* and *n_nodes*; others are
    passed on as options of ``sbatch``.

    Parameters
    ----------
    workdir : path-like, optional
        Not needed any more; psyrun 0.8 asked for it.
    """

    USER_DEFAULT_ARGS = {"timelimit": "1:00:00", "memory": "1G"}  # noqa: RUF012 - never changed

    _OPTIONS: Mapping[str, Option] = {
        "timelimit": Option("--time"),
        "memory": Option("--mem"),
        "memory_per_cpu": Option("--mem-per-cpu"),
        "n_cpus": Option("--cpus-per-task"),
        "n_nodes": Option("--nodes"),
    }

    def __init__(self, workdir: object = None) -> None:
        self._listing = Listing(_list_jobs)

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
        str
            The job's id.
        """
        script = f"exec {shlex.join(args)}"
        return self._sbatch(script, _escaped(output_filename), name, depends_on, scheduler_args)

    def submit_array(
        self,
        n: int,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit a job array.

        Parameters
        ----------
        n, args, output_filename, name, depends_on, scheduler_args
            See `Scheduler.submit_array`.

        Returns
        -------
        str
            The array's id.
        """
        index = '"$SLURM_ARRAY_TASK_ID"'
        words = [index.join(shlex.quote(piece) for piece in arg.split("%a")) for arg in args]
        return self._sbatch(
            f"exec {' '.join(words)}",
            "%a".join(_escaped(part) for part in output_filename.split("%a")),
            name,
            depends_on,
            {"array": f"0-{n - 1}", **(scheduler_args or {})},
        )

    def _sbatch(
        self,
        script: str,
        output_filename: str,
        name: str | None,
        depends_on: Sequence[JobId] | None,
        scheduler_args: Mapping[str, Any] | None,
    ) -> JobId:
        options = ["--parsable", f"--output={output_filename}", "--open-mode=append"]
        if name is not None:
            options.append(f"--job-name={name}")
        if depends_on:
            # After any end: a failed job must not keep the merge from saving the others' rows.
            options.append(f"--dependency=afterany:{':'.join(str(x) for x in depends_on)}")
        options += build_options(self._OPTIONS, resolve(scheduler_args, name))
        answer = call(["sbatch", *options], stdin=f"#!/bin/sh\n{script}\n")
        self._listing.expire()
        return answer.strip().split(";")[0]

    def kill(self, jobid: JobId) -> None:
        """Kill a job or an array."""
        call(["scancel", str(jobid)])
        self._listing.expire()

    def get_status(self, jobid: JobId) -> JobStatus | None:
        """Return what ``squeue`` knows of a job, None if nothing."""
        return self._listing.jobs().get(str(jobid))

    def get_jobs(self) -> Iterable[JobId]:
        """Return the ids of all queued and running jobs of the user; arrays singly, ``5_0``."""
        return [jobid for jobid, job in self._listing.jobs().items() if job.status != "D"]


def _escaped(path: str) -> str:
    """Keep ``sbatch`` from replacing what follows a percent sign in a file name."""
    return path.replace("%", "%%")


def _list_jobs() -> dict[JobId, JobStatus]:
    jobs = {}
    table = call(["squeue", "-h", "-r", "--me", "-t", "all", "-o", "%i|%T|%r|%j"])
    for line in table.splitlines():
        jobid, state, reason, name = line.split("|", 3)
        status = _STATES.get(state, "D")
        if status == "Q" and reason.startswith("Dependency"):
            status = "*Q"
        jobs[jobid] = JobStatus(jobid, status, name)
    return jobs
