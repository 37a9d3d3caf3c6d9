"""Which picture shows a table: the choice that a person would make, apart from any drawing."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UsageError
from psyrun.plotting.columns import MISSING_CODE, Column, Kind, Table
from psyrun.plotting.description import Asked, Choice, Form
from psyrun.plotting.groups import count_groups, group_sizes

_AXIS = 4
"""Two parameters with so many values each make a heat map; one with fewer gets a line for each."""
_LINE = 3
"""Fewer points make no line where there are categories to compare."""
_COLORS = 8
"""Categories that can be told apart by their colour."""
_SHADES = 16
"""Numbers that can be, on a scale."""
STYLES = 5
"""Styles of lines and points."""
_PANELS = 12
"""Panels that still can be read."""
_MOST = 36
"""More panels or colours than this are refused."""

_REPLICATES = re.compile(
    "draw|fold|instance|reali[sz]ation|rep|repeat|repetition|replica|replicate|replication|run"
    "|sample|seed|trial"
)
_NUMBERED = ["id", "idx", "index", "no", "nr", "num", "number"]


def choose(
    table: Table, asked: Asked, *, panels: bool = True, traces: Sequence[str] = ()
) -> Choice:
    """Choose a picture.

    Parameters
    ----------
    table : Table
        What there is to see.
    asked : Asked
        What is to be seen.
    panels : bool, optional
        Whether to make panels that are not asked for.
    traces : sequence of str, optional
        Columns whose values have lines of their own.

    Returns
    -------
    Choice

    Raises
    ------
    UsageError
        If columns are unknown, or are not what is needed.
    """
    _check(table, asked)
    return _Chooser(table, asked, panels, tuple(traces)).choose()


def _check(table: Table, asked: Asked) -> None:
    """Refuse what cannot be drawn whatever the form."""
    assert isinstance(asked.y, str)
    if not table[asked.y].is_numeric:
        raise UsageError(
            f"{asked.y!r} holds {table[asked.y].kind.value}, and a picture needs numbers."
        )
    names = [asked.y, *asked.axes, *asked.told_apart, *([asked.error] if asked.error else [])]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name!r} is given twice; each column has one place in a picture.")
        if table[name].kind not in (Kind.NUMBER, Kind.CATEGORY):
            kind = table[name].kind.value
            raise UsageError(f"{name!r} holds {kind}, which cannot tell rows apart.")
    if len(asked.facet) > 2:
        raise UsageError(f"Panels are made of two columns at most, not of {len(asked.facet)}.")
    if asked.error and not table[asked.error].is_numeric:
        raise UsageError(
            f"{asked.error!r} holds {table[asked.error].kind.value}; errors are numbers."
        )
    for name in asked.told_apart:
        if name == asked.color and table[name].kind is Kind.NUMBER:
            continue  # a scale of colours holds any number of them
        most = STYLES if name == asked.style else _MOST
        if len(table[name].levels) > most:
            raise UsageError(
                f"{name!r} has {len(table[name].levels)} values, and {most} are what can be told "
                f"apart; choose some of them with --where."
            )


def is_replicate(column: Column) -> bool:
    """Tell whether a parameter just numbers repetitions, as *trial* and *seed* do.

    Examples
    --------
    >>> from psyrun.plotting.columns import make_column
    >>> [is_replicate(make_column(name, [1, 2])) for name in ("trial", "sample_size", "seed2")]
    [True, False, True]
    """
    if column.kind is not Kind.NUMBER or any(level % 1 for level in column.levels):
        return False
    split = re.sub(r"([a-z])([A-Z])", r"\1_\2", column.name).lower()
    words = re.findall(r"[a-z]+", split)
    while len(words) > 1 and words[-1] in _NUMBERED:
        words.pop()
    return bool(words) and _REPLICATES.fullmatch(words[-1]) is not None


class _Chooser:
    def __init__(self, table: Table, asked: Asked, panels: bool, traces: tuple[str, ...]) -> None:
        self._table = table
        assert isinstance(asked.y, str)
        self._asked = asked
        self._y = asked.y
        self._traces = traces
        self._apart = {asked.y, *traces}
        self._panels = panels
        self._picked = asked.told_apart

    def choose(self) -> Choice:
        asked = self._asked
        form = asked.form or self._form()
        self._check_form(form)
        if form is Form.HEATMAP:
            first, up = self._two_axes()
        else:
            first, up = self._axis(form), self._y
        if self._traces:  # along a line of its own the place tells nothing of the row
            self._apart.add(first)
        else:
            self._pick(first)
        self._pick(up)
        color, facet = asked.color, asked.facet
        if form not in (Form.HEATMAP, Form.HISTOGRAM) and not color:
            color = self._pick(self._next_color(form))
        if not facet and self._panels and form not in (Form.SCATTER, Form.HISTOGRAM):
            facet = tuple(filter(None, [self._pick(self._next_panels())]))
        if form is Form.STRIPS and not self._several_rows():
            form = Form.BARS
        choice = Choice(
            *(form, first, self._y, up, color, asked.style, facet, asked.error),
            traces=self._traces,
        )
        return replace(choice, over=self._over(choice))

    def _check_form(self, form: Form) -> None:
        """Refuse what cannot be drawn in this form."""
        asked = self._asked
        if len(asked.axes) == 2 and form is not Form.HEATMAP:
            raise UsageError(f"Two columns along the axes make a heat map, not {form.value}.")
        if asked.color and form is Form.HEATMAP:
            raise UsageError(f"A heat map shows {self._y!r} by colour; leave out {asked.color!r}.")
        if asked.style and form not in (Form.LINES, Form.SCATTER):
            raise UsageError(f"Lines and points have styles; leave out {asked.style!r}.")
        if asked.error and form not in (Form.LINES, Form.BARS, Form.STRIPS):
            raise UsageError(f"Lines and bars can have errors; leave out {asked.error!r}.")

    def _form(self) -> Form:
        x = self._asked.x
        if isinstance(x, tuple):
            return Form.HEATMAP
        if x is not None:
            column = self._table[x]
            if column.kind is Kind.CATEGORY:
                return Form.STRIPS
            if x in self._table.outputs or self._is_scattered(x):
                return Form.SCATTER
            return Form.LINES
        numbers, categories = self._by_levels(Kind.NUMBER), self._by_levels(Kind.CATEGORY)
        if not numbers or (categories and len(self._table[numbers[0]].levels) < _LINE):
            return Form.STRIPS if categories else Form.HISTOGRAM
        if self._is_scattered(numbers[0]):
            return Form.SCATTER
        wide = [
            name
            for name in (numbers[0], *self._crossed(numbers[0], numbers))
            if len(self._table[name].levels) >= _AXIS
        ]
        by_line = self._asked.color or self._asked.style or self._asked.error
        return Form.HEATMAP if len(wide) > 1 and not by_line else Form.LINES

    def _crossed(self, x: str, names: list[str]) -> list[str]:
        """Return the columns that are not just another name of the values of *x*."""
        mine = self._table[x]
        return [
            name
            for name in names
            if name != x and count_groups([mine, self._table[name]]) > len(mine.levels)
        ]

    def _axis(self, form: Form) -> str:
        x = self._asked.axes[0] if self._asked.axes else None
        if form is Form.HISTOGRAM:
            if x is not None:
                raise UsageError(f"A histogram counts values of {self._y!r}; leave out {x!r}.")
            return self._y
        kind = Kind.CATEGORY if form in (Form.STRIPS, Form.BARS) else Kind.NUMBER
        if x is None:
            found = self._by_levels(kind) or self._by_levels(Kind.NUMBER)
            if not found:
                raise UsageError(f"There is no parameter that varies to draw {self._y!r} against.")
            return found[0]
        if kind is Kind.NUMBER and not self._table[x].is_numeric:
            raise UsageError(f"{x!r} holds {self._table[x].kind.value}; {form.value} need numbers.")
        return x

    def _two_axes(self) -> tuple[str, str]:
        x = self._asked.x
        if isinstance(x, tuple):
            return x
        candidates = [*self._by_levels(Kind.NUMBER), *self._by_levels(Kind.CATEGORY)]
        first = x or next(iter(candidates), None)
        second = next(iter(self._crossed(first, candidates)), None) if first else None
        if first is None or second is None:
            raise UsageError("A heat map needs two parameters that vary.")
        if x is None and self._place(second) < self._place(first):
            return second, first
        return first, second

    def _place(self, name: str) -> int:
        return self._table.params.index(name)

    def _pick(self, name: str | None) -> str | None:
        if name is not None and name != self._y:
            self._picked.append(name)
        return name

    def _free(self) -> list[str]:
        """Return the parameters that what has been picked does not determine."""
        base = self._count([])
        return [
            name
            for name in self._table.params
            if name not in self._picked
            and name not in self._apart
            and self._table[name].kind in (Kind.NUMBER, Kind.CATEGORY)
            and self._count([name]) > base
        ]

    def _count(self, more: list[str]) -> int:
        return count_groups([self._table[name] for name in [*self._picked, *more]])

    def _candidates(self, *, complete: bool) -> list[str]:
        """Return free parameters that do not just number repetitions."""
        return [
            name
            for name in self._free()
            if not is_replicate(self._table[name])
            and self._table[name].varies
            and not (complete and (self._table[name].codes == MISSING_CODE).any())
        ]

    def _by_levels(self, kind: Kind) -> list[str]:
        """Return the candidates of a kind, those with the most values first."""
        found = self._candidates(complete=True) or self._candidates(complete=False)
        found = [name for name in found if self._table[name].kind is kind]
        return sorted(found, key=lambda name: -len(self._table[name].levels))

    def _is_scattered(self, x: str) -> bool:
        """Tell whether the values of *x* and of another parameter occur about once each.

        So they do in a random design. If one grows with the other, they are one parameter in two
        guises.
        """
        mine = self._table[x]
        for name in self._by_levels(Kind.NUMBER):
            other = self._table[name]
            least = min(len(mine.levels), len(other.levels))
            if name != x and least >= _AXIS and count_groups([mine, other]) < 1.5 * least:
                steps = np.diff(other.values[np.argsort(mine.values, kind="stable")])
                return bool((steps > 0).any() and (steps < 0).any())
        return False

    def _next_color(self, form: Form) -> str | None:
        if form is Form.SCATTER:
            names = [name for name in self._table.params if name not in self._picked]
            names = [name for name in names if self._table[name].varies]
        else:
            names = self._candidates(complete=True)
        most = self._table.n_rows if form is Form.SCATTER else _SHADES
        return self._fitting(names, Kind.CATEGORY, _COLORS) or self._fitting(
            names, Kind.NUMBER, most
        )

    def _next_panels(self) -> str | None:
        candidates = self._candidates(complete=True)
        return self._fitting(candidates, Kind.CATEGORY, _PANELS) or self._fitting(
            candidates, Kind.NUMBER, _PANELS
        )

    def _fitting(self, names: list[str], kind: Kind, most: int) -> str | None:
        columns = [self._table[name] for name in names if self._table[name].kind is kind]
        fitting = [column for column in columns if len(column.levels) <= most]
        if kind is Kind.NUMBER:
            fitting.sort(key=lambda column: len(column.levels))
        return fitting[0].name if fitting else None

    def _several_rows(self) -> bool:
        return bool(group_sizes([self._table[name] for name in self._picked]).max(initial=0) > 1)

    def _over(self, choice: Choice) -> tuple[tuple[str, int], ...]:
        """Return the parameters by which the rows that are drawn as one differ."""
        drawn = self._table.take(rows_shown(self._table, choice))
        over: list[tuple[str, int]] = []
        known = [drawn[name] for name in (*choice.shown, *choice.traces)]
        base = count_groups(known)
        for name in drawn.params:
            column = drawn[name]
            if name in choice.shown or column.kind not in (Kind.NUMBER, Kind.CATEGORY):
                continue
            if (finer := count_groups([*known, column])) > base:
                over.append((name, len(np.unique(column.codes))))
                known, base = [*known, column], finer
        return tuple(over)


def rows_shown(table: Table, choice: Choice) -> npt.NDArray[np.bool_]:
    """Tell which rows have a value in all columns by which rows are told apart."""
    known = np.ones(table.n_rows, dtype=bool)
    for name in choice.shown:
        known &= table[name].codes != MISSING_CODE
    return known
