"""Statistics of groups of rows, for all groups at once.

NaN (and NaT) do not count: they are left out, and *count* says how many values there are.
"""

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt

from psyrun.results.columns import Array
from psyrun.rows import Rows


class Grouping:
    """Rows in groups.

    Parameters
    ----------
    groups : numpy.ndarray of int64, shape (n,)
        The group of each row.

    Attributes
    ----------
    present : numpy.ndarray of int64, shape (g,)
        The groups that there are, ascending.
    """

    def __init__(self, groups: Rows) -> None:
        in_order = bool(np.all(groups[1:] >= groups[:-1]))
        self.order = None if in_order else np.argsort(groups, kind="stable")
        ordered = groups if self.order is None else groups[self.order]
        self.starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self.sizes = np.diff(self.starts, append=len(groups))
        self.present = ordered[self.starts]


class Values:
    """The values of an output, in the order of their groups.

    Parameters
    ----------
    column : numpy.ndarray, shape (n, ...)
        The values.
    grouping : Grouping
        Their groups.
    """

    def __init__(self, column: Array, grouping: Grouping) -> None:
        self.column = column
        self._grouping = grouping
        self._values = column if grouping.order is None else column[grouping.order]
        kind = column.dtype.kind
        self._known: npt.NDArray[np.bool_] | None = None
        if kind in "fc":
            missing = np.isnan(self._values)
        elif kind in "mM":
            missing = np.isnat(self._values)
        elif kind == "O":
            missing = np.array([value is None for value in self._values], dtype=bool)
        else:
            return
        if missing.any():
            self._known = ~missing

    @property
    def _n_places(self) -> int:
        """The number of elements of each array."""
        return math.prod(self._values.shape[1:])

    def _reduced(self, ufunc: np.ufunc, values: Array) -> Array:
        if not len(self._grouping.starts):
            return values[:0]
        reduced: Array = ufunc.reduceat(values, self._grouping.starts, axis=0)
        return reduced

    def _spread(self, statistic: Array) -> Array:
        return np.repeat(statistic, self._grouping.sizes, axis=0)

    @cached_property
    def count(self) -> npt.NDArray[np.int64]:
        """The number of values."""
        if self._known is not None:
            return self._reduced(np.add, self._known.astype(np.int64))
        sizes = self._grouping.sizes.reshape((-1,) + (1,) * (self._values.ndim - 1))
        return np.broadcast_to(sizes, (len(sizes), *self._values.shape[1:])).copy()

    @cached_property
    def sum(self) -> Array:
        """Their sum, 0 if there are none."""
        values = self._values
        if self._known is not None:
            values = np.where(self._known, values, 0)
        return self._reduced(np.add, values.astype(np.int64) if values.dtype == bool else values)

    @cached_property
    def mean(self) -> Array:
        """Their mean, NaN if there are none."""
        return _ratio(self.sum, self.count)

    @cached_property
    def std(self) -> Array:
        """The standard deviation of the population they are a sample of, NaN if there is one."""
        squares = np.abs(self._values - self._spread(self.mean)) ** 2
        if self._known is not None:
            squares = np.where(self._known, squares, 0)
        return np.sqrt(_ratio(self._reduced(np.add, squares), self.count - 1))

    @cached_property
    def sem(self) -> Array:
        """The standard error of the mean."""
        return _ratio(self.std, np.sqrt(self.count))

    @cached_property
    def min(self) -> Array:
        """The least of them."""
        return self._reduced(np.fmin, self._values)

    @cached_property
    def max(self) -> Array:
        """The greatest of them."""
        return self._reduced(np.fmax, self._values)

    @cached_property
    def median(self) -> Array:
        """Their median."""
        return self.quantile(0.5)

    @cached_property
    def _ordered(self) -> Array:
        """All values, sorted within each group and place of an array, NaN at the ends."""
        flat = self._values.reshape(len(self._values), self._n_places)
        groups = np.repeat(np.arange(len(self._grouping.sizes)), self._grouping.sizes)
        places = groups[:, None] * flat.shape[1] + np.arange(flat.shape[1])
        ordered: Array = flat.ravel()[np.lexsort((flat.ravel(), places.ravel()))]
        return ordered

    def quantile(self, share: float) -> Array:
        """Return a quantile, linearly interpolated."""
        count = self.count.reshape(len(self._grouping.sizes), self._n_places)
        starts = self._grouping.starts[:, None] * self._n_places
        starts = starts + np.arange(self._n_places) * self._grouping.sizes[:, None]
        place = share * np.maximum(count - 1, 0)
        below = np.floor(place).astype(np.int64)
        low = self._ordered[starts + below]
        high = self._ordered[starts + np.minimum(below + 1, np.maximum(count - 1, 0))]
        weight = place - below
        found: Array = np.where(weight > 0, low * (1 - weight) + high * weight, low)
        return found.reshape(self.count.shape)


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Divide, NaN where the denominator is not above 0."""
    found: Array = numerator / np.where(denominator > 0, denominator, np.nan)
    return found


STATISTICS = ("mean", "std", "sem", "min", "max", "median", "count", "sum")
"""What can be asked for by name."""

_OF_OTHERS = {"c": {"mean", "std", "sem", "count", "sum"}, "O": {"count"}}
_OF_OTHERS |= {kind: {"min", "max", "count"} for kind in "mM"}


def applies(statistic: str | float, column: Array) -> bool:
    """Tell whether a statistic, or a quantile, means anything for the values of a column."""
    return column.dtype.kind in "biuf" or statistic in _OF_OTHERS.get(column.dtype.kind, ())


def compute(statistic: str | float, values: Values) -> Array:
    """Compute a statistic by its name, or the quantile that a number stands for."""
    if isinstance(statistic, str):
        found: Array = getattr(values, statistic)
        return found
    return values.quantile(statistic)
