"""How results print, and how they show in a notebook."""

from html import escape
from typing import TYPE_CHECKING, Any

from psyrun.failure import shorten
from psyrun.pspace.display import cut, elided, shown_rows
from psyrun.results.columns import Array

if TYPE_CHECKING:
    from psyrun.results.result import Result


def counts(result: "Result") -> str:
    """Say how many rows are completed, failed and pending."""
    parts = [f"{len(result)} of {len(result.scope)} rows completed"]
    for rows, state in ((result.failed, "failed"), (result.pending, "pending")):
        if rows:
            parts.append(f"{len(rows)} {state}")
    return ", ".join(parts)


def describe(result: "Result") -> str:
    """Describe a result in one line."""
    parts = [counts(result)]
    for names, what in ((result.params, "parameters"), (result.outputs, "outputs")):
        if names:
            parts.append(f"{what} {', '.join(elided(names, str))}")
    return f"<result {result.name!r}: {cut('; '.join(parts))}>"


def html(result: "Result") -> str:
    """Write a result as an HTML table of its first and last rows, and the counts by state."""
    names = list(result.columns)
    body = "".join(
        _line("…", ["…"] * len(names))
        if at is None
        else _line(str(result.rows[at]), [_cell(result.columns[name], at) for name in names])
        for at in shown_rows(len(result))
    )
    head = "".join(f"<th>{escape(name)}{_unit(result, name)}</th>" for name in names)
    return (
        f"<table><thead><tr><th>row</th>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{escape(result.name)}: {counts(result)}</p>"
    )


def _unit(result: "Result", name: str) -> str:
    unit = result.units.get(name)
    return "" if unit is None else f" [{escape(unit)}]"


def _line(row: str, cells: list[str]) -> str:
    return f"<tr><th>{row}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _cell(column: Array, at: int) -> str:
    value: Any = column[at]
    return escape(shorten(value.tolist() if column.dtype != object else value))
