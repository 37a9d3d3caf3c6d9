"""Sets of rows behave as Python's sets do."""

import pickle
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from psyrun.rows import RowSet

ROWS = st.integers(0, 40) | st.integers(0, 2**62)
SETS = st.sets(ROWS, max_size=40) | st.integers(0, 40).map(lambda n: set(range(n)))


@given(SETS)
def test_a_set_holds_its_rows_in_order(rows):
    made = RowSet(list(rows))
    assert list(made) == sorted(rows)
    assert made.to_array().tolist() == sorted(rows)
    assert made.to_array().dtype == np.int64
    assert len(made) == len(rows)
    assert bool(made) == bool(rows)


@given(st.lists(ROWS, max_size=40))
def test_neither_order_nor_duplicates_matter(rows):
    assert RowSet(rows) == RowSet(sorted(set(rows)))
    assert RowSet(np.array(rows, dtype=np.int64)) == RowSet(rows)


@given(SETS, SETS)
def test_union_intersection_and_difference_are_those_of_sets(a, b):
    x, y = RowSet(list(a)), RowSet(list(b))
    for made, rows in [(x | y, a | b), (x & y, a & b), (x - y, a - b)]:
        assert list(made) == sorted(rows)
        assert made == RowSet(list(rows))  # so the intervals are maximal, too
        assert len(made) == len(rows)
    assert list(x) == sorted(a)  # the operands are as before
    assert (x == y) == (a == b)


@given(SETS, SETS)
def test_membership_is_told_singly_and_for_many(rows, others):
    made = RowSet(list(rows))
    asked = sorted(rows | others | {0, -1, 2**63 - 1})
    assert [row in made for row in asked] == [row in rows for row in asked]
    assert made.has(asked).tolist() == [row in rows for row in asked]
    assert made.has([]).tolist() == []


@given(SETS, st.data())
def test_slices_and_ranks_are_those_of_the_sorted_list(rows, data):
    made, ordered = RowSet(list(rows)), sorted(rows)
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    assert made.slice(start, stop).tolist() == ordered[start:stop]
    assert made.rank(ordered[start:stop]).tolist() == list(range(start, stop))
    shuffled = data.draw(st.permutations(ordered))
    assert made.rank(shuffled).tolist() == [ordered.index(row) for row in shuffled]


@given(SETS)
def test_intervals_are_maximal_and_cover_the_set(rows):
    intervals = list(RowSet(list(rows)).intervals())
    assert [row for start, stop in intervals for row in range(start, stop)] == sorted(rows)
    for (_, stop), (start, _) in pairwise(intervals):
        assert stop < start


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_span_is_a_range(start, stop):
    assert list(RowSet.span(start, stop)) == list(range(start, stop))
    assert RowSet.span(start, stop) == RowSet(range(start, stop))


@given(SETS)
def test_a_set_survives_pickling(rows):
    assert pickle.loads(pickle.dumps(RowSet(list(rows)))) == RowSet(list(rows))


def test_consecutive_rows_cost_nothing():
    rows = RowSet.span(0, 10**12) - RowSet([5]) - RowSet.span(10, 10**11)
    assert len(rows) == 10**12 - 10**11 + 9
    assert len(pickle.dumps(rows)) < 1000
    assert rows.slice(len(rows) - 1, len(rows)).tolist() == [10**12 - 1]
    assert repr(rows) == f"RowSet(0-4, 6-9, {10**11}-{10**12 - 1})"


def test_a_set_differs_from_everything_else():
    assert RowSet([1]) != {1}
    with pytest.raises(TypeError):
        hash(RowSet([1]))


def test_many_intervals_are_shown_shortened():
    assert repr(RowSet(range(0, 100, 2))) == "RowSet(0, 2, 4, 6, 8, 10, 12, 14, ...)"
