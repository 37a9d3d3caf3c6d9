"""Statistics over parameters, compared with those of pandas."""

import numpy as np
import pytest

import psyrun
from psyrun.exceptions import UsageError

pytest.importorskip("pandas")

TASK = """
pspace = {space}

def execute(**row):
    code = int(row["a"] * 10 + row["trial"])
    assert code % 13
    return {{
        "y": float("nan") if code % 5 == 0 else code ** 1.5,
        "n": code,
        "ok": code % 3 == 0,
        "name": str(code),
        "curve": np.arange(3.0) * code,
        "ragged": np.ones(1 + row["trial"] % 2) * code,
    }}
"""
SPACES = {
    "trial last": "Param(a=[3, 1, 2]) * Param(s=['x', 'y']) * Param(trial=range(7))",
    "trial first": "Param(trial=range(7)) * Param(a=[3, 1, 2]) * Param(s=['x', 'y'])",
    "zipped": "Param(trial=range(6), s=list('xyxyxy')) * Param(a=[3, 1, 2])",
    "sum": "Param(a=[3, 1], s='x') * Param(trial=range(4)) + Param(a=1, s='y', trial=[1, 2])",
    "where": "(Param(a=[3, 1, 2]) * Param(s=['x', 'y']) * Param(trial=range(7)))"
    ".where(lambda a, trial: (a + trial) % 4)",
    "repeated": "Param(a=[3, 1, 3]) * Param(s=['x', 'y']) * Param(trial=[0, 1, 1])",
}
NAMES = {"mean": "mean", "std": "std", "sem": "sem", "min": "min", "max": "max"}
NAMES |= {"median": "median", "count": "count", "sum": "sum"}


@pytest.mark.parametrize("space", SPACES)
def test_statistics_are_those_of_pandas(study, space):
    result = study.run(TASK.format(space=SPACES[space]))
    frame = result.to_pandas()
    for partial in (False, True):
        result = psyrun.load("a", partial=partial)
        for over in (["trial"], ["trial", "s"]):
            kept = [name for name in result.params if name not in over]
            groups = frame.groupby(kept, sort=False)
            how = [*NAMES, 0.25]
            told = result.aggregate(over, how).to_pandas().set_index(kept)
            for name in ("y", "n"):
                wanted = groups[name].agg([*NAMES]).join(groups[name].quantile(0.25).rename("q25"))
                got = told[[f"{name}_{each}" for each in wanted.columns]]
                assert sorted(got.index) == sorted(wanted.index)
                np.testing.assert_allclose(
                    got.loc[wanted.index].to_numpy(float), wanted.to_numpy(float), atol=1e-9
                )
            assert told["ok_mean"].between(0, 1).all() and told["ok_min"].dtype == bool
            assert [name for name in told.columns if name.startswith("name")] == ["name_count"]


def test_arrays_are_aggregated_element_by_element(study):
    result = study.run(TASK.format(space="Param(a=[1, 2]) * Param(trial=range(3))"))
    told = result.aggregate("trial", ["mean", "count", "median", "max"])
    assert told["curve_mean"].tolist() == [[0, 11, 22], [0, 21, 42]]
    assert told["curve_median"].tolist() == told["curve_mean"].tolist()
    assert told["ragged_mean"].tolist() == [[11, 11], [21, 21]]
    assert told["ragged_count"].tolist() == [[3, 1], [3, 1]]
    dataset = told.to_xarray(dims={"curve": "time"})
    assert dataset["curve_mean"].dims == dataset["curve_max"].dims == ("a", "time")
    assert dataset["ragged_mean"].dims == dataset["ragged_count"].dims


def test_groups_have_the_order_of_the_space_and_states(study):
    result = study.run(
        """
        pspace = Param(trial=range(2)) * Param(a=[3, 1, 2])
        units = {"a": "m", "y": "s"}
        def execute(trial, a):
            assert a != 1 and (a, trial) != (2, 1)
            return {"y": a + trial}
        """
    )
    told = result.aggregate("trial", ("mean", "count"))
    assert told.outputs == ["y_mean", "y_count"] and told.params == ["a"]
    assert told["a"].tolist() == [3, 2] and told["y_count"].tolist() == [2, 1]
    assert told.state.tolist() == [1, 2, 1]
    assert told.to_xarray()["a"].values.tolist() == [3, 1, 2]
    assert told.units == {"a": "m", "y_mean": "s"}
    assert told.statistics == {"y_mean": ("y", "mean"), "y_count": ("y", "count")}
    assert told.provenance["aggregated"] == {"over": ["trial"], "how": ["mean", "count"]}
    everything = result.aggregate(["a", "trial"], "sum")
    assert (everything.params, everything["y_sum"].tolist()) == ([], [9])
    assert everything.to_xarray()["y_sum"].values.tolist() == [9]
    some = result.where("a == 3").aggregate("trial", "count")
    assert some.state.tolist() == [1, 3, 3] and some["y_count"].tolist() == [2]


def test_nothing_to_aggregate(study):
    result = study.run("pspace = Param(a=[1, 2]) * Param(b=[1])\ndef execute(a, b): assert 0")
    told = result.aggregate("b", ["mean", "median"])
    assert len(told) == 0 and told.state.tolist() == [2, 2]


def test_a_parameter_that_was_left_out_is_told(study):
    result = study.run("pspace = Param(a=[1, 2])\ndef execute(a): return {'y': a}")
    with pytest.raises(UsageError, match=r"no parameter 'a' to aggregate over; .* are left out"):
        result.select(["y"]).aggregate("a")


def test_bad_input_is_told_in_a_sentence(study):
    result = study.run("pspace = Param(a=[1], y_mean=[2])\ndef execute(a, y_mean): return {'y': a}")
    for over, how, message in [
        ("b", "mean", "no parameter 'b' to aggregate over; those of 'a' are a, y_mean"),
        ("a", "average", "'average' is no statistic; use mean, std, sem"),
        ("a", 1.5, "1.5 is no statistic"),
        ("a", "mean", "'y_mean' is a parameter, and would be a statistic as well"),
    ]:
        with pytest.raises(UsageError, match=message):
            result.aggregate(over, how)
