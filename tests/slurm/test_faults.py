"""What happens to jobs on clusters happens here: nothing is lost, and it is told truly."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from psyrun import Slurm as Scheduler
from psyrun.scheduler import _batch
from psyrun.scheduler.base import CANCELLED, COMPLETED, FAILED, NODE_FAILED, TIMED_OUT

from .conftest import Slurm, Study, until
from .test_psy import jobs_in, status

ROWS = """
max_jobs = 2
pspace = Param(x=range(6))
def execute(x):
    note(x)
    {what}
    return {{'y': x}}
"""
WAIT_AT_4 = "if x == 4: wait_for('go')"


def ended(slurm: Slurm) -> None:
    """Wait until nothing is in the queue any more."""
    until(lambda: not jobs_in(slurm), "the end of all jobs")


def ends(study: Study) -> dict[str, int]:
    """Return how many jobs have ended other than in good order, as ``psy status`` has it."""
    return status(study, "a")["ended_jobs"]


def goes_on(study: Study, slurm: Slurm, *, again: set[int]) -> None:
    """Check that another run evaluates the rest, and no other row again."""
    before = study.notes()
    study.let("go")
    said = study.psy("run")
    assert said.code == 0 and "submitted" in said.out, said
    until(lambda: status(study)["up_to_date"], "the result")
    assert study.result() == {"x": list(range(6)), "y": list(range(6))}
    assert study.notes() - before == {str(x): 1 for x in again}


def test_a_job_that_is_cancelled_by_hand(slurm: Slurm, study: Study) -> None:
    study.task(ROWS.format(what=WAIT_AT_4))
    assert study.psy("run").code == 0
    until(lambda: study.has_noted(5), "row 4")
    (array,) = {jobid.split("_")[0] for jobid in jobs_in(slurm) if "_" in jobid}
    slurm.run("scancel", f"{array}_1")
    ended(slurm)
    assert ends(study) == {CANCELLED: 1}
    assert status(study)["completed"] == 4
    goes_on(study, slurm, again={4, 5})


def test_a_job_over_its_time_limit(slurm: Slurm, study: Study) -> None:
    # The limit is shorter than what was asked for, so that the worker does not know of it.
    study.task(ROWS.format(what=WAIT_AT_4 + "; signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    assert study.psy("run").code == 0
    until(lambda: study.has_noted(5), "row 4")
    (array,) = {jobid.split("_")[0] for jobid in jobs_in(slurm) if "_" in jobid}
    soon = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 1))
    slurm.run("scontrol", "update", f"JobId={array}_1", f"EndTime={soon}")
    ended(slurm)
    assert ends(study) == {TIMED_OUT: 1}
    assert "more time" in study.psy("failures", "a").out
    goes_on(study, slurm, again={4, 5})


def test_a_job_over_its_memory(slurm: Slurm, study: Study) -> None:
    eat = "x == 4 and not (HERE / 'go').exists() and [bytearray(10**7) for _ in range(10**4)]"
    study.task(ROWS.format(what=eat).replace("max_jobs", "retries = 0\nmax_jobs"))
    assert study.psy("run").code == 0
    ended(slurm)
    found = status(study)
    # The row alone dies if the kernel takes its process, else the job.
    assert (found["completed"], found["failed"]) in [(5, 1), (4, 0)]
    said = study.psy("failures")
    assert "memory" in said.out if slurm.has_cgroups else said.out, said
    goes_on(study, slurm, again={4} if found["failed"] else {4, 5})


def test_a_node_that_dies(own_slurm: Callable[..., Slurm], study: Study) -> None:
    slurm = own_slurm(nodes=2, cpus=1)
    study.task(ROWS.format(what=WAIT_AT_4) + "scheduler_args['no-requeue'] = True\n")
    assert study.psy("run").code == 0
    until(lambda: study.has_noted(5), "row 4")
    where = slurm.run("squeue", "-h", "-r", "-t", "running", "-o", "%N").split()
    slurm.kill_node(where[-1])
    slurm.run("scontrol", "update", f"NodeName={where[-1]}", "State=DOWN", "Reason=dead")
    ended(slurm)
    assert ends(study) == {NODE_FAILED: 1}
    slurm.start_node(where[-1])
    goes_on(study, slurm, again={4, 5})


def test_a_job_that_is_requeued_does_nothing_twice(slurm: Slurm, study: Study) -> None:
    study.task(ROWS.format(what=WAIT_AT_4) + "scheduler_args['requeue'] = True\n")
    assert study.psy("run").code == 0
    until(lambda: study.has_noted(5), "row 4")
    (array,) = {jobid.split("_")[0] for jobid in jobs_in(slurm) if "_" in jobid}
    slurm.run("scontrol", "requeue", f"{array}_1")
    pending = ["squeue", "-h", "-r", "-t", "pending", "-o", "%i"]
    until(lambda: f"{array}_1" in slurm.run(*pending), "the return to the queue")
    assert status(study, "--refresh")["queued_jobs"] >= 1
    assert "unfinished jobs" in study.psy("run").err
    study.let("go")
    slurm.run("scontrol", "update", f"JobId={array}_1", "StartTime=now")
    until(lambda: status(study)["up_to_date"], "the result")
    assert study.result()["y"] == list(range(6))
    assert study.notes() == {str(x): 1 + (x == 4) for x in range(6)}


def test_a_controller_that_is_restarted_meanwhile(
    own_slurm: Callable[..., Slurm], study: Study
) -> None:
    slurm = own_slurm()
    study.task(ROWS.format(what=WAIT_AT_4))
    slurm.stop_controller()
    run = study.start("run")  # waits for it
    time.sleep(1)
    slurm.start_controller()
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, (out, err)
    assert len(jobs_in(slurm)) == 3
    until(lambda: study.has_noted(5), "row 4")
    slurm.stop_controller()
    said = study.psy("status", "--refresh")
    assert "4/6" in said.out and "cannot be reached" in said.err + said.out, said
    study.let("go")
    slurm.start_controller()
    until(lambda: status(study)["up_to_date"], "the result")
    assert study.notes() == {str(x): 1 for x in range(6)}


def test_a_controller_that_is_down_is_told(
    own_slurm: Callable[..., Slurm], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_slurm().stop_controller()
    monkeypatch.setattr(_batch, "_PATIENCE", 0.0)
    with pytest.raises(Exception, match=r"cannot be reached: .*controller.*command: sbatch"):
        Scheduler().submit(["true"], str(tmp_path / "log"))


@pytest.mark.parametrize("words", ["Socket timed out on send/recv operation", None])
def test_a_lost_answer_submits_nothing_twice(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str | None
) -> None:
    script = tmp_path / "sbatch"
    last = f"echo 'sbatch: error: {words}' >&2; exit 1" if words else "exec sleep 100"
    real = slurm.environment["PATH"]
    script.write_text(f'#!/bin/sh\nPATH={real} sbatch "$@" >>{tmp_path}/told || exit\n{last}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("psyrun.scheduler._commands.TIME_LIMIT", 5.0)
    args = [sys.executable, "-c", "import time; time.sleep(100)"]
    single = Scheduler().submit(args, str(tmp_path / "log"), "single")
    array = Scheduler().submit_array(3, args, str(tmp_path / "log-%a"), "array")
    assert (tmp_path / "told").read_text().split() == [single, array]
    assert set(jobs_in(slurm)) == {single, *(f"{array}_{i}" for i in range(3))}


def test_how_jobs_have_ended_is_known_after_slurm_has_forgotten_them(
    own_slurm: Callable[..., Slurm], tmp_path: Path
) -> None:
    slurm = own_slurm(min_job_age=2, accounting=True)
    log = str(tmp_path / "log")
    wait = [sys.executable, "-c", "import time; time.sleep(1000)"]
    expected = {
        Scheduler().submit(["true"], log): COMPLETED,
        Scheduler().submit(["false"], log): FAILED,
        (waiting := Scheduler().submit(wait, log)): CANCELLED,
    }
    array = Scheduler().submit_array(2, ["sh", "-c", "exit %a"], log)
    expected |= {f"{array}_0": COMPLETED, f"{array}_1": FAILED}
    held = Scheduler().submit_array(3, wait, log, "", [waiting])
    expected |= {f"{held}_{i}": CANCELLED for i in range(3)}
    until(lambda: Scheduler().get_status(waiting), "the job")
    Scheduler().kill_all([waiting, held])
    until(lambda: not slurm.run("squeue", "-h", "-t", "all"), "Slurm's forgetting")
    scheduler = Scheduler()
    assert {jobid: scheduler.get_status(jobid) for jobid in expected} == dict.fromkeys(expected)
    told = scheduler.ends_of([*expected, "12345"])
    assert {jobid: end.state for jobid, end in told.items()} == expected
