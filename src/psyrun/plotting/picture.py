"""What is drawn where: a choice and a table turned into numbers, whatever draws them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UsageError
from psyrun.plotting.choice import Choice, Form, rows_shown
from psyrun.plotting.columns import Codes, Column, Kind, Table
from psyrun.plotting.groups import Floats, Spread, group, summarise
from psyrun.plotting.scales import are_whole, is_log

_BINS = 50
FEW = 8
"""A scale of colours with so few values has a legend."""
_TICKS = 8
"""An axis with so few values has its ticks at them."""
_CLOSEST = 0.07
"""Unless they are closer than this, as a share of the axis."""


class Part(NamedTuple):
    """What has one colour in a panel.

    Parameters
    ----------
    color : int
        Place among the levels of the colour.
    x, y : ndarray of float
        Places.
    low, high : ndarray of float, optional
        The band around *y*.
    shade : ndarray of float, optional
        Numbers to be told by a colour of their own each, instead of *color*.
    """

    color: int
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None
    shade: Floats | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes.

    Parameters
    ----------
    facet : tuple of int
        Places among the levels of the columns that make panels.
    parts : list of Part
        Lines, bars, or summaries of strips; in scatters and histograms all there is.
    points : list of Part
        Single rows.
    grid : ndarray of float, shape (up, across), optional
        Heat map, NaN where there is nothing.
    """

    facet: tuple[int, ...]
    parts: list[Part]
    points: list[Part]
    grid: Floats | None = None


class Axis(NamedTuple):
    """How an axis looks.

    Parameters
    ----------
    label : str
        What is along it.
    log : bool
        Whether it is logarithmic.
    whole : bool
        Whether ticks are at whole numbers only.
    ticks : ndarray of float, optional
        Where its ticks are.
    names : list of str, optional
        What they are called.
    """

    label: str
    log: bool = False
    whole: bool = False
    ticks: Floats | None = None
    names: list[str] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """All that is to be drawn.

    Parameters
    ----------
    choice : Choice
        What is drawn.
    table : Table
        The rows that are drawn.
    panels : list of Panel
        Panels in order.
    x, up : Axis
        The axes of all panels.
    several : bool
        Whether several rows have been put together somewhere.
    without_place, without_value : int
        Numbers of rows that are left out because they lack a value of the columns that tell rows
        apart, or of the output.
    """

    choice: Choice
    table: Table
    panels: list[Panel]
    x: Axis
    up: Axis
    several: bool
    without_place: int
    without_value: int

    @property
    def color(self) -> Column | None:
        """The column that is told by colour."""
        return self.table[self.choice.color] if self.choice.color else None

    @property
    def is_shaded(self) -> bool:
        """Whether each point has a colour of its own, on a scale."""
        return any(part.shade is not None for panel in self.panels for part in panel.parts)

    def title(self, panel: Panel) -> str:
        """Say what a panel shows."""
        told = []
        for name, level in zip(self.choice.facet, panel.facet, strict=True):
            column = self.table[name]
            told.append(f"{name} = {column.level_names()[level]} {column.unit}".rstrip())
        return ", ".join(told)

    def places(self, name: str) -> Floats:
        """Return where the levels of a parameter are along an axis."""
        column = self.table[name]
        names = column.kind is not Kind.NUMBER
        return np.asarray(range(len(column.levels)) if names else column.levels, dtype=np.float64)

    def values(self) -> Floats:
        """Return all numbers that are drawn, for a scale."""
        found: list[Any] = []
        for panel in self.panels:
            found += [panel.grid.ravel()] if panel.grid is not None else []
            found += [part.y for part in (*panel.points, *panel.parts)]
        return np.concatenate(found) if found else np.empty(0)


def compose(table: Table, choice: Choice, spread: Spread) -> Picture:
    """Compute what is drawn.

    Parameters
    ----------
    table : Table
        What there is to see.
    choice : Choice
        What is drawn.
    spread : Spread
        Statistics of rows at the same place.

    Returns
    -------
    Picture

    Raises
    ------
    UsageError
        If nothing is left.
    """
    placed = rows_shown(table, choice)
    known = np.isfinite(np.asarray(table[choice.y].values, dtype=np.float64))
    needed = {choice.y, *choice.shown, *choice.traces, *(name for name, _ in choice.over)}
    drawn = table.only(needed).take(placed & known)
    if choice.form in (Form.STRIPS, Form.BARS):
        drawn = drawn.with_names(choice.x)
    if not drawn.n_rows:
        without = "in" if placed.any() else f"beside a value of {', '.join(choice.shown)} in"
        raise UsageError(f"There is no number to draw {without} {choice.y!r}.")
    panels, several = _COMPOSERS[choice.form](drawn, choice, spread)
    picture = Picture(
        choice,
        drawn,
        panels,
        *_axes(drawn, choice, panels),
        several,
        int(np.count_nonzero(~placed)),
        int(np.count_nonzero(placed & ~known)),
    )
    return picture


def is_scale(column: Column) -> bool:
    """Tell whether the colours of a column are a scale: of many numbers."""
    return column.kind is Kind.NUMBER and len(column.levels) > FEW


def _facets(table: Table, choice: Choice) -> Iterator[tuple[tuple[int, ...], Table]]:
    """Take the rows of each panel."""
    columns = [table[name] for name in choice.facet]
    if not columns:
        yield (), table
        return
    ids, size = group(columns, table.n_rows)
    for i in range(size):
        mine = ids == i
        first = int(mine.argmax())
        yield tuple(int(column.codes[first]) for column in columns), table.take(mine)


def _shades(table: Table, choice: Choice) -> Iterator[tuple[int, Table]]:
    """Take the rows of each colour."""
    if choice.color is None or (choice.form is Form.SCATTER and is_scale(table[choice.color])):
        yield 0, table
        return
    codes = table[choice.color].codes
    for code in np.unique(codes):
        yield int(code), table.take(codes == code)


def _places(column: Column) -> npt.NDArray[Any]:
    """Return where the rows are along an axis."""
    return column.values if column.kind is Kind.NUMBER else column.codes


def _summaries(table: Table, choice: Choice, spread: Spread) -> tuple[list[Panel], bool]:
    """Compose lines, or bars."""
    panels, several = [], False
    for facet, inside in _facets(table, choice):
        parts = []
        for color, rows in _shades(inside, choice):
            for trace in _traces(rows, choice, spread):
                part, sizes = _summary(color, trace, choice, spread)
                parts.append(part)
                several |= bool(sizes.max(initial=0) > 1)
        panels.append(Panel(facet, parts, []))
    return panels, several or spread is Spread.EACH


def _traces(table: Table, choice: Choice, spread: Spread) -> Iterator[Table]:
    over = [name for name, _ in choice.over] if spread is Spread.EACH else []
    names = [*choice.traces, *over]
    if not names:
        yield table
        return
    ids, size = group([table[name] for name in names], table.n_rows)
    order = np.argsort(ids, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(ids, minlength=size))[:-1]):
        yield table.take(rows)


def _summary(color: int, table: Table, choice: Choice, spread: Spread) -> tuple[Part, Codes]:
    x = table[choice.x]
    ids, size = group([x], table.n_rows)
    found = summarise(np.asarray(table[choice.y].values), ids, size, spread)
    first = np.zeros(size, dtype=np.int64)
    first[ids[::-1]] = np.arange(len(ids))[::-1]
    places = _places(x)[first].astype(np.float64)
    banded = (found.sizes > 1).any() and spread is not Spread.EACH
    low, high = (found.low, found.high) if banded else (None, None)
    return Part(color, places, found.middle, low, high), found.sizes


def _strips(table: Table, choice: Choice, spread: Spread) -> tuple[list[Panel], bool]:
    panels, several = _summaries(table, choice, spread)
    points = _scatter(table, choice, spread)[0]
    return [
        Panel(panel.facet, panel.parts, single.parts)
        for panel, single in zip(panels, points, strict=True)
    ], several


def _scatter(table: Table, choice: Choice, spread: Spread) -> tuple[list[Panel], bool]:
    return [
        Panel(facet, [_points(*shade, choice) for shade in _shades(inside, choice)], [])
        for facet, inside in _facets(table, choice)
    ], False


def _points(color: int, table: Table, choice: Choice) -> Part:
    x = _places(table[choice.x]).astype(np.float64)
    y = np.asarray(table[choice.y].values, dtype=np.float64)
    shade = None
    if choice.color and is_scale(table[choice.color]):
        shade = np.asarray(table[choice.color].values, dtype=np.float64)
    return Part(color, x, y, shade=shade)


def _heatmap(table: Table, choice: Choice, spread: Spread) -> tuple[list[Panel], bool]:
    x, up = table[choice.x], table[choice.up]
    shape = len(up.levels), len(x.levels)
    panels, several = [], False
    for facet, inside in _facets(table, choice):
        cells = inside[choice.up].codes * shape[1] + inside[choice.x].codes
        values = np.asarray(inside[choice.y].values)
        found = summarise(values, cells, shape[0] * shape[1], spread)
        panels.append(Panel(facet, [], [], found.middle.reshape(shape)))
        several |= bool(found.sizes.max(initial=0) > 1)
    return panels, several


def _histogram(table: Table, choice: Choice, spread: Spread) -> tuple[list[Panel], bool]:
    values = np.asarray(table[choice.y].values, dtype=np.float64)
    edges = _bins(values)
    panels = []
    for facet, inside in _facets(table, choice):
        parts = []
        for color, rows in _shades(inside, choice):
            counts, _ = np.histogram(np.asarray(rows[choice.y].values, dtype=np.float64), edges)
            parts.append(Part(color, edges, counts.astype(np.float64)))
        panels.append(Panel(facet, parts, []))
    return panels, False


def _bins(values: Floats) -> Floats:
    """Choose the edges of bins: around whole numbers, if these are few, else what suits."""
    low, high = values.min(), values.max()
    if are_whole(values) and high - low < _BINS:
        return np.arange(low, high + 2) - 0.5
    if is_log(values):
        return np.exp(_bins(np.log(values)))
    edges = np.histogram_bin_edges(values, "auto")
    return edges if len(edges) <= _BINS else np.linspace(low, high, _BINS + 1)


_COMPOSERS = {
    Form.LINES: _summaries,
    Form.BARS: _summaries,
    Form.STRIPS: _strips,
    Form.SCATTER: _scatter,
    Form.HEATMAP: _heatmap,
    Form.HISTOGRAM: _histogram,
}


def _axes(table: Table, choice: Choice, panels: list[Panel]) -> tuple[Axis, Axis]:
    y = table[choice.y]
    if choice.form is Form.HISTOGRAM:
        return _measured(y, np.asarray(y.values)), Axis("rows", whole=True)
    parts = [part for panel in panels for part in (*panel.points, *panel.parts)]
    shown = np.concatenate([part.y for part in parts]) if parts else np.empty(0)
    x = table[choice.x]
    across = _measured(x, x.values) if choice.x in table.outputs else _chosen(x)
    if choice.form is Form.HEATMAP:
        return across, _chosen(table[choice.up])
    up = _measured(y, shown)
    return across, up._replace(log=up.log and choice.form is not Form.BARS)


def _measured(column: Column, values: Any) -> Axis:
    """Describe the axis of an output."""
    if column.kind is Kind.CATEGORY and not column.is_numeric:
        return _chosen(column)
    values = np.asarray(values, dtype=np.float64)
    return Axis(column.label, is_log(values), are_whole(values))


def _chosen(column: Column) -> Axis:
    """Describe the axis of a parameter."""
    if column.kind is not Kind.NUMBER:
        places = np.arange(len(column.levels), dtype=np.float64)
        return Axis(column.label, ticks=places, names=column.level_names())
    levels = np.asarray(column.levels, dtype=np.float64)
    log = is_log(levels, levels)
    places = np.log(levels) if log else levels
    gaps = np.diff(places)
    few = len(levels) <= _TICKS and np.all(gaps >= _CLOSEST * max(1e-300, np.ptp(places)))
    if not few:
        return Axis(column.label, log, are_whole(levels))
    return Axis(column.label, log, are_whole(levels), levels, column.level_names())
