"""PBS Pro and OpenPBS."""

import json
import os
import pwd
from collections.abc import Sequence
from typing import Any

from psyrun.exceptions import SchedulerError
from psyrun.quantities import parse_memory
from psyrun.scheduler._batch import Job
from psyrun.scheduler._commands import call
from psyrun.scheduler._names import decode, encode
from psyrun.scheduler._options import clock, dashed, seconds_of
from psyrun.scheduler._queue import Entry
from psyrun.scheduler._scripts import WritesItself
from psyrun.scheduler.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    NODE_FAILED,
    OUT_OF_MEMORY,
    TIMED_OUT,
    JobEnd,
    JobId,
)

_STATES = {"R": "R", "E": "R", "S": "Z", "U": "Z", "H": "*Q", "F": "D", "X": "D"}
_CODES = {-29: TIMED_OUT, -28: TIMED_OUT, -27: OUT_OF_MEMORY, -26: OUT_OF_MEMORY, -20: NODE_FAILED}
"""What PBS writes instead of an exit code when it has ended a job itself."""

_DELETED = 91
"""The substate of jobs that have been deleted."""

_HAS_FINISHED, _UNKNOWN = 35, 153
"""Exit codes of `qstat`, which tells of the other jobs nevertheless."""

_LONGEST_NAME = 230
_MEGABYTE = 1024**2


class PBS(WritesItself):
    """Submit jobs with the ``qsub`` of PBS Pro or OpenPBS.

    *scheduler_args* are *timelimit*, *memory*, *memory_per_cpu*, *n_cpus*, *n_nodes*, *n_gpus*,
    *partition* (or *queue*), *account*, *name* and *max_running*; others are passed on as options
    of ``qsub``, a list as an option given several times. Memory, processors and cards are those of
    one node.
    """

    USER_DEFAULT_ARGS = {"timelimit": "1:00:00", "memory": "1G"}  # noqa: RUF012 - never changed

    _COMMANDS = ("qsub", "qstat", "qselect", "qdel")
    _SITE = ("PBS_DEFAULT", "PBS_SERVER", "PBS_CONF_FILE")
    _INDEX = "$PBS_ARRAY_INDEX"
    _ENDED_MEANWHILE = ("unknown job id", "has finished", "invalid state")

    def member(self, array: JobId, index: int) -> JobId:
        """Return the id of one of an array's jobs."""
        return str(array).replace("[]", f"[{index}]", 1)

    def _array_of(self, jobid: JobId) -> JobId:
        number, bracket, rest = str(jobid).partition("[")
        return f"{number}[]{rest.partition(']')[2]}" if bracket else number

    def _submit(self, job: Job) -> JobId:
        if job.n == 1:  # which PBS refuses
            args = [arg.replace("%a", "0") for arg in job.args]
            job = job._replace(n=None, args=args, output=job.output.replace("%a", "0"))
        return super()._submit(job)

    def _command(self, job: Job) -> list[str]:
        values = dict(job.values)
        variables = ["PATH", f"PSYRUN_TOKEN={job.token}", *filter(None, [values.pop("v", None)])]
        # No line of the script is an option, whatever the arguments are (-C).
        options = ["-C", "", "-S", "/bin/sh", "-j", "oe", "-o", os.devnull]
        options += ["-v", ",".join(variables)]
        if job.name is not None:
            options += ["-N", encode(job.name)[:_LONGEST_NAME]]
        if job.n is not None:
            throttle = f"%{job.max_running}" if job.max_running else ""
            options += ["-J", f"0-{job.n - 1}{throttle}"]
        if job.depends_on:
            options += ["-W", f"depend=afterany:{':'.join(map(str, job.depends_on))}"]
        return ["qsub", *options, *_resources(values)]

    def _sent(self, token: str) -> JobId | None:
        chosen = self._select("-x")
        for jobid, job in _tell(["-x"], chosen).items():
            if job.get("Variable_List", {}).get("PSYRUN_TOKEN") == token:
                return jobid
        return None

    def _list(self) -> dict[JobId, Entry]:
        told = _tell(["-t"], self._select())
        jobs: dict[JobId, Entry] = {}
        for jobid, job in told.items():
            if not _is_array(jobid):
                whole = told.get(job.get("array_id", ""), {})
                name = decode(str(job.get("Job_Name") or whole.get("Job_Name", "")))
                status = _STATES.get(job["job_state"], "Q")
                jobs[jobid] = Entry(status, name, _end_of(job) if status == "D" else None)
        return jobs

    def _select(self, *options: str) -> list[str]:
        """Return the ids of the user's jobs; arrays are one."""
        return call(["qselect", *options, "-u", pwd.getpwuid(os.getuid()).pw_name]).split()

    def _kill(self, jobids: Sequence[JobId]) -> None:
        self._kill_by(["qdel"], jobids)

    def _ends(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        arrays = list(dict.fromkeys(str(self._array_of(jobid)) for jobid in jobids))
        told = _tell(["-x", "-t"], arrays)
        return {
            jobid: _end_of(told[jobid])
            for jobid in jobids
            if jobid in told and told[jobid]["job_state"] in ("F", "X")
        }

    def array_limit(self) -> int | None:
        """Return the most jobs that an array may have, as the site has set it."""
        (server,) = _read(call(["qstat", "-B", "-f", "-F", "json"]))["Server"].values()
        limit = server.get("max_array_size")
        return None if limit is None else int(limit)


def _resources(values: dict[str, Any]) -> list[str]:
    words = []
    if "timelimit" in values:
        seconds = seconds_of(limit := values.pop("timelimit"))
        words += ["-l", f"walltime={limit if seconds is None else clock(seconds)}"]
    n_cpus, n_nodes = values.pop("n_cpus", None), values.pop("n_nodes", None)
    chunk = {"ncpus": n_cpus, "ngpus": values.pop("n_gpus", None)}
    chunk["mem"] = _memory(values.pop("memory", None), values.pop("memory_per_cpu", None), n_cpus)
    asked = [f"{name}={value}" for name, value in chunk.items() if value is not None]
    if asked or n_nodes is not None:
        words += ["-l", ":".join([f"select={n_nodes or 1}", *asked])]
    for name, flag in {"partition": "-q", "queue": "-q", "account": "-A"}.items():
        if name in values:
            words += [flag, str(values.pop(name))]
    return words + dashed(values)


def _memory(memory: object, per_cpu: object, n_cpus: object) -> str | None:
    asked = memory if memory is not None else per_cpu
    if asked is None:
        return None
    n_bytes = parse_memory(asked)
    if n_bytes is None:
        return str(asked)
    if memory is None:
        n_bytes *= int(str(n_cpus or 1))
    return f"{-(-n_bytes // _MEGABYTE)}mb"


def _is_array(jobid: str) -> bool:
    return "[]" in jobid


def _tell(options: Sequence[str], jobids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what PBS knows of jobs; it is silent about those it does not know."""
    told: dict[str, dict[str, Any]] = {}
    for start in range(0, len(jobids), 500):
        command = ["qstat", *options, "-f", "-F", "json", *jobids[start : start + 500]]
        told |= _read(call(command, fine=(0, _HAS_FINISHED, _UNKNOWN))).get("Jobs", {})
    return told


def _read(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text, strict=False))  # names may hold control characters
    except ValueError as err:
        raise SchedulerError(f"qstat has not answered in JSON ({err}).") from err


def _end_of(job: dict[str, Any]) -> JobEnd:
    code, comment = job.get("Exit_status"), str(job.get("comment", ""))
    words = "; ".join(filter(None, [comment, "" if code is None else f"exit code {code}"]))
    if code in _CODES:
        return JobEnd(_CODES[code], words)
    if code is None or job.get("substate") == _DELETED:
        return JobEnd(CANCELLED, words)
    return JobEnd(COMPLETED if code == 0 else FAILED, words)
