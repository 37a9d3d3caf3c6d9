"""Columns as arrays, and what other libraries make of them."""

import datetime
import json

import numpy as np
import pytest

from psyrun.pspace import MISSING
from psyrun.results.columns import as_column, is_ragged, padded

pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

NAN = float("nan")
NOON = datetime.datetime(2026, 1, 2, 12)
DAY = datetime.date(2026, 1, 2)


@pytest.mark.parametrize(
    ("values", "dtype", "listed"),
    [
        ([1, 2], "i8", [1, 2]),
        (range(3), "i8", [0, 1, 2]),
        ([1, 2.5], "f8", [1.0, 2.5]),
        ([1, None], "f8", [1.0, None]),
        ([1, MISSING], "f8", [1.0, None]),
        ([2**60, 0.5], "O", [2**60, 0.5]),
        ([2**70, 1], "O", [2**70, 1]),
        ([True, False], "?", [True, False]),
        ([True, None], "f8", [1.0, None]),
        ([np.float32(1.5), np.float32(2)], "f4", [1.5, 2.0]),
        ([1j, 2], "c16", [1j, 2]),
        ([None, None], "O", [None, None]),
        ([NAN, None], "f8", [None, None]),
        (["a", "b"], "O", ["a", "b"]),
        (["a", NAN, None], "O", ["a", None, None]),
        (np.array(["a", "bc"]), "O", ["a", "bc"]),
        (["a", 1], "O", ["a", 1]),
        ([NOON, None], "M8[us]", [NOON, None]),
        ([DAY, NAN], "M8[D]", [DAY, None]),
        ([datetime.timedelta(1)], "m8[us]", [datetime.timedelta(1)]),
        ([np.datetime64("2026-01-02", "s")], "M8[s]", [datetime.datetime(2026, 1, 2)]),
        ([NOON.replace(tzinfo=datetime.UTC)], "O", [NOON.replace(tzinfo=datetime.UTC)]),
        ([[1, 2], [3, 4]], "i8", [[1, 2], [3, 4]]),
        ([np.ones(2), NAN], "f8", [[1, 1], [None, None]]),
        ([(1, "a"), (2, "b")], "O", [(1, "a"), (2, "b")]),
        ([{"a": 1}, None], "O", [{"a": 1}, None]),
        ([], "f8", []),
    ],
)
def test_values_become_an_array_of_their_kind(values, dtype, listed):
    def known(value):
        if isinstance(value, list):
            return [known(each) for each in value]
        return None if isinstance(value, float) and value != value else value

    column = as_column(values)
    assert column.dtype == np.dtype(dtype)
    assert known(column.tolist()) == listed


def test_arrays_of_different_shapes_are_kept_and_can_be_padded():
    column = as_column([np.arange(3), [1], None])
    assert is_ragged(column) and not is_ragged(as_column(["a", None]))
    assert padded(column).tolist()[0] == [0, 1, 2]
    assert np.isnan(padded(column)).tolist() == [[False] * 3, [False, True, True], [True] * 3]
    times = padded(as_column([np.zeros(1, "M8[s]"), np.zeros((2,), "M8[s]")]))
    assert np.isnat(times).tolist() == [[False, True], [False, False]]
    for odd in ([np.arange(3), np.zeros((1, 1))], [["a"], ["b", "c"]], [[1, [2]], [3]]):
        column = as_column(odd)
        assert padded(column) is column


ALL_KINDS = """
import datetime

pspace = Param(a=range(4))

class Own:
    def __str__(self):
        return "own"

def execute(a):
    assert a < 3
    return {
        "number": a / 2,
        "whole": a,
        "truth": a > 1,
        "text": "<script>",
        "gap": None if a == 1 else a,
        "complex": a + 1j,
        "day": datetime.date(2026, 1, 1 + a),
        "second": np.datetime64(a, "s"),
        "lapse": np.timedelta64(a, "h"),
        "curve": np.arange(3.0) * a,
        "waves": np.ones((2, 2)) * 1j,
        "void": np.zeros((2, 0)),
        "ragged": np.arange(a),
        "nested": {"a": a} if a else {"b": a},
        "object": Own(),
        "mixed": [1, "a", None][a],
    }
"""


@pytest.fixture
def result(study):
    return study.run(ALL_KINDS)


def test_pandas(result):
    frame = result.to_pandas()
    assert frame.shape == (3, 17) and frame.index.tolist() == [0, 1, 2]
    assert frame["curve"].iloc[2].tolist() == [0, 2, 4]
    assert frame["gap"].isna().tolist() == [False, True, False]
    assert [str(frame[name].dtype) for name in ("whole", "truth", "text", "complex")] == [
        *("int64", "bool", "str", "complex128")
    ]
    frame = result.to_pandas(states=True)
    assert frame["state"].tolist() == ["completed"] * 3 + ["failed"]
    assert frame["a"].tolist() == [0, 1, 2, 3] and np.isnan(frame["number"].iloc[3])
    assert frame["state"].value_counts().to_dict() == {"completed": 3, "failed": 1, "pending": 0}


def test_polars(result):
    frame = result.to_polars(states=True)
    assert frame.shape == (4, 18) and not any(dtype == pl.Object for dtype in frame.dtypes)
    assert frame["complex"][1] == {"real": 1.0, "imag": 1.0}
    assert frame["ragged"].to_list() == [[], [0], [0, 1], None]
    assert frame["curve"][2].to_list() == [0, 2, 4]
    assert frame["nested"].to_list() == ["{'b': 0}", "{'a': 1}", "{'a': 2}", None]
    assert frame["object"].to_list() == ["own"] * 3 + [None]
    assert frame["mixed"].to_list() == ["1", "a", None, None]
    assert frame["day"].to_list()[:3] == [datetime.date(2026, 1, 1 + a) for a in range(3)]
    assert frame["state"].to_list() == ["completed"] * 3 + ["failed"]


def test_arrow(result):
    table = result.to_arrow(states=True)
    assert table.shape == (4, 18)
    assert json.loads(table.schema.metadata[b"psyrun"])["task"] == "a"
    listed = table.to_pydict()
    assert listed["complex"][1] == {"real": 1.0, "imag": 1.0}
    assert listed["ragged"] == [[], [0], [0, 1], None]
    assert listed["waves"][0] == [[[0, 1]] * 2] * 2 and listed["void"][0] == [[], []]
    assert listed["nested"][1] == {"a": 1, "b": None}
    assert listed["object"] == ["own"] * 3 + [None] and listed["mixed"] == ["1", "a", None, None]
    assert listed["state"] == ["completed"] * 3 + ["failed"]


def test_xarray(result):
    dataset = result.to_xarray(dims={"curve": "time"})
    assert dataset["curve"].dims == ("a", "time")
    assert dataset["ragged"].values[2].tolist() == [0, 1]
    assert dataset["whole"].dtype == float and dataset["truth"].values[:3].tolist() == [0, 0, 1]
    assert dataset["day"].dtype.kind == "M" and dataset["text"].isnull().values[3]
    assert dataset["state"].values.tolist() == [1, 1, 1, 2]


def test_what_shows_in_a_notebook_is_escaped(result):
    shown = result._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    assert "3 of 4 rows completed, 1 failed" in shown
    assert repr(result).startswith("<result 'a': 3 of 4 rows completed, 1 failed; parameters a;")
