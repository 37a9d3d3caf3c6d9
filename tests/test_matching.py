import math

import numpy as np
import pytest

from psyrun.pspace import MISSING, Param, missing
from psyrun.pspace import codes as _codes
from psyrun.pspace.matching import match


def kept(space):
    return [tuple(row.values()) for row in space]


def test_rows_are_compared_whole_and_not_column_by_column():
    space = Param(a=[1, 2]) * Param(b=[1, 2])
    done = Param(a=[1, 2], b=[1, 2])
    assert kept(missing(space, done)) == [(1, 2), (2, 1)]
    assert kept(space - done) == [(1, 2), (2, 1)]


def test_a_nan_row_is_not_missing_once_it_is_done():
    space = Param(a=[1.0, math.nan, 2.0])
    assert len(missing(space, Param(a=[float("nan"), 1.0, 2.0]))) == 0


def test_a_missing_parameter_matches_what_a_store_makes_of_it():
    space = Param(a=[1]) + Param(b=["x"])
    assert len(missing(space, Param(a=[1, math.nan], b=[MISSING, "x"], y=[0, 0]))) == 0


@pytest.mark.parametrize(
    ("minuend", "subtrahend", "left"),
    [
        ([1, 2, 3], np.array([2.0, 1.0]), [3]),
        (np.arange(3), [True], [0, 2]),
        ([2**53 + 1, 2**53], [float(2**53)], [2**53 + 1]),
        ([2**53 + 1, 0.5], [2**53, 0.5], [2**53 + 1]),
        ([2**70, 1], [1.0, 2.0**70], []),
        (["a", "b", 1], np.array(["a", "c"]), ["b", 1]),
        ([[1, 2], [3, 4]], np.array([[3, 4]]), [[1, 2]]),
        ([{"a": [1]}, {"a": [2]}], [{"a": [2]}], [{"a": [1]}]),
        ([0.0, 1.0], [-0.0], [1.0]),
        ([-(2**63), 2**63 - 1, 0], [2**63 - 1], [-(2**63), 0]),
        (range(5), range(1, 9), [0]),
        (np.array([0.25, 0.75]), np.array([0.75], dtype=np.float32), [0.25]),
        (range(2**64, 2**64 + 2), [2**64], [2**64 + 1]),
    ],
)
def test_values_of_different_types_are_compared_exactly(minuend, subtrahend, left):
    assert list(missing(Param(a=minuend), Param(a=subtrahend)).build()["a"]) == left


def test_many_parameters_with_many_values_do_not_overflow_a_code():
    rng = np.random.default_rng(0)
    columns = {f"p{i}": rng.integers(0, 2**62, 100) for i in range(20)}
    space = Param(**columns)
    done = Param(**{name: column[::2] for name, column in columns.items()})
    assert missing(space, done).build()["p0"] == columns["p0"][1::2].tolist()


def test_values_that_share_the_place_in_a_hash_table_are_told_apart(monkeypatch):
    monkeypatch.setattr(_codes, "mix", lambda words: words & np.uint64(1))
    values = np.array([1 << 40, 2 << 40, 3 << 40, 1 << 40, 5, 2 << 40])
    codes, size = _codes.integer_codes(np.tile(values, 3))
    assert codes.max() < size
    for i in range(6):
        for j in range(6):
            assert (codes[i] == codes[6 + j]) == (values[i] == values[j])


def test_equal_rows_are_paired_in_turn():
    new, old = match(Param(a=[1, 1, 2, 1]), Param(a=[2, 1, 1, 3]))
    assert new.tolist() == [0, 1, 2]
    assert old.tolist() == [1, 2, 0]


def test_a_parameter_which_one_space_lacks_counts_as_missing_there():
    new, old = match(Param(a=[1, 2], b=[math.nan, 3]), Param(a=[1, 2]))
    assert (new.tolist(), old.tolist()) == ([0], [0])
    new, old = match(Param(a=[1, 2]), Param(a=[1, 2], b=[3, MISSING]))
    assert (new.tolist(), old.tolist()) == ([1], [1])


def test_only_some_of_the_old_rows_may_count():
    new, old = match(Param(a=[1, 2, 3]), Param(a=[3, 2, 1]), np.array([2, 0]))
    assert (new.tolist(), old.tolist()) == ([0, 2], [2, 0])


def test_few_rows_are_matched_with_a_space_too_large_to_look_through():
    new = Param(a=range(10**5)) * Param(b=range(10**5))
    old = Param(a=[5, 5, 7], b=[6, 6, 8], c=[MISSING, MISSING, 1])
    new_rows, old_rows = match(new, old)
    assert (new_rows.tolist(), old_rows.tolist()) == ([500_006], [0])
    new_rows, old_rows = match(old, new[10**5 :])
    assert (new_rows.tolist(), old_rows.tolist()) == ([0], [400_006])


def test_spaces_without_rows_or_parameters_match_nothing():
    for space in (Param(), Param(a=[])):
        new, old = match(space, Param(a=[1]))
        assert len(new) == len(old) == 0
        new, old = match(Param(a=[1]), space)
        assert len(new) == len(old) == 0
