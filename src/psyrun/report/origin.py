"""What was run, in words: the space, and where the result comes from."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from psyrun.report.columns import Column

_FEW = 6
"""So many values of a parameter are listed, of more only the ends."""


def describe_parameter(column: Column) -> str:
    """Say which values a parameter takes.

    Examples
    --------
    >>> from psyrun.report.columns import make_columns
    >>> describe_parameter(make_columns("n", "parameter", range(10))[0])
    '10 values, 0 to 9'
    """
    if column.kind == "text":
        texts = column.texts
        listed = ", ".join(texts[:_FEW])
        return listed if len(texts) <= _FEW else f"{len(texts)} values: {listed}, …"
    values = np.unique(column.data[~column.gaps])
    if not len(values):
        return "no values"
    show = _date if column.kind == "date" else _number
    if len(values) <= _FEW:
        return ", ".join(map(show, values.tolist()))
    ends = values[np.isfinite(values)]
    return f"{len(values)} values, {show(ends[0])} to {show(ends[-1])}"


def _number(value: float) -> str:
    return f"{value:.6g}"


def _date(milliseconds: float) -> str:
    date = np.datetime64(round(milliseconds), "ms")
    return str(date).removesuffix("T00:00:00.000").replace("T", " ")


def describe_origin(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say where a result comes from: pairs of a heading and a text."""
    return [(name, text) for name, text in _origin(provenance) if text]


def _origin(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    task_file = _part(told, "task_file")
    git = _part(task_file, "git")
    merged = _part(told, "merged")
    yield "task file", _text(task_file, "path")
    yield "git commit", _text(git, "commit") + (" and changes" if git.get("dirty") else "")
    yield "seed", _text(told, "seed")
    yield "entropy", "" if told.get("seed") is not None else _text(told, "entropy")
    yield "begun", _text(told, "start")
    yield "last row", _text(told, "end")
    yield "merged", " on ".join(filter(None, (_text(merged, "time"), _text(merged, "host"))))
    yield "hosts", ", ".join(map(str, told.get("hosts") or ()))
    yield "result", _text(told, "result")
    yield "psyrun", _text(told, "psyrun")
    yield "Python", _text(told, "python")
    packages = _part(told, "packages")
    yield "packages", ", ".join(f"{name} {version}" for name, version in packages.items())


def _part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = told.get(name)
    return part if isinstance(part, Mapping) else {}


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return "" if value is None else str(value)
