"""What is drawn where: a choice and a table turned into numbers, whatever draws them."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from psyrun.exceptions import UsageError
from psyrun.plotting.columns import Column, Kind, Table
from psyrun.plotting.description import Choice, Form
from psyrun.plotting.groups import Floats

FEW = 8
"""A scale of colours with so few values has a legend."""


class Part(NamedTuple):
    """What looks the same in a panel.

    Parameters
    ----------
    color, style : int
        Places among the levels of the colour and of the style.
    x, y : ndarray of float
        Places.
    low, high : ndarray of float, optional
        The band around *y*.
    shade : ndarray of float, optional
        Numbers to be told by a colour of their own each, instead of *color*.
    """

    color: int
    style: int
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
    def style(self) -> Column | None:
        """The column that is told by the style of lines or points."""
        return self.table[self.choice.style] if self.choice.style else None

    def with_log(self, axes: str) -> "Picture":
        """Make these axes logarithmic, and no others: 'x', 'y', 'xy' or 'none'.

        Raises
        ------
        UsageError
            If there is something that has no logarithm.
        """
        if self.choice.form is Form.HEATMAP:
            along = self.places(self.choice.x), self.places(self.choice.up)
        else:
            parts = self.parts()
            along = np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])
        for axis, name, values in zip((self.x, self.up), "xy", along, strict=True):
            if name in axes and values.min() <= 0:
                raise UsageError(
                    f"{axis.label!r} cannot be drawn on a logarithmic axis, for some values are "
                    f"not above 0."
                )
        x, up = (axis._replace(log=name in axes) for axis, name in ((self.x, "x"), (self.up, "y")))
        return replace(self, x=x, up=up)

    def parts(self) -> list[Part]:
        """Return all that is drawn but cells."""
        return [part for panel in self.panels for part in (*panel.points, *panel.parts)]

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


def is_scale(column: Column) -> bool:
    """Tell whether the colours of a column are a scale: of many numbers."""
    return column.kind is Kind.NUMBER and len(column.levels) > FEW
