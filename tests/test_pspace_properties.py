"""The algebra of spaces, held against plain lists of dictionaries."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyrun.pspace import MISSING, Param, missing
from psyrun.pspace.matching import match
from psyrun.values import assignment_hashes, canonical

NAMES = "abc"
KINDS = ["list", "tuple", "range", "int array", "float array", "text array", "array of arrays"]
VALUES = [0, 1, 1.0, 2, 2.5, -0.0, math.nan, "1", "x", None, True, [1, 2], (1, 2), 2**60, 2**53 + 1]

values = st.sampled_from(VALUES)
lists = st.lists(values, max_size=4)


def same(a, b):
    """Compare two values as the documentation says, by other means than the library."""
    if isinstance(a, np.ndarray | list | tuple) or isinstance(b, np.ndarray | list | tuple):
        return (
            not isinstance(a, str | int | float | None)
            and not isinstance(b, str | int | float | None)
            and np.shape(a) == np.shape(b)
            and all(same(x, y) for x, y in zip(a, b, strict=True))
        )
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return a == b


def same_rows(a, b):
    return all(same(a.get(name, MISSING), b.get(name, MISSING)) for name in a.keys() | b.keys())


class Model:
    """A parameter space as a list."""

    def __init__(self, names, rows):
        self.names, self.rows = names, rows


@st.composite
def leaves(draw, names=NAMES):
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=2)) if names else []
    n = draw(st.integers(0, 4))
    columns = {}
    for name in chosen:
        kind = draw(st.sampled_from(KINDS))
        if kind == "range":
            columns[name] = range(draw(st.integers(-2, 2)), 100)[:n]
        elif kind == "int array":
            columns[name] = np.array(draw(st.lists(st.integers(-2, 2), min_size=n, max_size=n)))
            columns[name] = columns[name].astype(int)
        elif kind == "text array":
            texts = st.lists(st.sampled_from(["", "1", "x"]), min_size=n, max_size=n)
            columns[name] = np.array(draw(texts), dtype="U1")
        elif kind == "array of arrays":
            numbers = st.lists(st.integers(1, 2), min_size=2 * n, max_size=2 * n)
            columns[name] = np.array(draw(numbers), dtype=int).reshape(n, 2)
        elif kind == "float array":
            floats = st.sampled_from([0.0, -0.0, 1.0, 0.5, math.nan])
            columns[name] = np.array(draw(st.lists(floats, min_size=n, max_size=n)), dtype=float)
        else:
            column = draw(st.lists(values, min_size=n, max_size=n))
            columns[name] = column if kind == "list" else tuple(column)
    if chosen and draw(st.booleans()) and len(chosen) > 1:
        columns[chosen[-1]] = draw(st.sampled_from([7, "x", math.nan]))
    rows = [
        {
            k: c if not hasattr(c, "__len__") or isinstance(c, str) else c[i]
            for k, c in columns.items()
        }
        for i in range(n)
    ]
    return Param(**columns), Model(chosen, rows if chosen else [])


@st.composite
def spaces(draw, names=NAMES, depth=3):
    kind = draw(st.sampled_from(["leaf", "sum", "product", "rows", "slice", "difference"]))
    if depth == 0 or kind == "leaf":
        return draw(leaves(names))
    if kind == "product":
        split = draw(st.integers(0, len(names)))
        (a, m), (b, n) = (
            draw(spaces(names[:split], depth - 1)),
            draw(spaces(names[split:], depth - 1)),
        )
        if not m.names or not n.names:
            return a * b, Model(m.names + n.names, m.rows + n.rows)
        rows = [x | y for x in m.rows for y in n.rows]
        return a * b, Model(m.names + n.names, rows)
    a, m = draw(spaces(names, depth - 1))
    if kind == "sum":
        b, n = draw(spaces(names, depth - 1))
        all_names = list(dict.fromkeys(m.names + n.names))
        rows = [dict.fromkeys(all_names, MISSING) | row for row in m.rows + n.rows]
        return a + b, Model(all_names, rows)
    if kind == "rows":
        n = len(m.rows)
        rows = draw(st.lists(st.integers(-n, n - 1), max_size=5)) if n else []
        return a[rows], Model(m.names, [m.rows[i] for i in rows])
    if kind == "slice":
        indices = st.none() | st.integers(-5, 5)
        key = slice(draw(indices), draw(indices), draw(st.sampled_from([None, 1, 2, -1, -2])))
        return a[key], Model(m.names, m.rows[key])
    b, n = draw(spaces("".join(m.names), depth - 1))
    if not n.rows:
        return a - b, m
    kept = [
        row
        for row in m.rows
        if not any(same_rows({k: row[k] for k in n.names}, other) for other in n.rows)
    ]
    return a - b, Model(m.names, kept)


def check_rows(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert list(a) == list(b)
        assert all(same(a[k], b[k]) and type(a[k]) is type(b[k]) for k in a)


@given(spaces())
def test_every_way_to_read_a_space_gives_the_rows_of_the_model(pair):
    space, model = pair
    assert space.keys() == model.names
    assert len(space) == len(model.rows)
    check_rows(list(space), model.rows)
    check_rows([space[i] for i in range(len(space))], model.rows)
    check_rows([space[i - len(space)] for i in range(len(space))], model.rows)
    columns = space.build()
    assert list(columns) == model.names
    check_rows([{k: columns[k][i] for k in columns} for i in range(len(space))], model.rows)


@given(spaces(), st.data())
def test_any_rows_in_any_order_can_be_built(pair, data):
    space, model = pair
    if not model.rows:
        return
    rows = data.draw(st.lists(st.integers(0, len(space) - 1)))
    columns = space[np.array(rows, dtype=int)].build()
    found = [{k: columns[k][i] for k in columns} for i in range(len(rows))]
    check_rows(found, [model.rows[i] for i in rows])
    check_rows(list(space[rows]), [model.rows[i] for i in rows])


@given(spaces())
def test_a_pickled_space_has_the_same_rows(pair):
    space, model = pair
    list(space.occurrences(range(len(space))))  # whatever is cached now
    again = pickle.loads(pickle.dumps(space))
    assert again.keys() == model.names
    check_rows(list(again), model.rows)


@given(spaces())
def test_find_index_and_in_agree_with_the_model(pair):
    space, model = pair
    for row in model.rows:
        places = [i for i, other in enumerate(model.rows) if same_rows(row, other)]
        assert space.find(row).tolist() == places
        assert space.index(row) == places[0]
        assert row in space
    absent = {"a": "nowhere"}
    assert absent not in space
    with pytest.raises(ValueError, match="nowhere"):
        space.index(absent)


@given(spaces())
def test_unique_and_occurrences_agree_with_the_model(pair):
    space, model = pair
    counts = [
        sum(same_rows(row, other) for other in model.rows[:i]) for i, row in enumerate(model.rows)
    ]
    assert space.occurrences(np.arange(len(space))).tolist() == counts
    first = [row for row, count in zip(model.rows, counts, strict=True) if count == 0]
    check_rows(list(space.unique()), first)


@given(spaces(), spaces())
def test_match_pairs_equal_rows_one_to_one(new_pair, old_pair):
    (new, m), (old, n) = new_pair, old_pair
    expected, taken = [], set()
    for i, row in enumerate(m.rows):
        for j, other in enumerate(n.rows):
            if j not in taken and same_rows(row, other):
                expected.append((i, j))
                taken.add(j)
                break
    new_rows, old_rows = match(new, old)
    assert list(zip(new_rows.tolist(), old_rows.tolist(), strict=True)) == expected


@given(spaces(), spaces(), st.data())
def test_match_can_be_restricted_to_some_old_rows(new_pair, old_pair, data):
    (new, _), (old, n) = new_pair, old_pair
    chosen = np.array([i for i in range(len(n.rows)) if data.draw(st.booleans())], dtype=np.int64)
    new_rows, old_rows = match(new, old, chosen)
    again_new, again_old = match(new, old[chosen])
    assert new_rows.tolist() == again_new.tolist()
    assert old_rows.tolist() == chosen[again_old].tolist()


@given(spaces(), spaces())
def test_missing_is_what_whole_rows_lack(pair, done_pair):
    (space, m), (done, n) = pair, done_pair
    if not set(m.names) <= set(n.names):
        return
    lacking = [
        row
        for row in m.rows
        if not any(same_rows(row, {k: other[k] for k in m.names}) for other in n.rows)
    ]
    check_rows(list(missing(space, done)), lacking)


@given(spaces())
def test_where_keeps_what_satisfies_the_predicate(pair):
    space, model = pair
    found = space.where(lambda **row: any(same(v, 1) for v in row.values()))
    check_rows(list(found), [r for r in model.rows if any(same(v, 1) for v in r.values())])


@given(st.lists(values), st.lists(values))
@settings(max_examples=30)
def test_canonical_values_are_equal_iff_the_values_match(xs, ys):
    for x in xs:
        for y in ys:
            assert (canonical(x) == canonical(y)) == same(x, y)


@given(spaces(), st.randoms())
def test_equal_assignments_have_equal_hashes_wherever_they_are(pair, random):
    space, model = pair
    hashes = assignment_hashes(space.build(), len(space))
    for i, row in enumerate(model.rows):
        items = list(row.items())
        random.shuffle(items)
        alone = assignment_hashes({k: [v] for k, v in items}, 1)
        assert alone[0] == hashes[i]
        for j, other in enumerate(model.rows):
            assert (hashes[i] == hashes[j]) == same_rows(row, other)
