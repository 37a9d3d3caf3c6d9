import doctest
import itertools
import math
import operator
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest

import psyrun.pspace
from psyrun import exceptions
from psyrun.pspace import (
    AmbiguousOperationError,
    Param,
    Product,
    Selection,
    Sum,
    dict_concat,
    is_missing,
    missing,
)

HUGE = Param(a=range(10**5)) * Param(b=range(10**5))


@pytest.mark.parametrize(
    "values",
    [
        [3, 4],
        (3, 4),
        range(3, 5),
        np.array([3, 4]),
        pd.Series([3, 4], index=[7, 8]),
        pd.Index([3, 4]),
        pd.Series([3, 4], dtype="Int64"),
        pl.Series([3, 4]),
        {3: 0, 4: 0}.keys(),
    ],
    ids=lambda v: type(v).__name__,
)
def test_values_may_be_any_sequence(values):
    space = Param(a=values, b="xy")
    assert space.build() == {"a": [3, 4], "b": ["xy", "xy"]}
    assert list(space) == [{"a": 3, "b": "xy"}, {"a": 4, "b": "xy"}]
    assert space[1] == {"a": 4, "b": "xy"}


@pytest.mark.parametrize("column", [pd.Series(["x", "yz"]), pl.Series(["x", "yz"])])
def test_a_text_column_of_a_data_frame_is_a_sequence(column):
    assert Param(a=column).build() == {"a": ["x", "yz"]}


@pytest.mark.parametrize(
    "value", ["text", b"bytes", {"key": [1, 2]}, 1, None, np.array(1), bytearray(b"x"), len]
)
def test_other_values_are_single(value):
    assert Param(a=value, b=[1, 2]).build() == {"a": [value, value], "b": [1, 2]}
    assert Param(a=value).build() == {"a": [value]}


def test_elements_of_arrays_are_what_indexing_gives():
    assert type(Param(a=np.array([1.0])).build()["a"][0]) is np.float64
    rows = Param(a=np.array([[1, 2], [3, 4]])).build()["a"]
    assert [row.tolist() for row in rows] == [[1, 2], [3, 4]]


def test_values_are_the_original_objects():
    thing = object()
    space = Param(a=[thing]) * Param(b=[1, 2])
    for found in (space.build()["a"][1], space[1]["a"], space[[1]].build()["a"][0]):
        assert found is thing


def test_unequal_lengths_are_refused_by_name():
    with pytest.raises(ValueError, match="a has 2, b has 1, d has 2"):
        Param(a=[1, 2], b=[3], c=4, d=[5, 6])


@pytest.mark.parametrize("values", [{1, 2}, frozenset([1]), iter([1]), (x for x in "ab")])
def test_what_has_no_order_or_no_length_is_refused(values):
    with pytest.raises(TypeError, match=r"The values of a .* pass a list"):
        Param(a=values)


def test_a_data_frame_is_no_sequence_of_values():
    with pytest.raises(TypeError, match="The values of a are no sequence: a DataFrame"):
        Param(a=pd.DataFrame({"x": [1, 2, 3]}))


def test_a_later_change_of_the_values_does_not_change_the_space():
    values, array = [1, 2], np.array([1, 2])
    space = Param(a=values, b=array)
    values[0] = array[0] = 9
    assert space[0] == {"a": 1, "b": 1}


def test_a_parameter_may_have_any_name():
    space = Param(**{"root.a": [1, 2], "self": 3, "a b": 4})
    assert space.keys() == ["root.a", "self", "a b"]
    assert space[0] == {"root.a": 1, "self": 3, "a b": 4}


def test_the_order_of_a_product_is_that_of_nested_loops():
    space = Param(a=[1, 2]) * Param(b="x") * Param(c=[3, 4], d=[5, 6])
    expected = [
        {"a": a, "b": "x"} | c for a in (1, 2) for c in ({"c": 3, "d": 5}, {"c": 4, "d": 6})
    ]
    assert list(space) == expected
    assert space.build() == dict_concat(expected)


def test_products_and_sums_with_nothing_in_them_are_neutral_or_empty():
    space = Param(a=[1, 2])
    assert Param() * space is space
    assert space * Param() is space
    assert (space + Param()).build() == (Param() + space).build() == {"a": [1, 2]}
    for empty in (space * Param(b=[]), Param(b=[]) * space):
        assert len(empty) == 0
        assert empty.build() == {"a": [], "b": []}
        assert list(empty) == []
        assert {"a": 1, "b": 1} not in empty
    assert Param().build() == Product().build() == Sum().build() == {}
    assert (space + Param(b=[])).keys() == ["a", "b"]
    assert is_missing((space + Param(b=[]))[0]["b"])


def test_the_products_of_a_common_parameter_are_ambiguous():
    with pytest.raises(AmbiguousOperationError, match="Duplicate param keys: a"):
        Param(a=[1]) * Param(a=[2], b=[3])


def test_a_difference_with_an_unknown_parameter_is_ambiguous():
    with pytest.raises(psyrun.pspace.AmbiguousOperationError) as info:
        Param(a=[1, 2, 3]) - Param(a=[2], c=[4])
    assert str(info.value) == "Key `c` not existent in minuend."
    assert isinstance(info.value, RuntimeError)
    assert AmbiguousOperationError is exceptions.AmbiguousOperationError


def test_a_difference_needs_to_name_some_parameters_only():
    space = Param(a=[1, 2, 2], b=[4, 5, 6])
    assert (space - Param(a=[2])).build() == {"a": [1], "b": [4]}
    assert space - Param() is space
    assert space - Param(a=[]) is space


def test_missing_requires_all_parameters_but_allows_more():
    space = Param(a=[1, 2, 2], b=[4, 5, 6])
    assert missing(space, Param(b=[5], c=[0], a=[2])).build() == {"a": [1, 2], "b": [4, 6]}
    assert missing(space, Param()) is space
    with pytest.raises(AmbiguousOperationError, match="Key `b` not existent in subtrahend"):
        missing(space, Param(a=[2]))


def test_only_spaces_can_be_combined():
    for operation in (operator.add, operator.sub, operator.mul):
        for left, right in [(Param(a=[1]), 2), (2, Param(a=[1])), (np.arange(2), Param(a=[1]))]:
            with pytest.raises(TypeError):
                operation(left, right)


def test_spaces_can_be_summed_and_multiplied_by_the_functions_for_that():
    spaces = [Param(a=[1, 2]), Param(b=[3])]
    assert sum(spaces).keys() == ["a", "b"]
    assert math.prod(spaces).build() == {"a": [1, 2], "b": [3, 3]}


def test_a_huge_space_takes_no_more_memory_than_its_values():
    tracemalloc.start()
    space = HUGE * Param(c=range(10))
    part = space[5 : 10**10 : 7][10**6 : 10**9]
    found = part[-1], space.index({"a": 99_999, "b": 5, "c": 3}), {"a": 0, "b": -1, "c": 0} in part
    sample = space.sample(10, seed=1).build()
    unique = space.unique()
    first = list(itertools.islice(space.iterate(), 3000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
    assert len(space) == len(unique) == 10**11
    assert found == ({"a": 6_999, "b": 99_999, "c": 8}, 99_999 * 10**6 + 53, False)
    assert len(sample["a"]) == 10
    assert first[-1] == {"a": 0, "b": 299, "c": 9}
    assert len(pickle.dumps(part)) < 1000


def test_a_space_may_not_have_more_rows_than_can_be_counted():
    with pytest.raises(ValueError, match=r"2\*\*63 - 1 rows; the product has 1" + "0" * 20):
        HUGE * Param(c=range(10**10))
    most = Param(a=range(2**62)) * Param(b=[1])
    with pytest.raises(ValueError, match=r"the sum has 92233720368547758\d\d"):
        len(most + most)


def test_rows_far_out_are_found():
    rows = np.array([10**10 - 1, 0, 10**9 + 7])
    assert HUGE[rows].build() == {"a": [99_999, 0, 10_000], "b": [99_999, 0, 7]}
    assert HUGE.find({"a": 10_000, "b": 7}).tolist() == [10**9 + 7]
    assert HUGE.occurrences(rows).tolist() == [0, 0, 0]


def test_ranges_of_large_integers_keep_their_values():
    space = Param(a=range(2**63, 2**63 + 4))
    assert space[[1, 3]].build() == {"a": [2**63 + 1, 2**63 + 3]}


@pytest.mark.parametrize("row", [3, -4, 10**30])
def test_a_row_that_does_not_exist_is_an_index_error(row):
    with pytest.raises(IndexError, match=f"There is no row {row} in a parameter space of 3 rows"):
        Param(a=[1, 2, 3])[row]


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("a", TypeError, "not by"),
        (1.5, TypeError, "not by 1.5"),
        (None, TypeError, "not by None"),
        ([1.5], TypeError, "integers, not by float64"),
        ([[1]], TypeError, r"not by \[\[1\]\]"),
        ([0, 3], IndexError, "no row 3"),
        ([-4], IndexError, "no row -4"),
        (range(2, 5), IndexError, "no row 3"),
        ([True, False], IndexError, "mask of 2 rows does not fit a space of 3"),
    ],
)
def test_other_keys_are_refused_in_a_sentence(key, error, message):
    with pytest.raises(error, match=message):
        Param(a=[1, 2, 3])[key]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ([2, 0, 0, -1], [3, 1, 1, 3]),
        (np.array([True, False, True]), [1, 3]),
        ([], []),
        (range(1, 3), [2, 3]),
        (range(2, -1, -2), [3, 1]),
        (range(-3, -1), [1, 2]),
        (slice(None, None, -1), [3, 2, 1]),
        (slice(-2, None), [2, 3]),
        (slice(5, 9), []),
        (np.array([2], dtype=np.uint8), [3]),
    ],
)
def test_rows_are_selected_as_from_an_array(key, values):
    space = Param(a=[1, 2, 3])
    assert space[key].build() == {"a": values}
    assert list(space[key]) == [{"a": v} for v in values]
    assert (space + space)[3:][key].build() == {"a": values}


def test_all_rows_are_the_space_itself_and_selections_do_not_nest():
    space = Param(a=range(10))
    assert space[:] is space
    nested = space[2:8][::-1][[0, 2]]
    assert isinstance(nested, Selection)
    assert nested.base is space
    assert nested.build() == {"a": [7, 5]}


def test_long_sums_and_products_are_flat():
    terms = [Param(a=[i], b=[i]) for i in range(3000)]
    space = sum(terms, Param())
    assert len(space.terms) == 3000
    again = pickle.loads(pickle.dumps(space))
    assert again[-1] == {"a": 2999, "b": 2999}
    assert again.index({"a": 1234, "b": 1234}) == 1234
    assert again[[2000, 5, 2000]].build() == {"a": [2000, 5, 2000], "b": [2000, 5, 2000]}
    assert len(again - Param(a=[7])) == 2999
    assert not np.any(again.occurrences(range(3000)))
    product = math.prod(Param(**{f"p{i}": [i]}) for i in range(1100))
    assert len(pickle.loads(pickle.dumps(product)).factors) == 1100
    assert next(iter(product)) == product[0] == {f"p{i}": i for i in range(1100)}


def test_an_assignment_is_found_whole():
    space = Param(a=[1, 2], b=[3, 4]) + Param(a=[5])
    assert {"a": 1, "b": 3} in space
    assert {"b": 3.0, "a": np.int64(1), "c": math.nan} in space
    assert {"a": 5} in space
    for absent in ({"a": 1}, {"a": 1, "b": 4}, {"a": 1, "b": 3, "c": 0}, {}, 1, "a", None):
        assert absent not in space
    with pytest.raises(ValueError, match=r"The assignment a=1, b=4 is not in the parameter space"):
        space.index({"a": 1, "b": 4})


def test_repeated_rows_of_a_huge_product_are_counted():
    space = Param(x=[1, 2, 1]) * HUGE * Param(c=[0, 0])
    n = len(HUGE)
    rows = [0, 1, 2 * n, 4 * n, 4 * n + 1, 6 * n - 1]
    assert space.occurrences(rows).tolist() == [0, 1, 0, 2, 3, 3]
    assert space.find(space[4 * n]).tolist() == [0, 1, 4 * n, 4 * n + 1]
    assert len(space.unique()) == 2 * n


def test_repeated_rows_of_a_sum_too_long_to_look_through_are_counted():
    space = HUGE + HUGE[6:] + HUGE[[7, 7]]
    n = len(HUGE)
    assert space.occurrences([0, n, n + 2, 2 * n - 6, 2 * n - 5]).tolist() == [0, 1, 1, 2, 3]
    assert space[::2].occurrences([0, n // 2]).tolist() == [0, 1]


def test_occurrences_of_selected_rows_are_counted_among_the_selected():
    space = Param(a=[1, 1, 2, 1])
    assert space[1:].occurrences([0, 1, 2]).tolist() == [0, 0, 1]
    assert Param(a=[1, 2])[[0, 0, 1]].occurrences([0, 1, 2]).tolist() == [0, 1, 0]


def test_where_gives_a_predicate_the_parameters_that_it_names():
    space = Param(a=[1, 2, 3]) * Param(b=[1, 2, 3])
    assert space.where(lambda a: a > 2).build() == {"a": [3, 3, 3], "b": [1, 2, 3]}
    assert space.where(lambda b, a, *, c=1: a == b == c).build() == {"a": [1], "b": [1]}
    assert len(space.where(lambda **row: row["a"] < row["b"])) == 3
    assert len(space.where(lambda: False)) == 0
    assert len(space.where(lambda *args: True)) == 9
    assert space.where(dict).build() == space.build()
    with pytest.raises(TypeError, match=r"requires 'c', which is no parameter .* a, b"):
        space.where(lambda a, c: True)


def test_a_sample_has_distinct_rows_in_the_order_of_the_space():
    space = Param(a=range(100))
    values = space.sample(50, seed=3).build()["a"]
    assert values == sorted(set(values))
    assert len(values) == 50
    assert values == space.sample(50, seed=np.random.default_rng(3)).build()["a"]
    assert values != space.sample(50, seed=4).build()["a"]
    assert space.sample(100).build() == space.build()
    assert len(space.sample(0)) == 0
    for n in (-1, 101):
        with pytest.raises(ValueError, match=f"Cannot select {n} of the 100 rows"):
            space.sample(n)


def test_a_param_prints_as_it_is_written():
    space = Param(a=[1, 2], b=[3, 4])
    assert str(space) == repr(space) == "Param(a=[1, 2], b=[3, 4])"
    dotted = Param(**{"a": [1, 2], "b.b": [3, 4]})
    assert repr(dotted) == "Param(**{'a': [1, 2], 'b.b': [3, 4]})"
    assert str(dotted) == "Param(a=[1, 2], b.b=[3, 4])"
    assert repr(Param(a=range(5), b="x")) == "Param(a=range(0, 5), b='x')"
    assert repr(Param(a=np.linspace(0, 1, 3))) == "Param(a=[0.0, 0.5, 1.0])"
    assert repr(Param()) == "Param()"


def test_a_composed_space_prints_its_structure_and_its_length():
    product = Param(a=[1, 2]) * Param(b=[3, 4])
    assert repr(product) == "<parameter space of 4 rows: Param(a=[1, 2]) * Param(b=[3, 4])>"
    assert repr(product + Param(a=[5])) == (
        "<parameter space of 5 rows: (Param(a=[1, 2]) * Param(b=[3, 4])) + Param(a=[5])>"
    )
    assert repr(product[::3]) == (
        "<parameter space of 2 rows: rows 0:4:3 of (Param(a=[1, 2]) * Param(b=[3, 4]))>"
    )
    assert repr(Param(a=[1, 2, 3])[[2, 0]]) == (
        "<parameter space of 2 rows: rows [2, 0] of Param(a=[1, 2, 3])>"
    )


@pytest.mark.parametrize(
    "space",
    [
        Param(a=list(range(10**5)), b=np.arange(10**5), c="x" * 10**5),
        sum(Param(a=[i]) for i in range(2000)),
        Param(a=[np.zeros(10**4)]),
        Param(**{f"parameter_{i}": list(range(20)) for i in range(500)}),
        sum(Param(a=[i]) * sum(Param(b=[j] * 9) for j in range(9)) for i in range(9)),
        HUGE[np.arange(10**5)],
    ],
)
def test_a_large_space_prints_short(space):
    assert len(repr(space)) < 1000
    assert len(str(space)) < 1000


def test_a_space_shows_as_a_small_table_in_a_notebook():
    html = (Param(**{"<a>": ["<script>", "&"]}) * Param(b=[1, 2]))._repr_html_()
    assert "<th>&lt;a&gt;</th><th>b</th>" in html
    assert "<tr><th>1</th><td>&#x27;&lt;script&gt;&#x27;</td><td>2</td></tr>" in html
    assert "<script>" not in html
    assert "4 rows × 2 parameters" in html
    huge = HUGE._repr_html_()
    assert "<tr><th>…</th><td>…</td><td>…</td></tr>" in huge
    assert "<tr><th>9999999999</th><td>99999</td><td>99999</td></tr>" in huge
    assert len(huge) < 2000


@pytest.mark.parametrize(
    ("args", "result"),
    [
        (({0: 0}, {0: 1}, {0: 2}), {0: [0, 1, 2]}),
        (({0: 2},), {0: [2]}),
        (({},), {}),
        ((), {}),
        (({0: 0}, {1: 1}), {0: [0, None], 1: [None, 1]}),
        (iter([{0: 0}, {0: 1}]), {0: [0, 1]}),
    ],
)
def test_dictionaries_are_concatenated_by_key(args, result):
    assert dict_concat(args) == result


def test_the_doctest_of_the_guide_reads_the_name_of_the_error():
    example = """
>>> from psyrun.pspace import Param
>>> Param(a=[1, 2, 3]) - Param(a=[2], c=[4])  # doctest: +IGNORE_EXCEPTION_DETAIL
Traceback (most recent call last):
    ...
psyrun.pspace.AmbiguousOperationError: Key `c` not existent in minuend.
"""
    test = doctest.DocTestParser().get_doctest(example, {}, "guide", None, None)
    assert doctest.DocTestRunner().run(test).failed == 0
