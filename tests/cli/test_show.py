"""psy show and psy export."""

import csv
import io
import json
import os
import signal

import numpy as np
import polars
import pytest
import xarray as xr

from psyrun.store import AutodetectStore

from .conftest import Project, until

TASK = """
    import numpy as np
    pspace = Param(size=[2, 1], ratio=[0.5, 1 / 3]) * Param(name=['b', 'a', 'é'])
    units = {'size': 'm'}
    def execute(size, ratio, name):
        if name == 'a' and size == 1:
            raise ValueError('no')
        return {'y': size / 3, 'curve': np.arange(size * 10.), 'note': 'two\\nlines', 'z': None}
    """


@pytest.fixture
def shown(project: Project) -> Project:
    project.task("shown", TASK)
    assert project.psy("run").code == 1
    return project


def test_a_table_of_the_completed_rows_and_a_count_of_the_others(shown: Project) -> None:
    said = shown.psy("show", "shown")
    lines = [line.split() for line in said.out.splitlines()]
    assert said.code == 0 and "\x1b" not in said.out
    assert lines[0] == ["row", "size", "[m]", "ratio", "name", "y", "curve", "note", "z"]
    assert lines[1][:5] == ["0", "2", "0.5", "b", "0.666667"]
    assert [line[0] for line in lines[1:6]] == ["0", "1", "2", "3", "5"]
    assert "[0, 1, 2, 3, 4, …] (20)" in said.out and r"two\nlines" in said.out
    assert said.out.endswith("shown: 5 of 6 rows completed, 1 failed: psy failures shown\n")


def test_rows_and_columns_can_be_chosen_and_sorted(shown: Project) -> None:
    said = shown.psy("show", "shown", "--where", "y > 0.5", "--columns", "name,y", "--sort=name")
    assert [line.split()[:2] for line in said.out.splitlines()[1:4]] == [
        ["1", "a"],
        ["0", "b"],
        ["2", "é"],
    ]
    said = shown.psy("show", "shown", "--sort=-y,name", "-n", 2)
    assert [line.split()[0] for line in said.out.splitlines()[1:3]] == ["1", "0"]
    assert "2 of 5 rows shown" in said.out
    said = shown.psy("show", "shown", "--sort", "y,z")
    assert [line.split()[0] for line in said.out.splitlines()[1:3]] == ["3", "5"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--columns", "size,nope"], "no column 'nope'"),
        (["--sort", "-nope"], "expected one argument"),
        (["--sort=-nope"], "no column 'nope'"),
        (["--sort", "curve"], "'curve', which holds arrays"),
        (["--where", "sizes > 1"], "'sizes'"),
        (["-n", "-1"], "no number of rows"),
    ],
)
def test_wrong_choices_are_told(shown: Project, arguments: list[str], problem: str) -> None:
    said = shown.psy("show", "shown", *arguments)
    assert said.code == 2 and problem in said.err and "Traceback" not in said.err


def test_names_may_have_commas_and_blanks(project: Project) -> None:
    project.task(
        "odd",
        """
        pspace = Param(**{"a b": [1, 2], "größe,2": [0.5, 1.5]})
        def execute(**given): return {"y,z,": given["a b"], "-": 0}
        """,
    )
    project.psy("run")
    said = project.psy("show", "odd", "--csv", "--columns", "größe,2,y,z,,a b,-", "--sort=-y,z,,-")
    assert said.out == 'row,"größe,2","y,z,",a b,-\n1,1.5,2,2,0\n0,0.5,1,1,0\n'
    said = project.psy("export", "odd", "odd.csv", "--columns", "a b,größe,2")
    assert said.code == 0 and AutodetectStore().load("odd.csv")["größe,2"] == [0.5, 1.5]


def test_other_programs_get_json_and_csv(shown: Project) -> None:
    rows = json.loads(shown.psy("show", "shown", "--json").out)
    assert [row["row"] for row in rows] == [0, 1, 2, 3, 5]
    assert rows[0]["curve"] == list(range(20)) and rows[0]["z"] is None
    assert rows[3] == {"row": 3, "size": 1, "ratio": 1 / 3, "name": "b", "y": 1 / 3} | {
        "curve": list(range(10)),
        "note": "two\nlines",
        "z": None,
    }
    table = list(csv.DictReader(io.StringIO(shown.psy("show", "shown", "--csv", "-n", 4).out)))
    assert len(table) == 4 and float(table[3]["ratio"]) == 1 / 3
    assert json.loads(table[3]["curve"]) == list(range(10)) and table[3]["note"] == "two\nlines"
    assert json.loads(shown.psy("show", "shown", "--json", "--where", "size > 9").out) == []


def test_a_running_task_is_shown_and_exported(project: Project) -> None:
    project.task(
        "slow",
        """
        pspace = Param(x=range(4))
        def execute(x):
            note(x)
            if x == 2:
                wait_for('go')
            return {'y': -x}
        """,
    )
    running = project.start("run")
    until(lambda: project.counts()["2"], "row 2")
    said = project.psy("show", "slow", "--columns", "y")
    assert [line.split() for line in said.out.splitlines()[1:3]] == [["0", "0"], ["1", "-1"]]
    assert "2 of 4 rows completed, 2 pending" in said.out
    said = project.psy("export", "slow", "slow.csv")
    assert said.code == 2 and not (project.root / "slow.csv").exists()
    for command in (["export", "slow", "slow.csv"], ["plot", "slow", "y"]):
        said = project.psy(*command)
        assert said.code == 2 and "add --partial for" in said.err and "partial=" not in said.err
    assert project.psy("export", "--partial", "slow", "slow.csv").code == 0
    assert (project.root / "slow.csv").read_text() == "x,y\n0,0\n1,-1\n"
    os.killpg(running.pid, signal.SIGKILL)


@pytest.mark.parametrize("ext", [".csv", ".parquet", ".npz", ".h5", ".pkl"])
def test_the_extension_decides_on_the_format_of_a_table(shown: Project, ext: str) -> None:
    said = shown.psy("export", "shown", f"out{ext}", "--columns", "size,ratio,name,y")
    assert said.code == 0 and f"wrote out{ext}: 5 of 6 rows completed, 1 failed" in said.out
    table = AutodetectStore().load(shown.root / f"out{ext}")
    assert list(table["name"]) == ["b", "a", "é", "b", "é"]
    assert list(table["ratio"]) == [0.5] * 3 + [1 / 3] * 2
    if ext == ".parquet":
        assert polars.read_parquet(shown.root / "out.parquet").columns == list(table)


@pytest.mark.parametrize("ext", [".nc", ".zarr", ".zarr.zip"])
def test_labelled_formats_get_a_dimension_for_each_parameter(shown: Project, ext: str) -> None:
    for _ in range(1 + (ext != ".zarr")):
        said = shown.psy("export", "shown", f"out{ext}", "--where", "size > 0")
        assert said.code == 0, said.err
    file: object = shown.root / f"out{ext}"
    if ext == ".zarr.zip":
        from zarr.storage import ZipStore

        file = ZipStore(shown.root / f"out{ext}", mode="r")
    labelled = xr.open_dataset(file, engine="h5netcdf" if ext == ".nc" else "zarr").load()
    assert labelled["y"].sel(name="é").values.tolist() == [2 / 3, 1 / 3]
    assert np.isnan(labelled["y"].sel(name="a").values[1])
    assert labelled["note"].sel(name="b").values.tolist() == ["two\nlines"] * 2
    assert labelled["state"].values.tolist() == [[1, 1, 1], [1, 2, 1]]
    assert labelled["size"].attrs["units"] == "m"
    left = {path.name for path in shown.root.iterdir()}
    assert left == {"psy-tasks", "psy-work", f"out{ext}"}
    if ext == ".zarr":
        said = shown.psy("export", "shown", "out.zarr")
        assert said.code == 2 and "out.zarr.zip" in said.err


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("out.csv", "'curve', row 0: CsvStore cannot hold arrays"),
        ("out.xyz", "No store is known for 'out.xyz'"),
        ("no/out.csv", "no directory for 'no/out.csv'"),
        ("psy-work/shown/result.pkl", "is the result file of 'shown' itself"),
    ],
)
def test_what_cannot_be_exported_is_told(shown: Project, file: str, problem: str) -> None:
    said = shown.psy("export", "shown", file)
    assert said.code == 2 and problem in said.err and "Traceback" not in said.err
    if file == "out.csv":
        assert "other columns with --columns, or choose another format" in said.err
    assert "up to date" not in shown.psy("show", "shown").err
