"""Drawing a picture with matplotlib: panels, axes, legend, caption."""

import textwrap
from typing import Any

import numpy as np

from psyrun.plotting.description import Form
from psyrun.plotting.marks import color_handle, draw_panel, style_handle
from psyrun.plotting.palette import color_scale
from psyrun.plotting.picture import Axis, Panel, Picture, is_scale

_SINGLE = (6.4, 4.0)
_SMALL = (2.9, 2.4)
_ROW = 3.2
"""The height of panels, if all are in one row."""
_WIDEST = 12.0
_MARGIN = 0.09
"""Around everything, in inches as all sizes."""
_CAPTION = 8.0
"""Size of the caption, in points."""
_LONGEST = 24
"""Characters of a name that are shown."""


def draw_figure(picture: Picture, caption: str, *, interactive: bool) -> Any:
    """Draw a picture in a figure of its own.

    Parameters
    ----------
    picture : Picture
        What to draw.
    caption : str
        What to write below.
    interactive : bool
        Whether matplotlib's pyplot is to know of the figure, so that it can be shown.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (rows, columns)
        The axes; those without a panel are not visible.
    """
    n_rows, n_columns, places = _grid(picture)
    width, height = _SINGLE if len(picture.panels) == 1 else _SMALL
    height = max(height, _ROW) if n_rows == 1 else height
    width = min(_WIDEST, max(_SINGLE[0], width * n_columns + 1.2))
    lines = _wrap(caption, width)
    below = (len(lines) * 1.35 * _CAPTION + 8) / 72
    height = height * n_rows + below + _room_for_names(picture.x, n_columns)
    figure = _new_figure((width, height), interactive=interactive)
    figure.get_layout_engine().set(
        rect=(0, below / height, 1, 1 - below / height), w_pad=_MARGIN, h_pad=_MARGIN
    )
    figure.text(
        0.012, 4 / 72 / height, "\n".join(lines), fontsize=_CAPTION, color="0.35", linespacing=1.3
    )
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    shown = None
    for panel, (row, column) in zip(picture.panels, places, strict=True):
        shown = draw_panel(axes[row, column], picture, panel) or shown
        axes[row, column].set_title(_title(picture, panel), fontsize="medium")
    _dress(picture, axes, places)
    visible = [axes[place] for place in places]
    if shown is not None or (picture.color is not None and is_scale(picture.color)):
        _color_bar(figure, picture, shown, visible)
    if legend := _legend(picture):
        figure.legend(**legend, loc="outside right upper")
    return axes


def draw_into(axes: Any, picture: Picture, caption: str) -> None:
    """Draw a picture of one panel into axes that are there; the caption becomes their title."""
    shown = draw_panel(axes, picture, picture.panels[0])
    _dress(picture, np.array([[axes]]), [(0, 0)])
    width = axes.get_position().width * axes.figure.get_figwidth()
    axes.set_title("\n".join(_wrap(caption, width)), fontsize=_CAPTION, color="0.35", loc="left")
    if shown is not None or (picture.color is not None and is_scale(picture.color)):
        _color_bar(axes.figure, picture, shown, [axes])
    if legend := _legend(picture):
        axes.legend(**legend, loc="upper left", bbox_to_anchor=(1.01, 1))


def _new_figure(size: tuple[float, float], *, interactive: bool) -> Any:
    if interactive:
        from matplotlib import pyplot

        return pyplot.figure(figsize=size, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _grid(picture: Picture) -> tuple[int, int, list[tuple[int, int]]]:
    """Say how many rows and columns of panels there are, and where each panel is."""
    facets = [panel.facet for panel in picture.panels]
    if len(picture.choice.facet) == 2:
        rows, columns = (sorted({facet[i] for facet in facets}) for i in range(2))
        places = [(rows.index(row), columns.index(column)) for row, column in facets]
        return len(rows), len(columns), places
    n = len(facets)
    n_columns = n if n <= 3 else 2 if n == 4 else 3 if n <= 9 else 4
    return -(-n // n_columns), n_columns, [divmod(i, n_columns) for i in range(n)]


def _title(picture: Picture, panel: Panel) -> str:
    return "\n".join(textwrap.wrap(picture.title(panel), 30)).replace("$", r"\$")


def _dress(picture: Picture, axes: Any, places: list[tuple[int, int]]) -> None:
    """Scale and label the axes; those where there is no panel are hidden."""
    for place in np.ndindex(axes.shape):
        if place not in places:
            axes[place].set_visible(False)
    for place in places:
        panel = axes[place]
        lowest = (place[0] + 1, place[1]) not in places
        _scale(panel.xaxis, picture.x)
        _scale(panel.yaxis, picture.up)
        if lowest:
            panel.set_xlabel(picture.x.label)
            panel.tick_params(labelbottom=True)
            _turn_names(panel, picture.x, n_columns=axes.shape[1])
        if place[1] == 0:
            panel.set_ylabel(picture.up.label)
        if picture.choice.form is not Form.HEATMAP:
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(axis="y", color="0.9", linewidth=0.6)
            panel.set_axisbelow(True)
        if picture.choice.form in (Form.BARS, Form.HISTOGRAM) and not picture.up.log:
            panel.set_ylim(bottom=0 if np.nanmin(picture.values()) >= 0 else None)


def _scale(axis: Any, how: Axis) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    if how.log:
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    elif how.whole:
        axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    if how.ticks is not None and how.names is not None:
        axis.set_ticks(how.ticks, [_short(name) for name in how.names])
        axis.set_minor_locator(NullLocator())


def _room_for_names(how: Axis, n_columns: int) -> float:
    """Return how many inches names below an axis need because they have to be turned, else 0."""
    if how.names is None:
        return 0.0
    longest = max(len(_short(name)) for name in how.names)
    room = (72 if n_columns == 1 else 36) / len(how.names)
    return 0.0 if longest + 1 <= room else 0.05 * longest


def _turn_names(panel: Any, how: Axis, n_columns: int) -> None:
    """Turn names along the axis if they would run into each other."""
    if _room_for_names(how, n_columns):
        for text in panel.get_xticklabels():
            text.set(rotation=35, ha="right", rotation_mode="anchor")


def _legend(picture: Picture) -> dict[str, Any] | None:
    """Explain colours, unless a colour bar does, and styles; None if there are none."""
    from matplotlib.lines import Line2D

    entries: list[tuple[Any, str]] = []
    color, style = picture.color, picture.style
    title = ""
    if color is not None and not is_scale(color):
        names = color.level_names()
        used = sorted({part.color for part in picture.parts()})
        entries += [(color_handle(picture, level), _short(names[level])) for level in used]
        title = color.label
    if style is not None:
        names = style.level_names()
        used = sorted({part.style for part in picture.parts()})
        if title:
            entries.append((Line2D([], [], linestyle=""), style.label))
        entries += [(style_handle(picture, level), _short(names[level])) for level in used]
        title = title or style.label
    return (
        {
            "handles": [handle for handle, _ in entries],
            "labels": [name for _, name in entries],
            "title": title,
            "frameon": False,
            "fontsize": "small",
            "title_fontsize": "small",
            "alignment": "left",
        }
        if entries
        else None
    )


def _color_bar(figure: Any, picture: Picture, shown: Any, axes: list[Any]) -> None:
    from matplotlib.cm import ScalarMappable

    if picture.color is not None:
        label = picture.color.label
        shown = shown or ScalarMappable(*color_scale(picture.color))
    else:
        label = picture.table[picture.choice.y].label
    bar = figure.colorbar(shown, ax=axes, label=label)
    bar.solids.set_alpha(1)
    bar.outline.set_visible(False)


def _wrap(text: str, width: float) -> list[str]:
    """Break a text into lines that are so many inches wide."""
    return textwrap.wrap(text, max(24, int(width * 72 / (0.52 * _CAPTION)))) or [""]


def _short(name: str) -> str:
    """Cut what is too long to stand at a tick or in a legend."""
    name = name.replace("\n", " ").replace("$", r"\$")
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
