"""Slurm."""

import functools
import os
import re
from collections.abc import Sequence

from psyrun.exceptions import SchedulerError
from psyrun.quantities import format_memory, parse_memory
from psyrun.scheduler._batch import BatchScheduler, Job
from psyrun.scheduler._commands import call
from psyrun.scheduler._options import Option, build_options, clock, seconds_of
from psyrun.scheduler._queue import Entry
from psyrun.scheduler.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    NODE_FAILED,
    OUT_OF_MEMORY,
    PREEMPTED,
    TIMED_OUT,
    JobEnd,
    JobId,
)

_STATES = {"PENDING": "Q", "REQUEUE_HOLD": "Q", "REQUEUE_FED": "Q", "SPECIAL_EXIT": "Q"}
_STATES |= dict.fromkeys(["SUSPENDED", "STOPPED"], "Z")
_STATES |= dict.fromkeys(
    ["RUNNING", "CONFIGURING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING", "REQUEUED"], "R"
)

_ENDS = {
    "COMPLETED": COMPLETED,
    "FAILED": FAILED,
    "LAUNCH_FAILED": FAILED,
    "RECONFIG_FAIL": FAILED,
    "CANCELLED": CANCELLED,
    "REVOKED": CANCELLED,
    "TIMEOUT": TIMED_OUT,
    "DEADLINE": TIMED_OUT,
    "OUT_OF_MEMORY": OUT_OF_MEMORY,
    "PREEMPTED": PREEMPTED,
    "NODE_FAIL": NODE_FAILED,
    "BOOT_FAIL": NODE_FAILED,
}


class Slurm(BatchScheduler):
    """Submit jobs with ``sbatch``.

    *scheduler_args* are *timelimit*, *memory*, *memory_per_cpu*, *n_cpus*, *n_nodes*, *n_gpus*,
    *partition* (or *queue*), *account*, *name* and *max_running*; others are passed on as options
    of ``sbatch``.

    Parameters
    ----------
    workdir : path-like, optional
        Not needed any more; psyrun 0.8 asked for it.
    """

    USER_DEFAULT_ARGS = {"timelimit": "1:00:00", "memory": "1G"}  # noqa: RUF012 - never changed

    _COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sacct")
    _SITE = ("SLURM_CONF", "SLURM_CLUSTERS")
    _INDEX = "$SLURM_ARRAY_TASK_ID"
    _ENDED_MEANWHILE = ("invalid job id", "already completing or completed")

    def __init__(self, workdir: object = None) -> None:
        super().__init__()

    def _command(self, job: Job) -> list[str]:
        # A user's own default, which is not a job's and would not reach it otherwise.
        values = {"account": os.environ.get("SBATCH_ACCOUNT")} | job.values
        comment = " ".join([*filter(None, [values.pop("comment", None)]), job.token])
        options = ["--parsable", f"--output={_output(job)}", "--open-mode=append"]
        options.append(f"--comment={comment}")
        if job.name is not None:
            options.append(f"--job-name={job.name}")
        if job.n is not None:
            throttle = f"%{job.max_running}" if job.max_running else ""
            options.append(f"--array=0-{job.n - 1}{throttle}")
        if job.depends_on:
            # After any end: a failed job must not keep the merge from saving the others' rows.
            options.append(f"--dependency=afterany:{':'.join(map(str, job.depends_on))}")
        return ["sbatch", *options, *build_options(_OPTIONS, values)]

    def _send(self, job: Job) -> JobId:
        answer = str(super()._send(job)).split(";")[0]
        if not answer.isdigit():
            raise SchedulerError(f"sbatch has not told the job's number, but {answer!r}.")
        return answer

    def _sent(self, token: str) -> JobId | None:
        for line in _squeue("%F|%k"):
            jobid, _, comment = line.partition("|")
            if token in comment.split():
                return jobid
        return None

    def _list(self) -> dict[JobId, Entry]:
        jobs: dict[JobId, Entry] = {}
        for line in _squeue("%i|%T|%r|%j"):
            jobid, state, reason, name = line.split("|", 3)
            status = _STATES.get(state, "D")
            if status == "Q" and reason.startswith("Dependency"):
                status = "*Q"
            jobs[jobid] = Entry(status, name, _end_of(state, reason))
        return jobs

    def _kill(self, jobids: Sequence[JobId]) -> None:
        self._kill_by(["scancel"], jobids)

    def _ends(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        if not _has_accounting(*self._identity()):
            return {}
        arrays = dict.fromkeys(str(self._array_of(jobid)) for jobid in jobids)
        command = ["sacct", "-X", "-n", "-P", "-j", ",".join(arrays), "-o", "JobID,State,ExitCode"]
        ends = {}
        for line in call(command).splitlines():
            jobs, state, code = line.split("|")
            end = _end_of(state, f"exit code {code}")
            if end is not None:
                ends.update(dict.fromkeys(_expand(jobs), end))
        return {jobid: ends[jobid] for jobid in jobids if jobid in ends}

    def array_limit(self) -> int | None:
        """Return the most jobs that an array may have, as the site has set it."""
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _config(*self._identity()), re.MULTILINE)
        return max(int(found[1]), 1) if found else None


def _time(value: object) -> str:
    """Write a time limit; clock times, and what only Slurm understands, stay as they are."""
    seconds = seconds_of(value)
    if seconds is None or (isinstance(value, str) and ":" in value):
        return str(value)
    return clock(seconds)


def _memory(value: object) -> str:
    """Write an amount of memory; Slurm does not understand fractions, nor units of two letters."""
    n_bytes = parse_memory(value)
    if n_bytes is None or re.fullmatch(r"\d+[KMGT]?", str(value)):
        return str(value)
    return format_memory(n_bytes)


_OPTIONS = {
    "timelimit": Option("--time", _time),
    "memory": Option("--mem", _memory),
    "memory_per_cpu": Option("--mem-per-cpu", _memory),
    "n_cpus": Option("--cpus-per-task"),
    "n_nodes": Option("--nodes"),
    "n_gpus": Option("--gpus-per-node"),
    "partition": Option("--partition"),
    "queue": Option("--partition"),
    "account": Option("--account"),
}


def _output(job: Job) -> str:
    """Keep ``sbatch`` from replacing what follows a percent sign in a file name."""
    pieces = [job.output] if job.n is None else job.output.split("%a")
    return "%a".join(piece.replace("%", "%%") for piece in pieces)


def _squeue(columns: str) -> list[str]:
    """List the user's jobs, also those that have just ended; arrays' jobs singly."""
    command = ["squeue", "-h", "-r", "-t", "all", "--me", "-o", columns]
    return [line for line in call(command).splitlines() if "|" in line]


def _expand(jobs: str) -> list[str]:
    """Return the single jobs of an array that have never begun, which ``sacct`` tells as one.

    Examples
    --------
    >>> _expand("7_[0-2,5%4]"), _expand("7_0"), _expand("7")
    (['7_0', '7_1', '7_2', '7_5'], ['7_0'], ['7'])
    """
    found = re.fullmatch(r"(\d+)_\[([\d,-]+)(?:%\d+)?\]", jobs)
    if found is None:
        return [jobs]
    bounds = [part.split("-") for part in found[2].split(",")]
    return [f"{found[1]}_{i}" for b in bounds for i in range(int(b[0]), int(b[-1]) + 1)]


def _end_of(state: str, words: str) -> JobEnd | None:
    """Return how a job has ended, None if it has not."""
    end = _ENDS.get(state.split()[0]) if state else None
    return None if end is None else JobEnd(end, f"{state} ({words})")


@functools.cache
def _config(*cluster: str) -> str:
    return call(["scontrol", "show", "config"])


def _has_accounting(*cluster: str) -> bool:
    found = re.search(r"^AccountingStorageType\s*=\s*(\S+)", _config(*cluster), re.MULTILINE)
    return found is not None and not found[1].endswith("/none")
