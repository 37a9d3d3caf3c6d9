"""Computing what is drawn where, from a table and the choice of a picture."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UsageError
from psyrun.plotting.choice import rows_shown
from psyrun.plotting.columns import Codes, Column, Kind, Table
from psyrun.plotting.description import Choice, Form
from psyrun.plotting.groups import Floats, Spread, Summary, group, summarise
from psyrun.plotting.picture import Axis, Panel, Part, Picture, is_scale
from psyrun.plotting.scales import are_whole, is_log

_BINS = 50
_TICKS = 8
"""An axis with so few values has its ticks at them."""
_CLOSEST = 0.07
"""Unless they are closer than this, as a share of the axis."""


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
    needed |= {choice.error} if choice.error else set()
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


def _looks(table: Table, choice: Choice) -> Iterator[tuple[int, int, Table]]:
    """Take the rows of each colour and style."""
    shaded = choice.color and choice.form is Form.SCATTER and is_scale(table[choice.color])
    for color, rows in _levels(table, None if shaded else choice.color):
        for style, those in _levels(rows, choice.style):
            yield color, style, those


def _levels(table: Table, name: str | None) -> Iterator[tuple[int, Table]]:
    if name is None:
        yield 0, table
        return
    codes = table[name].codes
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
        for color, style, rows in _looks(inside, choice):
            for trace in _traces(rows, choice, spread):
                part, sizes = _summary(color, style, trace, choice, spread)
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


def _summary(
    color: int, style: int, table: Table, choice: Choice, spread: Spread
) -> tuple[Part, Codes]:
    x = table[choice.x]
    ids, size = group([x], table.n_rows)
    found = summarise(np.asarray(table[choice.y].values), ids, size, spread)
    first = np.zeros(size, dtype=np.int64)
    first[ids[::-1]] = np.arange(len(ids))[::-1]
    places = _places(x)[first].astype(np.float64)
    low: Floats | None = None
    high: Floats | None = None
    if choice.error:
        low, high = _errors(table, choice, found, first)
    elif (found.sizes > 1).any() and spread is not Spread.EACH:
        low, high = found.low, found.high
    return Part(color, style, places, found.middle, low, high), found.sizes


def _errors(table: Table, choice: Choice, found: Summary, rows: Codes) -> tuple[Floats, Floats]:
    """Return the band that an output gives."""
    if found.sizes.max(initial=0) > 1:
        over = ", ".join(name for name, _ in choice.over) or "rows with equal parameters"
        raise UsageError(
            f"{choice.error!r} cannot be shown where rows are averaged, as they are here over "
            f"{over}; tell these apart, or leave it out."
        )
    error = np.asarray(table[str(choice.error)].values, dtype=np.float64)[rows]
    return found.middle - error, found.middle + error


def _strips(table: Table, choice: Choice, spread: Spread) -> tuple[list[Panel], bool]:
    panels, several = _summaries(table, choice, spread)
    points = _scatter(table, choice, spread)[0]
    return [
        Panel(panel.facet, panel.parts, single.parts)
        for panel, single in zip(panels, points, strict=True)
    ], several


def _scatter(table: Table, choice: Choice, spread: Spread) -> tuple[list[Panel], bool]:
    return [
        Panel(facet, [_points(*look, choice) for look in _looks(inside, choice)], [])
        for facet, inside in _facets(table, choice)
    ], False


def _points(color: int, style: int, table: Table, choice: Choice) -> Part:
    x = _places(table[choice.x]).astype(np.float64)
    y = np.asarray(table[choice.y].values, dtype=np.float64)
    shade = None
    if choice.color and is_scale(table[choice.color]):
        shade = np.asarray(table[choice.color].values, dtype=np.float64)
    return Part(color, style, x, y, shade=shade)


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
        for color, style, rows in _looks(inside, choice):
            counts, _ = np.histogram(np.asarray(rows[choice.y].values, dtype=np.float64), edges)
            parts.append(Part(color, style, edges, counts.astype(np.float64)))
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
