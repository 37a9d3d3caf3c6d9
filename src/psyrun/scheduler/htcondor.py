"""HTCondor."""

import json
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psyrun.exceptions import SchedulerError
from psyrun.quantities import parse_memory
from psyrun.scheduler._batch import Job
from psyrun.scheduler._commands import call, call_once
from psyrun.scheduler._dagman import files_of, graph_file, write_files
from psyrun.scheduler._options import seconds_of
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

_STATES = {1: "Q", 2: "R", 3: "D", 4: "D", 5: "Z", 6: "R", 7: "Z"}
_REMOVED, _HELD = 3, 5
_HOLDS = {34: OUT_OF_MEMORY, 46: TIMED_OUT, 47: TIMED_OUT}
_HELD_BY_HAND = (1, 15, 16)
_MEGABYTE = 1024**2

_ATTRIBUTES = ",".join(
    [
        *("ClusterId", "ProcId", "JobStatus", "JobBatchName", "DAGManJobId", "TotalSubmitProcs"),
        *("PsyrunToken", "PsyrunKind", "ExitBySignal", "ExitCode", "ExitSignal", "RemoveReason"),
        *("HoldReason", "HoldReasonCode", "LastHoldReason", "LastHoldReasonCode"),
    ]
)

_COMMON = {
    "universe": "vanilla",
    "should_transfer_files": "NO",  # what a job needs is on a shared file system
    "getenv": "HOME, LANG, LC_*, LOGNAME, PATH, USER",
    # What HTCondor has stopped would wait for somebody to look after it.
    "periodic_remove": f"JobStatus == {_HELD} && "
    + " && ".join(f"HoldReasonCode =!= {code}" for code in _HELD_BY_HAND),
}


class HTCondor(WritesItself):
    """Submit jobs with ``condor_submit``.

    *scheduler_args* are *timelimit*, *memory*, *memory_per_cpu*, *n_cpus*, *n_gpus*, *account* (the
    accounting group), *name* and *max_running*; others are passed on as commands of the submit
    description. The machines have to share a file system with that from which jobs are submitted.

    A job that waits for others, as the merge does, is submitted with ``condor_submit_dag``.
    """

    USER_DEFAULT_ARGS = {"timelimit": "1:00:00", "memory": "1G"}  # noqa: RUF012 - never changed

    _COMMANDS = ("condor_submit", "condor_q", "condor_rm", "condor_history", "condor_submit_dag")
    _SITE = ("CONDOR_CONFIG",)
    _INDEX = "$1"
    _ENDED_MEANWHILE = ("couldn't find/remove", "already marked for removal", "not found")

    def member(self, array: JobId, index: int) -> JobId:
        """Return the id of one of an array's jobs."""
        return f"{array}.{index}"

    def _array_of(self, jobid: JobId) -> JobId:
        return str(jobid).partition(".")[0]

    def _command(self, job: Job) -> list[str]:
        if not job.depends_on:
            return ["condor_submit", "-terse"]
        marks = ["-append", f'+PsyrunToken="{job.token}"', "-append", '+PsyrunKind="graph"']
        names = [] if job.name is None else ["-batch-name", job.name]
        graph = str(graph_file(job.token))
        return ["condor_submit_dag", "-force", "-UseDagDir", *names, *marks, graph]

    def _send(self, job: Job) -> JobId:
        script, description = _script_file(job), self._description(job)
        script.write_text(self._script(job), encoding="utf-8", errors="surrogateescape")
        script.chmod(0o755)
        if job.depends_on:
            write_files(graph_file(job.token), files_of(description, job.depends_on))
        answer = call_once(self._command(job), stdin=description)
        pattern = r"submitted to cluster (\d+)" if job.depends_on else r"(\d+)\.\d+ - \d+\.\d+"
        found = re.search(pattern, answer)
        if found is None:
            raise SchedulerError(f"HTCondor has not told the job's number, but {answer!r}.")
        return found[1] if job.n is not None else f"{found[1]}.0"

    def _preview(self, job: Job) -> str:
        description = self._description(job)
        files = {"job.sub": description, "job.sh": self._script(job)}
        if job.depends_on:
            files |= files_of(description, job.depends_on)
        parts = [f"{name}:\n{text}" for name, text in files.items()]
        return "\n".join([shlex.join(self._command(job)), *parts])

    def _description(self, job: Job) -> str:
        """Return the submit description of a job."""
        commands = {
            **_COMMON,
            "executable": _literally(str(_script_file(job))),
            "initialdir": _literally(str(Path.cwd())),
            "+PsyrunToken": f'"{job.token}"',
        }
        if job.name is not None:
            commands["batch_name"] = _literally(job.name)
        if job.n is not None:
            commands["arguments"] = '"$(ProcId)"'
            commands["+PsyrunKind"] = '"array"'
        if job.n is not None and job.max_running:
            commands["max_materialize"] = str(job.max_running)
            commands["+PsyrunKind"] = '"late"'
        lines = [f"{name} = {value}" for name, value in (commands | _resources(job)).items()]
        return "\n".join([*lines, f"queue {job.n or 1}", ""])

    def _sent(self, token: str) -> JobId | None:
        for ad in [*_ask("condor_q"), *_ask("condor_history", f'PsyrunToken == "{token}"')]:
            if ad.get("PsyrunToken") == token and "DAGManJobId" not in ad:
                is_array = ad.get("PsyrunKind") in ("array", "late")
                return str(ad["ClusterId"]) if is_array else _id_of(ad)
        return None

    def _list(self) -> dict[JobId, Entry]:
        ads = _ask("condor_q")
        nodes = {ad["DAGManJobId"]: ad for ad in ads if "DAGManJobId" in ad}
        jobs: dict[JobId, Entry] = {}
        for ad in ads:
            if "DAGManJobId" in ad:
                continue
            jobs[_id_of(ad)] = _entry_of(nodes.get(ad["ClusterId"], ad), ad)
            if ad.get("PsyrunKind") == "late":
                # Those that may not run yet are not in the queue.
                for index in range(ad["ProcId"] + 1, ad["TotalSubmitProcs"]):
                    jobs.setdefault(f"{ad['ClusterId']}.{index}", Entry("Q", _name_of(ad)))
        return jobs

    def _kill(self, jobids: Sequence[JobId]) -> None:
        self._kill_by(["condor_rm"], jobids)

    def _ends(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        clusters = dict.fromkeys(str(self._array_of(jobid)) for jobid in jobids)
        terms = [f"{name} == {n}" for n in clusters for name in ("ClusterId", "DAGManJobId")]
        ads = _ask("condor_history", " || ".join(terms))
        nodes = {ad["DAGManJobId"]: ad for ad in ads if "DAGManJobId" in ad}
        ends = {_id_of(ad): _end_of(nodes.get(ad["ClusterId"], ad)) for ad in ads}
        return {jobid: ends[jobid] for jobid in jobids if jobid in ends}


def _script_file(job: Job) -> Path:
    """Return where the script of a job is put: beside its output."""
    directory = Path(os.path.abspath(job.output)).parent  # noqa: PTH100 - resolves no links
    return directory / f"{job.token}.sh"


def _literally(text: str) -> str:
    """Keep a text from being read as macros."""
    return text.replace("$", "$(DOLLAR)")


def _resources(job: Job) -> dict[str, str]:
    values = dict(job.values)
    for name in ("n_nodes", "partition", "queue"):
        if name in values:
            raise SchedulerError(
                f"HTCondor has no such thing as {name}; write down what a job requires of its "
                f"machine, such as {{'requirements': 'TARGET.Arch == \"X86_64\"'}}."
            )
    commands = {}
    if "timelimit" in values:
        seconds = seconds_of(limit := values.pop("timelimit"))
        commands["allowed_execute_duration"] = str(limit if seconds is None else seconds)
    n_cpus = values.pop("n_cpus", None)
    memory, per_cpu = values.pop("memory", None), values.pop("memory_per_cpu", None)
    if memory is not None:
        commands["request_memory"] = _memory(memory, 1)
    elif per_cpu is not None:
        commands["request_memory"] = _memory(per_cpu, int(n_cpus or 1))
    if n_cpus is not None:
        commands["request_cpus"] = str(n_cpus)
    known = {"n_gpus": "request_gpus", "account": "accounting_group"}
    return commands | {known.get(name, name): str(value) for name, value in values.items()}


def _memory(value: object, times: int) -> str:
    n_bytes = parse_memory(value)
    return str(value) if n_bytes is None else f"{-(-n_bytes * times // _MEGABYTE)}M"


def _ask(command: str, constraint: str | None = None) -> list[dict[str, Any]]:
    """Return the ClassAds of jobs."""
    chosen = [] if constraint is None else ["-constraint", constraint]
    text = call([command, "-json", "-attributes", _ATTRIBUTES, *chosen])
    try:
        return list(json.loads(text, strict=False)) if text.strip() else []
    except ValueError as err:
        raise SchedulerError(f"{command} has not answered in JSON ({err}).") from err


def _id_of(ad: dict[str, Any]) -> str:
    return f"{ad['ClusterId']}.{ad['ProcId']}"


def _name_of(ad: dict[str, Any]) -> str:
    return str(ad.get("JobBatchName", ""))


def _entry_of(ad: dict[str, Any], whole: dict[str, Any]) -> Entry:
    status = _STATES.get(ad["JobStatus"], "Q")
    is_waiting = ad is whole and ad.get("PsyrunKind") == "graph"  # the node is not there yet
    if is_waiting and status in ("Q", "R"):
        status = "*Q"
    if ad["JobStatus"] == _HELD and ad.get("HoldReasonCode") not in _HELD_BY_HAND:
        status = "D"  # it will be removed
    return Entry(status, _name_of(whole), _end_of(ad) if status == "D" else None)


def _end_of(ad: dict[str, Any]) -> JobEnd:
    if ad["JobStatus"] in (_REMOVED, _HELD):
        hold = ad.get("HoldReasonCode", ad.get("LastHoldReasonCode"))
        why = ad.get("HoldReason", ad.get("LastHoldReason"))
        words = str(why or ad.get("RemoveReason", ""))
        if hold is None or hold in _HELD_BY_HAND:
            return JobEnd(CANCELLED, words)
        return JobEnd(_HOLDS.get(hold, FAILED), words)
    if ad.get("ExitBySignal"):
        return JobEnd(FAILED, f"ended by signal {ad.get('ExitSignal')}")
    code = ad.get("ExitCode")
    return JobEnd(COMPLETED if code == 0 else FAILED, f"exit code {code}")
