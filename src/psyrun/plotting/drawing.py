"""From a result to a picture of it: in a figure, in a file, in a terminal."""

from collections.abc import Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

from psyrun.exceptions import UsageError
from psyrun.extras import require
from psyrun.files import write_whole
from psyrun.plotting.caption import tell_left_out, tell_state, tell_statistics
from psyrun.plotting.choice import Choice, Form, choose
from psyrun.plotting.columns import Column, Kind, Table, make_column, unknown_column
from psyrun.plotting.curves import unroll
from psyrun.plotting.groups import Spread
from psyrun.plotting.picture import Picture, compose
from psyrun.results import Result, load

FORMATS = (".png", ".svg", ".pdf")

_DPI = 120
_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"pil_kwargs": {"optimize": True}},
    ".svg": {"metadata": {"Date": None}},  # not when it was drawn, to be reproducible
    ".pdf": {"metadata": {"CreationDate": None}},
}


def plot(
    result: Result | str | PathLike[str],
    y: str,
    x: str | tuple[str, str] | None = None,
    color: str | None = None,
    facet: str | Sequence[str] | None = None,
    ax: Any = None,
    *,
    form: str | None = None,
    spread: str = "sem",
) -> Any:
    """Draw an output against parameters.

    What is not said is chosen: one numeric parameter makes lines, two make a heat map, categories
    make strips of points, or bars. Further parameters get colours and panels of their own, as far
    as these can be told apart. Over the rest, such as repeated trials, the rows are averaged, and
    the caption says so.

    Parameters
    ----------
    result : Result or path-like
        What to draw, or what `psyrun.load` takes.
    y : str
        Output to draw: numbers, or an array in each row, which makes a curve.
    x : str or (str, str), optional
        Parameter or output along the horizontal axis; two parameters make a heat map. If *y* holds
        arrays, an output with arrays of the same lengths (by default their index).
    color : str, optional
        Parameter or output to tell by colour.
    facet : str or (str, str), optional
        Parameter with a panel for each value, or two, for rows and columns of panels.
    ax : matplotlib.axes.Axes, optional
        Where to draw, in one panel. By default a figure is made.
    form : {'lines', 'heatmap', 'strips', 'bars', 'scatter', 'histogram'}, optional
        What to draw, if not what suits the columns.
    spread : {'sem', 'sd', 'quartiles', 'range', 'each'}, optional
        What is shown of rows that are not told apart: their mean with its standard error, or with
        the standard deviation; their median with quartiles, or with the range; or each of them as
        a thin line.

    Returns
    -------
    matplotlib.axes.Axes, or ndarray of them of shape (rows, columns)
        The axes; an array if there are several panels.

    Raises
    ------
    UsageError
        If a column is unknown, holds something that cannot be drawn, or has no completed rows.
    MissingExtraError
        If matplotlib is not installed.
    """
    require("matplotlib", "plot", "A picture")
    from psyrun.plotting.figure import draw_figure, draw_into

    result = result if isinstance(result, Result) else load(result)
    facets = (facet,) if isinstance(facet, str) else tuple(facet or ())
    picture, caption = describe(result, y, x, color, facets, form, spread, panels=ax is None)
    if ax is not None and len(picture.panels) > 1:
        raise UsageError(f"{len(picture.panels)} panels do not fit into given axes; leave out ax.")
    if ax is not None:
        draw_into(ax, picture, caption)
        return ax
    axes = draw_figure(picture, caption, interactive=True)
    return axes[0, 0] if axes.size == 1 else axes


def describe(
    result: Result,
    y: str,
    x: str | tuple[str, str] | None = None,
    color: str | None = None,
    facet: Sequence[str] = (),
    form: str | None = None,
    spread: str = "sem",
    *,
    panels: bool = True,
    bands: bool = True,
) -> tuple[Picture, str]:
    """Choose a picture, and compute what is drawn and what is written below.

    Parameters are those of `plot`, whether to make panels that are not asked for, and whether
    bands can be drawn.
    """
    wanted_form = _member(Form, form, "form") if form is not None else None
    statistics = _member(Spread, spread, "spread")
    if not len(result):
        raise UsageError(f"No row of {result.name!r} is completed; there is nothing to draw.")
    chosen = x if isinstance(x, tuple) else (x,)
    named = [name for name in (*chosen, color, *facet) if name is not None]
    table = _table(result, y, named)
    traces: tuple[str, ...] = ()
    if table[y].kind is Kind.CURVE:
        if isinstance(x, tuple) or wanted_form not in (None, Form.LINES):
            raise UsageError(f"{y!r} holds arrays, which are drawn as lines over one axis.")
        table, x, traces = unroll(table, y, x)
    choice = choose(table, y, x, color, facet, wanted_form, panels=panels, traces=traces)
    picture = compose(table, choice, statistics)
    return picture, _caption(result, picture, statistics, bands=bands)


def _member(kind: Any, name: str, what: str) -> Any:
    try:
        return kind(name)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise UsageError(f"There is no {what} {name!r}; there are {known}.") from None


def _table(result: Result, y: str, named: Sequence[str]) -> Table:
    """Take the parameters and what is to be drawn; other outputs need not be read."""
    for name in (y, *named):
        if name not in result:
            raise unknown_column(name, list(result))
    # A file does not tell what its columns are: any may be parameters.
    wanted = list(result) if result.space is None else [*result.params, y, *named]
    columns = {name: make_column(name, result[name], result.units.get(name, "")) for name in wanted}
    params = set(result.params)
    if result.space is None:
        params = {name for name in columns if name in named or _repeats(columns[name])} - {y}
    return Table(
        [column for name, column in columns.items() if name in params],
        [column for name, column in columns.items() if name not in params],
    )


def _repeats(column: Column) -> bool:
    """Tell whether values of a column recur, as those of a parameter of a grid do."""
    single = column.kind in (Kind.NUMBER, Kind.CATEGORY)
    return single and len(column.levels) <= len(column) // 2


def _caption(result: Result, picture: Picture, spread: Spread, *, bands: bool) -> str:
    choice: Choice = picture.choice
    told = [tell_statistics(choice, spread, several=picture.several, bands=bands)]
    told += tell_left_out(picture.without_place, choice.shown, "no value of")
    told += tell_left_out(picture.without_value, [choice.y], "no number in")
    told += tell_state(len(result.scope), len(result.failed), len(result.pending))
    told = [part for part in told if part]
    return f"{result.name}: {'; '.join(told)}" if told else result.name


def save(picture: Picture, caption: str, path: Path) -> None:
    """Draw a picture into a file whose extension decides on the format.

    The same picture makes the same bytes with the same version of matplotlib.

    Parameters
    ----------
    picture, caption : Picture, str
        What to draw, and what to write below.
    path : Path
        The file, which is replaced.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    extension = path.suffix.lower()
    if extension not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"Pictures are not written as {path.name!r}; choose one of {known}.")
    matplotlib = require("matplotlib", "plot", "A picture")
    from psyrun.plotting.figure import draw_figure

    content = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "psyrun"}):
        axes = draw_figure(picture, caption, interactive=False)
        axes.flat[0].figure.savefig(content, format=extension[1:], dpi=_DPI, **_OPTIONS[extension])
    write_whole(path, content.getvalue())
