"""Rows that have the same values in some columns, and statistics of them."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from psyrun.plotting.columns import Codes, Column
from psyrun.pspace.codes import combine
from psyrun.results.statistics import Grouping, Values

Floats = npt.NDArray[np.float64]


class Spread(Enum):
    """What a band shows, and the line in its midst."""

    SEM = "sem"
    STD = "std"
    QUARTILES = "quartiles"
    RANGE = "range"
    EACH = "each"


class Summary(NamedTuple):
    """Statistics of groups, NaN where there are none."""

    middle: Floats
    low: Floats
    high: Floats
    sizes: npt.NDArray[np.int64]


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
    grouping = Grouping(ids)
    known = Values(np.asarray(values, dtype=np.float64), grouping)
    if spread in (Spread.SEM, Spread.STD):
        width = known.sem if spread is Spread.SEM else known.std
        statistics = known.mean, known.mean - width, known.mean + width
    elif spread is Spread.QUARTILES:
        statistics = known.median, known.quantile(0.25), known.quantile(0.75)
    elif spread is Spread.RANGE:
        statistics = known.median, known.min, known.max
    else:
        statistics = known.mean, known.mean, known.mean
    sizes = np.zeros(size, dtype=np.int64)
    sizes[grouping.present] = known.count
    middle, low, high = np.full((3, size), np.nan)
    for full, statistic in zip((middle, low, high), statistics, strict=True):
        full[grouping.present] = statistic
    return Summary(middle, low, high, sizes)
