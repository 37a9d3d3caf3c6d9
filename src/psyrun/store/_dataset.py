"""Tables as data sets of xarray: a variable for each column, and a dimension for the rows."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from psyrun.exceptions import StoreError
from psyrun.extras import require
from psyrun.store._arrays import join_columns, to_columns, unguard
from psyrun.store._gaps import as_objects
from psyrun.store._layout import Array, Unstorable
from psyrun.store._rewriting import Part, RewritingStore, check_text, with_elements
from psyrun.store.base import Columns, FilePath, pick_row, row_index

_COLUMNS = "psyrun_columns"
_KIND = "psyrun_kind"
_KINDS = re.compile(r"(datetime|timedelta)64\[\d*(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]")
_UNITS = {
    **{"D": "days", "h": "hours", "m": "minutes", "s": "seconds"},
    **{"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"},
}
"""Units of time as the CF conventions name them."""


class DatasetStore(RewritingStore[Array]):
    """A store whose files xarray reads and writes.

    Attributes
    ----------
    extra : str
        Extra of psyrun that installs what it needs.
    """

    extra: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def load(self, filename: FilePath, row: int | None = None) -> dict[str, Any]:
        with self._table(filename) as (dataset, rows):
            if row is None:
                return _columns(dataset)
            row = row_index(row, rows, filename)
            return pick_row(_columns(_rows(dataset, row, row + 1)), 0, filename)

    def iter_chunks(self, filename: FilePath, size: int = 65536) -> Iterator[dict[str, Any]]:
        with self._table(filename) as (dataset, rows):
            for start in range(0, max(rows, 1), size):
                yield _columns(_rows(dataset, start, min(start + size, rows)))

    def _part(self, data: Columns) -> Part[Array]:
        columns, rows = to_columns(data, type(self).__name__)
        for name, column in columns.items():
            try:
                self._check_types(column)
            except Unstorable as problem:
                raise problem.named(name, type(self).__name__) from None
        return columns, rows

    def _check_types(self, column: Array) -> None:
        """Refuse what the format has no type for.

        Raises
        ------
        Unstorable
            If there is such a value.
        """
        if column.dtype.kind in "fc" and column.dtype.itemsize > 16 - 8 * (
            column.dtype.kind == "f"
        ):
            raise Unstorable(f"numbers of type {column.dtype.name}")
        if column.dtype.kind == "U":
            check_text(unguard(column))

    def _joined(self, parts: Sequence[Part[Array]]) -> dict[str, Array]:
        return join_columns(parts, type(self).__name__)

    def _read(self, filename: FilePath) -> Part[Array]:
        return to_columns(self.load(filename), type(self).__name__)

    @contextmanager
    def _table(self, filename: FilePath) -> Iterator[tuple[Any, int]]:
        """Open a file; provide the data set and the number of rows."""
        xarray = require("xarray", self.extra, type(self).__name__)
        try:
            with self._open(str(filename)) as raw:
                dataset = raw if _COLUMNS in raw.attrs else xarray.decode_cf(raw)
                yield dataset, _row_count(dataset, filename)
        except (IndexError, StoreError, ImportError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise StoreError(
                f"{str(filename)!r} cannot be read by {type(self).__name__} ({error}): it is "
                f"damaged or of another format."
            ) from error

    def _open(self, filename: str) -> Any:
        """Open a data set, and decode nothing."""
        raise NotImplementedError


def to_dataset(columns: Mapping[str, Array]) -> Any:
    """Convert a table.

    Parameters
    ----------
    columns : dict of str to ndarray
        As `to_columns` makes them.

    Returns
    -------
    xarray.Dataset
        With an attribute that tells the columns' names and order.
    """
    xarray = require("xarray", "xarray", "This store")
    names = {name: _variable_name(name) for name in columns}
    taken = set(names.values())
    row = _free("row", taken)
    variables = {}
    for name, column in columns.items():
        array, attributes = _encoded(with_elements(column))
        extents = [_free(f"{names[name]}_{i}", taken) for i in range(1, array.ndim)]
        variables[names[name]] = xarray.Variable((row, *extents), array, attributes)
    told = json.dumps([[variable, name] for name, variable in names.items()])
    return xarray.Dataset(variables, attrs={_COLUMNS: told})


def _variable_name(column: str) -> str:
    """Return a name that NetCDF and Zarr allow, a different one for each column."""
    name = re.sub(r"[^\w .+@=()-]|^[^\w]|[ .]$", lambda match: _percent_encoded(match[0]), column)
    return name or "%"


def _percent_encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _encoded(column: Array) -> tuple[Array, dict[str, Any]]:
    """Return what is stored for a column, and its attributes, after the CF conventions."""
    if column.dtype.kind == "U":
        return unguard(column).astype(object), {}
    if column.dtype == "S1":  # which would be taken for characters of text
        return column.astype("S2"), {}
    if column.dtype.kind not in "mM":
        return column, {}
    attributes: dict[str, Any] = {_KIND: column.dtype.name}
    unit, count = np.datetime_data(column.dtype)
    if unit in _UNITS and count == 1:
        attributes["_FillValue"] = np.int64(np.iinfo(np.int64).min)
        attributes["units"] = _UNITS[unit]
        if column.dtype.kind == "M":
            attributes["units"] += " since 1970-01-01"
            attributes["calendar"] = "proleptic_gregorian"
    return column.view(np.int64), attributes


def _row_count(dataset: Any, filename: FilePath) -> int:
    dimensions = {variable.dims[:1] for variable in dataset.variables.values()}
    if not dimensions:
        return 0
    if len(dimensions) > 1 or () in dimensions:
        raise StoreError(
            f"{str(filename)!r} is no table: its variables have no dimension of rows in common; "
            f"open it with xarray."
        )
    return int(dataset.sizes[dimensions.pop()[0]])


def _rows(dataset: Any, start: int, stop: int) -> Any:
    dimensions = [variable.dims[0] for variable in dataset.variables.values()]
    return dataset.isel({name: slice(start, stop) for name in dimensions})


def _columns(dataset: Any) -> dict[str, Any]:
    if _COLUMNS in dataset.attrs:
        names = [
            (str(variable), str(name)) for variable, name in json.loads(dataset.attrs[_COLUMNS])
        ]
    else:
        names = [(str(name), str(name)) for name in dataset.variables]
    return {name: _decoded(dataset.variables[variable]) for variable, name in names}


def _decoded(variable: Any) -> Array:
    values: Array = np.asarray(variable.values)
    kind = variable.attrs.get(_KIND)
    if isinstance(kind, str) and _KINDS.fullmatch(kind) and values.dtype == np.int64:
        return values.view(kind)
    if values.dtype.kind in "UT":  # text of variable or fixed width
        return as_objects(values.ravel().tolist()).reshape(values.shape)
    return unguard(values) if values.dtype.kind == "S" else values
