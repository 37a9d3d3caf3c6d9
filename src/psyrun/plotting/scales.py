"""Whether values call for a logarithmic axis, and which ones are whole numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt

_EVEN = 1e-3
"""Relative deviation up to which steps count as equal."""
_SMALLEST_RANGE = 8.0
"""From this ratio of the largest to the smallest on, geometric steps call for a log axis."""
_MANY_DECADES = 1000.0
"""From this ratio on, also other values do."""


def steps_are_geometric(levels: npt.NDArray[Any]) -> bool:
    """Tell whether distinct values grow by a factor rather than by a difference.

    Parameters
    ----------
    levels : ndarray
        Distinct numbers, ascending.

    Returns
    -------
    bool

    Examples
    --------
    >>> steps_are_geometric(np.array([200, 2000, 20000]))
    True
    >>> steps_are_geometric(np.array([1.0, 2.0, 3.0]))
    False
    >>> steps_are_geometric(np.array([1, 3, 10, 30, 100]))
    True
    """
    if len(levels) < 3 or levels[0] <= 0 or levels[-1] < _SMALLEST_RANGE * levels[0]:
        return False
    steps, ratios = np.diff(levels.astype(np.float64)), np.diff(np.log(levels))
    return _unevenness(ratios) < min(0.35, 0.5 * _unevenness(steps))


def is_log(values: npt.NDArray[Any], levels: npt.NDArray[Any] | None = None) -> bool:
    """Tell whether an axis had better be logarithmic.

    Parameters
    ----------
    values : ndarray
        What is drawn along it; NaN is passed over.
    levels : ndarray, optional
        Its distinct values, ascending, if these have been chosen (as those of a parameter have)
        rather than computed.

    Returns
    -------
    bool
        True if the levels grow geometrically, or if most of the values span three decades.

    Examples
    --------
    >>> is_log(np.exp(-np.linspace(0, 20, 50)))
    True
    >>> is_log(np.random.default_rng(0).random(100_000))
    False
    """
    if levels is not None:
        return steps_are_geometric(levels) or (
            len(levels) > 2 and _unevenness(np.diff(levels)) > _EVEN and _spans_decades(levels)
        )
    return _spans_decades(values)


def _spans_decades(values: npt.NDArray[Any]) -> bool:
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() <= 0:
        return False
    low, high = np.quantile(finite, [0.05, 0.95])
    return bool(high >= _MANY_DECADES * low)


def _unevenness(steps: npt.NDArray[Any]) -> float:
    """Return the spread of steps, relative to their mean."""
    return float(np.std(steps) / np.mean(steps))


def are_whole(values: npt.NDArray[Any]) -> bool:
    """Tell whether all values are whole numbers; NaN is passed over."""
    finite = values[np.isfinite(values)]
    return bool(np.all(finite == np.floor(finite)))


def straddles_zero(values: npt.NDArray[Any]) -> bool:
    """Tell whether there is as good as as much below zero as above it.

    Examples
    --------
    >>> straddles_zero(np.array([-1.0, 0.0, 2.0])), straddles_zero(np.array([-0.1, 5.0]))
    (True, False)
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return False
    below, above = max(0.0, -finite.min()), max(0.0, finite.max())
    return bool(min(below, above) > 0.2 * max(below, above))
