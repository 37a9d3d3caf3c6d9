"""How parameter spaces print, and how they show in a notebook."""

import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from psyrun.pspace.columns import Column, Rows, Single

_MANY = 10  # more values, summands, ... than this are elided:
_HEAD, _TAIL = 3, 2  # so many at the ends are shown
_LENGTH = 400  # characters of a description

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def param(columns: Mapping[str, Column], as_keywords: bool) -> str:
    """Write a `Param` as the call that makes it."""
    template = "{}={}" if as_keywords else "{!r}: {}"
    items = elided(list(columns.items()), lambda item: template.format(item[0], _column(item[1])))
    inner = ", ".join(items)
    return f"Param({inner})" if as_keywords else f"Param(**{{{inner}}})"


def cut(text: str) -> str:
    """Leave out the middle of a long text."""
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 100]} ... {text[-95:]}"


class Table(Protocol):
    """What `html` needs to know of a parameter space."""

    def keys(self) -> list[str]:
        """Return the names of the parameters."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Mapping[str, Any]: ...


def html(space: Table) -> str:
    """Write a space as an HTML table of its first and last rows."""
    from html import escape

    n, names = len(space), space.keys()
    body = "".join(
        _html_row("…", ["…"] * len(names))
        if row is None
        else _html_row(str(row), [escape(_value(v)) for v in space[row].values()])
        for row in shown_rows(n)
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return (
        f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{n} rows × {len(names)} parameters</p>"
    )


def shown_rows(n: int) -> list[int | None]:
    """Return which of *n* rows to show; None stands for those that are left out."""
    return [*range(n)] if n <= _MANY else [*range(_HEAD), None, *range(n - _TAIL, n)]


def _html_row(row: str, values: Iterable[str]) -> str:
    return f"<tr><th>{row}</th>" + "".join(f"<td>{v}</td>" for v in values) + "</tr>"


def rows(selected: range | Rows) -> str:
    """Write the rows of a selection."""
    if isinstance(selected, range):
        return f"{selected.start}:{selected.stop}:{selected.step}".removesuffix(":1")
    return f"[{', '.join(elided(selected, str))}]"


def _column(column: Column) -> str:
    if isinstance(column, Single):
        return _value(column.value)
    if isinstance(column, range):
        return repr(column)
    return f"[{', '.join(elided(column, _value))}]"


def _value(value: Any) -> str:
    return _short.repr(value.item() if isinstance(value, np.generic) else value)


def elided(items: Sequence[Any] | Rows, show: Callable[[Any], str]) -> list[str]:
    """Show the items, or the first and the last ones if there are many."""
    if len(items) <= _MANY:
        return [show(item) for item in items]
    return [*map(show, items[:_HEAD]), "...", *map(show, items[-_TAIL:])]
