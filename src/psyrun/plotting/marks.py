"""Drawing the parts of a panel with matplotlib: lines, bars, points, cells."""

import math
from typing import Any

import numpy as np

from psyrun.plotting.columns import Kind
from psyrun.plotting.description import Form
from psyrun.plotting.groups import Floats
from psyrun.plotting.palette import CATEGORIES, color_of, color_scale, scale_of
from psyrun.plotting.picture import Panel, Part, Picture

_MARKED = 40
"""Lines through more points than this go without a mark at each."""
_DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
_MARKS = "osD^v"
_FULL = 0.8
"""Share of the axis that is covered where bars or strips stand."""
_GOLDEN = 0.618033988749895
_VECTORS = 5000
"""More points than this are a bitmap, in a vector file too."""


def draw_panel(axes: Any, picture: Picture, panel: Panel) -> Any:
    """Draw a panel.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    picture : Picture
        All that is drawn.
    panel : Panel
        What is drawn here.

    Returns
    -------
    matplotlib.cm.ScalarMappable or None
        What a colour bar explains.
    """
    form = picture.choice.form
    if form is Form.HEATMAP:
        return _draw_cells(axes, picture, panel)
    if form is Form.SCATTER:
        return _draw_scatter(axes, picture, panel)
    for part in panel.points:
        _draw_strip(axes, picture, part)
    draw = {Form.LINES: _draw_line, Form.HISTOGRAM: _draw_steps, Form.BARS: _draw_bars}
    for part in panel.parts:
        draw.get(form, _draw_middle)(axes, picture, part)
    return None


def _style(picture: Picture, part: Part) -> dict[str, Any]:
    """Return colour, dashes and mark; without styles these tell colours that come again."""
    named = picture.color is not None and picture.color.kind is not Kind.NUMBER
    style = part.color // len(CATEGORIES) if named and picture.style is None else part.style
    return {
        "color": color_of(picture.color, part.color),
        "linestyle": _DASHES[style % len(_DASHES)],
        "marker": _MARKS[style % len(_MARKS)],
    }


def color_handle(picture: Picture, level: int) -> Any:
    """Make what stands for a level of the colour in the legend."""
    from matplotlib.patches import Patch

    if picture.choice.form is Form.BARS:
        return Patch(color=color_of(picture.color, level))
    return _handle(picture, _style(picture, _nothing(level, 0)))


def style_handle(picture: Picture, level: int) -> Any:
    """Make what stands for a level of the style in the legend."""
    return _handle(picture, _style(picture, _nothing(0, level)) | {"color": "0.4"})


def _nothing(color: int, style: int) -> Part:
    return Part(color, style, np.empty(0), np.empty(0))


def _handle(picture: Picture, style: dict[str, Any]) -> Any:
    from matplotlib.lines import Line2D

    form = picture.choice.form
    if form is Form.HISTOGRAM or (form is Form.LINES and not _is_marked(picture)):
        style["marker"] = ""
    if form in (Form.STRIPS, Form.SCATTER):
        style["linestyle"] = ""
    return Line2D([], [], markersize=4, **style)


def _lines_of_a_color(picture: Picture) -> float:
    told = [column for column in (picture.color, picture.style) if column is not None]
    levels = max(1, math.prod(len(column.levels) for column in told))
    return max(len(panel.parts) for panel in picture.panels) / levels


def _is_marked(picture: Picture) -> bool:
    """Tell whether lines have a mark at each point."""
    longest = max(len(part.x) for panel in picture.panels for part in panel.parts)
    return longest <= _MARKED and _lines_of_a_color(picture) <= 1


def _draw_line(axes: Any, picture: Picture, part: Part) -> None:
    style = _style(picture, part)
    if not _is_marked(picture):
        style["marker"] = ""
    if (n_lines := _lines_of_a_color(picture)) > 1:  # which are not told apart
        style |= {"linewidth": 0.8, "alpha": max(0.15, min(0.7, 8 / n_lines))}
    axes.plot(part.x, part.y, markersize=3.5, **{"linewidth": 1.5, **style})
    if part.low is not None:
        axes.fill_between(part.x, part.low, part.high, color=style["color"], alpha=0.2, linewidth=0)


def _slots(picture: Picture, part: Part) -> tuple[Floats, float]:
    """Return where the bars or strips of one colour stand, and how wide they are."""
    n = len(picture.color.levels) if picture.color else 1
    width = _FULL / n
    return part.x + (part.color if n > 1 else 0) * width - 0.5 * (_FULL - width), width


def _whiskers(part: Part) -> Any:
    if part.low is None or part.high is None:
        return None
    return np.nan_to_num(np.array([part.y - part.low, part.high - part.y]))


def _draw_bars(axes: Any, picture: Picture, part: Part) -> None:
    places, width = _slots(picture, part)
    color = _style(picture, part)["color"]
    axes.bar(places, part.y, 0.92 * width, color=color)
    if (whiskers := _whiskers(part)) is not None:
        axes.errorbar(places, part.y, whiskers, fmt="none", ecolor="0.25", capsize=2)


def _draw_strip(axes: Any, picture: Picture, part: Part) -> None:
    places, width = _slots(picture, part)
    jitter = (np.arange(len(places)) * _GOLDEN) % 1.0 - 0.5
    axes.plot(
        places + 0.6 * width * jitter,
        part.y,
        linestyle="",
        marker=_style(picture, part)["marker"],
        color=_style(picture, part)["color"],
        markersize=3,
        markeredgewidth=0,
        alpha=_alpha(len(places)),
        rasterized=len(places) > _VECTORS,
    )


def _draw_middle(axes: Any, picture: Picture, part: Part) -> None:
    """Draw the mean over a strip."""
    places, width = _slots(picture, part)
    axes.errorbar(places, part.y, _whiskers(part), fmt="none", ecolor="0.15", capsize=2, zorder=4)
    half = 0.35 * width
    axes.hlines(part.y, places - half, places + half, color="0.15", linewidth=1.8, zorder=4)


def _draw_steps(axes: Any, picture: Picture, part: Part) -> None:
    color = _style(picture, part)["color"]
    axes.stairs(part.y, part.x, color=color, linewidth=1.4)
    axes.stairs(part.y, part.x, color=color, alpha=0.25, fill=True)


def _draw_scatter(axes: Any, picture: Picture, panel: Panel) -> Any:
    shown = None
    for part in panel.parts:
        options: dict[str, Any] = {
            "s": 14 if len(part.x) < 1000 else 7,
            "linewidths": 0,
            "alpha": _alpha(len(part.x)),
            "rasterized": len(part.x) > _VECTORS,
        }
        if part.shade is not None and picture.color is not None:
            norm, colors = color_scale(picture.color)
            shown = axes.scatter(part.x, part.y, c=part.shade, norm=norm, cmap=colors, **options)
        else:
            style = _style(picture, part)
            options |= {"color": style["color"], "marker": style["marker"]}
            axes.scatter(part.x, part.y, **options)
    return shown


def _alpha(n: int) -> float:
    """Return how opaque each of many points is."""
    return float(np.clip(30 / np.sqrt(max(1, n)), 0.15, 0.8))


def _draw_cells(axes: Any, picture: Picture, panel: Panel) -> Any:
    norm, colors = scale_of(picture.values())
    across = _edges(picture, picture.choice.x, log=picture.x.log)
    up = _edges(picture, picture.choice.up, log=picture.up.log)
    axes.set_facecolor("0.88")
    assert panel.grid is not None
    return axes.pcolormesh(
        across, up, np.ma.masked_invalid(panel.grid), norm=norm, cmap=colors, rasterized=True
    )


def _edges(picture: Picture, name: str, *, log: bool) -> Floats:
    """Return the edges of cells, half-way between the values as the axis has them."""
    places = picture.places(name)
    if log:
        return np.asarray(np.exp(_middles(np.log(places))))
    return _middles(places)


def _middles(places: Floats) -> Floats:
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middles = (places[1:] + places[:-1]) / 2
    first, last = 2 * places[0] - middles[0], 2 * places[-1] - middles[-1]
    return np.concatenate([[first], middles, [last]])
