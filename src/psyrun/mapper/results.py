"""Collecting what a function returns into columns."""

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from psyrun.exceptions import IneffectiveExcludeWarning, ResultTypeError
from psyrun.failure import shorten, show_assignment
from psyrun.pspace import ParameterSpace

_ABSENT = object()
_ONLY_STRINGS = frozenset({str})


def as_result(returned: object, assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Check that a function has returned a dictionary with strings as keys, and copy it.

    Raises
    ------
    ResultTypeError
        If it has not; the message names the assignment.
    """
    if type(returned) is dict and _ONLY_STRINGS.issuperset(map(type, returned)):
        return returned.copy()
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
        self._appends: list[tuple[str, Callable[[Any], None]]] = []
        self._n = 0
        self._has_gaps = False

    def __len__(self) -> int:
        return self._n

    def extend(self, returned: Iterable[Any]) -> None:
        """Add what the function returned for the next rows.

        Each item is taken apart before the next one is made, because a function may return the
        same dictionary each time.

        Raises
        ------
        ResultTypeError
            If an item is no dictionary with strings as keys.
        """
        appends = self._appends
        for item in returned:
            if type(item) is dict and len(item) == len(appends):
                try:
                    for name, append in appends:
                        append(item[name])
                    self._n += 1
                    continue
                except KeyError:
                    pass
            self._add_irregular(item)
            appends = self._appends

    def _add_irregular(self, item: Any) -> None:
        """Add a row that has other names than the rows before."""
        result = as_result(item, self._space[self._n])
        for name in result:
            self._columns.setdefault(name, [_ABSENT] * self._n)
        for name, column in self._columns.items():
            del column[self._n :]
            column.append(result.get(name, _ABSENT))
        self._has_gaps = self._n > 0
        self._n += 1
        self._appends = [(name, column.append) for name, column in self._columns.items()]

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
        columns |= self._columns
        names = names_of(exclude)
        if self._n:
            warn_of_ineffective(names - columns.keys())
        return {name: column for name, column in columns.items() if name not in names}
