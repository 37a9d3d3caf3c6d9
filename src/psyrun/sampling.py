"""Parameter spaces of random points.

Each function returns a `Param` of *n* points. The numbers of a parameter depend on the seed and on
its name only, so adding a parameter does not change the others. A space is extended by drawing
more points with the same seed: the first *n* points stay what they were. Only a Latin hypercube
cannot be extended, because all of its points depend on their number.

Bounds are ``(lower, upper)``, or ``(lower, upper, "log")`` to cover a range of orders of magnitude
evenly.

Examples
--------
>>> from psyrun.sampling import uniform
>>> space = uniform(3, seed=1, gain=(0, 1), rate=(1e-6, 1e-1, "log"))
>>> len(space)
3
>>> longer = uniform(5, seed=1, rate=(1e-6, 1e-1, "log"))
>>> longer[:3].build()["rate"] == space.build()["rate"]
True
"""

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.pspace import Param

__all__ = ["latin_hypercube", "log_uniform", "normal", "sobol", "uniform"]

Floats = npt.NDArray[np.float64]
Bounds = tuple[float, float] | tuple[float, float, str]

_SOBOL_BITS = 30


def uniform(n: int, seed: int, **bounds: Bounds) -> Param:
    """Draw points uniformly from a box.

    Parameters
    ----------
    n : int
        Number of points.
    seed : int
        Non-negative number; the same gives the same points.
    **bounds : (float, float) or (float, float, "log")
        For each parameter the range of its values.

    Returns
    -------
    Param
        The points.

    Raises
    ------
    ValueError
        If *n* or *seed* is negative, or bounds are no such pair of finite numbers in order.

    Examples
    --------
    >>> from psyrun.sampling import uniform
    >>> [f"{a:.3f}" for a in uniform(3, seed=1, a=(-1, 1)).build()["a"]]
    ['-0.585', '-0.052', '-0.818']
    """
    return _points(n, seed, bounds, lambda name, _: _stream(seed, name).random(n))


def log_uniform(n: int, seed: int, **bounds: tuple[float, float]) -> Param:
    """Draw points whose logarithms are uniformly distributed.

    Parameters
    ----------
    n : int
        Number of points.
    seed : int
        Non-negative number; the same gives the same points.
    **bounds : (float, float)
        For each parameter its lower and upper bound, both positive.

    Returns
    -------
    Param
        The points.

    Raises
    ------
    ValueError
        If *n* or *seed* is negative, or bounds are no pair of positive finite numbers in order.

    Examples
    --------
    >>> from psyrun.sampling import log_uniform
    >>> all(1e-6 <= rate <= 1e-1 for rate in log_uniform(9, 1, rate=(1e-6, 1e-1)).build()["rate"])
    True
    """
    for name, pair in bounds.items():
        _check_pair(name, pair, "bounds", "(lower, upper)")
    return uniform(n, seed, **{name: (*pair, "log") for name, pair in bounds.items()})


def normal(n: int, seed: int, **distributions: tuple[float, float]) -> Param:
    """Draw points from normal distributions.

    Parameters
    ----------
    n : int
        Number of points.
    seed : int
        Non-negative number; the same gives the same points.
    **distributions : (float, float)
        For each parameter its mean and its standard deviation.

    Returns
    -------
    Param
        The points.

    Raises
    ------
    ValueError
        If *n*, *seed* or a standard deviation is negative, or a distribution is no pair of finite
        numbers.

    Examples
    --------
    >>> from psyrun.sampling import normal
    >>> [f"{x:.1f}" for x in normal(3, seed=1, x=(100, 15)).build()["x"]]
    ['92.7', '108.3', '119.4']
    """
    _check_count(n, seed)
    for name, pair in distributions.items():
        _check_pair(name, pair, "distribution", "(mean, standard deviation)")
        if pair[1] < 0:
            raise ValueError(f"The standard deviation of {name} is negative: {pair[1]!r}.")
    return Param(
        **{
            name: mean + deviation * _stream(seed, name).standard_normal(n)
            for name, (mean, deviation) in distributions.items()
        }
    )


def latin_hypercube(n: int, seed: int, **bounds: Bounds) -> Param:
    """Draw points from a box so that each parameter covers its range evenly.

    The range of each parameter is divided in *n* equal parts, and one point falls into each
    (McKay, Beckman and Conover, 1979, doi:10.2307/1268522). Such a space cannot be extended: with
    another *n* all points are others.

    Parameters
    ----------
    n : int
        Number of points.
    seed : int
        Non-negative number; the same gives the same points.
    **bounds : (float, float) or (float, float, "log")
        For each parameter the range of its values.

    Returns
    -------
    Param
        The points.

    Raises
    ------
    ValueError
        If *n* or *seed* is negative, or bounds are no such pair of finite numbers in order.

    Examples
    --------
    >>> from psyrun.sampling import latin_hypercube
    >>> sorted(int(a) for a in latin_hypercube(5, seed=1, a=(0, 5)).build()["a"])
    [0, 1, 2, 3, 4]
    """

    def unit(name: str, _: int) -> Floats:
        stream = _stream(seed, name)
        return (stream.permutation(n) + stream.random(n)) / n

    return _points(n, seed, bounds, unit)


def sobol(n: int, seed: int, **bounds: Bounds) -> Param:
    """Draw quasi-random points that cover a box evenly in all its dimensions (Sobol' sequence).

    The sequence is randomised by a digital shift for each parameter (Owen, 2000,
    https://artowen.su.domains/reports/siggraph03.pdf). Coverage is best if *n* is a power of two. A
    parameter that is added after the others does not change those.

    Parameters
    ----------
    n : int
        Number of points.
    seed : int
        Non-negative number; the same gives the same points.
    **bounds : (float, float) or (float, float, "log")
        For each parameter the range of its values.

    Returns
    -------
    Param
        The points.

    Raises
    ------
    ValueError
        If *n* or *seed* is negative, or bounds are no such pair of finite numbers in order.
    ImportError
        If SciPy is not installed.

    Examples
    --------
    >>> from psyrun.sampling import sobol
    >>> sorted(int(a) for a in sobol(4, seed=1, a=(0, 4)).build()["a"])
    [0, 1, 2, 3]
    """
    try:
        from scipy.stats import qmc
    except ImportError as err:
        raise ImportError(
            "Sobol points need SciPy, which is not installed: pip install psyrun[sampling]"
        ) from err
    _check_count(n, seed)
    # Whole powers of two, because SciPy warns of other numbers.
    sequence = qmc.Sobol(max(1, len(bounds)), scramble=False, bits=_SOBOL_BITS)
    points: Floats = sequence.random_base2(max(0, n - 1).bit_length())[:n]

    def unit(name: str, dimension: int) -> Floats:
        shift = _stream(seed, name).integers(1 << _SOBOL_BITS)
        cells = (points[:, dimension] * (1 << _SOBOL_BITS)).astype(np.int64) ^ shift
        middles: Floats = (cells + 0.5) / (1 << _SOBOL_BITS)
        return middles

    return _points(n, seed, bounds, unit)


def _points(
    n: int, seed: int, bounds: dict[str, Bounds], unit: Callable[[str, int], Floats]
) -> Param:
    """Scale numbers between 0 and 1, which *unit* makes for a name and its index."""
    _check_count(n, seed)
    for name, pair in bounds.items():
        _check_bounds(name, pair)
    return Param(
        **{name: _scaled(unit(name, i), *pair) for i, (name, pair) in enumerate(bounds.items())}
    )


def _scaled(unit: Floats, lower: float, upper: float, scale: str = "") -> Floats:
    if scale == "log":
        unit = np.exp(math.log(lower) + (math.log(upper) - math.log(lower)) * unit)
    else:
        unit = lower + (upper - lower) * unit
    return np.clip(unit, lower, upper)


def _stream(seed: int, name: str) -> np.random.Generator:
    """Make the random numbers of a parameter."""
    salt = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng([seed, salt])


def _check_count(n: int, seed: int) -> None:
    for name, value in (("n", n), ("seed", seed)):
        if not isinstance(value, int | np.integer) or value < 0:
            raise ValueError(f"{name} has to be a non-negative integer, not {value!r}.")


def _check_bounds(name: str, bounds: Any) -> None:
    logarithmic = isinstance(bounds, Sequence) and len(bounds) == 3 and bounds[2] == "log"
    pair = bounds[:2] if logarithmic else bounds
    _check_pair(name, pair, "bounds", '(lower, upper) or (lower, upper, "log")')
    lower, upper = pair
    if not lower < upper or not math.isfinite(upper - lower):
        raise ValueError(
            f"The lower bound of {name}, {lower!r}, has to be less than the upper bound, {upper!r}."
        )
    if logarithmic and lower <= 0:
        raise ValueError(
            f"The lower bound of {name} has to be positive for a logarithm: {lower!r}."
        )


def _check_pair(name: str, pair: Any, what: str, form: str) -> None:
    try:
        first, second = pair
        if math.isfinite(first) and math.isfinite(second):
            return
    except (TypeError, ValueError):
        pass
    raise ValueError(f"The {what} of {name} have to be {form} with finite numbers, not {pair!r}.")
