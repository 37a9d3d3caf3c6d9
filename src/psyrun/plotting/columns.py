"""The columns of a table as a picture needs them: of which kind, and with which values."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UnknownColumnError
from psyrun.failure import shorten
from psyrun.values import as_numbers, canonical

Codes = npt.NDArray[np.int64]

MISSING_CODE = -1

_LONG = 10_000_000
"""Whole numbers from here on are written with an exponent."""


class Kind(Enum):
    """What a column holds."""

    NUMBER = "numbers"
    CATEGORY = "categories"
    CURVE = "arrays"
    MATRIX = "arrays of two dimensions"
    OTHER = "values that are neither numbers, names nor arrays of one or two dimensions"


class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
        Its name.
    kind : Kind
        What it holds.
    values : ndarray or sequence
        Numbers; or arrays, one a row. Not needed for categories.
    codes : ndarray of int64, shape (n,), optional
        For each row the place of its value among the levels, -1 for none.
    levels : sequence, optional
        The distinct values in the order in which they are drawn.
    unit : str, optional
        Unit of the values.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        values: Any = None,
        *,
        codes: Codes | None = None,
        levels: Sequence[Any] | npt.NDArray[Any] | None = None,
        unit: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.unit = unit
        self._values = values
        self._codes = codes
        self._levels = levels

    def __len__(self) -> int:
        return len(self.codes if self.kind is Kind.CATEGORY else self._values)

    @property
    def label(self) -> str:
        """The name and the unit, for an axis."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    @property
    def is_numeric(self) -> bool:
        """Whether there are numbers to be drawn, be it truth values as 0 and 1."""
        return self.kind is Kind.NUMBER or (
            self.kind is Kind.CATEGORY and set(map(type, self.levels)) <= {bool, np.bool_}
        )

    @property
    def values(self) -> Any:
        """The numbers, NaN for none, or the arrays."""
        if self.kind is Kind.CATEGORY:
            numbers = np.array([*self.levels, np.nan], dtype=np.float64)
            return numbers[self.codes]
        return self._values

    @property
    def codes(self) -> Codes:
        """For each row the place of its value among the levels, -1 for none."""
        if self._codes is None:
            self._factorise()
        assert self._codes is not None
        return self._codes

    @property
    def levels(self) -> Any:
        """The distinct values: numbers in ascending order, others as they come."""
        if self._levels is None:
            self._factorise()
        return self._levels

    @property
    def varies(self) -> bool:
        """Whether there are several values."""
        return len(self.levels) > 1

    def _factorise(self) -> None:
        if self.kind is not Kind.NUMBER:
            size = len(self._values)
            self._codes, self._levels = np.arange(size, dtype=np.int64), range(size)
            return
        finite = np.isfinite(self._values)
        codes = np.full(len(finite), MISSING_CODE, dtype=np.int64)
        self._levels, codes[finite] = np.unique(self._values[finite], return_inverse=True)
        self._codes = codes

    def take(self, rows: npt.NDArray[Any]) -> "Column":
        """Pick rows, by their numbers or by a mask; levels stay what they are."""
        codes = None if self._codes is None else self._codes[rows]
        values: Any = None
        if self.kind is Kind.NUMBER:
            values = self._values[rows]
        elif self.kind is not Kind.CATEGORY:
            values = [self._values[i] for i in np.arange(len(self._values))[rows]]
        return Column(
            self.name, self.kind, values, codes=codes, levels=self._levels, unit=self.unit
        )

    def level_names(self) -> list[str]:
        """Write the levels as they are shown."""
        if self.kind is not Kind.NUMBER:
            return [level if isinstance(level, str) else shorten(level) for level in self.levels]
        for digits in (4, 8, 17):
            names = [show_number(level, digits) for level in self.levels]
            if len(set(names)) == len(names):
                break
        return names


def show_number(value: float, digits: int) -> str:
    """Write a number with so many significant digits, whole ones with all.

    Examples
    --------
    >>> show_number(20000.0, 4), show_number(0.1 + 0.2, 4), show_number(1e-9, 4), show_number(5, 4)
    ('20000', '0.3', '1e-09', '5')
    """
    if value % 1 == 0 and abs(value) < _LONG:
        return str(int(value))
    return f"{value:.{digits}g}"


_ARRAYS = {2: Kind.CURVE, 3: Kind.MATRIX}
"""What arrays of all rows with so many dimensions hold."""


def make_column(name: str, values: Any, unit: str = "") -> Column:
    """Find out what a column holds.

    Parameters
    ----------
    name : str
        Its name.
    values : ndarray or list
        A value for each row.
    unit : str, optional
        Unit of the values.

    Returns
    -------
    Column

    Examples
    --------
    >>> make_column("x", [1, 2, None]).kind, make_column("x", ["a", "b"]).kind
    (<Kind.NUMBER: 'numbers'>, <Kind.CATEGORY: 'categories'>)
    >>> make_column("x", [[1.0, 2.0], [3.0]]).kind
    <Kind.CURVE: 'arrays'>
    """
    array = values if isinstance(values, np.ndarray) and values.dtype != object else None
    if array is not None and array.ndim == 1 and array.dtype.kind in "iuf":
        return Column(name, Kind.NUMBER, array, unit=unit)
    if array is not None and array.ndim > 1:
        kind = _ARRAYS.get(array.ndim, Kind.OTHER) if array.dtype.kind in "biuf" else Kind.OTHER
        return Column(name, kind, array, unit=unit)
    if array is not None:
        return _categories(name, array.tolist() if array.dtype.kind in "bUS" else array, unit)
    return _from_objects(name, list(values), unit)


def _from_objects(name: str, values: list[Any], unit: str) -> Column:
    present = [value for value in values if value is not None]
    types = set(map(type, present))
    numbers = None if types <= {bool, np.bool_} else as_numbers(present)
    if numbers is not None and len(numbers) == len(values):
        return Column(name, Kind.NUMBER, numbers, unit=unit)
    if numbers is not None:
        filled = np.full(len(values), np.nan)
        filled[[value is not None for value in values]] = numbers
        return Column(name, Kind.NUMBER, filled, unit=unit)
    if types and all(issubclass(t, list | tuple | np.ndarray) for t in types):
        curves = [_as_curve(value) for value in values]
        kind = Kind.OTHER if any(curve is None for curve in curves) else Kind.CURVE
        return Column(name, kind, curves, unit=unit)
    return _categories(name, values, unit)


def _as_curve(value: Any) -> npt.NDArray[np.float64] | None:
    if value is None:
        return np.empty(0)
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return array if array.ndim == 1 else None


def _categories(name: str, values: Any, unit: str) -> Column:
    places: dict[Any, int] = {}
    levels: list[Any] = []
    codes = np.empty(len(values), dtype=np.int64)
    for i, value in enumerate(values):
        if isinstance(value, float) and value != value:  # a parameter that the assignment lacks
            codes[i] = MISSING_CODE
            continue
        key = value if type(value) is str else canonical(value)
        place = places.setdefault(key, len(levels))
        if place == len(levels):
            levels.append(value)
        codes[i] = place
    if set(map(type, levels)) <= {bool, np.bool_}:
        codes, levels = _in_order(codes, levels)
    return Column(name, Kind.CATEGORY, codes=codes, levels=levels, unit=unit)


def _in_order(codes: Codes, levels: list[Any]) -> tuple[Codes, list[Any]]:
    """Put False before True."""
    order = sorted(range(len(levels)), key=levels.__getitem__)
    places = np.array([*np.argsort(order), MISSING_CODE], dtype=np.int64)
    return places[codes], [levels[i] for i in order]


class Table:
    """The columns of a result that a picture can show.

    Parameters
    ----------
    params, outputs : sequence of Column
        Parameters and outputs.
    """

    def __init__(self, params: Sequence[Column], outputs: Sequence[Column]) -> None:
        self.params = [column.name for column in params]
        self.outputs = [column.name for column in outputs]
        self._columns = {column.name: column for column in (*params, *outputs)}

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Any],
        params: Sequence[str],
        units: Mapping[str, str] | None = None,
    ) -> "Table":
        """Make a table of plain columns, those that are not among *params* being outputs."""
        made = [make_column(name, columns[name], (units or {}).get(name, "")) for name in columns]
        return cls(
            [column for column in made if column.name in params],
            [column for column in made if column.name not in params],
        )

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return next((len(column) for column in self._columns.values()), 0)

    def __getitem__(self, name: str) -> Column:
        if name not in self._columns:
            raise unknown_column(name, [*self.params, *self.outputs])
        return self._columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def take(self, rows: npt.NDArray[Any]) -> "Table":
        """Pick rows, by their numbers or by a mask."""
        return self.replace({name: column.take(rows) for name, column in self._columns.items()})

    def only(self, names: Collection[str]) -> "Table":
        """Leave all other columns out."""
        return self.replace({name: self._columns[name] for name in names})

    def with_names(self, name: str) -> "Table":
        """Turn the values of a column into categories."""
        column = self[name]
        names = column.level_names()
        made = Column(name, Kind.CATEGORY, codes=column.codes, levels=names, unit=column.unit)
        return self.replace({**self._columns, name: made})

    def replace(self, columns: Mapping[str, Column]) -> "Table":
        """Put other columns in the place of those of the same name; others are left out."""
        return Table(
            [columns[name] for name in self.params if name in columns],
            [columns[name] for name in self.outputs if name in columns],
        )


def unknown_column(name: str, known: Sequence[str]) -> UnknownColumnError:
    """Return the error to raise where there is no such column."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else ""
    return UnknownColumnError(
        f"There is no column {name!r}; {hint or 'there are ' + ', '.join(known) + '.'}"
    )
