"""Each row has a random state of its own, which depends on its assignment only."""

import os
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from psyrun import Param
from psyrun.seeding import fresh_entropy, row_seeds

SPACE = Param(a=[1, 2, 2, 3, float("nan")]) * Param(b=["x", "y", "x"]) + Param(a=[2, 9])


def seeds_of(space, rows=None, entropy=1):
    rows = np.arange(len(space)) if rows is None else np.asarray(rows, dtype=np.int64)
    return row_seeds(space, rows, space[rows].build(), entropy).tolist()


def test_all_rows_have_different_seeds_also_those_with_equal_assignments():
    seeds = seeds_of(SPACE)
    assert len(set(seeds)) == len(SPACE)
    assert len(set(seeds_of(Param(a=[1] * 1000)))) == 1000


@given(st.lists(st.integers(0, len(SPACE) - 1), max_size=30))
def test_seeds_do_not_depend_on_which_rows_are_asked_for(rows):
    seeds = seeds_of(SPACE)
    assert seeds_of(SPACE, rows) == [seeds[row] for row in rows]


@given(st.permutations(range(6)))
def test_seeds_do_not_depend_on_the_position(order):
    values = [1, 2.5, "x", None, (1, 2), float("nan")]
    seeds = seeds_of(Param(a=values))
    assert seeds_of(Param(a=[values[i] for i in order])) == [seeds[i] for i in order]


def test_rows_keep_their_seeds_when_the_space_grows():
    small = Param(a=[1, 2]) * Param(b=[3, 4])
    grown = Param(a=[0, 1, 2, 3]) * Param(b=[3, 4, 5])
    seeds = dict(zip(map(str, grown), seeds_of(grown), strict=True))
    assert [seeds[str(row)] for row in small] == seeds_of(small)


def test_seeds_do_not_depend_on_how_a_space_is_composed():
    product = Param(a=[1, 2]) * Param(b=[3, 4])
    listed = Param(b=[3, 4, 3, 4], a=np.array([1.0, 1.0, 2.0, 2.0]))
    assert seeds_of(product) == seeds_of(listed)
    assert seeds_of(product[2:]) == seeds_of(product)[2:]


def test_another_run_has_other_seeds():
    assert not set(seeds_of(SPACE, entropy=1)) & set(seeds_of(SPACE, entropy=2))
    assert fresh_entropy() != fresh_entropy()
    assert seeds_of(SPACE, entropy=2**70) == seeds_of(SPACE, entropy=2**70)


def test_seeds_are_the_same_in_every_process():
    code = (
        "import numpy as np\n"
        "from psyrun import Param\n"
        "from psyrun.seeding import row_seeds\n"
        "s = Param(a=['x', None, 1.5, frozenset('abc')]) * Param(b=[{'k': 'v', 'l': 1}, 'z'])\n"
        "rows = np.arange(len(s))\n"
        "print(row_seeds(s, rows, s[rows].build(), 3).tolist())\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "99")
    }
    assert len(told) == 1


def test_seeds_are_those_of_former_versions():
    space = Param(a=[0, 1, 1], b="x")
    assert seeds_of(space, entropy=42) == [
        15426080392148857139,
        8888664132970817103,
        6219732842105589191,
    ]


def test_streams_of_neighbouring_rows_are_not_alike():
    draws = np.array(
        [
            np.random.Generator(np.random.PCG64(seed)).standard_normal(100)
            for seed in seeds_of(Param(a=range(200)), entropy=0)
        ]
    )
    correlations = np.corrcoef(draws)[~np.eye(200, dtype=bool)]
    assert np.abs(correlations).max() < 0.6  # six standard deviations of 0.1
    assert abs(draws.mean()) < 0.05
    assert abs(draws.std() - 1) < 0.05


def test_bits_of_seeds_are_even():
    seeds = np.array(seeds_of(Param(a=range(10_000))), dtype=np.uint64)
    bits = (seeds[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.03  # six standard deviations of 0.005
