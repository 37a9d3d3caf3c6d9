"""What is drawn, described: by whom it is asked for, and by the choice of what was not said."""

from dataclasses import dataclass
from enum import Enum


class Form(Enum):
    """What is drawn."""

    LINES = "lines"
    HEATMAP = "heatmap"
    STRIPS = "strips"
    BARS = "bars"
    SCATTER = "scatter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Asked:
    """What somebody wants to see; what is None is to be chosen.

    Parameters
    ----------
    y : str or tuple of str
        Output to show, or several, which have to be put into one column before.
    x : str or (str, str), optional
        Column along the horizontal axis; two parameters make a heat map.
    color, style, facet : str, str, sequence of str, optional
        Columns to tell by colour, by the style of lines or points, and by panels.
    error : str, optional
        Output that is the error of *y*.
    form : Form, optional
        What to draw.
    """

    y: str | tuple[str, ...]
    x: str | tuple[str, str] | None = None
    color: str | None = None
    style: str | None = None
    facet: tuple[str, ...] = ()
    error: str | None = None
    form: Form | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """The columns along the axes that are given."""
        if isinstance(self.x, str):
            return (self.x,)
        return self.x or ()

    @property
    def told_apart(self) -> list[str]:
        """The columns that are told by something else than a place."""
        return [name for name in (self.color, self.style, *self.facet) if name is not None]


@dataclass(frozen=True)
class Choice:
    """A picture, described.

    Parameters
    ----------
    form : Form
        What is drawn.
    x : str
        Column along the horizontal axis; in a histogram the output itself.
    y : str
        Output that is shown.
    up : str
        Column along the vertical axis: the output, or the second parameter of a heat map.
    color, style : str or None
        Columns that are told by colour, and by the style of lines or points.
    facet : tuple of str
        Columns that have panels of their own: one is wrapped, of two the first makes rows.
    error : str or None
        Output that is the error of *y*.
    over : tuple of (str, int)
        Parameters that are not told apart, and how many values each has.
    traces : tuple of str
        Columns whose values have lines of their own, which are not told apart.
    """

    form: Form
    x: str
    y: str
    up: str
    color: str | None = None
    style: str | None = None
    facet: tuple[str, ...] = ()
    error: str | None = None
    over: tuple[tuple[str, int], ...] = ()
    traces: tuple[str, ...] = ()

    @property
    def shown(self) -> list[str]:
        """The columns by which rows are told apart."""
        first = [] if self.form is Form.HISTOGRAM else [self.x]
        second = [self.up] if self.form is Form.HEATMAP else []
        told = [name for name in (self.color, self.style) if name is not None]
        return [*first, *second, *told, *self.facet]
