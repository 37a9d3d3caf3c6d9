"""psy status and psy list."""

import json

from .conftest import Project, until

SLOW = """
    pspace = Param(x=range(4))
    def execute(x):
        note(x)
        if x == 1:
            raise ValueError('one')
        if x == 2:
            wait_for('go')
        return {'y': x}
    """


def test_status_counts_before_during_and_after_a_run(project: Project) -> None:
    project.task("slow", SLOW)
    status = project.status("slow")
    promised = {
        **{"name": "slow", "total": 4, "completed": 0, "failed": 0, "pending": 4},
        **{"running_jobs": 0, "queued_jobs": 0, "up_to_date": False},
        "resultfile": str(project.work / "slow" / "result.pkl"),
    }
    assert status.items() >= promised.items()
    assert not project.work.exists()

    running = project.start("run")
    until(lambda: project.counts()["2"], "row 2")
    status = project.status("slow")
    assert (status["completed"], status["failed"], status["pending"]) == (1, 1, 2)
    assert (status["running_jobs"], status["queued_jobs"]) == (1, 1)
    text = project.psy("status", "-v").out
    assert "1 out of 4 rows completed" in text
    assert text.splitlines()[1].split()[:6] == ["slow", "1/4", "1", "2", "1", "1"]
    assert "2: x=2\n" in text and "3: x=3\n" in text and "ValueError: one" in text

    project.let("go")
    assert project.end(running).code == 1
    status = project.status("slow")
    assert (status["completed"], status["failed"], status["pending"]) == (3, 1, 0)
    assert (status["running_jobs"], status["queued_jobs"]) == (0, 0)
    assert not status["up_to_date"]


def test_status_of_all_tasks_and_of_some(project: Project) -> None:
    for name in ("a", "b", "c"):
        project.task(name, "pspace = Param(x=[1])\ndef execute(x):\n    return {}\n")
    assert project.psy("run", "b").code == 0
    tasks = json.loads(project.psy("status", "--json").out)["tasks"]
    assert [(task["name"], task["up_to_date"]) for task in tasks] == [
        *(("a", False), ("b", True), ("c", False))
    ]
    _, *lines = project.psy("status", "c", "a").out.splitlines()
    assert [line.split()[0] for line in lines] == ["c", "a"]
    project.task("b", "raise ValueError('broken')")
    said = project.psy("status", "--json")
    assert said.code == 2
    assert [task["name"] for task in json.loads(said.out)["tasks"]] == ["a", "c"]


def test_the_status_of_a_huge_space_is_short_and_quick(project: Project) -> None:
    project.task(
        "huge",
        "pspace = Param(a=range(10**4)) * Param(b=range(10**5))\ndef execute(a, b): return {}\n",
    )
    assert project.status("huge")["pending"] == 10**9
    said = project.psy("status", "-v")
    assert len(said.out.splitlines()) < 40 and "more" in said.out
    assert "1000000000" in project.psy("run", "--dry-run").out.replace(",", "").replace("_", "")


def test_list_prints_names_only(project: Project) -> None:
    for name in ("b", "a"):
        project.task(name, "pspace = Param(x=[1])\ndef execute(x):\n    return {}\n")
    (project.tasks / "not_a_task.py").write_text("raise ValueError\n")
    (project.tasks / "task_.txt").touch()
    assert project.psy("list") == (0, "a\nb\n", "")


def test_values_are_shown_shortened(project: Project) -> None:
    project.task(
        "long",
        """
        import numpy as np
        class Rude:
            def __repr__(self): raise ValueError('no repr')
        pspace = Param(a=[np.arange(10**5)], s=['s' * 1000], r=[Rude()])
        def execute(a, s, r): raise ValueError('m' * 10000)
        """,
    )
    said = project.psy("status", "-v")
    assert said.code == 0 and len(said.out) < 1000
