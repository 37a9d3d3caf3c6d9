"""`Param`, and what ``*``, ``+``, ``-`` and indexing make of it."""

import math
import operator
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, chain
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import AmbiguousOperationError
from psyrun.failure import show_assignment
from psyrun.pspace import columns as _columns
from psyrun.pspace import display as _display
from psyrun.pspace.columns import Rows
from psyrun.pspace.indexing import NO_ROWS, accepted_names, as_array, as_rows, assignments
from psyrun.pspace.matching import count_equal, first_rows, rows_not_in
from psyrun.pspace.reading import C, Reader, ValueReader
from psyrun.values import MISSING, NAN, canonical

Assignment = dict[str, Any]

_CHUNK = 1024  # rows that are held as dictionaries at a time
_COUNT_LIMIT = 1 << 22  # rows up to which all equal rows are counted at once
_MAX_ROWS = 2**63 - 1


class ParameterSpace(ABC):
    """An ordered, indexable collection of assignments.

    Spaces are immutable and can be pickled. ``len``, indexing, slicing, iteration and ``in`` work
    as for a sequence of dictionaries; ``space[rows]`` with an array of rows, or with a Boolean
    mask, selects rows like a slice does.

    See Also
    --------
    Param : builds a space from values

    Examples
    --------
    >>> from psyrun import Param
    >>> space = Param(a=range(100_000)) * Param(b=range(100_000))
    >>> len(space)
    10000000000
    >>> space[-1]
    {'a': 99999, 'b': 99999}
    >>> space[2:10**9:4 * 10**8].build()
    {'a': [0, 4000, 8000], 'b': [2, 2, 2]}
    >>> {'a': 1, 'b': 3} in space
    True
    >>> space.index({'a': 1, 'b': 3})
    100003
    """

    __array_ufunc__ = None  # makes NumPy leave ``array * space`` to us

    _names: list[str]

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def _iterate(self) -> Iterator[Assignment]: ...

    @abstractmethod
    def _leaves(self) -> Iterator["Param"]:
        """Iterate over the `Param` objects that the space is made of."""

    @abstractmethod
    def _assignment(self, row: int) -> Assignment:
        """Return the assignment of a row that exists."""

    @abstractmethod
    def _read(self, reader: Reader[C], rows: Rows | None = None) -> dict[str, C]:
        """Read columns at some or at all rows; names that the space lacks are left out."""

    @abstractmethod
    def _find(self, key: Mapping[str, Hashable]) -> Rows:
        """Find the rows with some canonical values, one for each parameter of the space."""

    @abstractmethod
    def _count_equal(self, rows: Rows) -> tuple[Rows, Rows]:
        """Count the earlier rows, and all rows, with the same assignment as each of *rows*."""

    @abstractmethod
    def _structure(self) -> str:
        """Describe how the space is composed."""

    def _by_chunks(self, names: Sequence[str]) -> Iterator[Assignment]:
        """Iterate over some parameters, of which the columns of a few rows are read at a time."""
        for start in range(0, len(self), _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, len(self)))
            columns = self._read(ValueReader(names), rows)
            yield from assignments(names, [columns[name] for name in names], len(rows))

    @property
    def _is_unique(self) -> bool:
        """Whether no assignment is there twice, as far as this is cheap to know."""
        return len(self) < 2

    def keys(self) -> list[str]:
        """Return the names of the parameters.

        Returns
        -------
        list of str
            The names, in the order in which they were first given.
        """
        return list(self._names)

    def build(self) -> dict[str, list[Any]]:
        """Build the columns of all parameter assignments.

        Returns
        -------
        dict
            Names of the parameters with lists of their values, each as long as the space.

        Examples
        --------
        >>> from psyrun import Param
        >>> (Param(a=[1, 2]) * Param(b=[3, 4])).build()
        {'a': [1, 1, 2, 2], 'b': [3, 4, 3, 4]}
        """
        names = self.keys()
        columns = self._read(ValueReader(names))
        return {name: columns[name] for name in names}

    def iterate(self) -> Iterator[Assignment]:
        """Iterate over the assignments without holding more than a few of them in memory.

        Yields
        ------
        dict
            Names and values of the parameters of one row.
        """
        return self._iterate()

    def find(self, assignment: Mapping[str, Any]) -> Rows:
        """Find all rows with an assignment.

        Parameters
        ----------
        assignment : mapping
            Names and values. A name that it, or the space, lacks counts as missing.

        Returns
        -------
        ndarray of int64
            Rows, ascending.

        Examples
        --------
        >>> from psyrun import Param
        >>> (Param(a=[1, 2, 1]) * Param(b=[3, 4])).find({'a': 1, 'b': 4})
        array([1, 5])
        """
        key = {name: canonical(value) for name, value in assignment.items()}
        if any(value is not NAN for name, value in key.items() if name not in self._names):
            return NO_ROWS
        return self._find({name: key.get(name, NAN) for name in self._names})

    def index(self, assignment: Mapping[str, Any]) -> int:
        """Return the first row with an assignment.

        Parameters
        ----------
        assignment : mapping
            Names and values of the parameters.

        Returns
        -------
        int
            The row.

        Raises
        ------
        ValueError
            If the space does not contain the assignment.
        """
        rows = self.find(assignment)
        if not len(rows):
            raise ValueError(
                f"The assignment {show_assignment(assignment)} is not in the parameter space."
            )
        return int(rows[0])

    def occurrences(self, rows: npt.ArrayLike) -> Rows:
        """Count for each of some rows the earlier rows of the space with the same assignment.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            Rows of the space.

        Returns
        -------
        ndarray of int64, shape (n,)
            The counts: 0 for the first row with an assignment, 1 for the second, and so on.

        Examples
        --------
        >>> from psyrun import Param
        >>> Param(a=[1, 2, 1, 1]).occurrences([0, 1, 2, 3])
        array([0, 0, 1, 2])
        """
        checked = as_rows(rows, len(self))
        if self._is_unique:
            return np.zeros(len(checked), dtype=np.int64)
        return self._count_equal(checked)[0]

    def unique(self) -> "ParameterSpace":
        """Keep the first row with each assignment only.

        Returns
        -------
        ParameterSpace
            The space without repetitions, in the same order.

        Examples
        --------
        >>> from psyrun import Param
        >>> (Param(a=[1, 2]) + Param(a=[2, 3])).unique().build()
        {'a': [1, 2, 3]}
        """
        return self if self._is_unique else Selection(self, first_rows(self))

    def where(self, predicate: Callable[..., Any]) -> "ParameterSpace":
        """Keep the rows that satisfy a condition.

        Parameters
        ----------
        predicate : callable
            Is given the parameters that it names (all, if it takes ``**kwargs``) as keyword
            arguments.

        Returns
        -------
        ParameterSpace
            The rows for which the predicate is true.

        Raises
        ------
        TypeError
            If the predicate requires an argument that is no parameter of the space.

        Examples
        --------
        >>> from psyrun import Param
        >>> space = Param(a=[1, 2, 3]) * Param(b=[1, 2, 3])
        >>> space.where(lambda a, b: a + b == 4).build()
        {'a': [1, 2, 3], 'b': [3, 2, 1]}
        """
        rows = enumerate(self._by_chunks(accepted_names(predicate, self.keys())))
        found = [row for row, assignment in rows if predicate(**assignment)]
        return Selection(self, np.array(found, dtype=np.int64))

    def sample(self, n: int, seed: "int | np.random.Generator | None" = None) -> "ParameterSpace":
        """Select rows at random, without replacement.

        Parameters
        ----------
        n : int
            Number of rows.
        seed : int or numpy.random.Generator, optional
            Makes the choice repeatable.

        Returns
        -------
        ParameterSpace
            The selected rows, in the order of the space.

        Raises
        ------
        ValueError
            If the space has less than *n* rows.

        Examples
        --------
        >>> from psyrun import Param
        >>> space = Param(a=range(10**6)) * Param(b=range(10**6))
        >>> len(space.sample(3, seed=1))
        3
        """
        if not 0 <= n <= len(self):
            raise ValueError(f"Cannot select {n} of the {len(self)} rows of a parameter space.")
        generator = np.random.default_rng(seed)
        rows = generator.choice(len(self), n, replace=False, shuffle=False)
        return Selection(self, np.sort(rows))

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> Assignment: ...

    @overload
    def __getitem__(self, key: slice | range | npt.ArrayLike) -> "ParameterSpace": ...

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            rows = range(len(self))[key]
            return self if rows == range(len(self)) else Selection(self, rows)
        if isinstance(key, range) and (not key or (min(key) >= 0 and max(key) < len(self))):
            return Selection(self, key)
        try:
            row = operator.index(key)
        except TypeError:
            return Selection(self, as_rows(key, len(self)))
        if not -len(self) <= row < len(self):
            raise IndexError(f"There is no row {row} in a parameter space of {len(self)} rows.")
        return self._assignment(row % len(self))

    def __iter__(self) -> Iterator[Assignment]:
        return self.iterate()

    def __contains__(self, assignment: object) -> bool:
        return isinstance(assignment, Mapping) and len(self.find(assignment)) > 0

    def __add__(self, other: "ParameterSpace") -> "ParameterSpace":
        return Sum(self, other) if isinstance(other, ParameterSpace) else NotImplemented

    def __mul__(self, other: "ParameterSpace") -> "ParameterSpace":
        if not isinstance(other, ParameterSpace):
            return NotImplemented
        if not self.keys():
            return other
        return Product(self, other) if other.keys() else self

    def __sub__(self, other: "ParameterSpace") -> "ParameterSpace":
        if not isinstance(other, ParameterSpace):
            return NotImplemented
        for name in other._names:
            if name not in self._names:
                raise AmbiguousOperationError(f"Key `{name}` not existent in minuend.")
        if not len(other) or not other.keys():
            return self
        return Selection(self, rows_not_in(self, other, other.keys()))

    def __radd__(self, other: object) -> "ParameterSpace":
        """Make ``sum(spaces)`` work, which starts with 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __rmul__(self, other: object) -> "ParameterSpace":
        """Make ``math.prod(spaces)`` work, which starts with 1."""
        return self if isinstance(other, int) and other == 1 else NotImplemented

    def __repr__(self) -> str:
        return f"<parameter space of {len(self)} rows: {_display.cut(self._structure())}>"

    def _repr_html_(self) -> str:
        return _display.html(self)


class Param(ParameterSpace):
    """Constructs a parameter space from values.

    Parameters
    ----------
    **params : sequence or object
        For each parameter a sequence of its values: a list, tuple, range, array (of which the
        first axis counts) or data-frame column. All have to be of the same length. Anything else,
        also strings, bytes and dictionaries, is a single value, which is used for all rows.

    Raises
    ------
    ValueError
        If sequences differ in length.
    TypeError
        If the values are a set or an iterator.

    Examples
    --------
    >>> from psyrun import Param
    >>> Param(a=[1, 2], b="text").build()
    {'a': [1, 2], 'b': ['text', 'text']}
    >>> Param(**{"root.a": [1, 2]}).keys()
    ['root.a']
    """

    def __init__(self, /, **params: Any) -> None:
        self._names = list(params)
        self.columns = {name: _columns.as_column(name, v) for name, v in params.items()}
        lengths = {n: c for n, v in self.columns.items() if (c := _columns.length(v)) is not None}
        if len(set(lengths.values())) > 1:
            described = ", ".join(f"{n} has {c}" for n, c in lengths.items())
            raise ValueError(f"Parameter lists differ in length: {described} values.")
        self._n = next(iter(lengths.values()), 1 if params else 0)

    def __len__(self) -> int:
        return self._n

    def __repr__(self) -> str:
        return _display.param(self.columns, all(map(str.isidentifier, self.columns)))

    def __str__(self) -> str:
        return _display.param(self.columns, True)

    def _structure(self) -> str:
        return repr(self)

    def _iterate(self) -> Iterator[Assignment]:
        columns = [_columns.iterate(c, self._n) for c in self.columns.values()]
        return assignments(self.keys(), columns, self._n)

    def _find(self, key: Mapping[str, Hashable]) -> Rows:
        ranges = ((name, c) for name, c in self.columns.items() if isinstance(c, range))
        name, column = next(ranges, ("", None))
        if column is None:
            rows = self._rows_by_key.get(tuple(key[n] for n in self._names), [])
            return np.array(rows, dtype=np.int64)
        if key[name] not in column:
            return NO_ROWS
        row = column.index(key[name])  # type: ignore[arg-type]  # it equals an int
        found = all(canonical(v) == key[n] for n, v in self._assignment(row).items())
        return np.array([row] if found else [], dtype=np.int64)

    def _leaves(self) -> Iterator["Param"]:
        yield self

    @cached_property
    def _rows_by_key(self) -> dict[tuple[Hashable, ...], list[int]]:
        columns = [map(canonical, _columns.iterate(c, self._n)) for c in self.columns.values()]
        rows: dict[tuple[Hashable, ...], list[int]] = {}
        for row, key in enumerate(zip(*columns, strict=True)):
            rows.setdefault(key, []).append(row)
        return rows

    @cached_property
    def _is_unique(self) -> bool:
        if self._n < 2 or any(isinstance(c, range) for c in self.columns.values()):
            return True
        return len(first_rows(self)) == self._n

    def _count_equal(self, rows: Rows) -> tuple[Rows, Rows]:
        if self._is_unique:
            return np.zeros_like(rows), np.ones_like(rows)
        earlier, total = self._equal_counts
        return earlier[rows], total[rows]

    @cached_property
    def _equal_counts(self) -> tuple[Rows, Rows]:
        return count_equal(self)

    def _assignment(self, row: int) -> Assignment:
        return {name: _columns.value_at(c, row) for name, c in self.columns.items()}

    def _read(self, reader: Reader[C], rows: Rows | None = None) -> dict[str, C]:
        return reader.leaf(self, rows)

    def __getstate__(self) -> dict[str, Any]:
        return {"columns": self.columns, "_n": self._n, "_names": self._names}


class Product(ParameterSpace):
    """The Cartesian product of spaces; the last factor varies fastest.

    Parameters
    ----------
    *spaces : ParameterSpace
        The factors.

    Attributes
    ----------
    factors : tuple of ParameterSpace
        The factors; products among them are replaced by their factors.

    Raises
    ------
    AmbiguousOperationError
        If factors share a parameter.
    ValueError
        If the product has more rows than a 64-bit integer can count.

    Examples
    --------
    >>> from psyrun.pspace import Param, Product
    >>> Product(Param(a=[1, 2]), Param(b=[1, 2])).build()
    {'a': [1, 1, 2, 2], 'b': [1, 2, 1, 2]}
    """

    def __init__(self, *spaces: ParameterSpace) -> None:
        factors = (s.factors if isinstance(s, Product) else (s,) * bool(s.keys()) for s in spaces)
        self.factors: tuple[ParameterSpace, ...] = tuple(chain.from_iterable(factors))
        self._names = [name for factor in self.factors for name in factor._names]
        if len(set(self._names)) < len(self._names):
            shared = sorted({n for n in self._names if self._names.count(n) > 1})
            raise AmbiguousOperationError(f"Duplicate param keys: {', '.join(shared)}.")
        sizes = [len(factor) for factor in self.factors]
        self._n = math.prod(sizes) if sizes else 0
        if self._n > _MAX_ROWS:
            raise ValueError(
                f"A parameter space can have 2**63 - 1 rows; the product has {self._n}."
            )
        # How many consecutive rows share a row of the factor.
        self._strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]

    def __len__(self) -> int:
        return self._n

    def _iterate(self) -> Iterator[Assignment]:
        if not self._n:
            return iter(())
        blocks: list[list[Assignment] | ParameterSpace] = []
        for factor in self.factors:
            block = list(factor.iterate()) if len(factor) <= _CHUNK else factor
            last = blocks[-1] if blocks else factor
            if (
                isinstance(last, list)
                and isinstance(block, list)
                and len(last) * len(block) <= _CHUNK
            ):
                blocks[-1] = [head | tail for head in last for tail in block]
            else:
                blocks.append(block)
        rows = iter(blocks[0])
        for block in blocks[1:]:
            rows = _crossed(rows, block)
        return rows

    def _find(self, key: Mapping[str, Hashable]) -> Rows:
        rows = np.zeros(1 if self._n else 0, dtype=np.int64)
        for factor, stride in zip(self.factors, self._strides, strict=True):
            found = factor._find({name: key[name] for name in factor._names})
            rows = (rows[:, None] + stride * found).ravel()
        return rows

    def _leaves(self) -> Iterator[Param]:
        return chain.from_iterable(factor._leaves() for factor in self.factors)

    def unique(self) -> ParameterSpace:
        """Keep the first row with each assignment only; the result is a product again."""
        return self if self._is_unique else Product(*(factor.unique() for factor in self.factors))

    @property
    def _is_unique(self) -> bool:
        return self._n < 2 or all(factor._is_unique for factor in self.factors)

    def _count_equal(self, rows: Rows) -> tuple[Rows, Rows]:
        # Rows are equal if they are so in each factor, and they are ordered by the factors in turn.
        earlier, total = np.zeros_like(rows), np.ones_like(rows)
        for factor, stride in zip(self.factors, self._strides, strict=True):
            factor_earlier, factor_total = factor._count_equal(rows // stride % len(factor))
            earlier = earlier * factor_total + factor_earlier
            total *= factor_total
        return earlier, total

    def _assignment(self, row: int) -> Assignment:
        result: Assignment = {}
        for factor, stride in zip(self.factors, self._strides, strict=True):
            result |= factor._assignment(row // stride % len(factor))
        return result

    def _read(self, reader: Reader[C], rows: Rows | None = None) -> dict[str, C]:
        result: dict[str, C] = {}
        for factor, stride in zip(self.factors, self._strides, strict=True):
            if result.keys() >= set(reader.names):
                break
            if set(reader.names).isdisjoint(factor.keys()):
                continue
            if rows is not None:
                result |= factor._read(reader, rows // stride % len(factor) if len(rows) else rows)
            else:
                times = self._n // (stride * len(factor)) if self._n else 0
                for name, column in factor._read(reader).items():
                    result[name] = reader.tile(column, stride, times)
        return result

    def _structure(self) -> str:
        return " * ".join(_display.elided(self.factors, _operand))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Product, self.factors)


class Sum(ParameterSpace):
    """The concatenation of spaces; parameters that one of them lacks are missing in its rows.

    Parameters
    ----------
    *spaces : ParameterSpace
        The summands.

    Attributes
    ----------
    terms : tuple of ParameterSpace
        The summands; sums among them are replaced by their summands.

    Examples
    --------
    >>> from psyrun.pspace import Param, Sum
    >>> Sum(Param(a=[1]), Param(a=[2], b=[3])).build()
    {'a': [1, 2], 'b': [nan, 3]}
    """

    def __init__(self, *spaces: ParameterSpace) -> None:
        terms = (s.terms if isinstance(s, Sum) else (s,) * bool(s.keys()) for s in spaces)
        self.terms: tuple[ParameterSpace, ...] = tuple(chain.from_iterable(terms))
        self._names = list(dict.fromkeys(chain.from_iterable(s._names for s in spaces)))

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0, *accumulate(map(len, self.terms))]
        if starts[-1] > _MAX_ROWS:
            raise ValueError(
                f"A parameter space can have 2**63 - 1 rows; the sum has {starts[-1]}."
            )
        return starts

    def __len__(self) -> int:
        return self._starts[-1]

    def _iterate(self) -> Iterator[Assignment]:
        for term in self.terms:
            if term.keys() == self._names:
                yield from term.iterate()
            else:
                yield from map(dict.fromkeys(self._names, MISSING).__or__, term.iterate())

    def _find(self, key: Mapping[str, Hashable]) -> Rows:
        present = {name for name, value in key.items() if value is not NAN}
        found = [
            term._find({name: key[name] for name in term._names}) + start
            for term, start in zip(self.terms, self._starts, strict=False)
            if present.issubset(term._names)
        ]
        return np.concatenate(found) if found else NO_ROWS

    def _leaves(self) -> Iterator[Param]:
        return chain.from_iterable(term._leaves() for term in self.terms)

    @cached_property
    def _is_unique(self) -> bool:
        if len(self) > _COUNT_LIMIT:
            return False
        return not np.any(self._equal_counts[0])

    @cached_property
    def _equal_counts(self) -> tuple[Rows, Rows]:
        return count_equal(self)

    def _count_equal(self, rows: Rows) -> tuple[Rows, Rows]:
        if len(self) <= _COUNT_LIMIT:
            earlier, total = self._equal_counts
            return earlier[rows], total[rows]
        return _count_found(self, rows)

    def _assignment(self, row: int) -> Assignment:
        i = bisect_right(self._starts, row) - 1
        part = self.terms[i]._assignment(row - self._starts[i])
        return dict.fromkeys(self._names, MISSING) | part

    def _read(self, reader: Reader[C], rows: Rows | None = None) -> dict[str, C]:
        if rows is None:
            return self._strung(reader, [(term, None, len(term)) for term in self.terms])
        place = np.searchsorted(self._starts, rows, side="right") - 1
        order = None
        if np.any(place[1:] < place[:-1]):
            order = np.argsort(place, kind="stable")
            rows, place = rows[order], place[order]
        touched, bounds = np.unique(place, return_index=True)
        parts = np.split(rows, bounds[1:])
        columns = self._strung(
            reader,
            [
                (self.terms[i], part - self._starts[i], len(part))
                for i, part in zip(touched.tolist(), parts, strict=False)
            ],
        )
        if order is not None:
            back = np.argsort(order)
            columns = {name: reader.take(column, back) for name, column in columns.items()}
        return columns

    def _strung(
        self, reader: Reader[C], parts: Sequence[tuple[ParameterSpace, Rows | None, int]]
    ) -> dict[str, C]:
        pieces: dict[str, list[C]] = {n: [] for n in reader.names if n in self._names}
        for term, rows, n in parts:
            columns = term._read(reader, rows)
            for name, column_pieces in pieces.items():
                column_pieces.append(columns[name] if name in columns else reader.absent(n))
        return {name: reader.concatenate(column) for name, column in pieces.items()}

    def _structure(self) -> str:
        return " + ".join(_display.elided(self.terms, _operand))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_sum_from, (self.terms, self._names))


def _sum_from(terms: tuple[ParameterSpace, ...], names: list[str]) -> Sum:
    result = Sum()
    result.terms, result._names = terms, names
    return result


class Selection(ParameterSpace):
    """Some rows of another space, in some order.

    Parameters
    ----------
    base : ParameterSpace
        The space to select from.
    rows : range or ndarray of int64
        Rows of *base*.

    Attributes
    ----------
    base : ParameterSpace
        The space selected from, which is no selection itself.
    rows : range or ndarray of int64
        The rows of *base*.
    """

    def __init__(self, base: ParameterSpace, rows: range | Rows) -> None:
        self.base: ParameterSpace = base
        self.rows = rows
        if isinstance(base, Selection):
            self.base, self.rows = base.base, base._rows_of_base(rows)
        self._names = base.keys()

    def __len__(self) -> int:
        return len(self.rows)

    def _iterate(self) -> Iterator[Assignment]:
        return self._by_chunks(self._names)

    def _find(self, key: Mapping[str, Hashable]) -> Rows:
        found = self.base._find(key)
        if isinstance(self.rows, range):
            return np.array(
                sorted(self.rows.index(r) for r in found.tolist() if r in self.rows), dtype=np.int64
            )
        order, ordered = self._order
        left = np.searchsorted(ordered, found, side="left").tolist()
        right = np.searchsorted(ordered, found, side="right").tolist()
        places = [order[i:j] for i, j in zip(left, right, strict=True) if i < j]
        return np.sort(np.concatenate(places)) if places else NO_ROWS

    def _leaves(self) -> Iterator[Param]:
        return self.base._leaves()

    @cached_property
    def _order(self) -> tuple[Rows, Rows]:
        """The order that sorts the rows, and the sorted rows."""
        rows = as_array(self.rows)
        order = np.argsort(rows, kind="stable")
        return order, rows[order]

    @cached_property
    def _is_unique(self) -> bool:
        if len(self) < 2:
            return True
        if not self.base._is_unique:
            return False
        ordered = self._order[1] if isinstance(self.rows, np.ndarray) else None
        return ordered is None or bool(np.all(ordered[1:] > ordered[:-1]))

    def _count_equal(self, rows: Rows) -> tuple[Rows, Rows]:
        if self._is_unique:
            return np.zeros_like(rows), np.ones_like(rows)
        if len(self) <= _COUNT_LIMIT:
            earlier, total = self._equal_counts
            return earlier[rows], total[rows]
        return _count_found(self, rows)

    @cached_property
    def _equal_counts(self) -> tuple[Rows, Rows]:
        return count_equal(self)

    def _assignment(self, row: int) -> Assignment:
        return self.base._assignment(int(self.rows[row]))

    def _read(self, reader: Reader[C], rows: Rows | None = None) -> dict[str, C]:
        return self.base._read(
            reader, as_array(self.rows) if rows is None else as_array(self._rows_of_base(rows))
        )

    def _rows_of_base(self, rows: range | Rows) -> range | Rows:
        if isinstance(rows, range):
            stop = None if rows.stop < 0 else rows.stop
            return self.rows[slice(rows.start, stop, rows.step)] if rows else self.rows[:0]
        if isinstance(self.rows, range):
            return self.rows.start + self.rows.step * rows
        return self.rows[rows]

    def _structure(self) -> str:
        return f"rows {_display.rows(self.rows)} of {_operand(self.base)}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Selection, (self.base, self.rows))


def missing(minuend: ParameterSpace, subtrahend: ParameterSpace) -> ParameterSpace:
    """Return the assignments that are missing from another space.

    This differs from ``minuend - subtrahend`` by allowing additional parameters in the subtrahend,
    but none in the minuend.

    Parameters
    ----------
    minuend : ParameterSpace
        Space with all assignments.
    subtrahend : ParameterSpace
        Space with the assignments to leave out.

    Returns
    -------
    ParameterSpace
        The remaining rows of the minuend.

    Raises
    ------
    AmbiguousOperationError
        If the subtrahend lacks a parameter of the minuend.

    Examples
    --------
    >>> from psyrun.pspace import Param, missing
    >>> missing(Param(a=[1, 2, 3]), Param(a=[2], result=[0.5])).build()
    {'a': [1, 3]}
    """
    if not len(subtrahend) or not minuend.keys():
        return minuend
    for name in minuend._names:
        if name not in subtrahend._names:
            raise AmbiguousOperationError(f"Key `{name}` not existent in subtrahend.")
    return Selection(minuend, rows_not_in(minuend, subtrahend, minuend.keys()))


def dict_concat(args: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Concatenate the elements with the same key in some dictionaries.

    Parameters
    ----------
    args : iterable of mapping
        Dictionaries.

    Returns
    -------
    dict
        For each key of any of the dictionaries the list of its elements, None where a dictionary
        lacks the key.

    Examples
    --------
    >>> dict_concat([{'a': 0, 'b': 0}, {'a': 1}])
    {'a': [0, 1], 'b': [0, None]}
    """
    args = list(args)
    keys = dict.fromkeys(chain.from_iterable(args))
    return {key: [arg.get(key) for arg in args] for key in keys}


def _operand(space: ParameterSpace) -> str:
    return space._structure() if isinstance(space, Param) else f"({space._structure()})"


def _crossed(heads: Iterator[Assignment], tails: Iterable[Assignment]) -> Iterator[Assignment]:
    return chain.from_iterable(map(head.__or__, tails) for head in heads)


def _count_found(space: ParameterSpace, rows: Rows) -> tuple[Rows, Rows]:
    earlier, total = np.empty_like(rows), np.empty_like(rows)
    for i, row in enumerate(rows.tolist()):
        found = space.find(space._assignment(row))
        earlier[i], total[i] = np.searchsorted(found, row), len(found)
    return earlier, total
