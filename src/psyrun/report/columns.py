"""Columns of a table as a page can hold them: numbers, dates or texts, encoded for JSON.

Numbers and dates are 64-bit floats, texts are positions in a list of distinct texts, all of them as
base64: exact, NaN and infinities included, and quickly read by a browser.
"""

import base64
import datetime
import warnings
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from numbers import Complex, Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from psyrun.failure import shorten
from psyrun.values import EXACT, MISSING, is_missing

Role = Literal["row", "state", "parameter", "output", "time"]
Kind = Literal["number", "date", "text"]
_Array = npt.NDArray[Any]

_MOST_CHARACTERS = 200
_MOST_ELEMENTS = 4
_MISSING_BITS = np.float64(MISSING).view(np.int64)


class Column(NamedTuple):
    """A column of a page's table.

    Attributes
    ----------
    name : str
        Its heading.
    role : str
        ``'row'``, ``'state'``, ``'parameter'``, ``'output'`` or ``'time'``.
    kind : str
        ``'number'``, ``'date'`` or ``'text'``.
    data : ndarray, shape (n,)
        Numbers; milliseconds since the epoch; or positions in *texts*.
    gaps : ndarray of bool, shape (n,)
        Where there is no value, which is not the same as NaN.
    texts : list of str
        The distinct texts, in the order of their first appearance.
    unit : str
        Unit of measurement, empty if it is not known.
    """

    name: str
    role: Role
    kind: Kind
    data: _Array
    gaps: npt.NDArray[np.bool_]
    texts: list[str]
    unit: str = ""

    def encode(self) -> dict[str, Any]:
        """Return the column ready for JSON."""
        encoded: dict[str, Any] = {
            **{"name": self.name, "role": self.role, "kind": self.kind, "unit": self.unit},
            "data": _base64(self.data, "<i4" if self.kind == "text" else "<f8"),
        }
        if self.kind == "text":
            encoded["texts"] = self.texts
        if self.gaps.any():
            encoded["gaps"] = _base64(self.gaps, "u1")
        return encoded

    def among(self, rows: npt.NDArray[np.bool_]) -> "Column":
        """Return the column with a gap for each further row, where *rows* is not set."""
        if rows.all():
            return self
        gaps = np.ones(len(rows), dtype=bool)
        gaps[rows] = self.gaps
        return self._replace(data=_spread(self.data, ~rows), gaps=gaps)


def _base64(values: _Array, dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode("ascii")


def make_columns(name: str, role: Role, values: Any, unit: str = "") -> list[Column]:
    """Make the columns that show some values.

    Arrays and complex numbers, which cannot be drawn as they are, get a second column with their
    mean or their magnitude.

    Parameters
    ----------
    name : str
        Name of the values.
    role : str
        What they are, see `Column`.
    values : ndarray, shape (n, ...), or sequence
        One value for each row; None stands for no value.
    unit : str, optional
        Unit of measurement.

    Returns
    -------
    list of Column

    Examples
    --------
    >>> [(c.name, c.kind) for c in make_columns("z", "output", [1 + 1j, None])]
    [('z', 'text'), ('|z|', 'number')]
    """
    array = values if isinstance(values, np.ndarray) else _as_objects(values)
    gaps: npt.NDArray[np.bool_] = np.zeros(len(array), dtype=bool)
    if array.dtype == object and array.ndim == 1:
        gaps = np.array([value is None or is_missing(value) for value in array], dtype=bool)
        array = _unify(array[~gaps].tolist())
    elif array.dtype.kind in "mM" and array.ndim == 1:
        gaps = np.asarray(np.isnat(array))
        array = array[~gaps]
    elif array.dtype == np.float64 and array.ndim == 1:
        array = np.ascontiguousarray(array)
        gaps = np.asarray(array.view(np.int64) == _MISSING_BITS)
        array = array[~gaps]
    return [
        Column(
            label, role, kind, _spread(data, gaps), gaps, texts, unit if kind == "number" else ""
        )
        for label, kind, data, texts in _show(name, array)
    ]


def _as_objects(values: Sequence[Any]) -> _Array:
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def _spread(known: _Array, gaps: npt.NDArray[np.bool_]) -> _Array:
    """Put values at the places that are no gaps."""
    spread = np.full(len(gaps), -1 if known.dtype.kind == "i" else np.nan, dtype=known.dtype)
    spread[~gaps] = known
    return spread


_TYPES: list[tuple[tuple[type, ...], str]] = [
    ((bool, np.bool_), "?"),
    ((Integral,), "i8"),
    ((Real, Decimal), "f8"),
    ((Complex,), "c16"),
    ((datetime.date, np.datetime64), "M8[us]"),
    ((datetime.timedelta, np.timedelta64), "m8[us]"),
]


def _unify(values: list[Any]) -> _Array:
    """Return values as an array of their common type, as objects if they have none."""
    found = set(map(type, values))
    for types, dtype in _TYPES if values else []:
        if all(issubclass(each, types) for each in found):
            try:
                return np.array([_in_utc(value) for value in values], dtype=dtype)
            except (OverflowError, ValueError, TypeError):
                break
    return _as_objects(values)


def _in_utc(value: Any) -> Any:
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


def _show(name: str, array: _Array) -> Iterator[tuple[str, Kind, _Array, list[str]]]:
    """Return columns that show values none of which is missing."""
    kind = array.dtype.kind
    if array.ndim > 1:
        yield (name, "text", *_coded([_show_array(value) for value in array]))
        if kind in "?biuf":
            yield f"mean of {name}", "number", _mean(array), []
    elif (kind in "iu" and (np.abs(array.astype(np.float64)) <= EXACT).all()) or kind == "f":
        yield name, "number", array.astype(np.float64), []
    elif kind == "M":
        yield name, "date", array.astype("M8[us]").astype(np.int64) / 1e3, []
    elif kind == "m":
        yield f"{name} (s)", "number", array.astype("m8[us]").astype(np.int64) / 1e6, []
    elif kind == "c":
        yield (name, "text", *_coded([str(value) for value in array.tolist()]))
        yield f"|{name}|", "number", np.abs(array).astype(np.float64), []
    else:
        listed = array.tolist()
        yield (name, "text", *_coded([_as_text(value) for value in listed]))
        if listed and all(isinstance(value, np.ndarray | list | tuple) for value in listed):
            means = np.array([_mean_of(value) for value in listed])
            if not np.isnan(means).all():
                yield f"mean of {name}", "number", means, []


def _coded(texts: list[str]) -> tuple[_Array, list[str]]:
    """Return for each text its position among the distinct ones, and these."""
    positions: dict[str, int] = {}
    codes = [positions.setdefault(text, len(positions)) for text in texts]
    return np.array(codes, dtype=np.int64), list(positions)


def _mean(array: _Array) -> _Array:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of no elements the mean is NaN
        mean: _Array = array.reshape(len(array), -1).mean(axis=1, dtype=np.float64)
    return mean


def _mean_of(value: Any) -> float:
    try:
        return float(_mean(np.asarray(value)[np.newaxis])[0])
    except (TypeError, ValueError):  # not of numbers, or ragged
        return float("nan")


def _as_text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return _show_array(value)
    text = value if isinstance(value, str) else _plain(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _plain(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > _MOST_CHARACTERS:
        return shorten(value)  # Python refuses to write very long ones
    numeric = isinstance(value, int | float | complex | Decimal | np.generic)
    return str(value) if numeric else shorten(value)


def _show_array(array: _Array) -> str:
    shown = ", ".join(_element(value) for value in islice(array.flat, _MOST_ELEMENTS))
    if array.size <= _MOST_ELEMENTS and array.ndim == 1:
        return f"[{shown}]"
    return f"[{shown}{', …' if array.size > _MOST_ELEMENTS else ''}] {_shape(array)}"


def _element(value: Any) -> str:
    if isinstance(value, np.floating):
        return f"{value:.4g}"
    return str(value) if isinstance(value, np.generic) else shorten(value)


def _shape(array: _Array) -> str:
    return "×".join(map(str, array.shape))
