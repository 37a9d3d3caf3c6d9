import datetime
import decimal
import enum
import fractions
import math
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from psyrun.values import MISSING, as_numbers, assignment_hashes, canonical, is_missing


class Colour(enum.Enum):
    RED = 1


@dataclass(frozen=True)
class Frozen:
    x: object


class Plain:
    def __init__(self, x):
        self.x = x


class Unhashable:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return isinstance(other, Unhashable) and self.x == other.x

    __hash__ = None


MATCHING = [
    [1, 1.0, True, np.int64(1), np.float32(1), np.bool_(True), decimal.Decimal(1), np.array(1)],
    [0.5, np.float64(0.5), fractions.Fraction(1, 2), decimal.Decimal("0.5"), 0.5 + 0j],
    [0, 0.0, -0.0],
    [2**60, 2.0**60, np.uint64(2**60)],
    [2**60 + 1, np.int64(2**60 + 1)],
    [2**70, 2.0**70],
    [math.inf, np.inf],
    [1j, np.complex128(1j)],
    [
        math.nan,
        np.nan,
        -math.nan,
        MISSING,
        np.float32("nan"),
        np.datetime64("NaT"),
        decimal.Decimal("nan"),
    ],
    ["1", np.str_("1")],
    [b"1", np.bytes_(b"1"), bytearray(b"1")],
    [None],
    [[1, 2], (1, 2), np.array([1, 2]), np.array([1.0, 2.0]), np.array([1, 2], dtype=object)],
    [[[1, 2]], np.array([[1, 2]])],
    [[], np.array([])],
    [[math.nan, 1], np.array([np.nan, 1.0])],
    [["a", "b"], np.array(["a", "b"]), ("a", "b")],
    [["a", 1], ("a", 1.0)],
    [[1, [2, 3]], (1, (2, 3))],
    [[2**60, 1], np.array([2.0**60, 1.0])],
    [[2**53 + 1, 1], np.array([2**53 + 1, 1])],
    [[1j, 2], np.array([1j, 2])],
    [{"a": 1, "b": [2]}, {"b": np.array([2.0]), "a": True}],
    [{1, 2}, frozenset({1.0, 2})],
    [Colour.RED],
    [Frozen(1)],
    [Frozen([1]), Frozen([1])],
    [Plain(1), Plain(1)],
    [Plain(2)],
    [Unhashable(1), Unhashable(1)],
    [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1)],
    [
        np.datetime64("2020-01-01"),
        np.datetime64("2020-01-01T00:00:00.000000000"),
        np.datetime64("2020"),
    ],
    [np.timedelta64(1, "s"), np.timedelta64(1000, "ms")],
    [np.timedelta64(1, "Y")],
    [Path("a"), Path("a")],
    [int, int],
    [math.sin, math.sin],
    [np.array(["2020-01-01"], dtype="M8[D]"), np.array(["2020-01-01"], dtype="M8[ns]")],
]


@pytest.mark.parametrize("group", MATCHING, ids=lambda g: repr(g[0])[:30])
def test_values_that_match_have_equal_keys_and_others_do_not(group):
    for value in group:
        for other_group in MATCHING:
            for other in other_group:
                same = other_group is group
                assert (canonical(value) == canonical(other)) == same
                if same:
                    assert hash(canonical(value)) == hash(canonical(other))


@pytest.mark.parametrize("group", MATCHING, ids=lambda g: repr(g[0])[:30])
def test_hashes_are_equal_exactly_for_values_that_match(group):
    hashes = {int(assignment_hashes({"a": [value], "b": [1]}, 1)[0]) for value in group}
    assert len(hashes) == 1
    for other in MATCHING:
        if other is not group:
            assert assignment_hashes({"a": [other[0]], "b": [1]}, 1)[0] not in hashes


@pytest.mark.parametrize(
    "column",
    [
        [1, 2, -(2**63), 2**63 - 1],
        [1.0, 2.5, -0.0, -(2.0**63), 2.0**63, 1e300, math.inf, math.nan, MISSING],
        [True, False],
        range(-3, 3),
        ["a", "b", "a"],
        [1, 2.5, "a", None, [1, 2]],
        [2**70, -(2**70)],
    ],
    ids=str,
)
def test_a_column_hashes_like_its_values_one_by_one(column):
    together = assignment_hashes({"a": column}, len(column))
    alone = [assignment_hashes({"a": [v, "s"]}, 2)[0] for v in column]
    assert together.tolist() == alone


def test_an_object_with_its_own_equality_matches_by_it():
    assert canonical(Frozen(1)) == canonical(Frozen(1.0))


def test_hashes_are_the_same_in_every_process_and_version():
    columns = {"n": [1, -2], "x": [0.5, MISSING], "s": ["text", b"bytes"], "l": [[1, "a"], {1, 2}]}
    assert assignment_hashes(columns, 2).tolist() == EXPECTED
    script = f"""
from psyrun.values import assignment_hashes, MISSING
print(assignment_hashes({columns!r} | {{"x": [0.5, MISSING]}}, 2).tolist())
""".replace("nan", "MISSING")
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == str(EXPECTED)


EXPECTED = [11347875518721964149, 6037610987535401871]


def test_a_hash_depends_on_the_name_but_not_on_the_order_of_names():
    assert assignment_hashes({"a": [1]}, 1) != assignment_hashes({"b": [1]}, 1)
    assert assignment_hashes({"a": [1], "b": [2]}, 1) == assignment_hashes({"b": [2], "a": [1]}, 1)
    assert assignment_hashes({"a": [1], "b": [2]}, 1) != assignment_hashes({"a": [2], "b": [1]}, 1)


def test_a_missing_parameter_does_not_change_a_hash():
    assert assignment_hashes({"a": [1]}, 1) == assignment_hashes({"a": [1], "b": [MISSING]}, 1)


def test_hashes_of_similar_rows_differ_everywhere():
    n = 10_000
    hashes = assignment_hashes({"a": range(n), "b": [0.5] * n}, n)
    assert len(np.unique(hashes)) == n
    bits = np.unpackbits(hashes.view(np.uint8)).reshape(n, 64).mean(axis=0)
    assert np.all(np.abs(bits - 0.5) < 0.05)


def test_there_may_be_no_rows():
    assert assignment_hashes({"a": []}, 0).shape == (0,)
    assert assignment_hashes({}, 2).shape == (2,)


def test_missing_prints_as_nan_and_is_told_from_any_other_nan():
    assert repr(MISSING) == "nan"
    assert is_missing(MISSING)
    assert is_missing(np.float64(MISSING))
    assert not any(map(is_missing, [math.nan, -math.nan, np.nan, 1.0, None, "nan", [MISSING]]))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_missing_survives_pickling(protocol):
    assert is_missing(pickle.loads(pickle.dumps(MISSING, protocol=protocol)))


def test_missing_survives_arrays_and_their_files(tmp_path):
    array = np.array([1.0, MISSING, math.nan])
    assert [is_missing(x) for x in array] == [False, True, False]
    assert [is_missing(x) for x in array.tolist()] == [False, True, False]
    np.save(tmp_path / "a.npy", array)
    assert is_missing(np.load(tmp_path / "a.npy")[1])


@pytest.mark.parametrize(
    "column",
    [
        ["1"], [None], [1j], [2**64], [2**53 + 1, 0.5], [[1]], np.zeros((2, 2)), ["a", 1],
        np.array([2**63], dtype=np.uint64), [10**400, 0.5], range(2**63, 2**63 + 1),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_exactly_a_number_stays_as_it_is(column):
    assert as_numbers(column) is None


def test_an_object_that_refuses_comparison_is_matched_by_its_content():
    class Strict:
        def __eq__(self, other):
            raise TypeError("do not compare me")

        __hash__ = None

    value = Strict()  # cannot be pickled either, as it is local
    assert canonical(value) == canonical(value)
