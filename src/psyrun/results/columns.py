"""Columns of a table as arrays, whatever the values are."""

import datetime
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UnknownColumnError
from psyrun.values import EXACT

Array = npt.NDArray[Any]
Values = Sequence[Any] | Array

_NUMBERS = (bool, int, float, complex, np.bool_, np.number)
_TIMES = {datetime.datetime: "M8[us]", datetime.date: "M8[D]", datetime.timedelta: "m8[us]"}
_NONE = type(None)


class Columns(Mapping[str, Array]):
    """The columns of a table, each made into an array when it is first asked for.

    Parameters
    ----------
    sources : mapping of str to sequence or callable
        For each column its values, or a function without arguments that returns them.
    """

    def __init__(self, sources: Mapping[str, Values | Callable[[], Values]]) -> None:
        self._sources = dict(sources)
        self._arrays: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._arrays:
            if name not in self._sources:
                raise UnknownColumnError(
                    f"There is no column {name!r} in this result; the columns are "
                    f"{', '.join(self._sources)}."
                )
            source = self._sources[name]
            self._arrays[name] = as_column(source() if callable(source) else source)
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, name: object) -> bool:
        return name in self._sources


def as_column(values: Values) -> Array:
    """Turn the values of a column into an array with one row for each.

    Parameters
    ----------
    values : sequence, of length n
        The values.

    Returns
    -------
    numpy.ndarray, shape (n, ...)
        Numbers, booleans, dates and durations keep their kind; where one is missing (None or NaN)
        it becomes NaN or NaT, for which integers and booleans become floats. Arrays, lists and
        tuples of numbers are stacked if they have the same shape. Everything else, and so text and
        arrays of different shapes, is an array of objects, where what is missing is None.

    Examples
    --------
    >>> as_column([1, None])
    array([ 1., nan])
    >>> as_column(["a", float("nan")])
    array(['a', None], dtype=object)
    >>> as_column([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if isinstance(values, np.ndarray):
        return _of_array(values)
    if isinstance(values, range):
        values = list(values)
    types = set(map(type, values))
    if _NONE in types:
        return _with_gaps(values, types)
    return _whole(values, types)


def _of_array(array: Array) -> Array:
    if array.dtype.kind in "US":
        return array.astype(object)
    if array.dtype == object and array.ndim == 1:
        return as_column(array.tolist())
    return array


def _whole(values: Sequence[Any], types: set[type]) -> Array:
    """Turn values into an array of which none is None."""
    if not types:
        return np.empty(0)
    if all(issubclass(kind, _NUMBERS) for kind in types):
        array = np.array(values)
        if array.dtype.kind not in "biufc":
            return objects(values)
        return array if _is_exact(array, values) else objects(values)
    if len(types) == 1:
        (kind,) = types
        if issubclass(kind, np.datetime64 | np.timedelta64):
            return np.array(values)
        if kind in _TIMES and all(getattr(value, "tzinfo", None) is None for value in values):
            return np.array(values, dtype=_TIMES[kind])
        if issubclass(kind, np.ndarray | list | tuple):
            return _stacked(values)
        if float not in types:
            return objects(values)
    if any(map(_may_be_nan, types)) and any(value != value for value in _floats(values)):
        return _with_gaps(values, types)
    if all(issubclass(kind, np.ndarray | list | tuple) for kind in types):
        return _stacked(values)
    return objects(values)


def _is_exact(array: Array, values: Sequence[Any]) -> bool:
    """Tell whether no integer has been rounded because there are floats as well."""
    if array.dtype.kind in "biu":
        return True
    large = np.flatnonzero(np.abs(array) >= EXACT).tolist()
    return not any(isinstance(values[at], int | np.integer) for at in large)


def _may_be_nan(kind: type) -> bool:
    return issubclass(kind, float | np.floating)


def _floats(values: Iterable[Any]) -> Iterator[Any]:
    return (value for value in values if isinstance(value, float | np.floating))


def _with_gaps(values: Sequence[Any], types: set[type]) -> Array:
    """Turn values into an array of which some are missing: None or NaN."""
    there = np.fromiter((not _is_gap(value) for value in values), dtype=bool, count=len(values))
    if not np.any(there):
        floats = any(map(_may_be_nan, types))
        return np.full(len(values), np.nan) if floats else objects(values)
    part = as_column([value for value, known in zip(values, there, strict=True) if known])
    return spread(part, np.flatnonzero(there), len(values))


def _is_gap(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and value != value)


def _stacked(values: Sequence[Any]) -> Array:
    try:
        array = np.array(values)
    except ValueError:  # they have different shapes
        return objects(values)
    return array if array.dtype.kind in "biufcmM" else objects(values)


def objects(values: Iterable[Any]) -> Array:
    """Return an array of one dimension with some objects, whatever they are."""
    listed = list(values)
    return np.fromiter(listed, dtype=object, count=len(listed))


def spread(values: Array, places: npt.NDArray[np.int64], n: int) -> Array:
    """Put values at some places of a longer array, and fill the others with what is missing.

    Parameters
    ----------
    values : numpy.ndarray, shape (k, ...)
        The values.
    places : numpy.ndarray of int64, shape (k,)
        Where they go.
    n : int
        Length of the result.

    Returns
    -------
    numpy.ndarray, shape (n, ...)
        NaN, NaT or None fills the gaps; integers and booleans become floats if there are any.
    """
    dtype = values.dtype
    if dtype.kind in "biu" and len(places) < n:
        dtype = np.result_type(dtype, np.float64)
    result = np.full((n, *values.shape[1:]), fill_value(dtype), dtype=dtype)
    result[places] = values
    return result


def fill_value(dtype: np.dtype[Any]) -> Any:
    """Return what stands for a missing value."""
    if dtype.kind in "mM":
        return np.array("NaT", dtype=dtype)
    return {"f": np.nan, "c": complex(np.nan, np.nan), "O": None}.get(dtype.kind, 0)


def is_ragged(column: Array) -> bool:
    """Tell whether a column holds arrays (or lists) of different shapes, apart from gaps."""
    if column.dtype != object or column.ndim != 1:
        return False
    found = False
    for value in column.tolist():
        if isinstance(value, np.ndarray | list | tuple):
            found = True
        elif value is not None:
            return False
    return found


def padded(column: Array) -> Array:
    """Pad arrays of different shapes to the largest.

    Parameters
    ----------
    column : numpy.ndarray of object, shape (n,)
        Arrays of numbers with the same number of dimensions, or None.

    Returns
    -------
    numpy.ndarray, shape (n, ...)
        NaN, or NaT, where there was nothing; *column* itself if its arrays cannot be padded.
    """
    try:
        arrays = [None if value is None else np.asarray(value) for value in column.tolist()]
        there = [array for array in arrays if array is not None]
        (n_dims,) = {array.ndim for array in there}
        dtype = np.result_type(*{array.dtype for array in there})
    except (TypeError, ValueError):
        return column
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    if dtype.kind not in "fcmM" or not n_dims:
        return column
    extent = tuple(np.max([array.shape for array in there], axis=0).tolist())
    result = np.full((len(arrays), *extent), fill_value(dtype), dtype=dtype)
    for row, array in enumerate(arrays):
        if array is not None:
            result[row][tuple(map(slice, array.shape))] = array
    return result


def free_name(wanted: str, taken: Container[str]) -> str:
    """Return a name that is not taken yet."""
    while wanted in taken:
        wanted += "_"
    return wanted
