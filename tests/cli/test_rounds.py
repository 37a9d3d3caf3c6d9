"""Rows that are sent again without anyone asking."""

from pathlib import Path

import pytest

from .conftest import Project, Queue

TASK = """
    import os
    import time
    from cluster import end
    pspace = Param(x=range(6))
    max_jobs = 2
    scheduler_args = {{'memory': '1G'}}
    {more}
    seen = []
    def execute(x):
        seen.append(x)
        note('begun', x, 'memory', os.environ['MEMORY'])
        {fate}
        return {{'y': x}}
    def on_finish(summary):
        note('finished', summary['completed'])
    """
SECOND_ROW = "if len(seen) == 2: end(os.environ['JOB'], {state!r}); time.sleep(60)"
ANY_ROW = "end(os.environ['JOB'], 'timed out'); time.sleep(60)"
BIG_ROW = """if x == 2 and int(os.environ['MEMORY'].strip('GM')) < 4:
            {what}"""


def plans(project: Project) -> list[str]:
    return sorted(path.stem for path in (project.work / "a" / "plans").glob("*.json"))


@pytest.mark.parametrize("state", ["timed out", "preempted", "node failed"])
def test_what_jobs_did_not_get_to_is_sent_again_without_anyone_asking(
    project: Project, queue: Queue, state: str
) -> None:
    queue.task("a", TASK.format(more="resubmit = 3", fate=SECOND_ROW.format(state=state)))
    assert project.psy("run", "--scheduler-arg", "account=lab").code == 0
    said = queue.merges("a")
    assert plans(project) == ["0003"] and said == ["6 of 6 rows completed"]
    assert project.result("a")["y"] == list(range(6))
    assert project.status("a")["up_to_date"] and project.status("a")["round"] == 2
    assert [line for line in project.calls() if "finished" in line] == ["finished 6"]
    assert all('"account": "lab"' in line for line in queue.log("array"))
    assert "up to date" in project.psy("run").out


def test_a_load_balanced_run_goes_on_as_well(project: Project, queue: Queue) -> None:
    more = "resubmit = 5; backend = LoadBalancingBackend"
    queue.task("a", TASK.format(more=more, fate=SECOND_ROW.format(state="preempted")))
    assert project.psy("run").code == 0
    queue.wait()
    assert project.result("a")["y"] == list(range(6))


def test_rounds_come_to_an_end_that_is_told(project: Project, queue: Queue) -> None:
    fate = SECOND_ROW.format(state="timed out")
    queue.task("a", TASK.format(more="resubmit = 1", fate=fate))
    queue.task("b", TASK.format(more="resubmit = 5", fate=ANY_ROW))
    assert project.psy("run").code == 0
    queue.wait()
    assert plans(project) == ["0002"]
    status = project.psy("status").out
    assert "a: 2 jobs timed out; see 'psy failures a'\n" in status
    assert "a: 2 rows are left after round 1 of 1 (resubmit).\n" in status
    assert "b: 6 rows are left, and" not in status  # the sentence is one
    assert "b: 6 rows are left and are not sent again because none was completed this" in status
    told = project.psy("failures", "a").out
    assert "2 jobs timed out: process:0, process:1" in told and "resubmit" in told
    assert project.calls().count("finished 4") == 1
    assert project.psy("run", "a").code == 0  # a new run may have as many rounds again
    queue.wait()
    assert project.status("a")["up_to_date"] and project.status("a")["round"] == 0


def test_a_kill_ends_all_rounds(project: Project, queue: Queue) -> None:
    fate = "wait_for('go')\n        " + SECOND_ROW.format(state="preempted")
    queue.task("a", TASK.format(more="resubmit = 5", fate=fate))
    queue.task("b", TASK.format(more="resubmit = 5", fate=fate))
    assert project.psy("run").code == 0
    assert "3 jobs killed" in project.psy("kill", "a").out
    (marked,) = project.work.glob("b/plans/*/")
    (marked / "killed").touch()  # as by a psy that was too late for the merge
    project.let("go")
    queue.wait()
    assert plans(project) == ["0001"]
    assert "not sent again: the jobs have been killed" in project.psy("status", "b").out
    assert len(list(project.work.glob("b/plans/*.json"))) == 1
    assert project.psy("run").code == 0
    queue.wait()
    assert project.status("a")["up_to_date"] and project.status("b")["up_to_date"]


def test_jobs_that_somebody_has_cancelled_are_not_sent_again(
    project: Project, queue: Queue
) -> None:
    fate = SECOND_ROW.format(state="cancelled")
    queue.task("a", TASK.format(more="resubmit = 5", fate=fate))
    assert project.psy("run").code == 0
    queue.wait()
    shown = project.psy("status").out
    assert plans(project) == ["0001"]
    assert "a: 2 jobs cancelled" in shown and "jobs have been cancelled." in shown


def test_a_refused_round_is_told(project: Project, queue: Queue) -> None:
    queue.task("a", TASK.format(more="resubmit = 5", fate=SECOND_ROW.format(state="timed out")))
    assert project.psy("run").code == 0
    (project.tasks / "refuse-merge").touch()
    queue.wait()
    assert "could not be sent again: The scheduler refused: no more" in project.psy("status").out
    (project.tasks / "refuse-merge").unlink()
    assert project.psy("run").code == 0
    queue.wait()
    assert project.status("a")["up_to_date"]


@pytest.mark.parametrize(
    "what",
    ["raise MemoryError", "end(os.environ['JOB'], 'out of memory'); time.sleep(60)"],
    ids=["exception", "job"],
)
def test_rows_that_died_for_memory_get_more(project: Project, queue: Queue, what: str) -> None:
    more = "retry_memory_factor = 2"
    queue.task("a", TASK.format(more=more, fate=BIG_ROW.format(what=what)))
    assert project.psy("run").code == 0
    queue.wait()
    begun = [line for line in project.calls() if line.startswith("begun 2 ")]
    assert begun == [f"begun 2 memory {memory}" for memory in ("1G", "2G", "4G")]
    assert project.counts()["begun 1 memory 1G"] == 1
    assert project.result("a")["y"] == list(range(6))
    assert project.status("a")["up_to_date"]


def test_there_is_a_limit_to_memory(project: Project, queue: Queue) -> None:
    more = "retry_memory_factor = 2; retry_memory_limit = '3G'"
    queue.task("a", TASK.format(more=more, fate=BIG_ROW.format(what="raise MemoryError")))
    assert project.psy("run").code == 0
    queue.wait()
    begun = [line for line in project.calls() if line.startswith("begun 2 ")]
    assert begun == [f"begun 2 memory {memory}" for memory in ("1G", "2G", "3G")]
    shown = project.psy("status").out
    assert "1 row is in need of more memory than 3G (retry_memory_limit)." in shown
    queue.task("b", "pspace = Param(x=[1])\nretry_memory_factor = 2\ndef execute(x): ...\n")
    said = project.psy("run", "b")
    assert said.code == 2 and "no memory to multiply" in said.err
    assert not Path(project.work / "b").exists()
