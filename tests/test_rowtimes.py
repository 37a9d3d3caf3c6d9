"""The time that rows will take is learnt from others."""

import numpy as np
import pytest

from psyrun import Param
from psyrun.rows import RowSet
from psyrun.run.rowtimes import expected_seconds

GROWING = Param(n=range(1, 101)) * Param(trial=range(10))
METHODS = Param(trial=range(20)) * Param(n=[1e2, 1e3, 1e4]) * Param(method=["a", "b", "c"])


def compare(space, cost, done, noise=0.2):
    """Return the expected and the true time of the rows that are not done, and n times the mean."""
    true = np.array([cost(**assignment) for assignment in space])
    true *= np.exp(noise * np.random.default_rng(1).normal(size=len(space)))
    rows = np.array(done)
    left = RowSet.span(0, len(space)) - RowSet(rows)
    mean = true[rows].mean() * len(left)
    return expected_seconds(space, rows, true[rows], left), true[left.to_array()].sum(), mean


@pytest.mark.parametrize("power", [1, 2])
def test_a_cost_that_grows_is_continued(power):
    expected, true, mean = compare(GROWING, lambda n, trial: 1e-3 * n**power, range(300))
    assert 0.5 < expected / true < 2
    assert mean / true < 0.25


def test_categories_and_numbers_are_told_apart():
    cost = {"a": 0.1, "b": 1.0, "c": 10.0}
    done = [row for row in range(60) if METHODS[row]["method"] != "c" or row % 4]
    expected, true, _ = compare(METHODS, lambda trial, n, method: n**0.5 * cost[method], done)
    assert 0.5 < expected / true < 2


def test_noise_alone_gives_the_mean():
    expected, true, mean = compare(GROWING, lambda n, trial: 1.0, range(200), noise=1.0)
    assert 0.5 < expected / true < 2 and 0.5 < mean / true < 2


@pytest.mark.parametrize(
    "space",
    [
        Param(x=[0.0, -1.0, float("nan"), float("inf"), 5e-324, 1e308] * 5),
        Param(x=[None, [1], "a", 2, 1j, {}] * 5),
        Param(x=list(map(str, range(30)))),
        Param(x=np.arange(30.0) * 1e-300) * Param(y=True),
        Param(a=range(15)) + Param(b=range(15)),
    ],
)
def test_any_space_will_do(space):
    rows = np.arange(20)
    for seconds in (np.ones(20), np.zeros(20), np.arange(20.0)):
        expected = expected_seconds(space, rows, seconds, RowSet.span(20, 30))
        assert 0 < expected <= 30 * 10 * 20


def test_few_rows_give_the_mean_and_no_rows_nothing():
    assert expected_seconds(GROWING, np.array([3]), [2.0], RowSet.span(0, 3)) == 6.0
    assert expected_seconds(GROWING, np.array([3]), [2.0], RowSet()) == 0.0
