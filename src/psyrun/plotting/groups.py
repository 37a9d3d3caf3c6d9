"""Rows that have the same values in some columns, and statistics of them."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from psyrun.plotting.columns import Codes, Column
from psyrun.pspace.codes import combine

Floats = npt.NDArray[np.float64]


class Spread(Enum):
    """What a band shows, and the line in its midst."""

    SEM = "sem"
    SD = "sd"
    QUARTILES = "quartiles"
    RANGE = "range"
    EACH = "each"


class Summary(NamedTuple):
    """Statistics of groups, NaN where there are none."""

    middle: Floats
    low: Floats
    high: Floats
    count: npt.NDArray[np.int64]


def group(columns: Sequence[Column], n: int) -> tuple[Codes, int]:
    """Give numbers to rows, equal ones to rows with equal values.

    Parameters
    ----------
    columns : sequence of Column
        Columns to compare.
    n : int
        Number of rows.

    Returns
    -------
    ids : ndarray of int64, shape (n,)
        For each row the number of its group; groups are in the order of the levels.
    size : int
        Number of groups.
    """
    parts = (([column.codes + 1], len(column.levels) + 1) for column in columns)
    (codes,), _ = combine(parts, [n])
    found, ids = np.unique(codes, return_inverse=True)
    return ids.astype(np.int64), len(found)


def group_sizes(columns: Sequence[Column]) -> npt.NDArray[np.int64]:
    """Count the rows of each group."""
    if not columns:
        return np.zeros(1, dtype=np.int64)
    ids, size = group(columns, len(columns[0].codes))
    return np.bincount(ids, minlength=size)


def count_groups(columns: Sequence[Column]) -> int:
    """Count the groups."""
    return len(group_sizes(columns))


def summarise(values: npt.NDArray[Any], ids: Codes, size: int, spread: Spread) -> Summary:
    """Compute statistics of groups.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Numbers; NaN is left out.
    ids : ndarray of int64, shape (n,)
        Number of the group of each row.
    size : int
        Number of groups.
    spread : Spread
        Which statistics.

    Returns
    -------
    Summary
        With arrays of shape (size,).
    """
    known = ~np.isnan(values)
    numbers, ids = values[known].astype(np.float64), ids[known]
    count = np.bincount(ids, minlength=size)
    if spread in (Spread.SEM, Spread.SD):
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(ids, numbers, minlength=size) / count
            square = np.bincount(ids, (numbers - mean[ids]) ** 2, minlength=size)
            width = np.sqrt(square / (count - 1))
            width[count < 2] = np.nan
            if spread is Spread.SEM:
                width /= np.sqrt(count)
        return Summary(mean, mean - width, mean + width, count)
    ends = (0.25, 0.75) if spread is Spread.QUARTILES else (0.0, 1.0)
    ordered = numbers[np.lexsort((numbers, ids))]
    starts = np.cumsum(count) - count
    low, middle, high = (_quantile(ordered, starts, count, q) for q in (ends[0], 0.5, ends[1]))
    return Summary(middle, low, high, count)


def _quantile(ordered: Floats, starts: Codes, count: Codes, share: float) -> Floats:
    """Interpolate a quantile within groups of ordered values."""
    result = np.full(len(count), np.nan)
    some = count > 0
    place = starts[some] + share * (count[some] - 1)
    below = np.floor(place).astype(np.int64)
    above = np.ceil(place).astype(np.int64)
    part = place - below
    result[some] = ordered[below] * (1 - part) + ordered[above] * part
    return result
