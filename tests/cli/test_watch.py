"""psy watch and psy wait."""

import os
import signal

import pytest

from psyrun.cli.looks import failure_lines
from psyrun.failure import Failure
from psyrun.run.following import Follower, Look
from psyrun.tasks import TaskDef

from .conftest import Project, until

SLOW = """
    pspace = Param(x=range(6))
    def execute(x):
        note(x)
        if x == 1:
            raise ValueError('one')
        if x == 3:
            wait_for('go')
        return {'y': x}
    """
FINE = SLOW.replace("if x == 1", "if x == 7")


def look_at(project: Project, name: str) -> Look:
    """Follow a task in this process, from now on."""
    look = follower(project, name).look()
    assert look is not None
    return look


def follower(project: Project, name: str, *, from_start: bool = False) -> Follower:
    return Follower(TaskDef(project.tasks / f"task_{name}.py"), from_start=from_start)


def test_wait_ends_with_the_task_and_its_exit_code_tells(project: Project) -> None:
    project.task("slow", FINE)
    running = project.start("run")
    until(lambda: project.counts()["3"], "row 3")
    said = project.psy("wait", "--timeout", "0.1")
    assert said.code == 3 and said.out == ""
    assert "slow is still at work: 3 of 6 rows are done" in said.err
    waiting = project.start("wait", "slow", "--timeout", 50)
    project.let("go")
    said = project.end(waiting)
    assert said == (0, "slow: 6 of 6 rows completed\n", "")
    assert project.end(running).code == 0
    assert project.psy("wait").code == project.psy("watch").code == 0


def test_wait_tells_of_failures(project: Project) -> None:
    project.task("slow", SLOW)
    project.let("go")
    assert project.psy("run").code == 1
    for command in ("wait", "watch"):
        said = project.psy(command)
        assert said.code == 1
        assert said.out == "slow: 5 of 6 rows completed, 1 failed: psy failures slow\n"


@pytest.mark.parametrize("command", ["wait", "watch"])
def test_jobs_that_were_killed_are_not_waited_for(project: Project, command: str) -> None:
    project.task("slow", FINE)
    running = project.start("run")
    until(lambda: project.counts()["3"], "row 3")
    waiting = project.start(command, "slow")
    os.killpg(running.pid, signal.SIGKILL)
    project.end(running)
    said = project.end(waiting)
    assert said.code == 1 and "Traceback" not in said.err
    lines = said.out.splitlines()
    assert "slow: 3 of 6 rows completed, 3 pending: psy status -v slow" in lines
    assert lines[-1] == "slow: 1 job lost; see 'psy failures slow'"


def test_tasks_that_were_never_run_are_told_if_they_are_named(project: Project) -> None:
    project.task("new", FINE)
    for command in ("wait", "watch"):
        assert project.psy(command) == (0, "", "")
        said = project.psy(command, "new")
        assert said.code == 1 and "'new' has not been run; do so with 'psy run new'" in said.err
        assert project.psy(command, "nwe").code == 2


def test_through_a_pipe_watch_prints_what_changes(project: Project) -> None:
    project.task("slow", SLOW)
    running = project.start("run")
    until(lambda: project.counts()["0"], "row 0")
    watching = project.start("watch", "--interval", "0.05", "slow")
    until(lambda: project.counts()["3"], "row 3")
    first = watching.stdout
    assert first is not None
    until(lambda: first.readline().startswith("slow: 3/6 rows, 1 failed"), "the line about row 3")
    project.let("go")
    said = project.end(watching)
    assert said.code == 1 and "\x1b" not in said.out
    lines = said.out.splitlines()
    assert lines[-1] == "slow: 5 of 6 rows completed, 1 failed: psy failures slow"
    assert len(lines) < 8
    project.end(running)


def test_ctrl_c_leaves_the_jobs_alone(project: Project) -> None:
    project.task("slow", FINE)
    running = project.start("run")
    until(lambda: project.counts()["3"], "row 3")
    watching = project.start("watch", "--interval", "0.05")
    stdout = watching.stdout
    assert stdout is not None and stdout.readline().startswith("slow: 3/6 rows")
    os.killpg(watching.pid, signal.SIGINT)
    said = project.end(watching)
    assert said.code == 130 and "Traceback" not in said.err
    project.let("go")
    assert project.end(running).code == 0


def test_the_slowest_row_and_new_failures_are_seen(project: Project) -> None:
    project.task("slow", SLOW.replace("pspace =", "pool_size = 2\n    pspace ="))
    running = project.start("run")
    until(lambda: project.counts()["5"], "row 5")
    following = follower(project, "slow", from_start=True)
    looks: list[Look] = []

    def sees_row_3() -> bool:
        look = following.look()
        assert look is not None
        looks.append(look)
        return look.done == 5 and look.slowest is not None and look.slowest.row == 3

    until(sees_row_3, "row 3 is seen to be evaluated")
    failures = [each for look in looks for each in look.failures]
    assert [(row, failure.message) for row, failure in failures] == [(1, "one")]
    assert looks[-1].remaining is not None and not looks[-1].merged
    assert not look_at(project, "slow").failures  # of before the first look
    project.let("go")
    project.end(running)
    end = following.end()
    assert end is not None and end.merged and not end.complete and list(end.failed) == [1]


def test_rows_that_are_done_again_are_not_done_yet(project: Project) -> None:
    project.task("slow", SLOW)
    project.let("go")
    assert project.psy("run").code == 1
    following = follower(project, "slow")
    look = following.look()
    assert look is not None and (look.done, look.goal, len(look.failed)) == (6, 6, 1)
    (project.tasks / "go").unlink()
    project.task("slow", SLOW.replace("raise ValueError('one')", "wait_for('go')"))
    running = project.start("run", "--continue")
    until(lambda: project.counts()["1"] == 2, "row 1 once more")
    look = following.look()
    assert look is not None and (look.done, look.goal, len(look.failed)) == (5, 6, 0)
    project.let("go")
    project.end(running)
    end = following.end()
    assert end is not None and end.complete


def test_many_failures_are_grouped() -> None:
    failures = [
        (i, Failure("ValueError", f"no {i}", "a.py:3 in f", "", f"x={i}")) for i in range(9)
    ]
    assert failure_lines("task", failures[:2]) == [
        "task: row 0 failed: ValueError: no 0 (x=0)",
        "task: row 1 failed: ValueError: no 1 (x=1)",
    ]
    failures.append((9, Failure("KeyError", "'k'\nand more", "a.py:4 in f")))
    assert failure_lines("task", failures) == [
        "task: 9 rows failed, first 0: ValueError: no 0 (x=0)",
        "task: row 9 failed: KeyError: 'k'",
    ]


def test_a_part_of_the_rows_is_the_goal_of_a_run_that_asks_for_it(project: Project) -> None:
    project.task("slow", FINE)
    project.let("go")
    assert project.psy("run", "--rows", "0,4").code == 1
    look = look_at(project, "slow")
    assert (look.done, look.goal) == (2, 2)
    assert "2 of 6 rows completed, 4 pending" in project.psy("wait").out
