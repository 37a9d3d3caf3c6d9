"""Results that psyrun 0.8, or another program, has left."""

import pickle
from typing import Any

import numpy as np

from .conftest import Project

TASK = """
    pspace = Param(x=[1, 2, 3], z=[4, 5, 6]) + Param(x=[7])
    {more}
    def execute(x, z):
        note(x)
        return {{'y': -x}}
    """


def leave(project: Project, data: dict[str, Any]) -> None:
    (project.work / "t").mkdir(parents=True)
    (project.work / "t" / "result.pkl").write_bytes(pickle.dumps(data))


FOREIGN = {"y": [20, 10, 70], "z": [5.0, 4.0, float("nan")], "x": [2, 1, 7]}


def test_a_foreign_result_is_not_overwritten(project: Project) -> None:
    project.task("t", TASK.format(more=""))
    leave(project, FOREIGN)
    said = project.psy("run")
    assert said.code == 2
    assert "result.pkl" in said.err and "psy run --continue t" in said.err
    assert project.calls() == [] and project.result("t")["y"] == [20, 10, 70]


def test_a_foreign_result_is_continued(project: Project) -> None:
    project.task("t", TASK.format(more=""))
    leave(project, FOREIGN)
    said = project.psy("run", "-c")
    assert said.code == 0, said
    assert "3 reused, 1 new" in said.out
    result = project.result("t")
    assert result["x"] == [1, 2, 3, 7]
    assert result["y"] == [10, 20, -3, 70]
    assert project.calls() == ["3"]
    assert project.psy("run").out.startswith("-")


def test_a_foreign_result_with_other_rows_gives_way_to_the_task_s(project: Project) -> None:
    project.task("t", TASK.format(more=""))
    leave(project, {"x": [1, 9], "z": [4, 9], "y": [10, 90], "old": ["a", "b"]})
    assert project.psy("run", "-c").code == 0
    result = project.result("t")
    assert result["x"] == [1, 2, 3, 7] and result["y"] == [10, -2, -3, -7]
    assert result["old"][0] == "a"


def test_a_foreign_result_of_another_shape_is_refused(project: Project) -> None:
    project.task("t", TASK.format(more=""))
    leave(project, {"a": [1, 2]})
    said = project.psy("run", "-c")
    assert said.code == 2 and "move it away" in said.err and "result.pkl" in said.err


def test_a_dry_run_leaves_a_foreign_result_foreign(project: Project) -> None:
    project.task("t", TASK.format(more=""))
    leave(project, FOREIGN)
    assert "3 reused, 1 new" in project.psy("run", "-c", "--dry-run").out
    assert [path.name for path in (project.work / "t").iterdir()] == ["result.pkl"]
    assert project.psy("run").code == 2


def test_a_foreign_npz_with_arrays_is_continued(project: Project) -> None:
    project.task("t", TASK.format(more="from psyrun.store.npz import NpzStore as S; store = S()"))
    (project.work / "t").mkdir(parents=True)
    np.savez(project.work / "t" / "result.npz", x=[1, 2], z=[4, 5], y=[10, 20])
    assert project.psy("run", "-c").code == 0
    assert [int(y) for y in project.result("t", ".npz")["y"]] == [10, 20, -3, -7]
    assert project.calls() == ["3", "7"]
