"""psyrun.load: from a directory, a file or a name; merged or not; in whichever state."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import psyrun
from psyrun.exceptions import StoreError, TaskWarning, UnknownTaskError, UsageError
from psyrun.main import psy_main
from psyrun.merging import reading
from psyrun.pspace import is_missing
from psyrun.results import State
from psyrun.results.export import export
from psyrun.rows import RowSet
from psyrun.store import AutodetectStore

from .conftest import until

pd = pytest.importorskip("pandas")

NOISE = """
pspace = Param(a=[1, 2, 3]) * Param(s=["x", "y"])
units = {"a": "m", "y": "kg"}

def execute(a, s):
    if a == 2 and s == "y":
        raise ValueError("two")
    return {"y": a / 2, "n": a, "curve": np.arange(3.0) * a, "text": s + "!"}
"""
STORES = {
    "pkl": "from psyrun import PickleStore\nstore = PickleStore()",
    "npz": "from psyrun.store.npz import NpzStore\nstore = NpzStore()",
    "h5": "from psyrun.store.h5 import H5Store\nstore = H5Store()",
}


@pytest.mark.parametrize("ext", STORES)
def test_a_directory_a_file_and_a_name_give_the_same(study, ext):
    study.run(f"{STORES[ext]}\n{NOISE}")
    for what in ("psy-work/a", f"psy-work/a/result.{ext}", "a", study.root / "psy-work" / "a"):
        for partial in (False, True):
            result = psyrun.load(what, partial=partial)
            assert (result.name, len(result), result.total) == ("a", 5, 6)
            assert result.params == ["a", "s"]
            assert result.outputs == ["y", "n", "curve", "text"]
            assert list(result.columns) == [*result.params, *result.outputs]
            assert result.rows.tolist() == [0, 1, 2, 4, 5]
            assert result.completed == RowSet([0, 1, 2, 4, 5])
            assert (result.failed, result.pending) == (RowSet([3]), RowSet())
            assert result.state.tolist() == [1, 1, 1, State.FAILED, 1, 1]
            assert result["a"].tolist() == [1, 1, 2, 3, 3] and result["a"].dtype == np.int64
            assert result["s"].tolist() == ["x", "y", "x", "x", "y"]
            assert result["y"].tolist() == [0.5, 0.5, 1.0, 1.5, 1.5]
            assert result["curve"].shape == (5, 3)
            assert result["text"].tolist() == ["x!", "y!", "x!", "x!", "y!"]
            assert result.assignment(3) == {"a": 2, "s": "y"}
            assert {row: why.message for row, why in result.failures.items()} == {3: "two"}
            assert result.timings.row.tolist() == [0, 1, 2, 4, 5]
            assert result.units == {"a": "m", "y": "kg"}
            assert result.provenance["task"] == "a"
    with pytest.raises(UsageError, match="no column 'z' in this result; the columns are a, s, y"):
        result["z"]
    assert "z" not in result


def test_a_file_that_psyrun_knows_nothing_of_is_a_table(study):
    AutodetectStore().save("table.npz", {"a": [1, 2], "y": [0.5, None]})
    result = psyrun.load("table.npz")
    assert (result.name, result.space, result.params) == ("table", None, [])
    assert result.outputs == ["a", "y"] and len(result) == result.total == 2
    assert result.to_xarray().sizes == {"row": 2}
    assert result.to_pandas(states=True)["state"].tolist() == ["completed"] * 2
    with pytest.raises(UsageError, match=r"no parameter 'a' to aggregate over; .* not known"):
        result.aggregate("a")


def test_the_recipe_of_the_guide_works_too(study):
    study.run("pspace = Param(a=[1, 2])\ndef execute(a): return {'y': a / 2}")
    frame = pd.DataFrame(psyrun.PickleStore().load("psy-work/a/result.pkl"))
    assert frame.to_dict("list") == {"a": [1, 2], "y": [0.5, 1.0]}
    assert psyrun.load("a").to_pandas().reset_index(drop=True).equals(frame)


def test_rows_are_there_while_jobs_run_and_after_a_crash(study):
    study.task(
        """
        import pathlib, time
        pspace = Param(a=range(6))
        units = {"y": "s"}

        def execute(a):
            if a == 1:
                raise ValueError("one")
            while a == 4 and not pathlib.Path(__file__).with_name("go").exists():
                time.sleep(0.01)
            return {"y": a * 10}
        """
    )
    process = study.start()

    def computed():
        with_rows = study.root / "psy-work" / "a" / "plans"
        if not any(with_rows.glob("*.json")):
            return None
        result = psyrun.load("a", partial=True)
        return result if len(result) == 3 and result.failed else None

    result = until(computed, "row 3 is completed")
    assert result.state.tolist() == [1, 2, 1, 1, 0, 0]
    assert result["y"].tolist() == [0, 20, 30] and result["y"].dtype == np.int64
    assert result.pending == RowSet([4, 5])
    assert result.units == {"y": "s"} and result.provenance["rows"]["pending"] == 2
    assert result.to_xarray()["state"].values.tolist() == [1, 2, 1, 1, 0, 0]
    assert result.to_pandas(states=True)["a"].tolist() == list(range(6))
    with pytest.raises(UsageError, match=r"Nothing has been merged of task 'a' .* partial=True"):
        psyrun.load("a")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(psyrun.load("psy-work/a", partial=True)) == 3
    (study.tasks / "go").touch()
    assert psy_main(["run", "a"]) == 1
    assert psyrun.load("psy-work/a")["y"].tolist() == [0, 20, 30, 40, 50]


def test_partial_joins_what_is_merged_and_what_is_new(study):
    text = "pspace = Param(a=range({n}))\ndef execute(a): return {{'y': a}}"
    study.run(text.format(n=3))
    study.task(text.format(n=5).replace("return", "assert a < 4; return"))
    psy_main(["run", "--continue", "a"])
    merged = psyrun.load("a")
    assert merged.state.tolist() == [1, 1, 1, 1, 2]
    study.task("pspace = Param(a=range(5))\ndef execute(a): assert 0")
    psy_main(["run", "a"])
    assert psyrun.load("a", partial=True).state.tolist() == [2] * 5


def test_timings_that_are_gone_are_told_not_empty(study):
    text = "pspace = Param(a=range({n}))\ndef execute(a): return {{'y': a}}"
    former = study.run(text.format(n=3))
    read = study.run(text.format(n=3))
    assert read.timings.row.tolist() == [0, 1, 2]
    study.task(text.format(n=4))
    psy_main(["run", "--continue", "a"])
    assert len(psyrun.load("a").timings) == 4
    assert len(read.timings) == 3 and former["y"].tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match=r"result.pkl' are not there any more.* load it again"):
        former.where("a > 1").timings  # noqa: B018 - reads them


def test_a_merge_meanwhile_hides_no_row(study, monkeypatch):
    text = "pspace = Param(a=range(4))\ndef execute(a): {check}; return {{'y': a}}"
    study.task(text.format(check="assert a != 2"))
    psy_main(["run", "a"])
    study.task(text.format(check="pass"))
    real, merges = reading.Ledger, iter([lambda: psy_main(["run", "--continue", "a"])])

    def ledger(*args):
        next(merges, lambda: None)()
        return real(*args)

    monkeypatch.setattr(reading, "Ledger", ledger)
    result = psyrun.load("a", partial=True)
    assert result.rows.tolist() == result["a"].tolist() == result["y"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("what", ["gone", "broken"])
def test_a_task_without_its_file_can_be_loaded(study, what):
    task = study.task(NOISE)
    psy_main(["run", "a"])
    task.unlink()
    if what == "broken":
        task.write_text("1 +")
    for name in ("psy-work/a", "a"):
        assert len(psyrun.load(name)) == len(psyrun.load(name, partial=True)) == 5


CUSTOM = """
import dataclasses
import helping

@dataclasses.dataclass(frozen=True)
class Solver:
    order: int

pspace = Param(solver=[Solver(1), Solver(2)], step=[helping.Step(), helping.Step()])

def execute(solver, step):
    return {"y": solver.order}
"""


def test_values_of_the_task_s_own_classes_come_from_its_copy(study):
    (study.tasks / "helping.py").write_text("class Step: pass")
    study.task(CUSTOM)
    psy_main(["run", "a"])
    (study.tasks / "task_a.py").unlink()
    code = (
        "import psyrun, sys; before = sys.path.copy(), sys.meta_path.copy()\n"
        "result = psyrun.load('psy-work/a')\n"
        "assert before == (sys.path, sys.meta_path)\n"
        "print([solver.order for solver in result['solver']], result['y'].tolist())"
    )

    def run():
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert run().stdout == "[1, 2] [1, 2]\n"
    (study.tasks / "helping.py").unlink()
    shutil.rmtree(study.tasks / "__pycache__", ignore_errors=True)
    assert "UsageError: The parameter space of task 'a' cannot be read" in run().stderr
    assert "No module named 'helping'" in run().stderr
    code = code.replace("'psy-work/a'", "'psy-work/a', partial=True")
    assert "UsageError: The parameter space of task 'a' cannot be read" in run().stderr


def test_a_result_that_is_not_as_psyrun_left_it_is_told(study):
    study.run("pspace = Param(a=[1, 2])\ndef execute(a): return {'y': a}")
    AutodetectStore().save("psy-work/a/result.pkl", {"a": [1]})
    with pytest.raises(UsageError, match=r"result\.pkl' of task 'a' is not as psyrun left it"):
        psyrun.load("a")
    assert psyrun.load("psy-work/a/result.pkl").to_dict()["a"].tolist() == [1]
    (study.root / "psy-work/a/result.pkl").unlink()
    with pytest.raises(UsageError, match=r"result\.pkl' of task 'a' is not there any more"):
        psyrun.load("a")


def test_bad_input_is_told_in_a_sentence(study):
    study.task(NOISE, "known")
    study.task(NOISE + "\n1 +", "broken")
    study.root.joinpath("empty").mkdir()
    study.root.joinpath("cut.npz").write_bytes(b"PK\x03\x04 and no more")
    study.root.joinpath("table.docx").touch()
    for what, kind, message in [
        ("knwon", UnknownTaskError, r"no task 'knwon' in 'psy-tasks'; did you mean 'known'\?"),
        ("known", UsageError, r"Task 'known' has not been run; do so with 'psy run known'"),
        ("broken", UsageError, r"task_broken\.py, line \d+: SyntaxError"),
        ("empty", UsageError, r"'empty' is not the directory of a task"),
        ("some/where", UsageError, r"There is no file or directory 'some/where'\."),
        ("cut.npz", StoreError, r"'cut\.npz' .*cut off"),
        ("table.docx", StoreError, r"No store is known for 'table\.docx'"),
    ]:
        with pytest.raises(kind, match=message):
            psyrun.load(what)
    with pytest.raises(UsageError, match="no file or directory 'a', and no directory 'nowhere'"):
        psyrun.load("a", taskdir="nowhere")


def test_a_damaged_journal_costs_its_row_and_is_told(study):
    study.task(
        "pspace = Param(a=range(9))\ndef execute(a): assert a not in (3, 5); return {'y': a}"
    )
    psy_main(["run", "a"])
    path = next(study.root.glob("psy-work/a/state/*.failed"))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1  # in the first of two frames
    path.write_bytes(content)
    with pytest.warns(TaskWarning, match="Journals of task 'a' are damaged"):
        result = psyrun.load("a")
    assert (len(result), result.failed, result.pending) == (7, RowSet([5]), RowSet([3]))


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("ext", STORES)
def test_an_empty_space_and_a_single_row(study, ext, partial):
    execute = "def execute(**kwargs): return {'y': 1}"
    result = study.run(f"{STORES[ext]}\npspace = Param(a=[], b=[])\n{execute}", partial=partial)
    assert (len(result), result.total, result.params, result.outputs) == (0, 0, ["a", "b"], [])
    assert result.to_pandas().shape == (0, 2) and result.to_polars().shape == (0, 2)
    assert result.to_arrow().shape == (0, 2) and result.to_xarray()["state"].shape == (0,)
    assert "0 of 0 rows" in repr(result) and "0 of 0 rows" in result._repr_html_()
    assert result.aggregate("a").to_pandas().shape == (0, 1)
    result = study.run(f"{STORES[ext]}\npspace = Param(a=1)\n{execute}", "b", partial=partial)
    assert result.to_pandas().to_dict("list") == {"a": [1], "y": [1]}
    assert result.to_xarray()["y"].item() == result.to_xarray()["a"].item() == 1


def test_names_may_be_anything(study):
    result = study.run(
        """
        name = "two words"
        pspace = Param(**{"my radius": [1, 2], "state": [0, 0], "row": [5, 5]})
        units = {"my radius": "m"}
        def execute(**kwargs): return {"a sum": sum(kwargs.values()), "class": 1}
        """,
        "two words",
    )
    assert result.where(lambda **row: row["my radius"] > 1)["a sum"].tolist() == [7]
    frame = result.to_pandas(states=True)
    assert frame.columns.tolist() == ["my radius", "state", "row", "a sum", "class", "state_"]
    dataset = result.to_xarray()
    assert dataset["a sum"].dims == ("row_",) and dataset["state_"].dims == ("row_",)
    assert dataset["my radius"].attrs == {"units": "m"}
    assert psyrun.load("two words").name == "two words"


def test_missing_parameters_and_nan_are_told_apart(study):
    result = study.run(
        """
        from psyrun.store.npz import NpzStore
        store = NpzStore()
        pspace = Param(a=[1, 2]) + Param(a=[3], b=[float("nan")]) + Param(a=[4], b=[5])
        pspace *= Param(s="x") + Param(t=["y"])
        def execute(**row): return {"y": 0}
        """
    )
    assert [is_missing(value) for value in result["b"]] == [True] * 4 + [False] * 4
    assert result["s"].tolist() == ["x", None] * 4
    assert [is_missing(row["s"]) for row in map(result.assignment, range(2))] == [False, True]


def test_what_is_left_out_of_the_result_is_no_column(study):
    result = study.run(
        """
        pspace = Param(a=[1, 2]) * Param(seed=[3, 4])
        exclude_from_result = ["seed", "z"]
        def execute(a, seed): return {"y": a * seed, "z": 0}
        """
    )
    assert (result.params, result.outputs) == (["a"], ["y"])
    assert psyrun.load("a", partial=True).outputs == ["y"]
    dataset = result.to_xarray()
    assert dataset["y"].dims == ("a", "seed") and dataset["seed"].values.tolist() == [0, 1]


def test_a_parameter_that_is_returned_too_keeps_both_values(study):
    result = study.run(
        "pspace = Param(a=[1, 2, 3])\ndef execute(a): assert a < 3; return {'y': a, 'a': a / 10}"
    )
    assert (result.params, result.outputs) == (["a"], ["y"])
    assert result["a"].tolist() == [0.1, 0.2] and result.assignment(1) == {"a": 2}
    assert result.to_pandas(states=True)["a"].tolist() == [0.1, 0.2, 3.0]
    dataset = result.to_xarray()
    assert dataset["a"].values.tolist() == [1, 2, 3]
    assert dataset["a_returned"].values[:2].tolist() == [0.1, 0.2]


def test_where_keeps_what_satisfies_a_condition(study):
    result = study.run(NOISE)
    assert result.where("a > 1").state.tolist() == [3, 3, 1, 2, 1, 1]
    assert result.where("a > 1").failures.keys() == {3}
    some = result.where('y > 0.5 and s == "x"')
    assert some.state.tolist() == [3, 3, 1, 3, 1, 3] and some.total == 6
    assert some["curve"].tolist() == [[0, 2, 4], [0, 3, 6]]
    assert some.timings.row.tolist() == some.rows.tolist() == [2, 4]
    assert some.where(lambda a, y: a * y > 2).to_pandas().index.tolist() == [4]
    assert result.where("a in [n for n in (1, 3)]").rows.tolist() == [0, 1, 4, 5]
    for condition, message in [
        ("b > 1", "names 'b', which is no column; the columns are a, s, y"),
        ("a >", "'a >' is no expression over columns"),
        ("a > s", "cannot be evaluated for a=1, s='x': TypeError"),
        (lambda b: b, "requires 'b', which is no column"),
    ]:
        with pytest.raises(UsageError, match=message):
            result.where(condition)


def test_some_columns_can_be_selected(study):
    result = study.run(
        """
        pspace = Param(a=[1, 2], b=[3, 4])
        def execute(a, b): return {"a": -a, "y": a + b, "c": 1j}
        """
    )
    part = result.select(["y", "b"])
    assert (list(part), part.params, part.outputs) == (["y", "b"], ["b"], ["y"])
    assert part.to_pandas().to_dict("list") == {"y": [4, 6], "b": [3, 4]}
    assert set(part.to_xarray().data_vars) == {"y", "state"}
    assert result.select(["a", "y"]).overridden == {"a"}
    with pytest.raises(UsageError, match="no column 'z' in this result; the columns are a, b, y"):
        result.select(["a", "z"])
    with pytest.raises(StoreError, match=r"'c': NetCDF cannot hold complex .* Result.select\(\)"):
        export(result, "out.nc")
    export(result.select(["b", "y"]), "out.nc")


def test_units_are_in_result_json(study):
    study.run(NOISE)
    told = json.loads((study.root / "psy-work/a/result.json").read_text())
    assert told["units"] == {"a": "m", "y": "kg"}
