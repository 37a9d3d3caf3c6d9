"""How jobs have ended, as psy status and psy failures tell it."""

import json

from .conftest import Project, Queue, until

TASK = """
    import os, time
    from psyrun import remaining_time
    from cluster import end
    pspace = Param(x=range(6))
    max_jobs = 6
    {more}
    def execute(x):
        wait_for(f'go-{{x}}')
        if x in (1, 2):
            end(os.environ['JOB'], 'out of memory')
            time.sleep(60)
        if x == 3:
            end(os.environ['JOB'], 'preempted', 15)
            while remaining_time() is None:  # and the worker ends in good order
                time.sleep(0.005)
        return {{'y': x}}
    """


def test_the_merge_writes_down_how_jobs_have_ended(project: Project, queue: Queue) -> None:
    queue.task("a", TASK.format(more=""))
    for x in range(6):
        project.let(f"go-{x}")
    assert project.psy("run").code == 0
    queue.wait()
    asked = queue.log("ends")
    assert [len(line.split()) - 1 for line in asked] == [3]  # of the others their records tell
    (project.tasks / "down").touch()  # schedulers forget, so nobody asks them again
    said = project.psy("status")
    assert "a: 2 jobs out of memory, 1 preempted; see 'psy failures a'\n" in said.out
    assert project.status("a")["ended_jobs"] == {"out of memory": 2, "preempted": 1}
    said = project.psy("failures", "a")
    assert "0 of 6 rows failed" in said.out
    assert "2 jobs out of memory: process:1, process:2\n" in said.out
    assert "retry_memory_factor" in said.out and "1 job preempted: process:3\n" in said.out
    assert max(map(len, said.out.splitlines())) <= 80 or "log: " in said.out
    told = json.loads(project.psy("failures", "--json", "a").out)["jobs"]
    assert [(job["job"], job["state"]) for job in told] == [
        *(("process:1", "out of memory"), ("process:2", "out of memory")),
        ("process:3", "preempted"),
    ]
    assert queue.log("ends") == asked


def test_the_ends_are_asked_for_if_there_was_no_merge(project: Project, queue: Queue) -> None:
    queue.task("a", TASK.format(more=""))
    assert project.psy("run").code == 0
    for i in range(3):
        until(lambda i=i: (queue.jobs / f"1_{i}.pid").exists(), "a job")
    queue.act("end", "2", "node failed")
    for i in range(6):
        queue.act("end", f"1_{i}", "timed out" if i else "cancelled")
    queue.wait()
    assert project.status("a")["ended_jobs"] == {"timed out": 5, "cancelled": 1}
    assert len(queue.log("ends")) == 1
    assert "1 cancelled; see" in project.psy("status").out
    assert len(queue.log("ends")) == 1


def test_a_scheduler_that_does_not_know_leaves_jobs_lost(project: Project, queue: Queue) -> None:
    queue.task("a", TASK.format(more="Cluster.ends_of = lambda self, jobids: {}"))
    assert project.psy("run").code == 0
    for i in range(6):
        queue.act("end", f"1_{i}", "timed out")
    queue.act("end", "2", "timed out")
    queue.wait()
    assert project.status("a")["ended_jobs"] == {"lost": 6}
    assert (
        "6 jobs lost: process:0, process:1, process:2 and 3 more"
        in project.psy("failures", "a").out
    )
