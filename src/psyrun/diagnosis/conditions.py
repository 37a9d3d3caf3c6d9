"""Conditions on one parameter that all failed rows satisfy: bounds and sets of values."""

import math
import numbers
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.failure import shorten
from psyrun.pspace import ParameterSpace
from psyrun.pspace.matching import CodeReader
from psyrun.pspace.reading import ValueReader
from psyrun.rows import Rows
from psyrun.values import as_numbers, canonical, is_missing

Mask = npt.NDArray[np.bool_]

_MOST_VALUES = 5  # a longer list of values tells a reader nothing
_BOUND_SHARE = 0.4  # how the chance of a mistake is shared out among the kinds of conditions
_MISSING_KEY: Hashable = ("missing",)


@dataclass(frozen=True)
class Coded:
    """The values of one parameter in some rows.

    Attributes
    ----------
    name : str
        The parameter.
    codes : ndarray of int64, shape (n_rows,)
        For each row the position of its value in *values*.
    values : list
        The distinct values.
    """

    name: str
    codes: Rows
    values: list[Any]

    @classmethod
    def read(cls, space: ParameterSpace, name: str, rows: Rows) -> "Coded":
        """Read a parameter in some rows of a space."""
        values = space._read(ValueReader([name]), rows)[name]
        found = as_numbers(values)
        if found is None:
            codes = space._read(CodeReader([name], space), rows)[name]
            absent = codes == 0
        else:
            codes = np.unique(found, return_inverse=True)[1]
            absent = np.isnan(found)
        codes[[i for i in np.flatnonzero(absent).tolist() if is_missing(values[i])]] = -1
        _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
        return cls(name, codes, [values[i] for i in first.tolist()])

    @cached_property
    def numbers(self) -> npt.NDArray[np.float64]:
        """The distinct values as numbers, NaN for those that are none."""
        if all(issubclass(t, float | np.floating) for t in set(map(type, self.values))):
            return np.array(self.values, dtype=np.float64)  # the values of a million rows, perhaps
        return np.array([_as_number(value) for value in self.values], dtype=np.float64)

    @property
    def ordered(self) -> npt.NDArray[np.float64]:
        """The distinct values as numbers if they have an order that means something."""
        if all(isinstance(value, bool | np.bool_) for value in self.values):
            return np.full(len(self.values), np.nan)
        return self.numbers

    @cached_property
    def keys(self) -> list[Hashable]:
        """The distinct values in a form that can be looked up."""
        return [_key(value) for value in self.values]


@dataclass(frozen=True)
class Bound:
    """A parameter is at least, or at most, some value.

    Attributes
    ----------
    name : str
        The parameter.
    value : object
        The bound, a value that occurs in a failed row.
    upper : bool
        Whether it is an upper bound.
    exact : bool
        Whether no failed row has another value, and no row is beyond; then it is told as equality.
    cost : float
        Minus the logarithm of this condition's share of the chance of a mistake.
    n_nested : int
        Number of such bounds, each of which implies the next.
    """

    name: str
    value: Any
    upper: bool
    exact: bool
    cost: float
    n_nested: int

    def holds(self, column: Coded) -> Mask:
        """Tell for each row whether it satisfies the condition."""
        at = _as_number(self.value)
        if self.exact:
            return np.asarray((column.numbers == at)[column.codes])
        holds = column.numbers <= at if self.upper else column.numbers >= at
        return np.asarray(holds[column.codes])


@dataclass(frozen=True)
class Among:
    """A parameter has one of some values; attributes as of `Bound`."""

    name: str
    values: tuple[Any, ...]
    cost: float
    n_nested: int = 1

    def holds(self, column: Coded) -> Mask:
        """Tell for each row whether it satisfies the condition."""
        wanted = set(map(_key, self.values))
        return np.array([key in wanted for key in column.keys], dtype=bool)[column.codes]


Condition = Bound | Among


def conditions(column: Coded, n_failed: int) -> list[Condition]:
    """Find the conditions on a parameter that all failed rows satisfy, and as few others as can be.

    Parameters
    ----------
    column : Coded
        The parameter in some rows.
    n_failed : int
        How many of the rows, the first ones, have failed.

    Returns
    -------
    list of Bound or Among
        A lower and an upper bound if the values of the failed rows are numbers, and the set of
        these values if it is small and tells more than the bounds.
    """
    failing = np.unique(column.codes[:n_failed])
    numbers_ = column.ordered
    at = numbers_[failing]
    n_numbers = int(np.count_nonzero(~np.isnan(numbers_)))
    found: list[Condition] = []
    n_between = 0
    if not np.any(np.isnan(at)):
        low, high = at.min(), at.max()
        n_between = int(np.count_nonzero((numbers_ >= low) & (numbers_ <= high)))
        for upper, bound, extreme in (
            (False, low, np.nanmax(numbers_)),
            (True, high, np.nanmin(numbers_)),
        ):
            value = column.values[failing[np.flatnonzero(at == bound)[0]]]
            cost = -math.log(_BOUND_SHARE)
            found.append(Bound(column.name, value, upper, bound == extreme, cost, n_numbers))
    if len(failing) <= _MOST_VALUES and (len(failing) == 1 or n_between != len(failing)):
        share = (1 - 2 * _BOUND_SHARE if n_numbers else 1.0) * 0.5 ** len(failing)
        cost = math.log(math.comb(len(column.values), len(failing)) / share)
        found.append(Among(column.name, tuple(column.values[i] for i in failing.tolist()), cost))
    return found


def describe(group: Sequence[Condition]) -> str:
    """Write conditions on the same parameter, as a Python expression where there is one."""
    name = _show_name(group[0].name)
    bounds = sorted((c for c in group if isinstance(c, Bound)), key=lambda c: c.upper)
    texts = [_describe_values(name, c.values) for c in group if isinstance(c, Among)]
    shown = [_show(bound.value) for bound in bounds]
    if any(bound.exact for bound in bounds) or (
        len(bounds) == 2 and bounds[0].value == bounds[1].value
    ):
        texts.insert(0, f"{name} == {shown[0]}")
    elif len(bounds) == 2:
        texts.insert(0, f"{shown[0]} <= {name} <= {shown[1]}")
    elif bounds:
        texts.insert(0, f"{name} {'<=' if bounds[0].upper else '>='} {shown[0]}")
    return " and ".join(texts)


def _describe_values(name: str, values: Iterable[Any]) -> str:
    plain, texts = [], []
    for value in values:
        if is_missing(value):
            texts.append(f"{name} is missing")
        elif _is_nan(value):
            texts.append(f"{name} is nan")
        else:
            plain.append(_show(value))
    if len(plain) == 1:
        texts.insert(0, f"{name} == {plain[0]}")
    elif plain:
        texts.insert(0, f"{name} in ({', '.join(plain)})")
    return texts[0] if len(texts) == 1 else f"({' or '.join(texts)})"


def _show_name(name: str) -> str:
    """Quote a name that could be misread, in the way of `pandas.DataFrame.query`."""
    return name if all(map(str.isidentifier, name.split("."))) else f"`{name}`"


def _show(value: Any) -> str:
    return shorten(value.item() if isinstance(value, np.generic) else value)


def _key(value: Any) -> Hashable:
    return _MISSING_KEY if is_missing(value) else canonical(value)


def _is_nan(value: Any) -> bool:
    return canonical(value) == canonical(math.nan)


def _as_number(value: Any) -> float:
    """Convert a real number or truth value; NaN for everything else."""
    if not isinstance(value, numbers.Real | np.bool_):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan
