"""What remains of a space when some of its parameters are aggregated over."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from psyrun.pspace import Param, ParameterSpace, Product
from psyrun.pspace.columns import Single
from psyrun.pspace.matching import row_codes
from psyrun.results.parameters import values_of
from psyrun.rows import Rows, RowSet


class Groups(NamedTuple):
    """The rows of a space, grouped by some of its parameters.

    Attributes
    ----------
    space : ParameterSpace or None
        A row for each group, in the order in which they first occur; None if no parameters remain,
        and so there is one group.
    of_rows : callable
        Tells for an array of rows the group of each.
    """

    space: ParameterSpace | None
    of_rows: Callable[[Rows], Rows]


def group_by(space: ParameterSpace, names: Sequence[str], rows: RowSet) -> Groups:
    """Group rows by some parameters.

    A product without some of its factors stays a product.

    Parameters
    ----------
    space : ParameterSpace
        The space.
    names : sequence of str
        Parameters that make up a group.
    rows : RowSet
        The rows that are asked for.
    """
    kept = [name for name in space.keys() if name in names]  # noqa: SIM118 - keys of a space
    if not kept:
        return Groups(None, np.zeros_like)
    if isinstance(space, Product):
        return _of_product(space, names)
    if len(kept) == len(space.keys()) and space._is_unique:
        return Groups(space, lambda rows: rows)
    return _by_values(space, kept, rows)


def _of_product(space: Product, names: Sequence[str]) -> Groups:
    factors = [group_by(f, names, RowSet.span(0, len(f))) for f in space.factors]
    sizes = [len(factor) for factor in space.factors]

    def of_rows(rows: Rows) -> Rows:
        groups = np.zeros(len(rows), dtype=np.int64)
        for factor, row in zip(factors, np.unravel_index(rows, sizes), strict=True):
            if factor.space is not None:
                groups = groups * len(factor.space) + factor.of_rows(row.astype(np.int64))
        return groups

    remaining = [factor.space for factor in factors if factor.space is not None]
    return Groups(remaining[0] if len(remaining) == 1 else Product(*remaining), of_rows)


def _by_values(space: ParameterSpace, names: list[str], rows: RowSet) -> Groups:
    (codes,), _ = row_codes(names, (space, rows.to_array()))
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    groups = np.argsort(order)[inverse]
    firsts = space[rows.to_array()[first[order]]]
    values = {name: values_of(firsts, name) for name in names}
    if isinstance(space, Param):
        columns = space.columns.items()
        values |= {n: c.value for n, c in columns if n in values and isinstance(c, Single)}
    return Groups(Param(**values), lambda wanted: groups[rows.rank(wanted)])
