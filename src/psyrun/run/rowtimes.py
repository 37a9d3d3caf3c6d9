"""How long rows will take, from how long others took."""

from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.pspace import ParameterSpace
from psyrun.rows import Rows, RowSet
from psyrun.values import as_numbers

Floats = npt.NDArray[np.float64]

_SAMPLE = 2000
"""Rows to learn from, and to ask for, at most."""
_SHORTEST = 1e-6
_FURTHEST = 30.0
"""How many times the longest row so far a row is expected to take at most."""
_CATEGORIES = 20
_STIFFNESS = 0.02
"""What keeps the weight of a parameter small that the rows so far say little about."""


def expected_seconds(
    space: ParameterSpace, rows: Rows, seconds: npt.ArrayLike, wanted: RowSet
) -> float:
    """Estimate how long some rows will take, one after the other.

    The logarithm of the time is taken to be a sum of a contribution of each parameter: linear in
    the logarithm of numbers, and one for each value of others. So what grows as a power of a
    parameter is continued beyond the values that were seen. With few rows to learn from, rows are
    expected to take the mean.

    Parameters
    ----------
    space : ParameterSpace
        The space.
    rows : numpy.ndarray of int64, shape (n,)
        Rows whose time is known, one at least.
    seconds : array-like of float, shape (n,)
        How long they took.
    wanted : RowSet
        Rows that are to be estimated.

    Returns
    -------
    float
        Seconds.

    Examples
    --------
    >>> from psyrun import Param
    >>> space = Param(n=range(1, 101)) * Param(trial=range(10))
    >>> rows = np.arange(300)  # all with n up to 30
    >>> times = [0.1 * n for n in space[rows].build()["n"]]
    >>> round(expected_seconds(space, rows, times, RowSet.span(300, 1000)), -3)
    5000.0
    """
    if not len(wanted):
        return 0.0
    taken = np.maximum(np.asarray(seconds, dtype=np.float64), _SHORTEST)
    known = _spread(len(rows))
    asked = wanted.slice(0, len(wanted))[_spread(len(wanted))]
    features = _features(space[np.concatenate([rows[known], asked])].build())
    n = len(known)
    if n < 3 + 2 * features.shape[1]:
        return float(taken.mean()) * len(wanted)
    logs = np.log(taken[known])
    weights = _fit(features[:n], logs - logs.mean())
    fitted, expected = np.exp(features[:n] @ weights), np.exp(features[n:] @ weights)
    factor = float(taken[known].sum() / fitted.sum())
    longest = _FURTHEST * float(taken.max())
    return float(np.minimum(expected * factor, longest).mean()) * len(wanted)


def _spread(n: int) -> Rows:
    """Return positions that are spread over *n* rows, in no rhythm that a space could have."""
    if n <= _SAMPLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, _SAMPLE, replace=False, shuffle=False))


def _features(columns: dict[str, Any]) -> Floats:
    """Return what the time may depend on, shape (n, number of features)."""
    parts: list[Floats] = []
    n = 0
    for values in columns.values():
        n = len(values)
        numbers = as_numbers(values)
        parts += _categories(values) if numbers is None else [_logarithmic(numbers.astype(float))]
    varying = [part for part in parts if np.ptp(part) > 0]
    return np.stack(varying, axis=1) if varying else np.empty((n, 0))


def _logarithmic(numbers: Floats) -> Floats:
    """Return the logarithm of numbers, continued through 0 to negative ones."""
    numbers = np.clip(np.nan_to_num(numbers), -1e100, 1e100)
    sizes = np.abs(numbers[numbers != 0])
    least = max(sizes.min(), 1e-200 * sizes.max()) if len(sizes) else 1.0
    logarithms: Floats = np.arcsinh(numbers / least)
    return logarithms


def _categories(values: Any) -> list[Floats]:
    """Return for each different value where it is, unless there are many."""
    names = np.array([repr(value) for value in values])
    different = np.unique(names)
    if len(different) > _CATEGORIES:
        return []
    return [(names == name).astype(np.float64) for name in different]


def _fit(features: Floats, target: Floats) -> Floats:
    """Fit a plane through the middle of the data; ridge regression."""
    centred = features - features.mean(axis=0)
    scale = centred.std(axis=0)
    scale[scale == 0] = np.inf  # the rows so far say nothing about it
    scaled = centred / scale
    n, k = scaled.shape
    gram = scaled.T @ scaled + _STIFFNESS * n * np.eye(k)
    weights: Floats = np.linalg.solve(gram, scaled.T @ target) / scale
    return weights
