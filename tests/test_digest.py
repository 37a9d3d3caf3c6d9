"""Hashes tell spaces apart by content, in any process."""

import os
import subprocess
import sys
from itertools import combinations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from psyrun import Param
from psyrun.digest import digest, space_digest
from psyrun.pspace import missing

NAN = float("nan")

DIFFERENT = """
from psyrun import Param
from psyrun.pspace import missing
import numpy as np
nan = float("nan")
DIFFERENT = [
    Param(),
    Param(a=[]),
    Param(b=[]),
    Param(a=[1]),
    Param(a=[2]),
    Param(b=[1]),
    Param(a=[1, 1]),
    Param(a=[1, 2]),
    Param(a=[2, 1]),
    Param(a=["1"]),
    Param(a=[b"1"]),
    Param(a=[None]),
    Param(a=[nan]),
    Param(a=[nan, 1]),
    Param(a=[1, nan]),
    Param(a=["nan"]),
    Param(a=["ab"], b=["c"]),
    Param(a=["a"], b=["bc"]),
    Param(ab=["c"]),
    Param(a=[0.1 + 0.2]),
    Param(a=[0.3]),
    Param(a=[2**53]),
    Param(a=[2**53 + 1]),
    Param(a=[2**70]),
    Param(a=[2**70 + 1]),
    Param(a=[[1, 2]]),
    Param(a=[[[1, 2]]]),
    Param(a=[[[1], [2]]]),
    Param(a=[[1, 2, 3]]),
    Param(a=[np.zeros(2)]),
    Param(a=[np.zeros((2, 1))]),
    Param(a=[{"x": 1}]),
    Param(a=[{"x": 2}]),
    Param(a=[{"y": 1}]),
    Param(a=[{"x": {"y": "z"}}]),
    Param(a=[{"one", "two", "three"}]),
    Param(a=[frozenset(["one", "two"])]),
    Param(a=[1], b=[2]),
    Param(a=[2], b=[1]),
    Param(a=[1, 2], b=3),
    Param(a=[1, 2], b=4),
    Param(a=[1, 2]) * Param(b=[3, 4]),
    Param(b=[3, 4]) * Param(a=[1, 2]),
    Param(a=[1, 2]) * Param(b=[4, 3]),
    Param(a=[1]) + Param(a=[2]) * Param(b=[3]),
    Param(a=[1]) + Param(b=[2]),
    Param(b=[2]) + Param(a=[1]),
    Param(a=[1, 2, 3]) - Param(a=[2]),
    Param(a=[1, 2, 3]) - Param(a=[3]),
    missing(Param(a=[1, 2, 3]), Param(a=[1, 2])),
    (Param(a=range(10)) * Param(b=range(10)))[3:50],
    (Param(a=range(10)) * Param(b=range(10)))[3:51],
    (Param(a=range(10)) * Param(b=range(10)))[[3, 5, 7]],
    (Param(a=range(10)) * Param(b=range(10)))[[3, 7, 5]],
    Param(a=range(10**9)),
    Param(a=range(1, 10**9 + 1)),
    Param(a=np.arange(5) / 7),
]
"""


def different():
    namespace = {}
    exec(DIFFERENT, namespace)
    return namespace["DIFFERENT"]


def test_spaces_that_differ_have_different_hashes():
    hashes = [(space_digest(space), space) for space in different()]
    for (one, space), (other, another) in combinations(hashes, 2):
        assert one != other, (space, another)


def test_hashes_are_the_same_in_every_process():
    code = f"{DIFFERENT}\nfrom psyrun.digest import space_digest\n"
    code += "print(*map(space_digest, DIFFERENT))"
    expected = [space_digest(space) for space in different()]
    for seed in ("0", "1", "4711"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        told = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        assert told.stdout.split() == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], (1, 2)),
        ([1, 2], [1.0, 2.0]),
        ([1, 2], np.array([1, 2])),
        ([1, 2], np.array([1.0, 2.0])),
        ([1, 2], [np.int64(1), np.float32(2)]),
        ([True, False], [1, 0]),
        ([NAN], [np.float32("nan")]),
        ([[1, 2]], [np.array([1.0, 2.0])]),
        ([{"a": 1, "b": 2}], [{"b": 2.0, "a": 1}]),
        ([{1, 2, 3}], [{3, 2, 1}]),
        (["x"], [np.str_("x")]),
    ],
)
def test_equal_values_have_equal_hashes(one, other):
    assert space_digest(Param(a=one)) == space_digest(Param(a=other))


def test_a_scalar_is_not_its_list():
    assert space_digest(Param(a=[1, 2], b=3)) != space_digest(Param(a=[1, 2], b=[3, 4]))
    assert space_digest(Param(a=[1], b=3)) == space_digest(Param(a=[1], b=[3]))


def test_huge_spaces_take_no_time():
    big = Param(a=range(10**9)) * Param(b=range(10**9)) + Param(a=range(10**9), b=1)
    assert len(space_digest(big[5:])) == 32
    assert space_digest(big[5:]) != space_digest(big[6:])


def test_columns_longer_than_a_block_are_hashed_whole():
    n = (1 << 16) + 10
    base = np.zeros(n)
    hashes = {space_digest(Param(a=base))}
    for place in (0, (1 << 16) - 1, 1 << 16, n - 1):
        changed = base.copy()
        changed[place] = 1
        hashes.add(space_digest(Param(a=changed)))
    assert len(hashes) == 5


VALUES = st.integers(-3, 3) | st.sampled_from([NAN, 0.5, "a", None]) | st.lists(st.integers(0, 2))


@given(st.lists(VALUES, max_size=5), st.lists(VALUES, max_size=5))
def test_spaces_with_one_hash_have_the_same_rows(one, other):
    a, b = Param(a=one), Param(a=other)
    if space_digest(a) == space_digest(b):
        assert len(a) == len(b)
        assert all(a[i] in b[i : i + 1] for i in range(len(a)))


def test_a_change_of_any_file_is_told(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("2")
    space = Param(a=[1])
    before = digest(b"1", tmp_path, ["data.csv"], space)
    assert digest(b"1", tmp_path, ["data.csv"], space).changes_from(before) == []
    os.utime(data, (0, 0))
    assert digest(b"1", tmp_path, ["data.csv"], space) == before
    data.write_text("3")
    assert digest(b"1", tmp_path, ["data.csv"], space).changes_from(before) == ["data.csv"]
    after = digest(b"4", tmp_path, ["data.csv"], Param(a=[2]))
    assert after.changes_from(before) == ["task file", "data.csv", "parameter space"]
    assert digest(b"4", tmp_path, [], space).changes_from(before) == ["task file", "data.csv"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        digest(b"", tmp_path, ["no data"], Param())
    assert str(caught.value.filename).endswith("no data")


def test_a_difference_is_hashed_by_what_is_left():
    space = Param(a=[1, 2, 3])
    assert space_digest(space - Param(a=[7])) == space_digest(missing(space, Param(a=[8])))
