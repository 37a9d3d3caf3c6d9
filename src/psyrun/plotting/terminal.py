"""Drawing a picture as text: lines and points by plotext, the rest as a table with bars."""

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from psyrun.extras import require
from psyrun.plotting.columns import show_number
from psyrun.plotting.description import Form
from psyrun.plotting.groups import Floats
from psyrun.plotting.palette import color_of, scale_of
from psyrun.plotting.picture import Axis, Panel, Part, Picture
from psyrun.plotting.textual import Line, bars, cells, cut

if TYPE_CHECKING:
    from rich.text import Text

_HEIGHT = 18
_SMALL = 12
"""Lines of a panel, if it is the only one and if not."""
_TICKS = 6
_MARKS = "o+x*#@%=&$"
_ASCII = str.maketrans("┌┐└┘─│┤├┬┴┼▁▂▃▄▅▆▇█●╶╴·…", "++++-|||--+12345678o--..")


def draw_text(
    picture: Picture, caption: str, width: int, *, colors: bool, ascii_only: bool
) -> "Text":
    """Draw a picture as text.

    Parameters
    ----------
    picture, caption : Picture, str
        What to draw, and what to write below.
    width : int
        Characters in a line.
    colors : bool
        Whether colours tell lines apart; by different characters if not.
    ascii_only : bool
        Whether nothing but ASCII characters can be shown.

    Returns
    -------
    rich.text.Text
    """
    from rich.text import Text

    fancy = not ascii_only
    draw = _DRAWERS.get(picture.choice.form, _draw_plot)
    text = Text()
    for panel in picture.panels:
        if panel.facet:
            text.append(f"{picture.title(panel)}\n", style="bold")
        text.append_text(draw(picture, panel, width, colors, fancy))
    if picture.choice.form in (Form.LINES, Form.SCATTER):
        text.append_text(_legend(picture, width, colors, fancy))
    for part in textwrap.wrap(caption, width):
        text.append(f"{part}\n", style="dim")
    lines = text.split("\n")
    for line in lines:
        line.rstrip()
    text = Text("\n").join(line for line in lines if line.plain)
    if ascii_only:
        text = Text(text.plain.translate(_ASCII).encode("ascii", "replace").decode())
    return text


# --- Lines and points ---------------------------------------------------------------------------


def _draw_plot(picture: Picture, panel: Panel, width: int, colors: bool, fancy: bool) -> "Text":
    from rich.text import Text

    figure = require("plotext", "plot", "A picture in the terminal").figure
    figure.clear()
    figure.plot_size(width, _HEIGHT if len(picture.panels) == 1 else _SMALL)
    figure.theme("colorless")
    for part in panel.parts:
        marker = _marker(picture, _look(picture, part), colors, fancy)
        x, y = _along(picture.x, part.x), _along(picture.up, part.y)
        signal = figure.signal(x.tolist(), y.tolist(), marker=marker)
        figure.draw(signal.lines() if picture.choice.form is Form.LINES else signal)
    _scale(figure.ruler("x"), picture.x, *_reach(picture, lambda part: part.x))
    _scale(figure.ruler("y"), picture.up, *_reach(picture, lambda part: part.y))
    figure.label(picture.x.label, axis="x")
    drawn = figure.build().string(colorless=not colors)
    return Text(f"{picture.up.label}\n").append_text(Text.from_ansi(drawn)).append("\n")


def _look(picture: Picture, part: Part) -> tuple[int, int]:
    return part.color, part.style


def _symbol(picture: Picture, look: tuple[int, int], colors: bool) -> str:
    """Return the character for a level of the colour and one of the style."""
    color, style = look
    if colors:
        return _MARKS[style % len(_MARKS)]
    n_styles = len(picture.style.levels) if picture.style else 1
    return _MARKS[(color * n_styles + style) % len(_MARKS)]


def _marker(picture: Picture, look: tuple[int, int], colors: bool, fancy: bool) -> Any:
    """Return what draws a line or a point."""
    plotext = require("plotext", "plot", "A picture in the terminal")
    told = [column for column in (picture.color, picture.style) if column is not None]
    symbol = _symbol(picture, look, colors)
    if fancy and picture.style is None and (colors or not any(c.varies for c in told)):
        points = picture.choice.form is Form.SCATTER and colors
        symbol = "●" if points else "braille"
    if not colors or picture.color is None:
        return plotext.marker(symbol)
    return plotext.marker(symbol, pixel=_rgb(color_of(picture.color, look[0])))


def _rgb(color: Any) -> tuple[int, int, int]:
    from matplotlib.colors import to_rgb

    red, green, blue = (round(255 * part) for part in to_rgb(color))
    return red, green, blue


def _reach(picture: Picture, of: Callable[[Any], Floats]) -> tuple[float, float]:
    values = np.concatenate([of(part) for panel in picture.panels for part in panel.parts])
    return float(np.nanmin(values)), float(np.nanmax(values))


def _along(how: Axis, values: Floats) -> Floats:
    """Return where values are along an axis; plotext's own logarithmic scale goes astray."""
    return np.log10(values) if how.log else values


def _scale(ruler: Any, how: Axis, low: float, high: float) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator

    if low == high:
        low, high = (low / 2, high * 2) if how.log else (low - 0.5, high + 0.5)
    ends = np.array([low, high])
    if how.ticks is not None and how.names is not None:
        ticks, names = how.ticks, how.names
    else:
        linear = MaxNLocator(_TICKS, integer=how.whole, steps=[1, 2, 2.5, 5, 10])
        ticks = np.asarray((LogLocator() if how.log else linear).tick_values(low, high))
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        ticks = ticks if len(ticks) > 1 else ends
        names = [show_number(tick, 4) for tick in ticks]
    ruler.lim(*_along(how, ends).tolist())
    ruler.ticks(_along(how, ticks).tolist(), names)


def _legend(picture: Picture, width: int, colors: bool, fancy: bool) -> "Text":
    """Say which mark or colour is which level."""
    from rich.text import Text

    told = [column for column in (picture.color, picture.style) if column is not None]
    if picture.is_shaded:
        return Text(f"{told[0].label} is told by colour, in a file\n")
    if not told:
        return Text()
    text = Text(f"{', '.join(column.label for column in told)}:")
    room = width - len(text)
    for look in sorted({_look(picture, part) for part in picture.parts()}):
        levels = look if len(told) == 2 else look[:1] if picture.color else look[1:]
        names = [column.level_names()[level] for column, level in zip(told, levels, strict=True)]
        name = ", ".join(map(cut, names))
        mark = "●" if colors and fancy and picture.style is None else _symbol(picture, look, colors)
        style = "rgb({},{},{})".format(*_rgb(color_of(picture.color, look[0]))) if colors else ""
        if len(name) + 4 > room:
            text.append("\n")
            room = width
        room -= len(name) + 4
        text.append(f"  {mark} ", style=style).append(name)
    return text.append("\n")


# --- Bars and cells ------------------------------------------------------------------------------


def _draw_bars(picture: Picture, panel: Panel, width: int, colors: bool, fancy: bool) -> "Text":
    lines = []
    x = picture.table[picture.choice.x]
    names = x.level_names()
    shades = picture.color.level_names() if picture.color else [""]
    for part in panel.parts:
        style = "rgb({},{},{})".format(*_rgb(color_of(picture.color, part.color)))
        for i, place in enumerate(part.x.astype(int).tolist()):
            low = float(part.y[i] if part.low is None else part.low[i])
            high = float(part.y[i] if part.high is None else part.high[i])
            line = Line((names[place], shades[part.color]), float(part.y[i]), low, high, style)
            lines.append((place, line))
    heads = [x.label, picture.color.label if picture.color else "", picture.up.label]
    lines.sort(key=lambda placed: placed[0])
    filled = picture.choice.form is Form.BARS
    return bars(heads, [line for _, line in lines], width, filled=filled, colors=colors)


def _draw_histogram(
    picture: Picture, panel: Panel, width: int, colors: bool, fancy: bool
) -> "Text":
    lines = []
    shades = picture.color.level_names() if picture.color else [""]
    for part in panel.parts:
        style = "rgb({},{},{})".format(*_rgb(color_of(picture.color, part.color)))
        edges = part.x
        whole = np.all(np.diff(edges) == 1) and edges[0] % 1 == 0.5
        for low, high, n in zip(edges[:-1], edges[1:], part.y, strict=True):
            ends = [show_number(end, 4) for end in ((low + 0.5,) if whole else (low, high))]
            lines.append(Line((" to ".join(ends), shades[part.color]), n, n, n, style))
    heads = [picture.x.label, picture.color.label if picture.color else "", "rows"]
    return bars(heads, lines, width, filled=True, colors=colors)


def _draw_cells(picture: Picture, panel: Panel, width: int, colors: bool, fancy: bool) -> "Text":
    assert panel.grid is not None
    norm, scale = scale_of(picture.values())

    def style(value: float) -> str:
        return "on rgb({},{},{})".format(*_rgb(scale(norm(value))))

    x, up = picture.table[picture.choice.x], picture.table[picture.choice.up]
    return cells(
        panel.grid,
        (x.label, x.level_names()),
        (up.label, up.level_names()),
        picture.table[picture.choice.y].label,
        width,
        share=lambda value: float(norm(value)),
        style=style if colors else None,
    )


_DRAWERS = {
    Form.BARS: _draw_bars,
    Form.STRIPS: _draw_bars,
    Form.HISTOGRAM: _draw_histogram,
    Form.HEATMAP: _draw_cells,
}
