"""Ctrl-C, kill -9 at random moments, and two psy at once."""

import json
import os
import random
import signal
import subprocess
from contextlib import suppress

import pytest

from psyrun import run
from psyrun.exceptions import TaskBusyError
from psyrun.tasks import TaskDef

from .conftest import Project, until

SLOW = """
    {more}
    pspace = Param(x=range(6))
    def execute(x):
        note(x)
        if x == 3:
            wait_for('go')
        return {{'y': x}}
    """

N = 150
QUICK = f"""
    import os, time
    {{more}}
    pspace = Param(x=range({N}))
    def execute(x):
        note(x, os.getpid())
        time.sleep(0.002)
        return {{{{'y': x}}}}
    """


def test_ctrl_c_keeps_what_was_done_and_the_next_run_goes_on(project: Project) -> None:
    project.task("slow", SLOW.format(more=""))
    running = project.start("run")
    until(lambda: project.counts()["3"], "row 3")
    os.killpg(running.pid, signal.SIGINT)
    project.let("go")
    said = project.end(running)
    assert said.code == 130
    assert "Traceback" not in said.err
    assert "interrupted" in said.err and "psy run slow" in said.err
    done = project.status("slow")["completed"]
    assert done >= 3  # the signal takes a moment, in which further rows may be done
    assert project.psy("run").code == 0
    assert project.result("slow") == {"x": list(range(6)), "y": list(range(6))}
    assert all(count == 1 for x, count in project.counts().items() if int(x) < done)


def test_ctrl_c_again_does_not_wait_for_the_row(project: Project) -> None:
    project.task("slow", SLOW.format(more="pool_size = 2"))
    running = project.start("run")
    until(lambda: project.counts()["3"], "row 3")

    def interrupt() -> bool:
        os.killpg(running.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            running.wait(0.5)
        return running.poll() is not None

    until(interrupt, "the end")
    said = project.end(running)
    assert said.code == 130 and "Traceback" not in said.err, said
    assert not project.status("slow")["running_jobs"]
    project.let("go")
    assert project.psy("run").code == 0
    assert project.counts()["0"] == 1


@pytest.mark.parametrize("backend", ["DistributeBackend", "LoadBalancingBackend"])
@pytest.mark.parametrize("pool_size", [1, 2])
def test_kills_at_random_moments_lose_and_repeat_nothing(
    project: Project, backend: str, pool_size: int
) -> None:
    chance = random.Random(f"{backend}{pool_size}")
    more = f"from psyrun import {backend} as backend; pool_size = {pool_size}"
    project.task("quick", QUICK.format(more=more))
    kills = 0
    for victim in ("psy", "worker", "psy", "worker", "child"):
        before, former = len(project.calls()), project.worker("quick")
        if before > N // 2:
            break
        running = project.start("run")
        until(lambda former=former: project.worker("quick") != former, "a new worker")
        wanted = before + chance.randrange(1, 20)
        until(lambda wanted=wanted: len(project.calls()) >= wanted, "a row")
        child = int(project.calls()[-1].split()[1])
        pid = {"psy": running.pid, "worker": project.worker("quick"), "child": child}[victim]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        kills += 1
        said = project.end(running)
        # A child that dies between two rows just gets a successor.
        assert said.code in {"psy": [-9], "worker": [1], "child": [0, 1]}[victim], said
        if victim != "psy":
            assert "Traceback" not in said.err
    said = project.call("run")
    assert said.code == 0, said
    assert project.result("quick") == {"x": list(range(N)), "y": list(range(N))}
    # A kill may cost each process the row that it was at.
    assert len(project.calls()) <= N + kills * pool_size
    assert project.call("run").out.startswith("-")


def test_a_run_killed_in_the_merge_is_merged_by_the_next(project: Project) -> None:
    project.task(
        "merged",
        """
        from psyrun.store import PickleStore
        class Slow(PickleStore):
            def save_chunks(self, filename, chunks):
                note('merging')
                wait_for('go')
                super().save_chunks(filename, chunks)
        store = Slow()
        pspace = Param(x=[1, 2])
        def execute(x):
            note(x)
            return {'y': x}
        """,
    )
    running = project.start("run")
    until(lambda: project.counts()["merging"] or running.poll() is not None, "the merge")
    assert running.poll() is None, project.end(running)
    os.killpg(running.pid, signal.SIGKILL)
    project.end(running)
    assert not (project.work / "merged" / "result.pkl").exists()
    project.let("go")
    said = project.call("run")
    assert said.code == 0, said
    assert "2 reused, 0 new" in said.out
    assert "-  merged:process" in said.out and ".  merged:merge" in said.out
    assert project.result("merged")["y"] == [1, 2]
    assert project.counts() == {"1": 1, "2": 1, "merging": 2}
    left = [path.name for path in (project.work / "merged").iterdir() if path.name[0] == "."]
    assert left == []


def test_of_two_runs_at_once_the_second_says_so_and_does_nothing(project: Project) -> None:
    project.task("slow", SLOW.format(more=""))
    running = project.start("run")
    until(lambda: project.counts()["3"], "row 3")
    for flags in ([], ["-c"]):
        second = project.psy("run", *flags)
        assert second.code == 0
        assert "slow" in second.err and "unfinished jobs" in second.err and second.out == ""
    assert "unfinished jobs" in project.psy("run", "--dry-run").err
    project.let("go")
    assert project.end(running).code == 0
    assert set(project.counts().values()) == {1}


def test_runs_started_at_the_same_moment_do_not_compute_twice(project: Project) -> None:
    project.task("slow", SLOW.format(more=""))
    for name in ("slow", "other"):
        project.task(name, SLOW.format(more="").replace("note(x)", f"note('{name}', x)"))
    project.let("go")
    running = [project.start("run") for _ in range(4)]
    said = [project.end(process) for process in running]
    assert {each.code for each in said} == {0}, said
    assert set(project.counts().values()) == {1}
    assert len(project.calls()) == 12
    for name in ("slow", "other"):
        assert project.result(name)["y"] == list(range(6))


def test_of_two_runs_that_decide_at_the_same_moment_only_one_gets_a_plan(project: Project) -> None:
    task = TaskDef(project.task("slow", SLOW.format(more="")))
    decisions = [run.decide(task), run.decide(task)]
    run.make_plan(decisions[0])
    with pytest.raises(TaskBusyError):
        run.make_plan(decisions[1])


def test_two_tasks_run_at_once_do_not_disturb_each_other(project: Project) -> None:
    for name in ("a", "ab"):
        project.task(name, QUICK.format(more=""))
    running = [project.start("run", name) for name in ("a", "ab")]
    assert [project.end(process).code for process in running] == [0, 0]
    assert project.result("a") == project.result("ab")


def test_a_terminated_psy_takes_its_jobs_along(project: Project) -> None:
    project.task("slow", SLOW.format(more="pool_size = 2"))
    running = project.start("run", stdout=subprocess.DEVNULL)
    until(lambda: project.counts()["3"], "row 3")
    running.terminate()
    project.end(running)
    until(lambda: not project.status("slow")["running_jobs"], "the end of the worker")
    project.let("go")
    assert project.psy("run").code == 0
    assert project.counts()["0"] == 1


def test_a_torn_journal_costs_only_its_last_row(project: Project) -> None:
    project.task("slow", SLOW.format(more=""))
    running = project.start("run")
    until(lambda: project.counts()["3"], "row 3")
    os.killpg(running.pid, signal.SIGKILL)
    project.end(running)
    until(lambda: not project.status("slow")["running_jobs"], "the end of the worker")
    (journal,) = project.work.glob("slow/plans/*/journals/*.journal.pickle")
    journal.write_bytes(journal.read_bytes()[:-3])
    assert project.status("slow")["completed"] == 2
    project.let("go")
    assert project.psy("run").code == 0
    assert project.counts() == {"0": 1, "1": 1, "2": 2, "3": 2, "4": 1, "5": 1}
    content = json.loads((project.work / "slow" / "result.json").read_text())
    assert content["rows"]["completed"] == 6
