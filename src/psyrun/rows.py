"""Sets of rows, kept as intervals so that 10^8 rows done in order take a few bytes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


class RowSet:
    """An immutable set of row numbers, ordered.

    Parameters
    ----------
    rows : array-like of int, optional
        Rows in the set; order and duplicates do not matter.

    Examples
    --------
    >>> rows = RowSet([4, 0, 1, 2]) - RowSet.span(1, 2)
    >>> rows
    RowSet(0, 2, 4)
    >>> len(rows), 2 in rows
    (3, True)
    >>> rows.slice(1, 3)
    array([2, 4])
    """

    def __init__(self, rows: Any = ()) -> None:
        ordered = np.asarray(rows, dtype=np.int64)
        if not np.all(ordered[1:] > ordered[:-1]):
            ordered = np.unique(ordered)
        breaks = np.flatnonzero(np.diff(ordered) != 1)
        first = np.concatenate([[0], breaks + 1]) if len(ordered) else np.empty(0, dtype=np.int64)
        last = np.concatenate([breaks, [len(ordered) - 1]]) if len(ordered) else first
        self._set(ordered[first], ordered[last] + 1)

    def _set(self, starts: Rows, stops: Rows) -> None:
        self._starts = starts
        self._stops = stops
        self._before = np.concatenate([[0], np.cumsum(stops - starts)]).astype(np.int64)

    @classmethod
    def _of_intervals(cls, starts: Rows, stops: Rows) -> "RowSet":
        new = cls.__new__(cls)
        new._set(starts, stops)
        return new

    @classmethod
    def span(cls, start: int, stop: int) -> "RowSet":
        """Return the set of all rows from *start* up to, not including, *stop*."""
        n = 1 if start < stop else 0
        return cls._of_intervals(
            np.full(n, start, dtype=np.int64), np.full(n, stop, dtype=np.int64)
        )

    def __len__(self) -> int:
        return int(self._before[-1])

    def __contains__(self, row: int) -> bool:
        i = int(np.searchsorted(self._starts, row, side="right")) - 1
        return i >= 0 and row < int(self._stops[i])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RowSet):
            return NotImplemented
        return np.array_equal(self._starts, other._starts) and np.array_equal(
            self._stops, other._stops
        )

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.intervals():
            yield from range(start, stop)

    def __repr__(self) -> str:
        shown = [
            str(start) if stop == start + 1 else f"{start}-{stop - 1}"
            for start, stop in zip(self._starts[:8].tolist(), self._stops[:8].tolist(), strict=True)
        ]
        if len(self._starts) > len(shown):
            shown.append("...")
        return f"RowSet({', '.join(shown)})"

    def intervals(self) -> Iterator[tuple[int, int]]:
        """Iterate over the maximal runs of consecutive rows, as (first, last + 1)."""
        return zip(self._starts.tolist(), self._stops.tolist(), strict=True)

    def slice(self, start: int, stop: int) -> Rows:
        """Return the rows at the positions from *start* to *stop* of the ordered set.

        Parameters
        ----------
        start, stop : int
            Positions, from 0; positions behind the last row are left out.

        Returns
        -------
        numpy.ndarray of int64
        """
        stop = min(stop, len(self))
        if len(self._starts) == 1:
            first = int(self._starts[0])
            return np.arange(first + start, first + stop, dtype=np.int64)
        positions = np.arange(start, stop, dtype=np.int64)
        i = np.searchsorted(self._before, positions, side="right") - 1
        return self._starts[i] + (positions - self._before[i])

    def to_array(self) -> Rows:
        """Return all rows in order, shape (len(self),)."""
        return self.slice(0, len(self))

    def rank(self, rows: npt.ArrayLike) -> Rows:
        """Return the positions of *rows*, which must be in the set, in the ordered set."""
        wanted = np.asarray(rows, dtype=np.int64)
        if len(self._starts) == 1:
            return wanted - int(self._starts[0])
        i = np.searchsorted(self._starts, wanted, side="right") - 1
        return self._before[i] + (wanted - self._starts[i])

    def has(self, rows: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell for each of *rows* whether it is in the set."""
        wanted = np.asarray(rows, dtype=np.int64)
        if not len(self._starts):
            return np.zeros(wanted.shape, dtype=bool)
        i = np.searchsorted(self._starts, wanted, side="right") - 1
        return (i >= 0) & (wanted < self._stops[np.maximum(i, 0)])

    def __or__(self, other: "RowSet") -> "RowSet":
        return self._combine(other, np.logical_or)

    def __and__(self, other: "RowSet") -> "RowSet":
        return self._combine(other, np.logical_and)

    def __sub__(self, other: "RowSet") -> "RowSet":
        return self._combine(other, lambda a, b: a & ~b)

    def _combine(self, other: "RowSet", keep: Any) -> "RowSet":
        edges = np.unique(np.concatenate([self._starts, self._stops, other._starts, other._stops]))
        kept = keep(self.has(edges), other.has(edges))
        # A run begins where the state changes to kept and ends where it changes back.
        changes = np.flatnonzero(np.diff(kept.astype(np.int8), prepend=0))
        bounds = edges[changes]
        return RowSet._of_intervals(bounds[0::2], bounds[1::2])
