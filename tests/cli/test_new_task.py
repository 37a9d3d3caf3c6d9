"""psy new-task."""

import pytest

from .conftest import Project


def test_a_new_task_loads_and_runs(project: Project) -> None:
    said = project.psy("new-task", "with blanks", "--taskdir", "new dir")
    assert said.code == 0
    assert "task_with blanks.py" in said.out
    assert project.psy("list", "--taskdir", "new dir").out == "with blanks\n"
    assert project.psy("test", "--taskdir", "new dir").code == 0
    assert project.psy("run", "--taskdir", "new dir").code == 0
    assert len(project.result("with blanks")["x"]) > 1


def test_an_existing_task_is_not_overwritten(project: Project) -> None:
    path = project.task("mine", "# precious\n")
    before = path.read_text()
    said = project.psy("new-task", "mine")
    assert said.code == 2 and "'mine'" in said.err and "exists" in said.err
    assert path.read_text() == before


@pytest.mark.parametrize("scheduler", ["Sqsub", "Slurm", "psyrun.scheduler.Sqsub", "psyrun.Slurm"])
def test_a_new_task_is_prepared_for_a_scheduler(project: Project, scheduler: str) -> None:
    said = project.psy("new-task", "cluster", "-s", scheduler)
    assert said.code == 0, said.err
    text = (project.tasks / "task_cluster.py").read_text()
    assert f"import {scheduler.rpartition('.')[2]}" in text
    assert "scheduler_args = {\n" in text
    assert project.psy("list") == (0, "cluster\n", "")
    assert project.psy("run", "--dry-run").code == 0


@pytest.mark.parametrize("scheduler", ["Nonsense", "no.such.Module", "psyrun.Param", "", "a..b"])
def test_an_unknown_scheduler_is_refused(project: Project, scheduler: str) -> None:
    said = project.psy("new-task", "cluster", "-s", scheduler)
    assert said.code == 2
    assert "ImmediateRun" in said.err and len(said.err.splitlines()) == 1
    assert not (project.tasks / "task_cluster.py").exists()


@pytest.mark.parametrize("name", ["a/b", "", "..", "x" * 300])
def test_names_that_cannot_be_are_refused(project: Project, name: str) -> None:
    said = project.psy("new-task", "--", name)
    assert said.code == 2 and len(said.err.splitlines()) == 1


def test_a_scheduler_of_one_s_own_beside_the_tasks_is_found(project: Project) -> None:
    (project.tasks / "mine.py").write_text(
        "from psyrun.scheduler import Scheduler\n"
        "class Mine(Scheduler):\n    USER_DEFAULT_ARGS = {'queue': 'short'}\n"
    )
    assert project.psy("new-task", "own", "-s", "mine.Mine").code == 0
    assert "'queue': 'short'" in (project.tasks / "task_own.py").read_text()
    assert project.psy("list").code == 0
