"""Results as labelled arrays of xarray."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from psyrun.exceptions import UsageError
from psyrun.extras import require
from psyrun.failure import shorten
from psyrun.results.columns import Array, free_name, is_ragged, objects, padded, spread
from psyrun.results.layout import Axis, Layout, gridded, natural, one_axis, selected
from psyrun.results.state import State

if TYPE_CHECKING:
    from psyrun.results.result import Result

_MOST_CELLS = 2**28
_SCALARS = (str, bytes, bool, int, float, complex, type(None))

Variable = tuple[tuple[str, ...], Any, dict[str, Any]]
"""Dimensions, values, attributes."""


def to_xarray(
    result: "Result", grid: bool | None, dims: Mapping[str, str | Sequence[str]] | None
) -> Any:
    """See `Result.to_xarray`."""
    xarray = require("xarray", "xarray", "to_xarray()")
    layout = _layout_of(result, grid)
    if math.prod(layout.shape) > _MOST_CELLS:
        raise UsageError(
            f"The {len(result.scope)} rows of {result.name!r} would become arrays of "
            f"{' x '.join(map(str, layout.shape))} values each, which is too much; choose rows "
            f"with where(), or leave grid=True out."
        )
    return _Writer(result, layout, dims or {}).dataset(xarray)


def _layout_of(result: "Result", grid: bool | None) -> Layout:
    space, scope = result.space, result.scope
    if space is None:
        return Layout([Axis([], len(scope), {})], {})
    whole = len(scope) == len(space)
    if not whole and grid is None and natural(space).axes[1:]:
        return selected(natural(space), scope.to_array())
    chosen = space if whole else space[scope.to_array()]
    layout = one_axis(chosen) if grid is False else gridded(chosen) if grid else natural(chosen)
    if not layout.axes and len(chosen) != 1:
        return Layout([Axis([], len(chosen), {})], layout.constants)
    return layout


class _Writer:
    """Makes the variables of a data set.

    Parameters
    ----------
    result : Result
        The result.
    layout : Layout
        Where the rows in its scope are.
    dims : mapping of str to str or sequence of str
        For outputs that are arrays the names of their own dimensions.
    """

    def __init__(
        self, result: "Result", layout: Layout, dims: Mapping[str, str | Sequence[str]]
    ) -> None:
        self._result, self._layout = result, layout
        self._own_dims = {n: (d,) if isinstance(d, str) else tuple(d) for n, d in dims.items()}
        for name in dims:
            if name not in {of for of, _ in result.statistics.values()}:
                result.columns[name]  # raises an error for a name that is none
        self._taken = {*result.columns, *(result.space.keys() if result.space is not None else [])}
        self._taken |= {dim for own in self._own_dims.values() for dim in own}
        self._rows = result.scope.to_array()
        self._cells = layout.cells(np.arange(len(self._rows)))
        whole = len(result) == len(self._rows)
        self._done = self._cells if whole else self._cells[result.scope.rank(result.rows)]
        self._n = math.prod(layout.shape)
        self.dims = tuple(self._dim_of(axis) for axis in layout.axes)
        self._sizes = dict(zip(self.dims, layout.shape, strict=True))

    def dataset(self, xarray: Any) -> Any:
        """Make the data set."""
        coords = self._coordinates()
        variables = {}
        for name in [*self._result.outputs, *sorted(self._result.overridden)]:
            key = self._free(f"{name}_returned") if name in self._result.overridden else name
            variables[key] = self._output(name)
        variables[self._free("state")] = self._states()
        return xarray.Dataset(variables, coords, attributes(self._result))

    def _free(self, wanted: str) -> str:
        name = free_name(wanted, self._taken)
        self._taken.add(name)
        return name

    def _dim_of(self, axis: Axis) -> str:
        if len(axis.names) == 1:
            return axis.names[0]
        if len(self._layout.axes) == 1:
            return self._free("row")
        return self._free("_".join(axis.names) or "repetition")

    def _coordinates(self) -> dict[str, Variable]:
        coords: dict[str, Variable] = {}
        for dim, axis in zip(self.dims, self._layout.axes, strict=True):
            for name, values in axis.values.items():
                coords |= self._along(dim, name, values)
            if dim not in coords:
                rows = len(self._layout.axes) == 1 and self._layout.places is None
                coords[dim] = ((dim,), self._rows if rows else np.arange(axis.size), {})
        for name, value in self._layout.constants.items():
            if name in self._result.columns:
                coords[name] = ((), _as_scalar(value), self._units(name))
        return coords

    def _along(self, dim: str, name: str, values: Array) -> dict[str, Variable]:
        """Make the coordinate of a parameter, and one that only counts if it cannot be one."""
        if name not in self._result.columns:
            return {}  # left out of the result
        if values.ndim == 1 and not _has_objects(values):
            return {name: ((dim,), values, self._units(name))}
        # What is no single number or text can be looked at, but not looked up.
        key = self._free(f"{name}_value") if name == dim else name
        values = _labels(values)
        return {key: ((dim, *self._array_dims(name, values)), values, self._units(name))}

    def _output(self, name: str) -> Variable:
        column = self._result.columns[name]
        if is_ragged(column):
            column = padded(column)
        if len(self._done) == self._n and self._layout.places is None:
            values = column
        else:
            values = spread(column, self._done, self._n)
        own = self._array_dims(name, column)
        shape = self._layout.shape + column.shape[1:]
        return (*self.dims, *own), values.reshape(shape), self._units(name)

    def _array_dims(self, name: str, column: Array) -> tuple[str, ...]:
        """Name the dimensions of an array's own; all statistics of an output share them."""
        of, _ = self._result.statistics.get(name, (name, ""))
        n = column.ndim - 1
        if of not in self._own_dims:
            self._own_dims[of] = tuple(self._free(f"{of}_dim_{i}") for i in range(n))
        dims = self._own_dims[of]
        if len(dims) != n:
            raise UsageError(
                f"{name!r} is an array of {n} dimensions, but dims names {len(dims)}: "
                f"{', '.join(dims)}."
            )
        for dim, size in zip(dims, column.shape[1:], strict=True):
            if self._sizes.setdefault(dim, size) != size:
                raise UsageError(
                    f"{name!r} has {size} values along {dim!r}, where others have "
                    f"{self._sizes[dim]}; give it a dimension of its own."
                )
        return dims

    def _states(self) -> Variable:
        states = np.full(self._n, State.MISSING, dtype=np.int8)
        known = self._result.state[self._rows]
        if self._layout.places is None:
            states[:] = known
        else:
            states[self._cells] = known
        about = {
            "flag_values": np.array(list(State), dtype=np.int8),
            "flag_meanings": " ".join(state.name.lower() for state in State),
        }
        return self.dims, states.reshape(self._layout.shape), about

    def _units(self, name: str) -> dict[str, Any]:
        units = self._result.units.get(name)
        return {} if units is None else {"units": units}


def _has_objects(values: Array) -> bool:
    return values.dtype == object and not all(isinstance(value, _SCALARS) for value in values)


def _labels(values: Array) -> Array:
    if is_ragged(values):
        values = padded(values)
    return values if values.dtype != object else objects(map(_as_text, values))


def _as_text(value: Any) -> str:
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else shorten(value)


def _as_scalar(value: Any) -> Any:
    if value is None:
        return np.nan
    return value if isinstance(value, (*_SCALARS, np.generic)) else _as_text(value)


def attributes(result: "Result") -> dict[str, str | int | float]:
    """Return the provenance of a result as text and numbers, which any format holds.

    What is nested is joined by underscores, what is a list is JSON.
    """
    told = {key: value for key, value in result.provenance.items() if key != "units"}
    return {"name": result.name} | dict(_flat("", told))


def _flat(prefix: str, content: Mapping[str, Any]) -> Iterable[tuple[str, str | int | float]]:
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and key != "packages":
            yield from _flat(f"{name}_", value)
        elif isinstance(value, str | float) or (type(value) is int and abs(value) < 2**63):
            yield name, value
        elif value is not None:
            yield name, json.dumps(value)
