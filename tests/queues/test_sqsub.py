"""Sqsub, on a stand-in."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clusters.standins import StandIn

from psyrun import Sqsub
from psyrun.exceptions import SchedulerError
from psyrun.scheduler.sqsub import _parse

ARGS = {"timelimit": "15m", "memory": "1G"}
NOTHING = [sys.executable, "-c", ""]


def write_program(path, code):
    path.write_text(code)
    path.chmod(0o755)


@pytest.fixture
def bin_directory(tmp_path, monkeypatch):
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path), prepend=os.pathsep)
    return path


@pytest.fixture
def sharcnet(standin: Callable[[str], StandIn]) -> StandIn:
    return standin("sharcnet")


def test_sqsub_is_given_what_the_guide_says(sharcnet, tmp_path):
    scheduler = Sqsub(tmp_path / "not" / "there")
    jobid = scheduler.submit(NOTHING, str(tmp_path / "log"), "a b", None, {**ARGS, "n_nodes": 2})
    options = sharcnet.job(jobid)["options"]
    idfile = Path(options.pop("--idfile"))
    assert options == {
        "-r": "15m",
        "-n": "1",
        "-N": "2",
        "--mpp": "1G",
        "-o": str(tmp_path / "log"),
        "-j": "a b",
    }
    assert idfile.parent == tmp_path / "not" / "there"
    assert not idfile.exists()


def test_unknown_arguments_of_sqsub_are_passed_on(sharcnet, tmp_path):
    arguments = {**ARGS, "q": "gpu", "test": True, "gpp": 2, "t": False, "n_cpus": None}
    jobid = Sqsub(tmp_path).submit(NOTHING, str(tmp_path / "log"), None, None, arguments)
    options = sharcnet.job(jobid)["options"]
    assert (options["-q"], options["--test"], options["--gpp"]) == ("gpu", "", "2")
    assert not options.keys() & {"-t", "-n", "-j", "-w"}


def test_arguments_of_sqsub_may_depend_on_the_name_of_the_job(sharcnet, tmp_path):
    arguments = {"timelimit": lambda name: f"{len(name)}m", "memory": "1G"}
    jobid = Sqsub(tmp_path).submit(NOTHING, str(tmp_path / "log"), "a:merge", None, arguments)
    assert sharcnet.job(jobid)["options"]["-r"] == "7m"
    assert callable(arguments["timelimit"])


@pytest.mark.parametrize("missing", ["timelimit", "memory"])
@pytest.mark.parametrize("how", ["left out", "None", "function"])
def test_a_required_argument_that_is_missing_is_named(sharcnet, tmp_path, missing, how):
    arguments = dict(ARGS)
    del arguments[missing]
    if how == "None":
        arguments[missing] = None
    elif how == "function":
        arguments[missing] = lambda name: None
    with pytest.raises(SchedulerError, match=rf"Sqsub needs '{missing}'"):
        Sqsub(tmp_path).submit(NOTHING, str(tmp_path / "log"), None, None, arguments)
    assert sharcnet.ask("list") == []


def test_no_arguments_at_all_are_an_error_too(tmp_path):
    with pytest.raises(SchedulerError, match="timelimit"):
        Sqsub(tmp_path).submit(NOTHING, str(tmp_path / "log"))


def test_only_jobs_that_have_not_ended_are_waited_for(sharcnet, tmp_path):
    scheduler = Sqsub(tmp_path)
    log = str(tmp_path / "log")
    wait = [sys.executable, "-c", "import time; time.sleep(1000)"]
    running = [scheduler.submit(wait, log, None, None, ARGS) for _ in range(2)]
    ended = scheduler.submit(wait, log, None, None, ARGS)
    scheduler.kill(ended)
    jobid = scheduler.submit(NOTHING, log, None, [*running, ended, 999], ARGS)
    assert sharcnet.job(jobid)["options"]["-w"] == ",".join(map(str, running))
    assert scheduler.get_status(jobid).status == "*Q"
    jobid = scheduler.submit(NOTHING, log, None, [ended], ARGS)
    assert "-w" not in sharcnet.job(jobid)["options"]


def test_unknown_jobs_have_no_status(sharcnet, tmp_path):
    assert Sqsub(tmp_path).get_status(12345) is None
    assert list(Sqsub(tmp_path).get_jobs()) == []


def test_what_sqsub_says_when_it_refuses_is_passed_on(tmp_path, bin_directory):
    write_program(bin_directory / "sqsub", "#!/bin/sh\necho 'you are over quota' >&2\nexit 3\n")
    with pytest.raises(SchedulerError, match="you are over quota"):
        Sqsub(tmp_path / "w").submit(NOTHING, str(tmp_path / "log"), None, None, ARGS)
    assert list((tmp_path / "w").iterdir()) == []


@pytest.mark.parametrize("answer", ["", "echo job 7 >", ": >"])
def test_an_id_that_sqsub_does_not_tell_is_an_error(tmp_path, bin_directory, answer):
    code = "#!/bin/sh\nfor arg; do case $arg in --idfile=*) idfile=${arg#*=};; esac; done\n"
    redirect = f'{answer} "$idfile"\n' if answer else "true\n"
    write_program(bin_directory / "sqsub", code + redirect)
    with pytest.raises(SchedulerError, match="sqsub"):
        Sqsub(tmp_path / "w").submit(NOTHING, str(tmp_path / "log"), None, None, ARGS)


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SchedulerError, match="'sqsub'"):
        Sqsub(tmp_path).submit(NOTHING, str(tmp_path / "log"), None, None, ARGS)
    with pytest.raises(SchedulerError, match="'sqjobs'"):
        Sqsub(tmp_path).get_jobs()


def test_a_table_of_jobs_is_read():
    table = """jobid  queue state ncpus nodes time command
------ ----- ----- ----- ----- ---- -------
    12 serial     R     1     -   5s a:process:1
    13 serial    *Q     1     -   0s a b:merge
    14 serial     C     1     -   9s python -c  x

2 jobs
"""
    jobs = _parse(table.replace(" -  ", " "))
    assert {jobid: job.status for jobid, job in jobs.items()} == {12: "R", 13: "*Q", 14: "D"}
    assert [job.name for job in jobs.values()] == ["a:process:1", "a b:merge", "python -c  x"]
    assert _parse("") == {}
