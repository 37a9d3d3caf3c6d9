"""Process jobs as job arrays, in pieces where the scheduler has a limit."""

import json

from .conftest import Project, Queue

TASK = """
    scheduler = Cluster(limit={limit})
    pspace = Param(x=range(10))
    max_jobs = 7
    {more}
    def execute(x):
        print('row', x)
        note('row', x)
        return {{'y': x}}
    """


def test_arrays_go_in_pieces_that_the_scheduler_allows(project: Project, queue: Queue) -> None:
    queue.task("a", TASK.format(limit=3, more="scheduler_args = {'max_running': 4}"))
    said = project.psy("run")
    assert said.code == 0, said
    assert said.out.count(".  a:process:") == 7
    queue.wait()
    sent = [(name, json.loads(args)) for _, name, args in (x.split(" ", 2) for x in queue.log("a"))]
    assert sent == [("a:process", {"max_running": 1})] * 3
    assert sorted(queue.names()) == ["1_0", "1_1", "2_0", "2_1", "3_0", "3_1", "3_2", "4"]
    assert project.result("a")["y"] == list(range(10))
    assert set(project.counts().values()) == {1}
    assert project.status("a")["up_to_date"]
    (plan,) = (project.work / "a" / "plans").glob("*/")
    assert {path.stem for path in plan.glob("jobs/process*")} == {f"process-{i}" for i in range(7)}
    logs = project.psy("logs", "a").out
    rows = [line for line in logs.splitlines() if line.startswith("row ")]
    assert rows == [f"row {x}" for x in range(10)]  # in the order of the jobs


def test_what_a_scheduler_would_take_for_the_index_goes_as_single_jobs(
    project: Project, queue: Queue
) -> None:
    queue.task("%a", TASK.format(limit=None, more=""))
    queue.task("b", TASK.format(limit=1, more=""))
    assert project.psy("run").code == 0
    queue.wait()
    assert queue.log("array") == []
    assert project.result("%a") == project.result("b")


def test_arrays_that_were_sent_are_killed_if_the_rest_is_refused(
    project: Project, queue: Queue
) -> None:
    queue.task("a", TASK.format(limit=4, more=""))
    (project.tasks / "hold").touch()
    (project.tasks / "refuse-merge").touch()
    said = project.psy("run")
    assert said.code == 2 and said.err == "psy: The scheduler refused: no more jobs\n"
    assert queue.log("kill") == ["kill 1 2"]
    queue.wait()
    assert project.calls() == []
    (project.tasks / "hold").unlink()
    (project.tasks / "refuse-merge").unlink()
    assert project.psy("run").code == 0
    queue.wait()
    assert set(project.counts().values()) == {1}
    assert project.status("a")["up_to_date"]


def test_all_jobs_are_killed_at_once(project: Project, queue: Queue) -> None:
    queue.task("a", TASK.format(limit=4, more=""))
    (project.tasks / "hold").touch()
    assert project.psy("run").code == 0
    assert project.status("a")["queued_jobs"] == 8
    said = project.psy("kill", "a")
    assert said.code == 0 and said.out.startswith("a: 8 jobs killed\n")
    assert [len(line.split()) for line in queue.log("kill")] == [1 + 8]
    queue.wait()
    assert not project.status("a")["queued_jobs"]
    assert project.psy("kill", "a").out == "a: 0 jobs killed\n"
