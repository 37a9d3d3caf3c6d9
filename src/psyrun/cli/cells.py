"""Values of a result as text, for people and for programs."""

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from psyrun.results import Result

_WIDTH = 24
"""Characters of the widest cell."""


def as_text(value: Any) -> str:
    r"""Write a value for people, in a line of moderate length.

    Examples
    --------
    >>> as_text(1 / 3), as_text("two\nlines"), as_text(np.arange(12.0)), as_text(None)
    ('0.333333', 'two\\nlines', '[0, 1, 2, 3, 4, …] (12)', '')
    """
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return _array(value)
    if isinstance(value, np.ndarray) and value.ndim > 1:
        return f"array {' x '.join(map(str, value.shape))}"
    if not isinstance(value, str):
        value = str(value)
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in value[: 2 * _WIDTH])
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _array(values: Any) -> str:
    """Write the first values of an array, as many as there is room for, and their number."""
    length = f" ({len(values)})"
    text = ""
    for i, value in enumerate(values):
        more = f"{text}, {as_text(value)}" if i else as_text(value)
        if len(more) + len("[, …]") + len(length) > _WIDTH and i:
            return f"[{text}, …]{length}"
        text = more
    return f"[{text}]"


def in_json(result: "Result", position: int) -> dict[str, Any]:
    """Return a completed row for JSON, which knows no NaN: it becomes null."""
    row = {"row": int(result.rows[position])}
    return row | {name: _json(column[position]) for name, column in result.columns.items()}


def _json(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "mM":
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    return value if isinstance(value, str | int | None) else str(value)


def in_csv(result: "Result", position: int) -> list[Any]:
    """Return a completed row for CSV; what is no single value is written as JSON."""
    cells: list[Any] = [int(result.rows[position])]
    for column in result.columns.values():
        value = column[position]
        value = value.item() if isinstance(value, np.bool_ | np.number) else value
        several = isinstance(value, np.ndarray | list | tuple | dict)
        cells.append(json.dumps(_json(value)) if several else value)
    return cells
