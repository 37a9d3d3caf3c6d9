"""Labelled arrays: every row is where its labels say, and what is not there is told apart."""

import json

import numpy as np
import pytest

import psyrun
from psyrun.exceptions import UsageError
from psyrun.results import State
from psyrun.results.columns import as_column

xr = pytest.importorskip("xarray")

TASK = """
class Thing:
    def __init__(self, n): self.n = n
    def __repr__(self): return f"Thing({{self.n}})"
    def __lt__(self, other): return self.n < other.n

pspace = {space}
seen = iter(range(10**6))

def execute(**row):
    code = next(seen)
    assert code % 5 != 3
    return {{"code": code}}
"""

GRIDS = {
    # the space; the sizes of its dimensions; with grid=True, where that differs
    "Param(b=[3, 1, 2]) * Param(a=['x', 'y'])": ({"b": 3, "a": 2}, None),
    "Param(a=[1, 2], b=[4, 5]) * Param(c=[7, 8, 9])": ({"a_b": 2, "c": 3}, None),
    "Param(a=[1, 1, 2]) * Param(b=[0, 0])": ({"a": 3, "b": 2}, None),
    "Param(a=[1, 2], k='one') * Param(m=None) * Param(b=[3])": ({"a": 2, "b": 1}, None),
    "Param(a=[1, 2, 3])": ({"a": 3}, None),
    "Param(k=1, m='x')": ({}, None),
    "Param(a=[1, 2, 1], b=[5, 5, 6])": ({"row": 3}, {"a": 2, "b": 2}),
    "Param(a=[1, 2, 1], b=[5, 5, 5])": ({"row": 3}, {"a": 2, "b": 1, "repetition": 2}),
    "Param(a=[1, 2]) + Param(a=[4])": ({"a": 3}, None),
    "Param(a=[1, 2]) + Param(a=[2], b=[3])": ({"row": 3}, {"a": 2, "b": 2}),
    "(Param(a=[1, 2, 3]) * Param(b=[1, 2])) - Param(a=[2], b=[2])": ({"row": 5}, {"a": 3, "b": 2}),
    "(Param(a=[1, 2, 3]) * Param(b=[1, 2])).where(lambda a, b: a > b)": (
        *({"row": 3}, {"a": 2, "b": 2}),
    ),
    "(Param(a=range(9)) * Param(b=range(9))).sample(7, seed=1)": ({"row": 7}, {"a": 7, "b": 4}),
    "(Param(a=[1, 2], c=[3, 4]) * Param(b=[1, 2]))[1:]": ({"row": 3}, {"a_c": 2, "b": 2}),
    "(Param(a=[1, 2, 1]) * Param(b=[1, 2])).unique()": ({"a": 2, "b": 2}, None),
    "(Param(a=[1, 2, 1], c=[1, 2, 1]) * Param(b=[1, 2])).unique()": ({"a_c": 2, "b": 2}, None),
    "(Param(a=[1, 2], s='x') + Param(a=[2, 3], s='y')) * Param(t=[0, 1])": (
        *({"a_s": 4, "t": 2}, {"a": 3, "s": 2, "t": 2}),
    ),
    "((Param(a=[1, 2]) * Param(b=[1, 2])) - Param(a=[1], b=[1])) * Param(t=[0, 1])": (
        *({"a_b": 3, "t": 2}, {"a": 2, "b": 2, "t": 2}),
    ),
    "Param(a=[np.arange(2), np.ones(2)]) * Param(t=[0, 1])": ({"a": 2, "t": 2}, None),
    "Param(a=[[1], [1, 2]]) * Param(t=[0, 1])": ({"a": 2, "t": 2}, None),
    "Param(a=[{'p': 1}, {'q': 2}], f=[Thing(1), Thing(2)]) * Param(t=[0])": (
        *({"a_f": 2, "t": 1}, None),
    ),
    "Param(f=[np.sin, np.cos], o=Thing(3))": ({"f": 2}, None),
    "Param(a=[1, None, 'x'], b=[None, 1, 2], n=[np.nan, 1, 2])": (
        *({"row": 3}, {"a": 3, "b": 3, "n": 3}),
    ),
    "Param(d=np.arange(3).astype('M8[D]')) * Param(c=[1j, 2])": ({"d": 3, "c": 2}, None),
}


def labels_of(dataset, name, sizes):
    """Return the values of a parameter at all places, as a list."""
    found = dataset[f"{name}_value"] if f"{name}_value" in dataset else dataset[name]
    own = [dim for dim in found.dims if dim not in sizes]
    wide = found.broadcast_like(dataset["state"]).transpose(*sizes, *own)
    return wide.values.reshape(-1, *wide.shape[len(sizes) :])


def same(label, value):
    if isinstance(value, list | np.ndarray):
        known = np.asarray(label)[~np.isnan(np.asarray(label, float))]
        return known.tolist() == list(value)
    if value is None or value != value:
        return label is None or label != label
    return label == value or label == getattr(value, "__name__", repr(value))


@pytest.mark.parametrize("space", GRIDS)
def test_each_row_is_where_its_labels_say(study, space):
    result = study.run(TASK.format(space=space))
    natural, gridded = GRIDS[space]
    rows = {"row": result.total} if len(natural) != 1 or "row" in natural else natural
    for grid, sizes in [(None, natural), (True, gridded or natural), (False, rows)]:
        dataset = result.to_xarray(grid)
        own = {dim for dim in dataset.sizes if "_dim_" in dim}
        assert {d: n for d, n in dataset.sizes.items() if d not in own} == sizes
        assert dataset["code"].dims == dataset["state"].dims == tuple(sizes)
        state, code = dataset["state"].values.ravel(), dataset["code"].values.ravel()
        codes = result["code"].tolist()
        assert sorted(code[state == State.COMPLETED].tolist()) == codes
        assert np.isnan(code[state != State.COMPLETED].astype(float)).all()
        assert np.sum(state == State.FAILED) == len(result.failed)
        assert np.sum(state != State.MISSING) == result.total
        for name in result.params:
            labels = labels_of(dataset, name, sizes)
            for row, code_of_row in zip(result.rows, codes, strict=True):
                label = labels[np.flatnonzero(code == code_of_row)[0]]
                value = as_column([result.assignment(row)[name]])[0]
                assert same(label, value), (name, row)


def test_rows_that_are_missing_pending_failed_or_nan_are_told_apart(study):
    study.task(
        """
        pspace = (Param(a=[2, 1, 3]) * Param(b=[1, 2])).where(lambda a, b: a + b != 5)
        units = {"a": "m", "y": "s"}
        max_failures = 1
        def execute(a, b):
            assert a != 1 or b == 1
            return {"y": float("nan") if a == 1 else a * b}
        """
    )
    psyrun.main.psy_main(["run", "a"])
    dataset = psyrun.load("a").to_xarray(grid=True)
    states = dataset["state"]
    meanings = states.attrs["flag_meanings"].split()
    named = [[meanings[value] for value in row] for row in states.values]
    assert named == [["completed", "completed"], ["completed", "failed"], ["pending", "missing"]]
    assert dataset["y"].isnull().values.tolist() == [[False, False], [True, True], [True, True]]
    assert dataset["a"].values.tolist() == [2, 1, 3] and dataset["b"].values.tolist() == [1, 2]
    assert states.attrs["flag_values"].tolist() == [0, 1, 2, 3]
    assert states.dtype == states.attrs["flag_values"].dtype == np.int8
    assert dataset["a"].attrs == dataset["y"].attrs | {"units": "m"}
    assert dataset.sel(a=2, b=2)["y"] == 4


def test_attributes_and_arrays_go_to_a_file_and_back(study):
    pytest.importorskip("h5netcdf")
    result = study.run(
        """
        pspace = Param(n=[1, 2, 3], s=list("xyz")) * Param(data=[np.arange(2), np.ones(3)])
        seed = 2**70
        def execute(n, s, data, rng): return {"y": s * n, "part": data[:n], "flat": data.mean()}
        """
    )
    dataset = result.to_xarray(dims={"part": ["time"]})
    assert dataset.sizes == {"n_s": 3, "data": 2, "data_dim_0": 3, "time": 3}
    assert dataset["part"].dims == ("n_s", "data", "time")
    dataset.to_netcdf("a.nc", engine="h5netcdf")
    with xr.open_dataset("a.nc", engine="h5netcdf") as found:
        assert found.equals(dataset)
        assert found.attrs["task"] == "a" and json.loads(found.attrs["seed"]) == 2**70
        assert found.attrs["rows_total"] == 6 and "numpy" in json.loads(found.attrs["packages"])


def test_dims_that_do_not_fit_and_grids_too_large_are_told(study):
    result = study.run(
        "pspace = Param(**{name: range(60) for name in 'abcdef'})\n"
        "def execute(**row): return {'x': [1, 2], 'y': [1, 2, 3], 'z': 0}"
    )
    for options, message in [
        ({"grid": True}, r"60 rows of 'a' would become arrays of 60 x 60 x 60 x .* too much"),
        ({"dims": {"x": ["t", "u"]}}, "'x' is an array of 1 dimensions, but dims names 2: t, u"),
        ({"dims": {"x": "t", "y": "t"}}, "'y' has 3 values along 't', where others have 2"),
        ({"dims": {"w": "t"}}, "no column 'w'"),
    ]:
        with pytest.raises(UsageError, match=message):
            result.to_xarray(**options)


def test_a_part_of_a_grid_is_a_grid_of_the_labels_that_are_left(study):
    result = study.run(
        "pspace = Param(a=[1, 2, 3]) * Param(b=[1, 2])\ndef execute(a, b): return {'y': a * b}"
    )
    dataset = result.where("y > 2").to_xarray()
    assert dataset["a"].values.tolist() == [2, 3] and dataset["b"].values.tolist() == [1, 2]
    assert dataset["state"].values.tolist() == [[3, 1], [1, 1]]
    assert result.where("y > 2").to_xarray(grid=False)["row"].values.tolist() == [3, 4, 5]
