import math
import sys

import numpy as np
import pytest

from psyrun.pspace import Param
from psyrun.sampling import latin_hypercube, log_uniform, normal, sobol, uniform

SAMPLERS = [uniform, log_uniform, normal, latin_hypercube, sobol]


def column(space, name="a"):
    return np.array(space.build()[name])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_points_are_repeatable_and_differ_between_seeds_and_names(sampler):
    space = sampler(8, seed=3, a=(1, 2), b=(1, 2))
    assert isinstance(space, Param)
    assert space.keys() == ["a", "b"]
    assert len(space) == 8
    assert space.build() == sampler(8, 3, a=(1, 2), b=(1, 2)).build()
    assert not np.any(column(space) == column(sampler(8, 4, a=(1, 2))))
    assert not np.any(column(space) == column(space, "b"))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_parameter_does_not_change_the_first(sampler):
    alone = column(sampler(10, 3, a=(1, 2)))
    assert np.array_equal(alone, column(sampler(10, 3, a=(1, 2), b=(5, 6), c=(1, 7))))


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if s is not latin_hypercube])
@pytest.mark.parametrize("n", [0, 1, 5, 8, 13])
def test_the_first_points_of_a_longer_space_are_the_shorter_space(sampler, n):
    longer = sampler(20, 3, a=(1, 2), b=(1, 4))
    assert longer[:n].build() == sampler(n, 3, a=(1, 2), b=(1, 4)).build()


@pytest.mark.parametrize("sampler", [uniform, latin_hypercube, sobol])
def test_points_cover_the_box_and_stay_inside(sampler):
    space = sampler(4096, 0, a=(-1, 3), b=(1e-6, 1e-1, "log"))
    a, b = column(space), np.log10(column(space, "b"))
    for values, lower, upper in ((a, -1, 3), (b, -6, -1)):
        assert lower <= values.min() < lower + 0.01 * (upper - lower)
        assert upper - 0.01 * (upper - lower) < values.max() <= upper
        assert abs(values.mean() - (lower + upper) / 2) < 0.03 * (upper - lower)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


def test_the_logarithms_of_log_uniform_points_are_uniform():
    a = np.log(column(log_uniform(4096, 0, a=(1e-3, 1e3))))
    assert np.array_equal(a, np.log(column(uniform(4096, 0, a=(1e-3, 1e3, "log")))))
    counts, _ = np.histogram(a, bins=4, range=(math.log(1e-3), math.log(1e3)))
    assert np.all(np.abs(counts - 1024) < 150)


def test_normal_points_have_their_mean_and_deviation():
    a = column(normal(4096, 0, a=(10, 2)))
    assert abs(a.mean() - 10) < 0.1
    assert abs(a.std() - 2) < 0.1
    assert set(column(normal(3, 0, a=(10, 0)))) == {10}


def test_each_part_of_a_range_has_one_point_of_a_latin_hypercube():
    space = latin_hypercube(50, 1, a=(0, 50), b=(-100, -50))
    for name in "ab":
        assert sorted(np.floor(column(space, name)) % 50) == list(range(50))


@pytest.mark.parametrize("n", [2, 4, 8, 32])
def test_sobol_points_fill_all_cells_of_a_grid(n):
    space = sobol(n * n, 5, a=(0, n), b=(0, n))
    cells = set(zip(column(space).astype(int), column(space, "b").astype(int), strict=True))
    assert len(cells) == n * n


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_there_may_be_no_parameters_or_no_points(sampler):
    assert sampler(0, 0, a=(1, 2)).build() == {"a": []}
    assert sampler(3, 0).build() == {}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("bounds", [3, (1,), (1, 2, 3), (1, 2, "lin"), "ab", (1, math.nan), None])
def test_what_is_no_pair_of_numbers_is_refused_by_name(sampler, bounds):
    with pytest.raises(ValueError, match=r"The (bounds|distribution) of b have to be \("):
        sampler(3, 0, a=(1, 2), b=bounds)


@pytest.mark.parametrize("sampler", [uniform, log_uniform, latin_hypercube, sobol])
@pytest.mark.parametrize("bounds", [(2, 1), (1, 1), (-1e308, 1e308)])
def test_bounds_have_to_be_in_order(sampler, bounds):
    with pytest.raises(ValueError, match=r"The lower bound of a, .* has to be less than the upper"):
        sampler(3, 0, a=bounds)


def test_a_logarithm_needs_positive_bounds():
    for sampler in (log_uniform, lambda n, s, a: uniform(n, s, a=(*a, "log"))):
        with pytest.raises(ValueError, match="The lower bound of a has to be positive"):
            sampler(3, 0, a=(0, 1))


def test_a_negative_deviation_is_refused():
    with pytest.raises(ValueError, match="The standard deviation of a is negative"):
        normal(3, 0, a=(0, -1))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("n", "seed", "name"), [(-1, 0, "n"), (2.5, 0, "n"), (1, -1, "seed")])
def test_numbers_and_seeds_are_not_negative(sampler, n, seed, name):
    with pytest.raises(ValueError, match=f"{name} has to be a non-negative integer"):
        sampler(n, seed, a=(1, 2))


def test_only_sobol_points_need_scipy_and_say_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    for sampler in SAMPLERS:
        if sampler is not sobol:
            assert len(sampler(2, 0, a=(1, 2))) == 2
    with pytest.raises(ImportError, match=r"pip install psyrun\[sampling\]"):
        sobol(2, 0, a=(1, 2))
