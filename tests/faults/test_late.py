"""Jobs that wake up late, and clocks that jump."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from psyrun.jobstate import is_running, read_states

from .conftest import Study, alive, until

DAY = 86400.0


def move_elsewhere(path: Path, age: float) -> None:
    """Make a job look as if it ran on another machine, with its last sign of life long ago.

    What a scheduler says of it is left as it is; see `give_up`.
    """
    state = json.loads(path.read_text())
    state["process"][:2] = ["elsewhere", "another machine"]
    path.write_text(json.dumps(state))
    then = time.time() - age
    os.utime(path, (then, then))


def give_up(study: Study, jobid: int) -> None:
    """Let the scheduler take a job for gone, as if its node had failed."""
    (study.tasks / "jobs" / f"{jobid}.forgotten").touch()


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


OLD = """
    scheduler, max_jobs = Background(), 1
    pspace = Param(x=range(4))
    def execute(x):
        note('old', x)
        if x == 1:
            wait_for('woken')
        return {'y': 'old'}
    """
NEW = """
    scheduler, max_jobs = Background(), 1
    pspace = Param(x=range(4))
    def execute(x):
        note('new', x)
        if x == 1:
            wait_for('go')
        return {'y': 'new'}
    """


@pytest.mark.parametrize("when", ["during the new run", "after the new run"])
def test_a_worker_that_wakes_up_late_adds_nothing_to_a_newer_run(study: Study, when: str) -> None:
    study.task(OLD)
    assert study.run().code == 0
    until(lambda: study.counts()["old 1"], "row 1")
    worker = study.worker()
    assert worker is not None
    pids = family(worker)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    ((path, _),) = study.states()
    move_elsewhere(path, age=1000)
    give_up(study, 1)
    assert "1 jobs killed" in study.psy("kill", "t").out.replace("1 job ", "1 jobs ")
    study.task(NEW)
    said = study.run()
    assert said.code == 0 and "starting over" in said.out
    until(lambda: study.counts()["new 1"], "row 1 of the new run")
    study.let("woken")
    if when == "after the new run":
        study.let("go")
        until(lambda: study.status()["up_to_date"], "the new result")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    until(lambda: not any(map(alive, pids)), "the end of the old worker")
    study.let("go")
    until(lambda: study.status()["up_to_date"], "the new result")
    assert study.result() == {"x": [0, 1, 2, 3], "y": ["new"] * 4}
    assert study.counts()["old 0"] == 1
    assert {count for note, count in study.counts().items() if note.startswith("new")} == {1}
    assert study.run().out.startswith("-")
    assert study.result()["y"] == ["new"] * 4


def test_a_silent_job_that_is_in_the_queue_is_not_started_beside(study: Study) -> None:
    study.task(OLD)
    assert study.run().code == 0
    until(lambda: study.counts()["old 1"], "row 1")
    ((path, _),) = study.states()
    os.kill(worker := study.worker(), signal.SIGSTOP)  # or it would give another sign of life
    move_elsewhere(path, age=1000)
    said = study.run()
    assert said.code == 0 and "unfinished jobs" in said.err
    assert study.status()["lost_jobs"] == 0
    study.let("woken")
    os.kill(worker, signal.SIGCONT)
    until(lambda: study.status()["up_to_date"], "the result")
    assert set(study.counts().values()) == {1}


def test_a_job_that_begins_after_its_task_was_started_over_does_nothing(study: Study) -> None:
    study.let("woken")
    study.task(OLD)
    assert study.run().code == 0
    until(lambda: study.status()["up_to_date"], "the old result")
    head = study.heads()[-1]
    study.task(NEW)
    assert study.run().code == 0
    for step in ("process:0", "merge"):
        done = start_job(head, step)
        assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done
        assert "newest" in done.stdout + done.stderr
    study.let("go")
    until(lambda: study.status()["up_to_date"], "the new result")
    until(lambda: not head.exists(), "the end of the old plan")
    for step in ("process:0", "merge"):
        done = start_job(head, step)
        assert done.returncode == 1 and "Traceback" not in done.stderr, done
        assert str(head) in done.stderr
    assert study.result()["y"] == ["new"] * 4
    assert study.counts()["old 0"] == 1


def start_job(head: Path, step: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "psyrun.worker", str(head), step]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_merge_that_wakes_up_late_does_not_replace_a_newer_result(study: Study) -> None:
    slow = """
    class Slow(PickleStore):
        def save_chunks(self, filename, chunks):
            super().save_chunks(filename, chunks)
            note('merging')
            wait_for('merge')
    """
    study.let("woken")
    study.task(f"{slow}store = Slow()\n{OLD}")
    assert study.run().code == 0
    until(lambda: study.counts()["merging"], "the merge")
    ((path, state),) = study.states("merge")
    move_elsewhere(path, age=1000)
    give_up(study, 2)
    study.let("go")
    study.task(slow + NEW)
    said = study.run()
    assert said.code == 0 and "starting over" in said.out, said
    until(lambda: study.status()["up_to_date"], "the new result")
    study.let("merge")
    until(lambda: not alive(state.process.pid), "the end of the old merge")
    assert study.result()["y"] == ["new"] * 4
    assert study.status()["up_to_date"]


def test_clocks_that_jump_change_no_result(study: Study) -> None:
    study.inject("""
        import itertools, os, time
        jumps = itertools.cycle([0, 86400, -86400, 3e8, -3e8])
        real = time.time
        time.time = lambda: real() + next(jumps)
        """)
    study.task("""
        pool_size, timeout, retries = 2, 30, 1
        pspace = Param(x=range(50))
        def execute(x):
            note(x)
            if x == 7 and not first_time(x):
                raise ValueError('last')
            if x == 7:
                raise ValueError('first')
            return {'y': x}
        """)
    assert study.run().code == 1
    assert study.result()["y"] == [x for x in range(50) if x != 7]
    assert [a.number for a in study.attempts() if a.row == 7] in ([1, 2], [2, 1])
    assert study.counts() == {str(x): 2 if x == 7 else 1 for x in range(50)}
    assert study.run().code == 1
    assert study.counts()["7"] == 4 and study.counts()["8"] == 1


@pytest.mark.parametrize("age", [300 * DAY, -300 * DAY])
def test_a_process_of_this_machine_is_alive_whatever_the_clock_says(
    study: Study, age: float
) -> None:
    study.task(NEW)
    assert study.run().code == 0
    until(lambda: study.counts()["new 1"], "row 1")
    ((path, _),) = study.states()
    then = time.time() - age
    os.utime(path, (then, then))
    assert study.status()["running_jobs"] == 1
    assert "unfinished jobs" in study.run().err
    study.let("go")
    until(lambda: study.status()["up_to_date"], "the result")
    assert set(study.counts().values()) == {1}


def test_of_a_job_elsewhere_recent_signs_of_life_count(study: Study) -> None:
    study.let("go")
    study.task(NEW)
    assert study.run().code == 0
    until(lambda: study.status()["up_to_date"], "the result")
    ((path, state),) = study.states()
    path.write_text(json.dumps(state._replace(ended=None, how=None)._asdict()))
    for age, running in ((0, True), (60, True), (1000, False), (-60, True), (-DAY, False)):
        move_elsewhere(path, age)
        ((_, state),) = read_states([path])
        assert is_running(state, path) is running, age
    move_elsewhere(path, 0)
    assert study.status()["running_jobs"] == 1
