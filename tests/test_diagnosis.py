"""Groups of failures, and what the assignments in them have in common."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyrun.diagnosis import diagnose, group_failures, region_of
from psyrun.diagnosis import regions as _regions
from psyrun.failure import DIED, TIMED_OUT, Failure
from psyrun.pspace import Param, is_missing
from psyrun.rows import RowSet

GRID = (
    Param(n=[1000, 2000, 4000, 8000])
    * Param(solver=["lu", "qr", "svd"])
    * Param(eps=[i / 16 for i in range(21)])
    * Param(trial=range(3))
)


def split(space, fails):
    """Return the rows in which *fails* is true of the assignment, and the others."""
    failed = RowSet([row for row, assignment in enumerate(space) if fails(**assignment)])
    return failed, RowSet.span(0, len(space)) - failed


def region(space, fails):
    return region_of(space, *split(space, fails))


def without_remarks(text):
    """Take the remarks in parentheses out of a description, which leaves an expression."""
    while (start := max(text.find(" (equally: "), text.find(" (and "))) >= 0:
        depth, end = 0, start
        while depth or end == start:
            end += 1
            depth += {"(": 1, ")": -1}.get(text[end], 0)
        text = text[:start] + text[end + 1 :]
    return text


def satisfies(text, assignment):
    text = re.sub(r"(\w+) is missing", r"is_missing(\1)", without_remarks(text))
    text = re.sub(r"(\w+) is nan", r"is_nan(\1)", text)
    helpers = {
        "inf": math.inf,
        "is_missing": is_missing,
        "is_nan": lambda v: v != v and not is_missing(v),
    }
    return eval(text, helpers, dict(assignment))


# --- Groups ------------------------------------------------------------------------------------


def error(message="singular", where="/home/me/model.py:12 in solve", type="LinAlgError"):
    return Failure(type, message, where, traceback="Traceback ...")


def test_exceptions_are_grouped_by_type_and_place():
    other_place = error(where="/home/me/model.py:13 in solve")
    other_type = error(type="ValueError")
    failures = [error("1"), other_place, error("two"), other_type, error("3"), other_type]
    groups = group_failures(enumerate(failures))
    assert [(group.cause, group.rows) for group in groups] == [
        ("LinAlgError in solve() (model.py:12)", RowSet([0, 2, 4])),
        ("ValueError in solve() (model.py:12)", RowSet([3, 5])),
        ("LinAlgError in solve() (model.py:13)", RowSet([1])),
    ]
    assert groups[0].type == "LinAlgError"
    assert groups[0].where == "/home/me/model.py:12 in solve"
    assert groups[0].example == (0, failures[0])


def test_the_example_is_the_first_row_in_whichever_order_they_come():
    (group,) = group_failures([(7, error("7")), (3, error("3")), (5, error("5"))])
    assert group.example == (3, error("3"))
    assert group.rows == RowSet([3, 5, 7])


def test_groups_of_the_same_size_are_in_the_order_of_their_first_rows():
    groups = group_failures([(5, error(type="A")), (2, error(type="B"))])
    assert [group.type for group in groups] == ["B", "A"]


def test_without_a_place_messages_that_differ_in_numbers_only_are_the_same_cause():
    messages = ["<f at 0x7f3a> gave 1", "<f at 0x7e11> gave -2.5e-3", "<f at 0x7f3a> took 1"]
    groups = group_failures(enumerate(error(m, where="") for m in messages))
    assert [group.rows for group in groups] == [RowSet([0, 1]), RowSet([2])]
    assert groups[0].cause == "LinAlgError: <f at 0x7f3a> gave 1"


def test_processes_that_died_are_grouped_by_signal_and_exit_code():
    segv, kill = "process died from signal 11 (SIGSEGV)", "process died from signal 9 (SIGKILL)"
    messages = [segv, kill, segv, "process ended with exit code 3"]
    groups = group_failures(enumerate(Failure(DIED, message) for message in messages))
    assert [group.cause for group in groups] == [segv, kill, "process ended with exit code 3"]
    assert groups[0].rows == RowSet([0, 2])


def test_all_timeouts_are_one_cause():
    messages = ["timeout: the row took longer than 5 s", "timeout: the row took longer than 9 s"]
    (group,) = group_failures(enumerate(Failure(TIMED_OUT, message) for message in messages))
    assert group.cause == messages[0]
    assert group.type == TIMED_OUT


def test_an_exception_named_like_a_timeout_is_an_exception():
    failures = [Failure(TIMED_OUT, "timeout: ..."), error(type=TIMED_OUT)]
    groups = group_failures(enumerate(failures))
    assert [group.cause for group in groups] == [
        "timeout: ...",
        "Timeout in solve() (model.py:12)",
    ]


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (error(where="/a b/c:d.py:3 in <lambda>"), "LinAlgError in <lambda> (c:d.py:3)"),
        (error(where="nowhere"), "LinAlgError: nowhere"),
        (error(message="", where=""), "LinAlgError"),
        (error(message="a\nb", where=""), "LinAlgError: a b"),
        (error(message="x" * 999, where=""), "LinAlgError: " + "x" * 184 + "..."),
        (Failure(DIED, ""), DIED),
    ],
)
def test_a_cause_is_one_short_line(failure, cause):
    assert group_failures([(0, failure)])[0].cause == cause


def test_each_group_is_compared_with_the_completed_rows_only():
    failures = [(i, error()) for i in range(60, 80)] + [(i, error(type="B")) for i in range(80, 90)]
    groups = diagnose(Param(n=range(100)), failures, RowSet.span(0, 60))
    assert [group.region for group in groups] == ["n >= 60", "n >= 80"]


def test_no_failures_are_no_groups():
    assert diagnose(Param(n=range(3)), [], RowSet.span(0, 3)) == []


def test_of_many_groups_only_the_largest_are_described():
    failures = [(i, error(type=str(i // 2))) for i in range(2000)]
    groups = diagnose(Param(n=range(2000)), failures, RowSet.span(100, 2000))
    assert len(groups) == 1000
    assert all(group.region is None for group in groups[20:])


# --- Regions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fails", "wanted"),
    [
        (lambda n, **_: n >= 4000, "n >= 4000"),
        (lambda n, **_: n <= 1000, "n == 1000"),
        (lambda n, **_: n == 2000, "n == 2000"),
        (lambda eps, **_: eps <= 0.125, "eps <= 0.125"),
        (lambda eps, **_: 0.3 < eps < 0.6, "0.3125 <= eps <= 0.5625"),
        (lambda n, **_: n in (1000, 8000), "n in (1000, 8000)"),
        (lambda solver, **_: solver == "lu", "solver == 'lu'"),
        (lambda solver, **_: solver != "lu", "solver in ('qr', 'svd')"),
        (lambda n, solver, **_: n >= 4000 and solver == "lu", "n >= 4000 and solver == 'lu'"),
        (
            lambda n, solver, eps, **_: n == 4000 and solver == "lu" and 0.7 < eps < 0.9,
            "n == 4000 and solver == 'lu' and 0.75 <= eps <= 0.875",
        ),
    ],
)
def test_a_region_is_found_and_written_as_an_expression(fails, wanted):
    assert region(GRID, fails) == wanted


@pytest.mark.parametrize(
    "fails",
    [
        lambda n, **_: False,
        lambda n, **_: True,
        lambda n, solver, **_: n >= 4000 or solver == "lu",
        lambda n, eps, trial, **_: (n // 1000 + int(16 * eps) + trial) % 2 == 0,
        lambda n, solver, eps, trial: (n, solver, eps, trial) == (8000, "lu", 0, 1),
    ],
    ids=["none", "all", "either", "parity", "single"],
)
def test_there_is_no_region_where_there_is_none(fails):
    assert region(GRID, fails) is None


def test_nothing_is_claimed_of_a_single_row():
    space = Param(n=range(10_000), m=range(10_000))
    assert region_of(space, RowSet([9999]), RowSet.span(0, 9999)) is None


def test_few_rows_say_less_if_there_are_more_parameters():
    few, many = Param(p=range(20)), Param(**{f"p{i}": np.roll(range(20), 7 * i) for i in range(20)})
    failed = RowSet([17, 18, 19])
    assert region_of(few, failed, RowSet.span(0, 17)) == "p >= 17"
    assert region_of(many, failed, RowSet.span(0, 17)) is None


def test_pending_rows_are_not_considered():
    space = Param(n=range(100))
    assert region_of(space, RowSet.span(40, 60), RowSet.span(0, 30)) == "n >= 40"


def test_completed_rows_in_the_region_are_told():
    failed = RowSet(range(0, 300, 2))
    space = Param(n=range(10_000, 0, -1))
    text = region_of(space, failed, RowSet.span(0, 10_000) - failed)
    assert text == "n >= 9702 (and 2% of the completed rows as well)"
    assert region_of(space, failed, RowSet.span(0, 3000) - failed) == (
        "n >= 9702 (and 5% of the completed rows as well)"
    )
    few = RowSet.span(0, 30) | RowSet([40])
    assert region_of(space, few, RowSet.span(0, 10_000) - few) == (
        "n >= 9960 (and 10 of 9969 completed rows as well)"
    )


def test_a_bound_is_told_as_equality_only_if_it_is_one():
    space = Param(n=np.repeat([1, 2, 3, 4], [500, 10, 10, 10]))
    failed = RowSet.span(500, 510)
    assert region_of(space, failed, RowSet.span(0, 500)) == "n == 2"
    assert region_of(space, failed, RowSet.span(0, 500) | RowSet.span(510, 530)) == "n == 2"
    half = RowSet(range(500, 510, 2))
    assert region_of(space, half, RowSet.span(0, 530) - half) == (
        "n == 2 (and 5 of 525 completed rows as well)"
    )


def test_a_region_of_many_completed_rows_is_not_worth_telling():
    failed = RowSet(range(0, 5000, 50))
    assert region_of(Param(n=range(10_000)), failed, RowSet.span(0, 10_000) - failed) is None


def test_a_condition_without_which_it_could_be_as_well_is_left_out():
    # Half of the rows of solver lu fail; by chance none of these has the largest x.
    space = Param(solver=["lu", "qr"]) * Param(x=np.random.default_rng(2).random(500))
    failed = RowSet(np.flatnonzero(np.random.default_rng(3).random(500) < 0.9))
    text = region_of(space, failed, RowSet.span(0, 1000) - failed)
    assert re.fullmatch(r"solver == 'lu' \(and \d+% of the completed rows as well\)", text)


def test_parameters_that_serve_equally_well_are_all_named():
    space = Param(a=range(10), b=range(0, -10, -1), c=list("vvvvwwwwww")) * Param(t=range(10))
    assert region(space, lambda a, **_: a >= 4) == "a >= 4 (equally: b <= -4, c == 'w')"
    assert region(space, lambda a, t, **_: a >= 4 and 3 <= t <= 6) == (
        "a >= 4 (equally: b <= -4, c == 'w') and 3 <= t <= 6"
    )


def test_a_name_of_each_row_is_not_taken_for_a_cause():
    space = Param(n=range(100), label=[f"run-{i}" for i in range(100)])
    assert region(space, lambda n, **_: n in (96, 97, 98, 99)) == "n >= 96"
    assert region(space, lambda n, **_: n in (13, 37, 59)) is None


def test_nan_and_missing_are_told_apart():
    space = Param(t=range(10)) * (Param(a=[1, 2]) + Param(a=[1, 2, 3], b=[1.5, math.nan, math.nan]))
    assert region(space, lambda b, **_: is_missing(b)) == "b is missing"
    assert region(space, lambda b, **_: b != b and not is_missing(b)) == "b is nan"
    assert region(space, lambda b, **_: b != b) == "(b is missing or b is nan)"


def test_any_values_can_be_told():
    values = [{"a": 1}, np.arange(3), [1, 2], None, True, "s", 3, 10**400, Failure]
    space = Param(w=values) * Param(t=range(20))
    at = [0, 1, 7]
    failed = RowSet([20 * i + t for i in at for t in range(20)])
    text = region_of(space, failed, RowSet.span(0, len(space)) - failed)
    assert text.startswith("w in ({'a': 1}, array([0, 1, 2]), 100000")
    assert len(text) < 150
    assert region(space, lambda w, t: w is None) == "w == None"
    assert region(space, lambda w, t: w is True) == "w == True"


def test_truth_values_are_numbers_only_among_numbers():
    space = Param(fast=[True, False]) * Param(t=range(10))
    assert region(space, lambda fast, t: fast) == "fast == True"
    space = Param(verbose=[False, True, 2, 3]) * Param(t=range(10))
    assert region(space, lambda verbose, t: verbose >= 1) == "verbose >= True"


def test_numpy_scalars_are_written_as_numbers():
    space = Param(n=np.arange(100, dtype=np.int16), x=np.linspace(0, 5, 100, dtype=np.float32))
    assert region(space, lambda n, x: n >= 80).startswith("n >= 80 (equally: x >= 4.04040")


def test_names_that_are_no_identifiers_are_quoted():
    space = Param(**{"root.n": range(20), "learning rate": [0] * 20}) * Param(t=range(3))
    assert region(space, lambda **a: a["root.n"] >= 15) == "root.n >= 15"
    space = Param(**{"learning rate": range(20)}) * Param(t=range(3))
    assert region(space, lambda **a: a["learning rate"] >= 15) == "`learning rate` >= 15"


def test_a_sample_is_checked_against_all_completed_rows(monkeypatch):
    monkeypatch.setattr(_regions, "_SAMPLE", 50)
    monkeypatch.setattr(_regions, "_CHUNK", 64)
    space = Param(n=range(1000))
    failed = RowSet.span(200, 990)  # the ten rows above are hardly in the sample
    assert region_of(space, failed, RowSet.span(0, 1000) - failed) == "200 <= n <= 989"


def test_what_serves_equally_well_in_a_sample_only_is_not_named(monkeypatch):
    monkeypatch.setattr(_regions, "_SAMPLE", 50)
    space = Param(n=range(1000), m=[*range(998), 2000, 2001])
    failed = RowSet.span(900, 998)
    completed = RowSet.span(0, 900) | RowSet([998, 999])
    assert region_of(space, failed, RowSet.span(0, 900)) == "n >= 900 (equally: m >= 900)"
    swapped = Param(n=range(1000), m=[*range(499), 1500, *range(500, 1000)])
    assert region_of(swapped, failed, RowSet.span(0, 900)) == "n >= 900"
    assert satisfies(region_of(space, failed, completed), space[950])


@pytest.mark.parametrize("n_failed", [2, 3, 5, 20, 60, 118])
def test_noise_has_no_region_in_at_least_95_percent_of_cases(n_failed):
    columns = np.random.default_rng(0).random((8, 120))
    letters = Param(**{f"c{i}": list(map(str, (columns[i] * 3).astype(int))) for i in range(3)})
    grid = Param(n=range(10)) * Param(s=["x", "y", "z"]) * Param(b=[True, False] * 2)
    wide = Param(**letters.columns, **{f"x{i}": columns[i] for i in range(3, 8)})
    for space in (Param(n=range(120)), grid, wide):
        claims = 0
        for seed in range(60):
            rows = np.random.default_rng(seed).choice(120, n_failed, replace=False)
            claims += region_of(space, RowSet(rows), RowSet.span(0, 120) - RowSet(rows)) is not None
        assert claims <= 3


values = st.sampled_from([0, 1, 2, 3, 5.5, -1, math.inf, math.nan, "x", "y", None, True, 2**60])


@st.composite
def spaces(draw):
    """Products and sums of small spaces with any values."""
    factors = []
    for name in draw(st.sampled_from(["a", "ab", "abc"])):
        factor = Param(**{name: draw(st.lists(values, min_size=1, max_size=6))})
        if draw(st.booleans()):
            factor = factor + Param(d=draw(st.lists(values, min_size=1, max_size=3)))
        factors.append(factor)
    space = Param(t=range(draw(st.integers(1, 12))))
    for factor in factors:
        space = space * factor if set(space.keys()).isdisjoint(factor.keys()) else space + factor
    return space


@settings(max_examples=150, deadline=None)
@given(spaces(), st.data())
def test_no_description_excludes_a_failed_row_nor_holds_untold_completed_rows(space, data):
    names = data.draw(st.lists(st.sampled_from(space.keys()), min_size=1, max_size=2))
    example = space[data.draw(st.integers(0, len(space) - 1))]
    keep = data.draw(st.sampled_from([1, 1, 1, 0.9]))
    chance = np.random.default_rng(data.draw(st.integers(0, 99))).random(len(space))
    failed = RowSet(
        [
            row
            for row, assignment in enumerate(space)
            if all(repr(assignment[name]) == repr(example[name]) for name in names)
            and chance[row] < keep
        ]
    )
    text = region_of(space, failed, RowSet.span(0, len(space)) - failed)
    if text is None:
        return
    described = RowSet([i for i, a in enumerate(space) if comparable(text, a)])
    assert not failed - described
    if "completed rows" not in text:
        assert described == failed


def comparable(text, assignment):
    """Tell whether an assignment satisfies a description; what cannot be compared does not."""
    try:
        return bool(satisfies(text, assignment))
    except TypeError:
        return False


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_planted_regions_of_random_points_are_recovered(data):
    generator = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    columns = {name: generator.random(1000) for name in "abcde"}
    space = Param(**columns, s=generator.choice(["u", "v", "w"], 1000))
    fails = np.ones(1000, dtype=bool)
    for name in data.draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=2, unique=True)):
        kind = data.draw(st.sampled_from(["lower", "upper", "both"]))
        low = 0 if kind == "upper" else data.draw(st.floats(0.3, 0.5))
        high = 1 if kind == "lower" else data.draw(st.floats(0.6, 0.8))
        fails &= (columns[name] >= low) & (columns[name] <= high)
    failed = RowSet(np.flatnonzero(fails))
    text = region_of(space, failed, RowSet(np.flatnonzero(~fails)))
    described = RowSet([i for i, a in enumerate(space) if satisfies(text, a)])
    assert not failed - described
    assert len(described - failed) < 5
