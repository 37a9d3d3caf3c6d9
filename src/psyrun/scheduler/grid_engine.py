"""Grid Engine."""

import os
import pwd
import re
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from psyrun.exceptions import SchedulerError
from psyrun.quantities import format_memory, parse_memory
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
    OUT_OF_MEMORY,
    TIMED_OUT,
    JobEnd,
    JobId,
)

_OVER_A_LIMIT, _SIGNALLED = "37", "100"
"""What `qacct` tells as *failed*."""

_KILLED = "137"
_FEW = 5


class GridEngine(WritesItself):
    """Submit jobs with the ``qsub`` of Grid Engine (SGE, Son of Grid Engine, Univa, Altair).

    *scheduler_args* are *timelimit*, *memory*, *memory_per_cpu*, *n_cpus*, *n_gpus*, *partition*
    (or *queue*), *account* (the project), *name* and *max_running*; others are passed on as options
    of ``qsub``, a list as an option given several times.

    Parameters
    ----------
    parallel_environment : str, optional
        The site's parallel environment for the processors of one machine; ``qconf -spl`` lists
        those there are.
    memory_resource : str, optional
        The site's resource for memory, which is that of one processor: ``h_vmem``, ``mem_free``...
    gpu_resource : str, optional
        The site's resource for graphics cards.
    """

    USER_DEFAULT_ARGS = {"timelimit": "1:00:00", "memory": "1G"}  # noqa: RUF012 - never changed

    _COMMANDS = ("qsub", "qstat", "qdel", "qacct", "qconf")
    _SITE = ("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT")
    _INDEX = "$((SGE_TASK_ID - 1))"
    _ENDED_MEANWHILE = ("does not exist", "already in deletion")

    def __init__(
        self,
        parallel_environment: str = "smp",
        memory_resource: str = "h_vmem",
        gpu_resource: str = "gpu",
    ) -> None:
        super().__init__()
        self._parallel_environment = parallel_environment
        self._memory_resource = memory_resource
        self._gpu_resource = gpu_resource

    def member(self, array: JobId, index: int) -> JobId:
        """Return the id of one of an array's jobs, which Grid Engine counts from 1."""
        return f"{array}.{index + 1}"

    def _array_of(self, jobid: JobId) -> JobId:
        return str(jobid).partition(".")[0]

    def _command(self, job: Job) -> list[str]:
        # No line of the script is an option, whatever the arguments are (-C). The script goes to
        # the directory where it is to run by itself, however odd its name (-wd).
        options = ["-terse", "-C", "", "-S", "/bin/sh", "-wd", "/", "-j", "y", "-o", os.devnull]
        options += ["-v", "PATH", "-ac", f"PSYRUN={job.token}"]
        if job.name is not None:
            options += ["-N", encode(job.name)[:500]]
        if job.n is not None:
            options += ["-t", f"1-{job.n}"]
        if job.max_running:
            options += ["-tc", str(job.max_running)]
        if job.depends_on:
            # There is no dependency on single members of an array.
            numbers = dict.fromkeys(str(self._array_of(jobid)) for jobid in job.depends_on)
            options += ["-hold_jid", ",".join(numbers)]
        return ["qsub", *options, *self._resources(job.values)]

    def _resources(self, values: dict[str, Any]) -> list[str]:
        values = dict(values)
        words = []
        if "n_nodes" in values:
            raise SchedulerError(
                "Grid Engine gives nodes by parallel environments, not by n_nodes; ask for slots "
                "of one of yours, such as {'pe': 'mpi 32'}."
            )
        if "timelimit" in values:
            words += ["-l", f"h_rt={_time(values.pop('timelimit'))}"]
        n_cpus = values.pop("n_cpus", None)
        memory = values.pop("memory", None)
        per_cpu = values.pop("memory_per_cpu", None)
        if per_cpu is None and memory is not None:
            per_cpu = _share(memory, int(n_cpus or 1))
        if per_cpu is not None:
            words += ["-l", f"{self._memory_resource}={_memory(per_cpu)}"]
        if n_cpus is not None:
            words += ["-pe", self._parallel_environment, str(n_cpus)]
        if "n_gpus" in values:
            words += ["-l", f"{self._gpu_resource}={values.pop('n_gpus')}"]
        for name, flag in {"partition": "-q", "queue": "-q", "account": "-P"}.items():
            if name in values:
                words += [flag, str(values.pop(name))]
        if "pe" in values:
            words += ["-pe", *str(values.pop("pe")).split()]
        return words + dashed(values)

    def _send(self, job: Job) -> JobId:
        answer = str(super()._send(job))
        found = re.match(r"\d+", answer)
        if found is None:
            raise SchedulerError(f"qsub has not told the job's number, but {answer!r}.")
        return found[0]

    def _sent(self, token: str) -> JobId | None:
        numbers = dict.fromkeys(str(self._array_of(jobid)) for jobid in self._list())
        if not numbers:
            return None
        # One may have ended meanwhile, which is an error of qstat.
        told = call(["qstat", "-j", ",".join(numbers)], fine=(0, 1))
        for about in told.split("=" * 20):
            number = re.search(r"^job_number:\s*(\d+)", about, re.MULTILINE)
            if number is not None and f"PSYRUN={token}" in about:
                return number[1]
        return None

    def _list(self) -> dict[JobId, Entry]:
        jobs = {}
        table = call(["qstat", "-xml", "-g", "d", "-u", _user()])
        for job in ElementTree.fromstring(table).iter("job_list"):  # noqa: S314 - its own words
            told = {element.tag: element.text or "" for element in job}
            jobid = told["JB_job_number"] + (f".{told['tasks']}" if "tasks" in told else "")
            status, end = _status_of(told["state"])
            jobs[jobid] = Entry(status, decode(told["JB_name"]), end)
        return jobs

    def _kill(self, jobids: Sequence[JobId]) -> None:
        self._kill_by(["qdel"], jobids)

    def _ends(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        numbers = dict.fromkeys(str(self._array_of(jobid)) for jobid in jobids)
        each = [["-j", number] for number in numbers]
        ends = {}
        for choice in each if len(each) <= _FEW else [["-o", _user(), "-j"]]:
            # A job that has just ended is not accounted for yet, which is an error.
            for record in _records(call(["qacct", *choice], fine=(0, 1))):
                ends[_id_of(record)] = _end_of(record)
        return {jobid: ends[jobid] for jobid in jobids if jobid in ends}

    def array_limit(self) -> int | None:
        """Return the most jobs that an array may have, as the site has set it."""
        found = re.search(r"^max_aj_tasks\s+(\d+)", call(["qconf", "-sconf"]), re.MULTILINE)
        return int(found[1]) or None if found else None


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _time(value: object) -> str:
    seconds = seconds_of(value)
    return str(value) if seconds is None else clock(seconds)


def _memory(value: object) -> str:
    n_bytes = parse_memory(value)
    return str(value) if n_bytes is None else format_memory(n_bytes)


def _share(memory: object, n_cpus: int) -> object:
    """Return what each of a job's processors gets."""
    n_bytes = parse_memory(memory)
    return memory if n_bytes is None else format_memory(n_bytes / n_cpus)


def _status_of(state: str) -> tuple[str, JobEnd | None]:
    if "E" in state:
        # It would wait for somebody to look after it.
        return "D", JobEnd(FAILED, f"in error state ({state}); qstat -explain E tells why")
    if "w" in state:
        return ("*Q" if "h" in state else "Q"), None
    return ("Z" if set(state) & set("sSTNP") else "R"), None


def _records(text: str) -> Iterator[dict[str, str]]:
    """Return the records that ``qacct`` prints, each a block of names and values."""
    for block in re.split(r"^=+$", text, flags=re.MULTILINE):
        pairs = (line.split(None, 1) for line in block.splitlines())
        record = {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}
        if {"jobnumber", "taskid", "failed", "exit_status"} <= record.keys():
            yield record


def _id_of(record: dict[str, str]) -> str:
    task = record["taskid"]
    return record["jobnumber"] + (f".{task}" if task.isdigit() else "")


def _end_of(record: dict[str, str]) -> JobEnd:
    failed, _, why = (part.strip() for part in record["failed"].partition(":"))
    code = " ".join(record["exit_status"].split())
    words = f"exit code {code}" + (f"; {why}" if why else "")
    if failed == _OVER_A_LIMIT:
        return JobEnd(TIMED_OUT if _took_too_long(record) else OUT_OF_MEMORY, words)
    if failed == _SIGNALLED and code.split()[0] == _KILLED:
        # The whole job, which is what qdel does; it is not told who did it.
        return JobEnd(CANCELLED, "killed, most likely by qdel")
    done = failed == "0" and code == "0"
    return JobEnd(COMPLETED if done else FAILED, words)


def _took_too_long(record: dict[str, str]) -> bool:
    limit = re.search(r"\b[hs]_rt=(\d+)", record.get("category", ""))
    took = re.match(r"[\d.]+", record.get("ru_wallclock", ""))
    return limit is not None and took is not None and float(took[0]) >= int(limit[1])
