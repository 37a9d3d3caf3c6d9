"""What schedulers promise beyond their contract: options, limits, lost answers, ends."""

import importlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clusters.standins import StandIn

import psyrun.scheduler
from psyrun import LSF, PBS, GridEngine, HTCondor
from psyrun.exceptions import SchedulerError
from psyrun.scheduler import Scheduler
from psyrun.scheduler.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    NODE_FAILED,
    OUT_OF_MEMORY,
    PREEMPTED,
    TIMED_OUT,
)

from .conftest import NAMES, Cluster, until

BATCH = [name for name in NAMES if name != "Sqsub"]
NOTHING = [sys.executable, "-c", ""]
FOREVER = [sys.executable, "-c", "import time; time.sleep(1000)"]
on_each = pytest.mark.parametrize("name", NAMES)


def make(cluster: Cluster) -> Scheduler:
    known = {cluster.name: getattr(psyrun.scheduler, cluster.name)}
    return eval(cluster.scheduler, known)


def has_ended(scheduler: Scheduler, jobid: Any) -> bool:
    scheduler.refresh()
    status = scheduler.get_status(jobid)
    return status is None or status.status == "D"


# --- Options --------------------------------------------------------------------------------------

PORTABLE = {
    "timelimit": "90m",
    "memory": "4G",
    "n_cpus": 2,
    "n_gpus": 1,
    "account": "lab",
    "max_running": 3,
    "queue": "short",
}


@pytest.mark.parametrize(
    ("scheduler", "own", "shown"),
    [
        (
            GridEngine(),
            {"l": ["os=8", "ib=1"], "notify": True},
            (
                "-N a.process -t 1-10 -tc 3 -hold_jid 7,8 -l h_rt=1:30:00 -l h_vmem=2G -pe smp 2 "
                "-l gpu=1 -q short -P lab -l os=8 -l ib=1 -notify"
            ),
        ),
        (
            GridEngine("threaded", memory_resource="mem_free", gpu_resource="cuda"),
            {"memory": None, "memory_per_cpu": "500M", "R": "y"},
            "-l h_rt=1:30:00 -l mem_free=500M -pe threaded 2 -l cuda=1 -q short -P lab -R y",
        ),
        (
            PBS(),
            {"n_nodes": 3, "p": 5},
            (
                "-N a.process -J 0-9%3 -W depend=afterany:7:8 -l walltime=1:30:00 "
                "-l select=3:ncpus=2:ngpus=1:mem=4096mb -q short -A lab -p 5"
            ),
        ),
        (PBS(), {"memory": None, "memory_per_cpu": "1G"}, "-l select=1:ncpus=2:ngpus=1:mem=2048mb"),
        (
            LSF(),
            {"app": "python", "x": True},
            (
                "-w 'ended(7) && ended(8)' -W 1:30 -n 2 -R 'span[hosts=1]' -M 4096MB "
                "-R 'rusage[mem=4096MB]' -gpu num=1 -q short -P lab -app python -x"
            ),
        ),
        (LSF(), {"n_nodes": 4}, "-n 8 -R 'span[ptile=2]'"),
        (LSF(), {"timelimit": "61s"}, "-J 'a.process[1-10]%3'"),
        (LSF(), {"timelimit": "61s"}, "-W 0:02"),
    ],
)
def test_arguments_become_options(scheduler: Scheduler, own: dict[str, Any], shown: str) -> None:
    values = PORTABLE | own
    text = scheduler.preview(NOTHING, "/logs/%a", "a:process", ["7", "8"], values, n=10)
    assert shown in text.splitlines()[0]


def test_arguments_become_commands_of_a_submit_description() -> None:
    values = {**PORTABLE, "queue": None, "requirements": "Memory > 1", "+Project": '"x"'}
    lines = HTCondor().preview(NOTHING, "/logs/%a", "100$ a:b", None, values, n=10).splitlines()
    assert {
        "batch_name = 100$(DOLLAR) a:b",
        'arguments = "$(ProcId)"',
        "max_materialize = 3",
        "allowed_execute_duration = 5400",
        "request_memory = 4096M",
        "request_cpus = 2",
        "request_gpus = 1",
        "accounting_group = lab",
        "requirements = Memory > 1",
        '+Project = "x"',
        "queue 10",
    } <= set(lines)


@pytest.mark.parametrize(
    ("scheduler", "values", "culprit"),
    [
        (GridEngine(), {"n_nodes": 2}, "n_nodes"),
        (HTCondor(), {"n_nodes": 2}, "n_nodes"),
        (HTCondor(), {"partition": "long"}, "partition"),
    ],
)
def test_what_a_scheduler_does_not_have_is_named(
    scheduler: Scheduler, values: dict[str, Any], culprit: str
) -> None:
    with pytest.raises(SchedulerError, match=culprit):
        scheduler.preview(NOTHING, "log", "a", None, values)


# --- Jobs -----------------------------------------------------------------------------------------


@on_each
def test_a_job_runs_where_it_was_submitted_in_an_odd_place(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "it's 100% [a] $HOME:b,c"
    place.mkdir()
    monkeypatch.chdir(place)
    code = "import os; print(os.getcwd())\n#$ -q nowhere\n#BSUB -q nowhere\n#PBS -q nowhere"
    scheduler = make(cluster)
    log = place / "log"
    jobid = scheduler.submit([sys.executable, "-c", code], str(log), "a", None, cluster.arguments)
    until(lambda: log.exists() and log.read_text(), "the output")
    assert log.read_text() == f"{place}\n"
    until(lambda: has_ended(scheduler, jobid), "the end")


@on_each
@pytest.mark.parametrize("depends", [False, True])
def test_a_job_whose_answer_was_lost_is_found_and_not_sent_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depends: bool
) -> None:
    scheduler = make(cluster)
    arguments = (str(tmp_path / "log"), "a", None, cluster.arguments)
    first = scheduler.submit(FOREVER, *arguments)
    program = cluster.command
    if depends and cluster.name == "HTCondor":
        program = "condor_submit_dag"
    _lose_the_first_answer(program, tmp_path, monkeypatch)
    before = set(make(cluster).get_jobs())
    name, _, values = arguments[1:]
    jobid = scheduler.submit(FOREVER, arguments[0], name, [first] if depends else None, values)
    assert (tmp_path / "lost").exists()
    scheduler.refresh()
    assert set(scheduler.get_jobs()) - before == {jobid}
    scheduler.kill_all([first, jobid])
    until(lambda: has_ended(scheduler, jobid), "the end")


def _lose_the_first_answer(program: str, where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = where / "bin"
    directory.mkdir()
    path = directory / program
    path.write_text(
        f'#!/bin/sh\n[ -e {where}/lost ] && exec {shutil.which(program)} "$@"\n'
        f'{shutil.which(program)} "$@" >{where}/answer\n'
        f"touch {where}/lost\necho 'Connection timed out' >&2\nexit 1\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)


@pytest.mark.parametrize("name", BATCH)
def test_as_many_jobs_of_an_array_run_at_a_time_as_may(cluster: Cluster, tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nos.mkdir(sys.argv[1] + '/running')\n\n"
        "while not os.path.exists(sys.argv[1] + '/go'): time.sleep(0.01)\n"
        "os.rmdir(sys.argv[1] + '/running')\nprint('alone')"
    )
    scheduler = make(cluster)
    values = cluster.arguments | {"max_running": 1}
    args = [sys.executable, "-c", code, str(tmp_path)]
    array = scheduler.submit_array(3, args, str(tmp_path / "log-%a"), "a:b", None, values)
    members = [scheduler.member(array, index) for index in range(3)]
    last = scheduler.submit(NOTHING, str(tmp_path / "log"), "c", [array], cluster.arguments)
    assert scheduler.get_status(members[2]) == (members[2], "Q", "a:b")
    (tmp_path / "go").touch()
    until(lambda: has_ended(scheduler, last), "the end")
    assert [(tmp_path / f"log-{i}").read_text() for i in range(3)] == ["alone\n"] * 3


@pytest.mark.parametrize("name", BATCH)
def test_an_array_may_have_one_job(cluster: Cluster, tmp_path: Path) -> None:
    scheduler = make(cluster)
    args = [sys.executable, "-c", "print('index', %a)"]
    array = scheduler.submit_array(1, args, str(tmp_path / "log-%a"), "a", None, cluster.arguments)
    jobid = scheduler.member(array, 0)
    until(lambda: has_ended(scheduler, jobid), "the end")
    assert (tmp_path / "log-0").read_text() == "index 0\n"
    until(lambda: _end(scheduler, jobid) == COMPLETED, "to be told")


# --- Ends -----------------------------------------------------------------------------------------


def _end(scheduler: Scheduler, jobid: Any) -> str | None:
    scheduler.refresh()
    end = scheduler.ends_of([jobid]).get(jobid)
    return None if end is None else end.state


@pytest.mark.parametrize(
    ("kind", "why", "state"),
    [
        *((PBS, why, state) for why, state in [("time", TIMED_OUT), ("memory", OUT_OF_MEMORY)]),
        *((LSF, why, state) for why, state in [("time", TIMED_OUT), ("memory", OUT_OF_MEMORY)]),
        *((HTCondor, why, end) for why, end in [("time", TIMED_OUT), ("memory", OUT_OF_MEMORY)]),
        (PBS, "node", NODE_FAILED),
        (PBS, "killed", CANCELLED),
        (LSF, "node", NODE_FAILED),
        (LSF, "preempted", PREEMPTED),
        (LSF, "killed", CANCELLED),
        (HTCondor, "killed", CANCELLED),
    ],
)
def test_why_a_job_was_ended_is_told(
    standin: Callable[[str], StandIn],
    tmp_path: Path,
    kind: Callable[[], Scheduler],
    why: str,
    state: str,
) -> None:
    running = standin(kind.__name__.lower())
    scheduler = kind()
    array = scheduler.submit_array(2, FOREVER, str(tmp_path / "log-%a"), "a", None, {})
    jobid = scheduler.member(array, 1)
    (number,) = {job["number"] for job in running.ask("list")}
    index = running.ask("list")[1]["index"]
    running.ask("end", number=number, index=index, why=why)
    until(lambda: has_ended(scheduler, jobid), "the end")
    assert _end(scheduler, jobid) == state
    if kind is LSF:
        scheduler.kill(array)
        running.ask("forget", number=number)  # by bjobs, not by bhist
        until(lambda: has_ended(scheduler, scheduler.member(array, 0)), "the end")
        assert LSF()._ends([jobid])[jobid].state == state


def test_a_dagman_is_told_to_have_ended_as_its_node_has(
    standin: Callable[[str], StandIn], tmp_path: Path
) -> None:
    running = standin("htcondor")
    scheduler = HTCondor()
    gone = "999999.0"
    jobid = scheduler.submit(FOREVER, str(tmp_path / "log"), "a:merge", [gone], {})

    def node() -> Any:
        return [job for job in running.ask("list") if "+DAGManJobId" in job["options"]]

    assert scheduler.get_status(jobid) == (jobid, "*Q", "a:merge")
    until(node, "the node")
    scheduler.refresh()
    assert list(scheduler.get_jobs()) == [jobid]
    running.ask("end", number=node()[0]["number"], why="memory")
    until(lambda: has_ended(scheduler, jobid), "the end")
    assert _end(scheduler, jobid) == OUT_OF_MEMORY


@pytest.mark.usefixtures("grid_engine")
class TestGridEngine:
    def test_a_job_that_takes_too_long_is_told(self, tmp_path: Path) -> None:
        scheduler = GridEngine()
        jobid = scheduler.submit(FOREVER, str(tmp_path / "log"), "a", None, {"timelimit": "1s"})
        until(lambda: _end(scheduler, jobid) == TIMED_OUT, "to be told")

    def test_a_job_in_error_state_has_failed(self, tmp_path: Path) -> None:
        scheduler = GridEngine()
        leave = [sys.executable, "-c", "raise SystemExit(100)"]  # which means this
        jobid = scheduler.submit(leave, str(tmp_path / "log"), "a")
        until(lambda: has_ended(scheduler, jobid), "the end")
        assert _end(scheduler, jobid) == FAILED
        assert jobid not in scheduler.get_jobs()

    def test_an_output_that_cannot_be_written_lets_nobody_wait(self, tmp_path: Path) -> None:
        scheduler = GridEngine()
        (tmp_path / "log").mkdir()
        bad = scheduler.submit(NOTHING, str(tmp_path / "log"), "a")
        after = scheduler.submit(NOTHING, str(tmp_path / "other"), "b", [bad])
        until(lambda: _end(scheduler, after) == COMPLETED, "the other job")
        assert _end(scheduler, bad) == FAILED

    def test_processors_are_given(self, tmp_path: Path) -> None:
        scheduler = GridEngine()
        code = "import os; print(os.environ['NSLOTS'])"
        values = {"n_cpus": 2, "memory": "4G"}
        log = tmp_path / "log"
        scheduler.submit([sys.executable, "-c", code], str(log), "a", None, values)
        until(lambda: log.exists() and log.read_text(), "the output")
        assert log.read_text() == "2\n"


# --- Answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheduler", "command", "answer"),
    [
        (LSF(), "bjobs", "echo 'No unfinished job found' >&2; exit 255"),
        (LSF(), "bjobs", "echo 'No job found' >&2; exit 255"),
        (HTCondor(), "condor_q", "exit 0"),
        (PBS(), "qselect", "exit 0"),
    ],
)
def test_an_empty_queue_has_no_jobs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheduler: Scheduler,
    command: str,
    answer: str,
) -> None:
    _answer(command, answer, tmp_path, monkeypatch)
    assert list(scheduler.get_jobs()) == []


@pytest.mark.parametrize(
    ("kind", "command", "answer"),
    [
        (LSF, "bjobs", "echo '{'"),
        (HTCondor, "condor_q", "echo '[{]'"),
        (PBS, "qselect", "echo 12.pbs"),
        (LSF, "bsub", "echo welcome"),
        (HTCondor, "condor_submit", "echo welcome"),
        (GridEngine, "qsub", "echo welcome"),
    ],
)
def test_an_answer_that_is_none_is_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[], Scheduler],
    command: str,
    answer: str,
) -> None:
    _answer(command, answer, tmp_path, monkeypatch)
    _answer("qstat", "echo '{'", tmp_path, monkeypatch)
    with pytest.raises(SchedulerError, match=r"JSON|has not told"):
        if command.endswith(("sub", "submit")):
            kind().submit(NOTHING, str(tmp_path / "log"))
        else:
            kind().get_jobs()


def _answer(command: str, code: str, where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = where / "bin"
    directory.mkdir(exist_ok=True)
    (directory / command).write_text(f"#!/bin/sh\n{code}\n")
    (directory / command).chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)


@pytest.mark.parametrize("name", NAMES)
def test_schedulers_can_be_imported_from_psyrun(name: str) -> None:
    assert getattr(importlib.import_module("psyrun"), name) is getattr(psyrun.scheduler, name)
