"""How the rows of a space lie on the axes of arrays.

What ``*`` multiplied are separate axes; what one `Param` zipped shares one. A space that is no
product (a sum, a difference, a sample) is one axis, or on request the smallest grid that its rows
fit in.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from psyrun.pspace import Param, ParameterSpace, Product, Selection
from psyrun.pspace.columns import Single
from psyrun.pspace.indexing import as_array
from psyrun.pspace.matching import CodeReader
from psyrun.results.columns import Array
from psyrun.results.parameters import column_of
from psyrun.rows import Rows

Places = Callable[[Rows], list[Rows]]
"""Tells for some rows where they are on each axis."""


class Axis(NamedTuple):
    """An axis.

    Attributes
    ----------
    names : list of str
        The parameters that vary along it; none for one that only counts.
    size : int
        Number of positions.
    values : dict of str to numpy.ndarray, shape (size, ...)
        What the parameters are at each position.
    """

    names: list[str]
    size: int
    values: dict[str, Array]

    def at(self, positions: Rows) -> "Axis":
        """Return an axis of some of the positions."""
        values = {name: column[positions] for name, column in self.values.items()}
        return Axis(self.names, len(positions), values)


class Layout(NamedTuple):
    """How the rows of a space lie on axes.

    Attributes
    ----------
    axes : list of Axis
        The axes, the last of which varies fastest.
    constants : dict of str to object
        Parameters with a single value.
    places : callable or None
        Where rows are on the axes; None if these rows, in order, fill all of the cells.
    """

    axes: list[Axis]
    constants: dict[str, Any]
    places: Places | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of positions on each axis."""
        return tuple(axis.size for axis in self.axes)

    def cells(self, rows: Rows) -> Rows:
        """Return the cells of some rows, counted with the last axis varying fastest."""
        if self.places is None:
            return rows
        cells = np.zeros(len(rows), dtype=np.int64)
        for size, places in zip(self.shape, self.places(rows), strict=True):
            cells = cells * size + places
        return cells


def one_axis(space: ParameterSpace) -> Layout:
    """Lay all rows of a space on one axis."""
    constants = _constants(space)
    names = [name for name in space.keys() if name not in constants]  # noqa: SIM118 - no dict
    return Layout([_axis(space, names)], constants)


def natural(space: ParameterSpace) -> Layout:
    """Lay the rows of a space out as it is composed; what is no product is one axis."""
    if not isinstance(space, Product):
        layout = one_axis(space)
        return layout if layout.axes[0].names else Layout([], layout.constants)
    parts = [natural(factor) for factor in space.factors]
    return Layout([a for part in parts for a in part.axes], _all_constants(parts))


def gridded(space: ParameterSpace) -> Layout:
    """Lay the rows of a space on a grid, which may have gaps.

    Rows that have been selected from a product take their places in its grid, without the labels
    that none of them has. Where there is no product each parameter becomes an axis. Rows that meet
    in a cell are told apart by an axis without parameters.
    """
    layout = _gridded(space)
    if layout.places is None:
        return layout
    rows = np.arange(len(space))
    cells = layout.cells(rows)
    nth = _occurrences(cells)
    if not np.any(nth):
        return layout
    places = layout.places
    counter = Axis([], int(nth.max()) + 1, {})
    return Layout(
        [*layout.axes, counter], layout.constants, lambda rows: [*places(rows), nth[rows]]
    )


def selected(layout: Layout, rows: Rows) -> Layout:
    """Return the layout of some rows alone, without the positions that none of them takes.

    Parameters
    ----------
    layout : Layout
        The layout of a space.
    rows : numpy.ndarray of int64, shape (n,)
        Rows of that space; those of the new layout are numbered from 0.
    """
    places = layout.places or _unravelling(layout.shape)
    axes, columns = [], []
    for axis, column in zip(layout.axes, places(rows), strict=True):
        used = np.zeros(axis.size, dtype=bool)
        used[column] = True
        axes.append(axis.at(np.flatnonzero(used)))
        columns.append((np.cumsum(used) - 1)[column])
    return Layout(axes, layout.constants, lambda rows: [column[rows] for column in columns])


def _gridded(space: ParameterSpace, *, within: bool = False) -> Layout:
    zipped = isinstance(space.base if isinstance(space, Selection) else space, Param)
    if isinstance(space, Selection) and not (within and zipped):
        return selected(_gridded(space.base), as_array(space.rows))
    if isinstance(space, Product):
        parts = [_gridded(factor, within=True) for factor in space.factors]
        return Layout(
            [axis for part in parts for axis in part.axes],
            _all_constants(parts),
            None if all(part.places is None for part in parts) else _product(space, parts),
        )
    layout = natural(space)
    if (within and zipped) or not layout.axes or len(layout.axes[0].names) == 1:
        return layout
    return _by_values(space, layout)


def _by_values(space: ParameterSpace, layout: Layout) -> Layout:
    """Make each parameter an axis, with its values in the order in which they first occur."""
    (axis,) = layout.axes
    axes, columns = [], []
    for name in axis.names:
        codes = space._read(CodeReader([name], space))[name]
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        values = {name: axis.values[name][first[order]]}
        axes.append(Axis([name], len(first), values))
        columns.append(np.argsort(order)[inverse])
    return Layout(axes, layout.constants, lambda rows: [column[rows] for column in columns])


def _product(space: Product, parts: Sequence[Layout]) -> Places:
    sizes = [len(factor) for factor in space.factors]

    def places(rows: Rows) -> list[Rows]:
        found: list[Rows] = []
        for part, row in zip(parts, _unravelling(sizes)(rows), strict=True):
            found += part.places(row) if part.places is not None else [row] * len(part.axes)
        return found

    return places


def _unravelling(shape: Sequence[int]) -> Places:
    return lambda rows: list(np.unravel_index(rows, shape)) if len(shape) else []


def _occurrences(cells: Rows) -> Rows:
    """Count for each row the earlier ones in the same cell."""
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    nth = np.empty_like(cells)
    nth[order] = np.arange(len(cells)) - np.repeat(starts, np.diff(starts, append=len(cells)))
    return nth


def _axis(space: ParameterSpace, names: list[str]) -> Axis:
    return Axis(names, len(space), {n: column_of(space, n) for n in names})


def _constants(space: ParameterSpace) -> dict[str, Any]:
    if not isinstance(space, Param):
        return {}
    return {name: c.value for name, c in space.columns.items() if isinstance(c, Single)}


def _all_constants(parts: Sequence[Layout]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.constants.items()}
