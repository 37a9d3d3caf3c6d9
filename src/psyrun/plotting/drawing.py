"""From a result to a picture of it: in a figure, in a file, in a terminal."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

from psyrun.exceptions import UsageError
from psyrun.extras import require
from psyrun.files import write_whole
from psyrun.plotting.caption import tell_left_out, tell_state, tell_statistics
from psyrun.plotting.choice import choose
from psyrun.plotting.columns import Column, Kind, Table, make_column, unknown_column
from psyrun.plotting.composing import compose
from psyrun.plotting.curves import OUTPUT, stack, unroll, unroll_matrix
from psyrun.plotting.description import Asked, Choice, Form
from psyrun.plotting.groups import Spread
from psyrun.plotting.picture import Picture
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
    y: str | Sequence[str],
    x: str | Sequence[str] | None = None,
    color: str | None = None,
    facet: str | Sequence[str] | None = None,
    ax: Any = None,
    *,
    style: str | None = None,
    error: str | None = None,
    form: str | None = None,
    spread: str = "sem",
    log: str | None = None,
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
    y : str or sequence of str
        Output to draw: numbers; or an array in each row, which makes a curve; or an array of two
        dimensions, which makes a heat map. Several outputs are told apart like the values of a
        parameter *output*.
    x : str or (str, str), optional
        Parameter or output along the horizontal axis; two parameters make a heat map. If *y* holds
        arrays, an output with arrays of the same lengths (by default their index).
    color : str, optional
        Parameter or output to tell by colour.
    facet : str or (str, str), optional
        Parameter with a panel for each value, or two, for rows and columns of panels.
    ax : matplotlib.axes.Axes, optional
        Where to draw, in one panel. By default a figure is made.
    style : str, optional
        Parameter to tell by the style of lines and points.
    error : str, optional
        Output that is the error of *y*, where rows are not averaged.
    form : {'lines', 'heatmap', 'strips', 'bars', 'scatter', 'histogram'}, optional
        What to draw, if not what suits the columns.
    spread : {'sem', 'std', 'quartiles', 'range', 'each'}, optional
        What is shown of rows that are not told apart: their mean with its standard error, or with
        the standard deviation; their median with quartiles, or with the range; or each of them as
        a thin line.
    log : {'x', 'y', 'xy', 'none'}, optional
        Which axes are logarithmic, if not those for whose values this is best.

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
    asked = ask(y, x, color, facet, style, error, form)
    picture, caption = describe(result, asked, spread, log, panels=ax is None)
    if ax is not None and len(picture.panels) > 1:
        raise UsageError(f"{len(picture.panels)} panels do not fit into given axes; leave out ax.")
    if ax is not None:
        draw_into(ax, picture, caption)
        return ax
    axes = draw_figure(picture, caption, interactive=True)
    return axes[0, 0] if axes.size == 1 else axes


def ask(
    y: str | Sequence[str],
    x: str | Sequence[str] | None = None,
    color: str | None = None,
    facet: str | Sequence[str] | None = None,
    style: str | None = None,
    error: str | None = None,
    form: str | None = None,
) -> Asked:
    """Put together what is to be seen; parameters are those of `plot`."""
    axes, outputs, facets = (_as_tuple(names) for names in (x, y, facet))
    if len(axes) > 2:
        raise UsageError(f"A picture has two axes, not {len(axes)}: {', '.join(axes)}.")
    return Asked(
        outputs if len(outputs) > 1 else outputs[0],
        (axes[0], axes[1]) if len(axes) == 2 else axes[0] if axes else None,
        *(color, style, facets, error),
        _member(Form, form, "form") if form is not None else None,
    )


def _as_tuple(names: str | Sequence[str] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def describe(
    result: Result,
    asked: Asked,
    spread: str = "sem",
    log: str | None = None,
    *,
    panels: bool = True,
    bands: bool = True,
) -> tuple[Picture, str]:
    """Choose a picture, and compute what is drawn and what is written below.

    Parameters
    ----------
    result : Result
        What there is to see.
    asked : Asked
        What is to be seen.
    spread, log : str
        As in `plot`.
    panels : bool, optional
        Whether to make panels that are not asked for.
    bands : bool, optional
        Whether bands can be drawn.
    """
    statistics = _member(Spread, spread, "spread")
    if not len(result):
        raise UsageError(f"No row of {result.name!r} is completed; there is nothing to draw.")
    table, reshaped, traces = _reshaped(_table(result, asked), asked)
    choice = choose(table, reshaped, panels=panels, traces=traces)
    if not isinstance(asked.y, str) and table.params[0] in dict(choice.over):
        raise UsageError(f"Outputs cannot be averaged; tell {table.params[0]!r} apart.")
    picture = compose(table, choice, statistics)
    if log is not None:
        picture = picture.with_log(log)
    return picture, _caption(result, picture, statistics, bands=bands)


def _reshaped(table: Table, asked: Asked) -> tuple[Table, Asked, tuple[str, ...]]:
    """Make numbers of arrays, and one output of several; return also what has its own lines."""
    if not isinstance(asked.y, str):
        stacked, y = stack(table, asked.y)
        return stacked, replace(asked, y=y), ()
    kind = table[asked.y].kind
    if kind is Kind.CURVE:
        if isinstance(asked.x, tuple) or asked.form not in (None, Form.LINES):
            raise UsageError(f"{asked.y!r} holds arrays, which are drawn as lines over one axis.")
        unrolled, x, traces = unroll(table, asked.y, asked.x)
        return unrolled, replace(asked, x=x), traces
    if kind is Kind.MATRIX:
        if asked.x is not None or asked.form not in (None, Form.HEATMAP):
            raise UsageError(
                f"{asked.y!r} holds arrays of two dimensions, which are drawn as heat maps over "
                f"their indices."
            )
        unrolled, axes = unroll_matrix(table, asked.y)
        return unrolled, replace(asked, x=axes), ()
    return table, asked, ()


def _member(kind: Any, name: str, what: str) -> Any:
    try:
        return kind(name)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise UsageError(f"There is no {what} {name!r}; there are {known}.") from None


def _table(result: Result, asked: Asked) -> Table:
    """Take the parameters and what is to be drawn; other outputs need not be read."""
    outputs = _as_tuple(asked.y)
    named = [*asked.axes, *asked.told_apart]
    made = [OUTPUT] if len(outputs) > 1 and OUTPUT not in result else []
    named = [name for name in named if name not in made]
    outputs = (*outputs, asked.error) if asked.error else outputs
    for name in (*outputs, *named):
        if name not in result:
            raise unknown_column(name, list(result))
    # A file does not tell what its columns are: any may be parameters.
    wanted = list(result) if result.space is None else [*result.params, *outputs, *named]
    columns = {name: make_column(name, result[name], result.units.get(name, "")) for name in wanted}
    params = set(result.params)
    if result.space is None:
        params = {name for name in columns if name in named or _repeats(columns[name])}
        params -= set(outputs)
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
