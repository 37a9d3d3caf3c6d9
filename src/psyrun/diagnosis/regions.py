"""What the assignments of some failed rows have in common that those of completed rows lack."""

from collections.abc import Iterator, Sequence

import numpy as np

from psyrun.diagnosis.conditions import Coded, describe
from psyrun.diagnosis.search import MOST_INSIDE, Part, Search
from psyrun.pspace import ParameterSpace
from psyrun.rows import Rows, RowSet

_FEWEST_FAILED = 2
_SAMPLE = 100_000  # completed rows that are looked at in the search
_CHUNK = 1 << 18
_ROUNDS = 3


def region_of(space: ParameterSpace, failed: RowSet, completed: RowSet) -> str | None:
    """Describe what the assignments of failed rows have in common, and completed ones lack.

    The description with the fewest parameters, at most three, is preferred. Its bounds and values
    are ones that occur in failed rows. If several parameters serve equally well, up to three of
    them are named.

    Parameters
    ----------
    space : ParameterSpace
        The space that the rows belong to.
    failed : RowSet
        Rows that have failed for the same cause.
    completed : RowSet
        Rows to tell them from; those that are in neither set are not considered.

    Returns
    -------
    str or None
        A condition that all failed rows satisfy; if some completed rows, up to a tenth, do so too,
        it says how many. None if there is no such condition, or if it could well be due to chance:
        if the failed rows were drawn by lot, there would be a description in less than 5% of cases.

    Examples
    --------
    >>> from psyrun import Param
    >>> from psyrun.diagnosis import region_of
    >>> from psyrun.rows import RowSet
    >>> space = Param(n=range(0, 10_000, 1000)) * Param(solver=["lu", "qr"])
    >>> failed = RowSet([i for i, a in enumerate(space) if a["n"] >= 4000 and a["solver"] == "lu"])
    >>> region_of(space, failed, RowSet.span(0, 20) - failed)
    "n >= 4000 and solver == 'lu'"
    >>> print(region_of(space, RowSet([8]), RowSet.span(0, 8)))
    None
    """
    if len(failed) < _FEWEST_FAILED or not len(completed):
        return None
    failed_rows, rows = failed.to_array(), _sample(completed)
    for _ in range(_ROUNDS):
        parts = Search(space, failed_rows, rows).best()
        if not parts:
            return None
        parts, inside = _check(space, parts, completed)
        unseen = np.setdiff1d(inside, rows)
        if not len(unseen) or len(inside) > len(unseen):
            break  # it was known that the region holds some completed rows
        rows = np.concatenate([rows, unseen[:_SAMPLE]])
    if len(inside) > MOST_INSIDE * len(completed):
        return None
    return _describe(parts, len(inside), len(completed))


def _describe(parts: Sequence[Part], n_inside: int, n_completed: int) -> str:
    texts = []
    for first, *others in parts:
        equally = f" (equally: {', '.join(map(describe, others))})" if others else ""
        texts.append(describe(first) + equally)
    text = " and ".join(texts)
    if not n_inside:
        return text
    share = n_inside / n_completed
    how_many = f"{share:.0%} of the" if share >= 0.01 else f"{n_inside} of {n_completed}"
    return f"{text} (and {how_many} completed rows as well)"


def _chunks(rows: RowSet) -> Iterator[tuple[int, Rows]]:
    for start in range(0, len(rows), _CHUNK):
        yield start, rows.slice(start, min(start + _CHUNK, len(rows)))


def _sample(completed: RowSet) -> Rows:
    """Draw completed rows, the same ones each time; all if they are few."""
    if len(completed) <= _SAMPLE:
        return completed.to_array()
    generator = np.random.default_rng(0)
    chosen = np.sort(generator.choice(len(completed), _SAMPLE, replace=False, shuffle=False))
    parts = []
    for start, rows in _chunks(completed):
        low, high = np.searchsorted(chosen, [start, start + len(rows)])
        parts.append(rows[chosen[low:high] - start])
    return np.concatenate(parts)


def _check(
    space: ParameterSpace, parts: Sequence[Part], completed: RowSet
) -> tuple[list[Part], Rows]:
    """Find the completed rows inside a region, and drop what does not serve equally well."""
    parts = [list(part) for part in parts]
    found = []
    for _, rows in _chunks(completed):
        inside = np.ones(len(rows), dtype=bool)
        for part in parts:
            masks = []
            for group in part:
                column = Coded.read(space, group[0].name, rows)
                masks.append(np.all([c.holds(column) for c in group], axis=0))
            part[:] = [
                g for g, mask in zip(part, masks, strict=True) if np.array_equal(mask, masks[0])
            ]
            inside &= masks[0]
        found.append(rows[inside])
    return parts, np.concatenate(found)
