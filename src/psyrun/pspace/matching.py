"""Which rows of two parameter spaces are the same.

Rows match whole: two rows are the same if all their values match (see `psyrun.values.canonical`),
where a parameter that one space lacks counts as missing, that is, as NaN. All is done on integer
codes of the values, in time proportional to the number of rows (where pairs are wanted, sorted).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from psyrun.pspace.codes import Codes, combine, factorise
from psyrun.pspace.columns import Rows
from psyrun.pspace.reading import ArrayReader, C, Leaf, Reader

# To search for a row takes about as long as to look at a hundred.
_SEARCHED, _SEARCHED_PER_ROW = 1 << 20, 100


class Space(Protocol):
    """What matching needs to know of a `psyrun.pspace.ParameterSpace`."""

    def keys(self) -> list[str]:
        """Return the names of the parameters."""

    def find(self, assignment: Mapping[str, Any], /) -> Rows:
        """Find all rows with an assignment, ascending."""

    def iterate(self) -> Iterator[dict[str, Any]]:
        """Iterate over the assignments."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Rows, /) -> "Space": ...

    def _leaves(self) -> Iterator[Leaf]: ...

    def _read(self, reader: Reader[C], rows: Rows | None = None) -> dict[str, C]: ...


class CodeReader(ArrayReader):
    """Reads codes that are comparable between some spaces.

    Parameters
    ----------
    names : sequence of str
        Parameters to read.
    *spaces : ParameterSpace
        The spaces.
    """

    def __init__(self, names: Sequence[str], *spaces: Space) -> None:
        super().__init__(names)
        self._leaves = list({id(leaf): leaf for s in spaces for leaf in s._leaves()}.values())
        self._codes: dict[tuple[int, str], Codes] = {}
        self._size: dict[str, int] = {}
        for name in names:
            holders = [leaf for leaf in self._leaves if name in leaf.columns]
            codes, self._size[name] = factorise([leaf.columns[name] for leaf in holders])
            self._codes |= {(id(h), name): c for h, c in zip(holders, codes, strict=True)}

    def size(self, name: str) -> int:
        """All codes of the parameter are less than this."""
        return max(1, self._size[name])

    def array(self, leaf: Leaf, name: str) -> Codes:
        """Return the codes of the values of one parameter of a `Param`."""
        return self._codes[id(leaf), name]

    def absent(self, n: int) -> Codes:
        """Repeat the code of NaN."""
        return np.zeros(n, dtype=np.int64)


def row_codes(names: Sequence[str], *parts: tuple[Space, Rows | None]) -> tuple[list[Codes], int]:
    """Give numbers to the rows of spaces so that equal codes mean matching rows.

    Parameters
    ----------
    names : sequence of str
        Parameters to compare.
    *parts : (ParameterSpace, ndarray of int64 or None)
        Spaces, each with the rows to number (None: all).

    Returns
    -------
    codes : list of ndarray of int64
        For each part the codes of its rows.
    size : int
        All codes are less than this.
    """
    lengths = [len(space) if rows is None else len(rows) for space, rows in parts]

    def columns() -> Iterator[tuple[list[Codes], int]]:
        for name in names:
            reader = CodeReader([name], *(space for space, _ in parts))
            yield (
                [
                    space._read(reader, rows).get(name, reader.absent(n))
                    for (space, rows), n in zip(parts, lengths, strict=True)
                ],
                reader.size(name),
            )

    return combine(columns(), lengths)


def rows_not_in(space: Space, other: Space, names: Sequence[str]) -> Rows:
    """Find the rows of a space that match no row of another one.

    Parameters
    ----------
    space, other : ParameterSpace
        The spaces.
    names : sequence of str
        Parameters to compare.

    Returns
    -------
    ndarray of int64
        Rows of *space*, ascending.
    """
    (codes, others), size = row_codes(names, (space, None), (other, None))
    found = np.zeros(size, dtype=bool)
    found[others] = True
    return np.flatnonzero(~found[codes])


def first_rows(space: Space) -> Rows:
    """Find the first row with each assignment.

    Parameters
    ----------
    space : ParameterSpace
        The space.

    Returns
    -------
    ndarray of int64
        Rows, ascending.
    """
    (codes,), size = row_codes(space.keys(), (space, None))
    rows = np.arange(len(codes))
    first = np.empty(size, dtype=np.int64)
    first[codes[::-1]] = rows[::-1]  # of several rows with a code, the last assigned remains
    return np.flatnonzero(first[codes] == rows)


def count_equal(space: Space) -> tuple[Rows, Rows]:
    """Count for each row the earlier rows, and all rows, with the same assignment.

    Parameters
    ----------
    space : ParameterSpace
        The space.

    Returns
    -------
    earlier, total : ndarray of int64, shape (len(space),)
        The counts.
    """
    (codes,), _ = row_codes(space.keys(), (space, None))
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    first = np.searchsorted(ordered, ordered, side="left")
    earlier, total = np.empty_like(codes), np.empty_like(codes)
    earlier[order] = np.arange(len(codes)) - first
    total[order] = np.searchsorted(ordered, ordered, side="right") - first
    return earlier, total


def match(new: Space, old: Space, old_rows: Rows | None = None) -> tuple[Rows, Rows]:
    """Pair the rows of two spaces that have the same assignment, one to one.

    The first row of one space with an assignment is paired with the first of the other, the second
    with the second, and so on.

    Parameters
    ----------
    new, old : ParameterSpace
        The spaces. A parameter which one of them lacks counts as missing there.
    old_rows : ndarray of int64, optional
        Rows of *old* to consider, default all.

    Returns
    -------
    new_rows, old_rows : ndarray of int64
        The pairs, ascending in *new_rows*.

    Examples
    --------
    >>> from psyrun import Param
    >>> from psyrun.pspace.matching import match
    >>> match(Param(a=[1, 2, 3, 3]), Param(a=[3, 1]))
    (array([0, 2]), array([1, 0]))
    """
    n_old = len(old) if old_rows is None else len(old_rows)
    if len(new) > max(_SEARCHED, _SEARCHED_PER_ROW * n_old):
        new_found, at = _search(new, old if old_rows is None else old[old_rows])
        return new_found, at if old_rows is None else old_rows[at]
    if old_rows is None and n_old > max(_SEARCHED, _SEARCHED_PER_ROW * len(new)):
        old_found, at = _search(old, new)
        by_new = np.argsort(at)
        return at[by_new], old_found[by_new]
    names = list(dict.fromkeys([*new.keys(), *old.keys()]))
    (new_codes, old_codes), _ = row_codes(names, (new, None), (old, old_rows))
    new_order = np.argsort(new_codes, kind="stable")
    old_order = np.argsort(old_codes, kind="stable")
    new_sorted, old_sorted = new_codes[new_order], old_codes[old_order]
    nth = np.arange(len(old_sorted)) - np.searchsorted(old_sorted, old_sorted, side="left")
    place = np.searchsorted(new_sorted, old_sorted, side="left") + nth
    paired = place < np.searchsorted(new_sorted, old_sorted, side="right")
    new_found, old_found = new_order[place[paired]], old_order[paired]
    by_new = np.argsort(new_found)
    old_found = old_found[by_new]
    return new_found[by_new], old_found if old_rows is None else old_rows[old_found]


def _search(large: Space, small: Space) -> tuple[Rows, Rows]:
    """Pair rows like `match`, ascending in *large*, without looking at all of its rows."""
    seen: Counter[int] = Counter()
    pairs = []
    for row, assignment in enumerate(small.iterate()):
        found = large.find(assignment)
        if len(found):
            first = int(found[0])
            if seen[first] < len(found):
                pairs.append((int(found[seen[first]]), row))
            seen[first] += 1
    rows = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]
