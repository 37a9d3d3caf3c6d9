"""IBM Spectrum LSF."""

import json
import math
import os
import re
from collections.abc import Sequence
from typing import Any

from psyrun.exceptions import SchedulerError
from psyrun.quantities import parse_memory
from psyrun.scheduler._batch import Job
from psyrun.scheduler._commands import call
from psyrun.scheduler._names import decode, encode
from psyrun.scheduler._options import dashed, seconds_of
from psyrun.scheduler._queue import Entry
from psyrun.scheduler._scripts import WritesItself
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

_STATES = dict.fromkeys(["RUN", "PROV", "UNKWN"], "R")
_STATES |= dict.fromkeys(["PSUSP", "USUSP", "SSUSP"], "Z")
_STATES |= dict.fromkeys(["DONE", "EXIT", "ZOMBI"], "D")

_REASONS = {
    "TERM_RUNLIMIT": TIMED_OUT,
    "TERM_CPULIMIT": TIMED_OUT,
    "TERM_DEADLINE": TIMED_OUT,
    "TERM_WINDOW": TIMED_OUT,
    "TERM_MEMLIMIT": OUT_OF_MEMORY,
    "TERM_SWAP": OUT_OF_MEMORY,
    "TERM_PREEMPT": PREEMPTED,
    "TERM_LOAD": PREEMPTED,
    "TERM_RC": PREEMPTED,
    "TERM_OWNER": CANCELLED,
    "TERM_FORCE_OWNER": CANCELLED,
    "TERM_ADMIN": CANCELLED,
    "TERM_FORCE_ADMIN": CANCELLED,
    "TERM_BUCKET_KILL": CANCELLED,
    "TERM_ZOMBIE": NODE_FAILED,
    "TERM_REMOVE_HUNG_JOB": NODE_FAILED,
}

_FIELDS = "jobid jobindex stat job_name job_description exit_code exit_reason pend_reason"
_NOT_FOUND = 255
_DEFAULT_ARRAY_LIMIT = 1000
_MEGABYTE = 1024**2


class LSF(WritesItself):
    """Submit jobs with ``bsub``.

    *scheduler_args* are *timelimit*, *memory*, *memory_per_cpu*, *n_cpus*, *n_nodes*, *n_gpus*,
    *partition* (or *queue*), *account* (the project), *name* and *max_running*; others are passed
    on as options of ``bsub``, a list as an option given several times.
    """

    USER_DEFAULT_ARGS = {"timelimit": "1:00:00", "memory": "1G"}  # noqa: RUF012 - never changed

    _COMMANDS = ("bsub", "bjobs", "bkill", "bhist", "bparams")
    _SITE = ("LSF_ENVDIR",)
    _INDEX = "$((LSB_JOBINDEX - 1))"
    _ENDED_MEANWHILE = ("already finished", "no matching job found")

    def member(self, array: JobId, index: int) -> JobId:
        """Return the id of one of an array's jobs, which LSF counts from 1."""
        return f"{array}[{index + 1}]"

    def _array_of(self, jobid: JobId) -> JobId:
        return str(jobid).partition("[")[0]

    def _command(self, job: Job) -> list[str]:
        values = dict(job.values)
        about = " ".join([*filter(None, [values.pop("Jd", None)]), job.token])
        name = encode(job.name or "psyrun")
        if job.n is not None:
            name += f"[1-{job.n}]" + (f"%{job.max_running}" if job.max_running else "")
        # With an output file, even if none, LSF sends no mail.
        options = ["-J", name, "-Jd", about, "-o", os.devnull]
        if job.depends_on:
            # After any end: ended, not done.
            options += ["-w", " && ".join(f"ended({jobid})" for jobid in job.depends_on)]
        return ["bsub", *options, *_resources(values)]

    def _send(self, job: Job) -> JobId:
        answer = str(super()._send(job))
        found = re.search(r"Job <(\d+)> is submitted", answer)
        if found is None:
            raise SchedulerError(f"bsub has not told the job's number, but {answer!r}.")
        return found[1]

    def _sent(self, token: str) -> JobId | None:
        for job in _tell():
            if token in job["JOB_DESCRIPTION"].split():
                return str(job["JOBID"])
        return None

    def _list(self) -> dict[JobId, Entry]:
        jobs: dict[JobId, Entry] = {}
        for job in _tell():
            status = _STATES.get(job["STAT"], "Q")
            if status == "Q" and "dependency" in job["PEND_REASON"]:
                status = "*Q"
            name = decode(job["JOB_NAME"].partition("[")[0])
            jobs[_id_of(job)] = Entry(status, name, _end_of(job))
        return jobs

    def _kill(self, jobids: Sequence[JobId]) -> None:
        self._kill_by(["bkill"], jobids)

    def _ends(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        arrays = list(dict.fromkeys(str(self._array_of(jobid)) for jobid in jobids))
        told = call(["bhist", "-l", "-UF", *arrays], fine=(0, _NOT_FOUND))
        ends = dict(filter(None, map(_read_history, re.split(r"^(?=Job <)", told, flags=re.M))))
        return {jobid: ends[jobid] for jobid in jobids if jobid in ends}

    def array_limit(self) -> int | None:
        """Return the most jobs that an array may have, as the site has set it."""
        found = re.search(r"\bMAX_JOB_ARRAY_SIZE\s*=\s*(\d+)", call(["bparams", "-a"]))
        return int(found[1]) if found else _DEFAULT_ARRAY_LIMIT


def _resources(values: dict[str, Any]) -> list[str]:
    words = []
    if "timelimit" in values:
        words += ["-W", _time(values.pop("timelimit"))]
    n_cpus, n_nodes = values.pop("n_cpus", None), values.pop("n_nodes", None)
    if n_nodes is not None:
        per_node = int(n_cpus or 1)
        words += ["-n", str(per_node * int(n_nodes)), "-R", f"span[ptile={per_node}]"]
    elif n_cpus is not None:
        words += ["-n", str(n_cpus), "-R", "span[hosts=1]"]
    memory, per_cpu = values.pop("memory", None), values.pop("memory_per_cpu", None)
    if memory is not None:
        words += _memory(memory, 1)
    elif per_cpu is not None:
        words += _memory(per_cpu, int(n_cpus or 1))
    if "n_gpus" in values:
        words += ["-gpu", f"num={values.pop('n_gpus')}"]
    for name, flag in {"partition": "-q", "queue": "-q", "account": "-P"}.items():
        if name in values:
            words += [flag, str(values.pop(name))]
    return words + dashed(values)


def _time(value: object) -> str:
    """Write a time limit in hours and minutes: LSF counts no seconds."""
    seconds = seconds_of(value)
    if seconds is None:
        return str(value)
    minutes = max(math.ceil(seconds / 60), 1)
    return f"{minutes // 60}:{minutes % 60:02}"


def _memory(value: object, times: int) -> list[str]:
    """Write an amount of memory, as the limit and as what is reserved."""
    n_bytes = parse_memory(value)
    text = str(value) if n_bytes is None else f"{-(-n_bytes * times // _MEGABYTE)}MB"
    return ["-M", text, "-R", f"rusage[mem={text}]"]


def _tell() -> list[dict[str, str]]:
    """Return what LSF knows of the user's jobs; it forgets those that have ended after an hour."""
    try:
        text = call(["bjobs", "-a", "-o", _FIELDS, "-json"])
    except SchedulerError as err:
        if re.search("no (unfinished |matching )?job found", str(err), re.IGNORECASE):
            return []
        raise
    try:
        records = json.loads(text, strict=False)["RECORDS"]
    except (ValueError, KeyError) as err:
        raise SchedulerError(f"bjobs has not answered in JSON ({err}).") from err
    return [record for record in records if "ERROR" not in record]


def _id_of(job: dict[str, str]) -> str:
    index = job["JOBINDEX"]
    return job["JOBID"] if index in ("", "0", "-") else f"{job['JOBID']}[{index}]"


def _end_of(job: dict[str, str]) -> JobEnd | None:
    if job["STAT"] == "DONE":
        return JobEnd(COMPLETED, "exit code 0")
    if job["STAT"] == "ZOMBI":
        return JobEnd(NODE_FAILED, "ZOMBI")
    return _failure(job["EXIT_CODE"], job["EXIT_REASON"]) if job["STAT"] == "EXIT" else None


def _failure(code: str, reason: str) -> JobEnd:
    words = "; ".join(filter(None, [f"exit code {code}" if code else "", reason]))
    return JobEnd(_REASONS.get(reason.partition(":")[0], FAILED), words)


def _read_history(text: str) -> tuple[str, JobEnd] | None:
    """Return a job and how it has ended, from what ``bhist`` tells of it."""
    number = re.match(r"Job <(\d+(?:\[\d+\])?)>", text)
    if number is None:
        return None
    if "Done successfully" in text:
        return number[1], JobEnd(COMPLETED, "exit code 0")
    exited = re.search(r"Exited(?: with exit code (\d+)| by signal \d+)?", text)
    reason = re.search(r"\bTERM_\w+(?:: [^;.\n]*)?", text)
    if exited is None and reason is None:
        return None
    return number[1], _failure((exited and exited[1]) or "", reason[0] if reason else "")
