"""Collecting what a function returns into columns."""

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from psyrun.exceptions import IneffectiveExcludeWarning, ResultTypeError
from psyrun.failure import shorten, show_assignment
from psyrun.pspace import ParameterSpace

T = TypeVar("T")

_ABSENT = object()


def as_result(returned: object, assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Check that a function has returned a dictionary with strings as keys.

    Raises
    ------
    ResultTypeError
        If it has not; the message names the assignment.
    """
    if not isinstance(returned, Mapping):
        raise ResultTypeError(
            f"The function has to return a dictionary, such as {{'y': value}}, but for "
            f"{show_assignment(assignment)} it returned {shorten(returned)} of type "
            f"{type(returned).__qualname__}."
        )
    for key in returned:
        if not isinstance(key, str):
            raise ResultTypeError(
                f"The keys of the returned dictionary have to be strings, but for "
                f"{show_assignment(assignment)} it has {shorten(key)} of type "
                f"{type(key).__qualname__}."
            )
    return dict(returned)


def names_of(exclude: Collection[str] | None) -> set[str]:
    """Return the names to exclude; a single text is one of them."""
    return {exclude} if isinstance(exclude, str) else set(exclude or ())


def warn_of_ineffective(names: Iterable[str]) -> None:
    """Warn that names to exclude were not in the result."""
    for name in sorted(names):
        warnings.warn(IneffectiveExcludeWarning(name), stacklevel=3)


def without(columns: Mapping[str, T], exclude: Collection[str] | None) -> dict[str, T]:
    """Leave out some names, and warn of those that are not there."""
    names = names_of(exclude)
    warn_of_ineffective(names - columns.keys())
    return {name: column for name, column in columns.items() if name not in names}


class Table:
    """The results for the first rows of a space, column by column.

    Parameters
    ----------
    space : ParameterSpace
        The space; results arrive in its order.
    """

    def __init__(self, space: ParameterSpace) -> None:
        self._space = space
        self._columns: dict[str, list[Any]] = {}
        self._n = 0
        self._has_gaps = False

    def add(self, returned: Any) -> None:
        """Add what the function returned for the next row.

        Raises
        ------
        ResultTypeError
            If that is no dictionary with strings as keys.
        """
        if type(returned) is not dict:
            returned = as_result(returned, self._space[self._n])
        columns = self._columns
        for name, value in returned.items():
            try:
                columns[name].append(value)
            except KeyError:
                self._start_column(name, value, returned)
        self._n += 1
        if len(returned) != len(columns):
            self._fill()

    def _start_column(self, name: str, value: Any, returned: dict[str, Any]) -> None:
        as_result(returned, self._space[self._n])
        self._has_gaps = self._has_gaps or self._n > 0
        self._columns[name] = [*([_ABSENT] * self._n), value]

    def _fill(self) -> None:
        self._has_gaps = True
        for column in self._columns.values():
            if len(column) < self._n:
                column.append(_ABSENT)

    def finish(self, exclude: Collection[str] | None) -> dict[str, list[Any]]:
        """Return the columns of the parameters and the results.

        Parameters
        ----------
        exclude : collection of str, optional
            Names of columns to leave out.

        Returns
        -------
        dict of str to list
            The columns.
        """
        columns = self._space.build()
        if self._has_gaps:
            for name, results in self._columns.items():
                defaults: Sequence[Any] = columns.get(name, [None] * self._n)
                results[:] = [
                    default if result is _ABSENT else result
                    for result, default in zip(results, defaults, strict=True)
                ]
        return without(columns | self._columns, exclude if self._n else None)
