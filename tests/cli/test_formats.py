"""The extension of a result file decides on its format."""

import re

import pytest

from psyrun.store import AutodetectStore

from .conftest import Project

EXTENSIONS = [".csv", ".parquet", ".nc", ".zarr.zip", ".npz"]

TASK = """
    pspace = Param(x=range(3)) * Param(name=['a', 'b'])
    resultfile = {file!r}
    def execute(x, name):
        return {{'y': x / 2, 't': name * x}}
    """

ROWS = {
    "x": [0, 0, 1, 1, 2, 2],
    "name": ["a", "b"] * 3,
    "y": [0.0, 0.0, 0.5, 0.5, 1.0, 1.0],
    "t": ["", "", "a", "b", "aa", "bb"],
}


@pytest.mark.parametrize("ext", EXTENSIONS)
def test_of_a_task(project: Project, ext: str) -> None:
    project.task("rows", TASK.format(file=f"out{ext}"))
    assert project.psy("run").code == 0
    assert load(project, f"out{ext}") == ROWS
    assert "up to date" in project.psy("run").out
    project.task("rows", TASK.format(file=f"out{ext}").replace("range(3)", "range(4)"))
    said = project.psy("run", "--continue")
    assert said.code == 0 and "6 reused, 2 new" in said.out
    assert load(project, f"out{ext}")["x"] == [*ROWS["x"], 3, 3]
    assert project.psy("clean", "rows").code == 0
    assert not (project.root / f"out{ext}").exists()


@pytest.mark.parametrize("ext", EXTENSIONS)
def test_of_what_is_merged(project: Project, ext: str) -> None:
    project.task("rows", TASK.format(file="rows.pkl"))
    assert project.psy("run").code == 0
    assert "6 of 6 rows" in project.psy("merge", "psy-work/rows", f"merged{ext}").out
    assert load(project, f"merged{ext}") == ROWS
    (project.root / "parts").mkdir()
    for name in ("one", "two"):
        project.psy("merge", "psy-work/rows", f"parts/{name}{ext}")
    assert "2 files" in project.psy("merge", "parts", f"all{ext}").out
    assert load(project, f"all{ext}")["t"] == ROWS["t"] * 2


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("resultfile = 'a.csv'\nstore = PickleStore()", "ends in '.csv', but 'store' is PickleSto"),
        ("resultfile = 'a.zarr'", "ends in '.zarr', but ZarrStore() writes files that end in '.za"),
    ],
)
def test_a_contradiction_is_told(project: Project, lines: str, problem: str) -> None:
    head = "from psyrun import PickleStore\nfrom psyrun import Param\npspace = Param(x=[1])\n"
    code = "\ndef execute(x):\n    return {'y': x}\n"
    (project.tasks / "task_two.py").write_text(head + lines + code)
    said = project.psy("run")
    assert said.code == 2 and problem in said.err and "Traceback" not in said.err
    (project.tasks / "psy-conf.py").write_text("from psyrun.store.npz import *\nstore = NpzStore()")
    (project.tasks / "task_two.py").write_text(head + "resultfile = 'a.csv'" + code)
    assert project.psy("run").code == 0
    assert load(project, "a.csv") == {"x": [1], "y": [1]}


@pytest.mark.parametrize("command", ["run", "test"])
def test_the_first_row_that_a_format_cannot_hold_is_told(project: Project, command: str) -> None:
    task = "pspace = Param(x=[1, 2])\nresultfile = 'a.csv'\ndef execute(x): return {'y': [x, x]}\n"
    project.task("arrays", task)
    said = project.psy(command)
    assert said.code == 1
    assert re.search(
        r"'y': CsvStore cannot hold arrays \(a value of type list\)", said.out + said.err
    )


def load(project: Project, name: str) -> dict[str, list[object]]:
    data = AutodetectStore().load(str(project.root / name))
    return {key: list(column) for key, column in data.items()}
