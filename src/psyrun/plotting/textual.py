"""Bars and heat maps made of characters."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from psyrun.plotting.columns import show_number
from psyrun.plotting.groups import Floats

if TYPE_CHECKING:
    from rich.text import Text

_STEPS = "▁▂▃▄▅▆▇█"
_LONGEST = 20
_WIDEST_CELL = 6
_MOST_ROWS = 24
_NARROWEST = 8
"""Characters of the longest bar, at least."""


class Line(NamedTuple):
    """One bar.

    Parameters
    ----------
    names : tuple of str
        What it is of; equal first names of lines that follow each other are written once.
    value, low, high : float
        How long it is, and the ends of its whisker.
    style : str
        Its colour.
    """

    names: tuple[str, ...]
    value: float
    low: float
    high: float
    style: str


def bars(
    heads: Sequence[str], lines: Sequence[Line], width: int, *, filled: bool, colors: bool
) -> "Text":
    """Draw bars, or dots with whiskers.

    Parameters
    ----------
    heads : sequence of str
        What the names and the values are; the last one is of the values.
    lines : sequence of Line
        The bars.
    width : int
        Characters in a line.
    filled : bool
        Whether to draw bars from zero, if nothing is below it.
    colors : bool
        Whether to use the styles.

    Returns
    -------
    rich.text.Text
    """
    from rich.text import Text

    columns = [
        [head, *(cut(line.names[i]) for line in lines)]
        for i, head in enumerate(heads[:-1])
        if head or any(line.names[i] for line in lines)
    ]
    values = [heads[-1], *(show_number(line.value, 4) for line in lines)]
    sizes = [max(map(len, column)) for column in (*columns, values)]
    room = max(_NARROWEST, width - sum(sizes) - 2 * len(sizes) - 1)
    filled = filled and all(line.value >= 0 for line in lines)
    low = 0.0 if filled else min(line.low if line.low == line.low else line.value for line in lines)
    high = max(line.high if line.high == line.high else line.value for line in lines)
    head = [column[0].ljust(size) for column, size in zip((*columns, values), sizes, strict=True)]
    text = Text("  ".join(head).rstrip() + "\n")
    former = ""
    for i, line in enumerate(lines, start=1):
        names = [column[i] for column in columns]
        if len(names) > 1 and names[0] == former:
            names[0] = ""
        else:
            former = names[0]
        for name, size in zip(names, sizes, strict=False):
            text.append(name.ljust(size) + "  ")
        text.append(values[i].rjust(sizes[-1]) + "  ")
        drawn = _filled(line, high, room) if filled else _dotted(line, low, high, room)
        text.append(drawn.rstrip(), style=line.style if colors else "")
        text.rstrip()
        text.append("\n")
    return text


def _filled(line: Line, high: float, room: int) -> str:
    return "█" * round(room * line.value / high) if high > 0 else ""


def _dotted(line: Line, low: float, high: float, room: int) -> str:
    def place(value: float) -> int:
        return round((room - 1) * (value - low) / (high - low)) if high > low else 0

    marks = [" "] * room
    if line.high > line.low:
        begin, end = place(line.low), place(line.high)
        marks[begin : end + 1] = "─" * (end + 1 - begin)
    marks[place(line.value)] = "●"
    return "".join(marks)


def cells(
    grid: Floats,
    across: tuple[str, list[str]],
    up: tuple[str, list[str]],
    label: str,
    width: int,
    share: Callable[[float], float],
    style: Callable[[float], str] | None,
) -> "Text":
    """Draw a heat map.

    Parameters
    ----------
    grid : ndarray of float, shape (up, across)
        Values, NaN where there is none.
    across, up : (str, list of str)
        Labels of the axes, and the names of their values.
    label : str
        What the values are.
    width : int
        Characters in a line.
    share : callable
        Tells where a value is on the scale, from 0 to 1.
    style : callable, optional
        Tells the colour of a value; without it, the height of a block does.

    Returns
    -------
    rich.text.Text
    """
    from rich.text import Text

    names = [cut(name) for name in up[1]]
    margin = max(map(len, names)) + 2
    grid, names, many_up = _thin(grid, names, _MOST_ROWS)
    columns, across_names, many_across = _thin(grid.T, across[1], width - margin)
    grid = columns.T
    size = max(1, min(_WIDEST_CELL, (width - margin) // grid.shape[1]))
    text = Text(f"{up[0]}\n")
    for name, row in zip(reversed(names), grid[::-1], strict=True):
        text.append(name.rjust(margin - 2) + "  ")
        for value in row:
            _append_cell(text, value, size, share, style)
        text.append("\n")
    text.append(" " * margin + _ends(across_names, size * grid.shape[1]) + "\n")
    text.append(" " * margin + across[0].center(size * grid.shape[1]).rstrip() + "\n")
    text.append(f"{label}: ")
    low, high = float(np.nanmin(grid)), float(np.nanmax(grid))
    text.append(f"{show_number(low, 4)} ")
    for value in np.linspace(0, 1, 8):
        _append_cell(
            text, value, 1, lambda part: part, None if style is None else _between(style, low, high)
        )
    text.append(f" {show_number(high, 4)}")
    if many_up > 1 or many_across > 1:
        text.append(f"; each cell stands for the mean of {many_across} × {many_up}")
    return text.append("\n")


def _between(style: Callable[[float], str], low: float, high: float) -> Callable[[float], str]:
    return lambda part: style(low + part * (high - low))


def _append_cell(
    text: "Text",
    value: float,
    size: int,
    share: Callable[[float], float],
    style: Callable[[float], str] | None,
) -> None:
    if value != value:
        text.append("·".center(size))
    elif style is not None:
        text.append(" " * size, style=style(value))
    else:
        step = int(np.clip(share(value) * len(_STEPS), 0, len(_STEPS) - 1))
        text.append(_STEPS[step] * size)


def _thin(grid: Floats, names: list[str], most: int) -> tuple[Floats, list[str], int]:
    """Take the means of neighbouring rows so that at most so many are left."""
    together = -(-len(grid) // most)
    if together == 1:
        return grid, names, 1
    starts = range(0, len(grid), together)
    parts = [grid[start : start + together] for start in starts]
    known = [np.isfinite(part).sum(axis=0) for part in parts]
    sums = [np.nansum(part, axis=0) for part in parts]
    means = [
        np.where(n > 0, s / np.maximum(n, 1), np.nan) for s, n in zip(sums, known, strict=True)
    ]
    return np.array(means), [names[start] for start in starts], together


def _ends(names: list[str], width: int) -> str:
    """Write the first and the last name at the ends of a line, and those between if they fit."""
    size = width // len(names)
    if all(len(name) < size for name in names):
        return "".join(name.center(size) for name in names).rstrip()
    first, last = cut(names[0]), cut(names[-1])
    return first + last.rjust(max(len(last) + 1, width - len(first)))


def cut(name: str) -> str:
    """Shorten a name, and put it on one line."""
    name = name.replace("\n", " ")
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
