"""Arrays, and several outputs: each element, and each output, becomes a row of its own."""

from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UsageError
from psyrun.plotting.columns import Column, Kind, Table

_MOST = 20_000_000
"""Elements that can be drawn in a few seconds and gigabytes."""

ROW = "row"


def unroll(table: Table, y: str, x: str | None) -> tuple[Table, str, tuple[str, ...]]:
    """Make a row of each element of the arrays in a column.

    Parameters
    ----------
    table : Table
        What there is to see.
    y : str
        Output that holds an array in each row.
    x : str, optional
        Output that says where its elements are; by default their indices do.

    Returns
    -------
    table : Table
        All columns of single values, *y*, and the horizontal places.
    x : str
        The column of these places.
    traces : tuple of str
        The column of rows, if these have places of their own, so that they cannot be averaged.

    Raises
    ------
    UsageError
        If the places are no arrays of the same lengths, or if there are too many elements.

    Examples
    --------
    >>> table = Table.of({"n": [1, 2], "path": [[0.0, 0.5], [0.0, 0.5, 2.0]]}, ["n"])
    >>> unrolled, x, _ = unroll(table, "path", None)
    >>> x, unrolled[x].values.tolist(), unrolled["n"].values.tolist()
    ('index of path', [0, 1, 0, 1, 2], [1, 1, 2, 2, 2])
    """
    lengths = _lengths(table[y])
    _check_size(y, int(lengths.sum()))
    places, traces = _places(table, y, x, lengths)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    if traces:
        traces = (_unused(table, ROW),)
        places = [*places, Column(traces[0], Kind.NUMBER, rows)]
    values = Column(y, Kind.NUMBER, _joined(table[y]), unit=table[y].unit)
    return _widened(table, rows, places, values), places[0].name, traces


def unroll_matrix(table: Table, y: str) -> tuple[Table, tuple[str, str]]:
    """Make a row of each element of the arrays of two dimensions in a column.

    Returns
    -------
    table : Table
        All columns of single values, *y*, and the indices.
    x : (str, str)
        The column of the second index, which goes to the right, and that of the first.
    """
    matrices = np.asarray(table[y].values)
    _check_size(y, matrices.size)
    rows, first, second = (index.ravel() for index in np.indices(matrices.shape))
    places = [
        Column(_unused(table, f"{which} index of {y}"), Kind.NUMBER, index)
        for which, index in (("first", first), ("second", second))
    ]
    values = Column(y, Kind.NUMBER, matrices.ravel(), unit=table[y].unit)
    return _widened(table, rows, places, values), (places[1].name, places[0].name)


OUTPUT = "output"


def stack(table: Table, names: tuple[str, ...]) -> tuple[Table, str]:
    """Put several outputs into one column, beside one that names them.

    Returns
    -------
    table : Table
        With a parameter *output*, before all others.
    y : str
        The column of values.

    Raises
    ------
    UsageError
        If they are no numbers.
    """
    for name in names:
        if not table[name].is_numeric:
            raise UsageError(
                f"{name!r} holds {table[name].kind.value}; outputs that are drawn together hold "
                f"numbers."
            )
    n = table.n_rows
    units = {table[name].unit for name in names}
    joined = np.concatenate([np.asarray(table[name].values, dtype=np.float64) for name in names])
    values = Column(
        ", ".join(names), Kind.NUMBER, joined, unit=units.pop() if len(units) == 1 else ""
    )
    codes = np.repeat(np.arange(len(names)), n)
    which = Column(_unused(table, OUTPUT), Kind.CATEGORY, codes=codes, levels=list(names))
    rows = np.tile(np.arange(n), len(names))
    stacked = _widened(table, rows, [which], values)
    in_order = [which.name, *(name for name in stacked.params if name != which.name)]
    return Table(
        [stacked[name] for name in in_order], [stacked[name] for name in stacked.outputs]
    ), values.name


def _check_size(y: str, size: int) -> None:
    if size > _MOST:
        raise UsageError(
            f"{y!r} holds {size} numbers, more than can be drawn; choose rows with --where."
        )


def _widened(table: Table, rows: npt.NDArray[Any], places: list[Column], values: Column) -> Table:
    """Repeat the rows of all columns of single values, and add others to them."""
    scalars = [
        name
        for name in (*table.params, *table.outputs)
        if table[name].kind in (Kind.NUMBER, Kind.CATEGORY)
    ]
    single = table.only(scalars).take(rows)
    params = [single[name] for name in single.params]
    outputs = [single[name] for name in single.outputs]
    return Table([*params, *places], [*outputs, values])


def _lengths(column: Column) -> npt.NDArray[np.int64]:
    values = column.values
    if isinstance(values, np.ndarray):
        return np.full(values.shape[0], values.shape[1], dtype=np.int64)
    return np.fromiter(map(len, values), dtype=np.int64, count=len(values))


def _joined(column: Column) -> npt.NDArray[Any]:
    values = column.values
    if isinstance(values, np.ndarray):
        return values.ravel()
    return np.concatenate([*values, np.empty(0)])


def _places(
    table: Table, y: str, x: str | None, lengths: npt.NDArray[np.int64]
) -> tuple[list[Column], tuple[str, ...]]:
    """Return where the elements are, and something if this differs from row to row."""
    if x is None:
        starts = np.cumsum(lengths) - lengths
        index = np.arange(lengths.sum()) - np.repeat(starts, lengths)
        return [Column(_unused(table, f"index of {y}"), Kind.NUMBER, index)], ()
    column = table[x]
    if column.kind is not Kind.CURVE or not np.array_equal(_lengths(column), lengths):
        raise UsageError(
            f"{y!r} holds an array in each row, so {x!r} has to hold arrays of the same lengths; "
            f"leave it out to draw {y!r} over its index."
        )
    places = Column(x, Kind.NUMBER, _joined(column), unit=column.unit)
    longest = column.values[int(lengths.argmax())]
    same = all(
        np.array_equal(longest[:length], places_of, equal_nan=True)
        for places_of, length in zip(column.values, lengths.tolist(), strict=True)
    )
    return [places], () if same else (ROW,)


def _unused(table: Table, name: str) -> str:
    while name in table:
        name += "_"
    return name
