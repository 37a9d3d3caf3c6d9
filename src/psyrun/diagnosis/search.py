"""The search for the simplest region that holds all failed rows and fewest completed rows.

A region is a conjunction of conditions on up to three parameters which every failed row satisfies,
and (almost) no completed row. Rows that have been drawn by lot would sometimes have such a thing in
common as well. This chance is bounded as follows. If any `n` of the `N` failed and completed rows
were equally likely to be the failed ones, then all of them would be among some given `s` rows with
the probability ``comb(s, n) / comb(N, n)`` (the hypergeometric distribution, on which Fisher's
exact test rests [1]_). The sum of these probabilities over all regions that could have been found
with at most as many rows is an upper bound (Boole's inequality, the Bonferroni correction [2]_,
here with larger shares for simpler regions). Of nested regions, as ``a >= 1`` and ``a >= 2``, only
the largest counts. A region is reported if the bound is below `_CHANCE` (`_CHANCE_MIXED` if
completed rows are in it), and if this is also true for each of its conditions among the rows that
satisfy the others.

.. [1] R. A. Fisher, "On the interpretation of χ² from contingency tables, and the calculation
   of P", Journal of the Royal Statistical Society 85(1), 1922.
.. [2] O. J. Dunn, "Multiple comparisons among means", Journal of the American Statistical
   Association 56(293), 1961.
"""

import math
from collections.abc import Sequence

import numpy as np

from psyrun.diagnosis.conditions import Coded, Condition, Mask, conditions
from psyrun.pspace import ParameterSpace
from psyrun.rows import Rows

MOST_INSIDE = 0.1
"""The share of the completed rows that may be in a region which is still worth telling."""

_CHANCE = 0.04  # of a region where there is none, for regions of one condition
_CHANCE_MIXED = 0.001  # of a region that holds completed rows as well
_LONGER = math.log(10)  # each further condition has a tenth of it, which is 0.045 together
_MOST_PARAMETERS = 3
_MOST_CONDITIONS = 2 * _MOST_PARAMETERS  # a lower and an upper bound of each
_MOST_SHOWN = 3  # parameters which serve equally well
_TERMS, _BEAM, _TESTED = 64, 50, 64  # more make no difference, but take longer

Combination = tuple[int, ...]
"""Numbers of terms, ascending."""

Part = list[list[Condition]]
"""Conditions on one parameter, then those on others that hold in the same rows."""


class Search:
    """A search for the simplest region that holds all failed rows and fewest completed rows.

    Conditions that hold in the same rows are one term. Terms are added one at a time to the
    combinations that hold the fewest rows (a beam search).
    """

    def __init__(self, space: ParameterSpace, failed: Rows, completed: Rows) -> None:
        self._n_failed = len(failed)
        self._n_completed = len(completed)
        self._names = space.keys()
        self._terms: list[list[Condition]] = []
        self._masks: list[Mask] = []
        n_varying = self._gather(space, np.concatenate([failed, completed]))
        self._cost_of_choice = math.log(max(1, n_varying))
        self._table = np.array(self._masks, dtype=np.float32).T
        self._counts: dict[Combination, int] = {(): self._n_completed}

    def _gather(self, space: ParameterSpace, rows: Rows) -> int:
        """Gather the terms that exclude most; return the number of parameters that vary."""
        found: dict[bytes, tuple[Mask, dict[str, Condition]]] = {}
        n_varying = 0
        for name in self._names:
            column = Coded.read(space, name, rows)
            n_varying += len(column.values) > 1
            for condition in conditions(column, self._n_failed):
                mask = condition.holds(column)[self._n_failed :]
                if not mask.all():
                    _, tied = found.setdefault(np.packbits(mask).tobytes(), (mask, {}))
                    if name not in tied or condition.cost < tied[name].cost:
                        tied[name] = condition
        for mask, tied in sorted(found.values(), key=lambda f: np.count_nonzero(f[0]))[:_TERMS]:
            self._masks.append(mask)
            self._terms.append(sorted(tied.values(), key=lambda condition: condition.cost))
        return n_varying

    def best(self) -> list[Part]:
        """Return the region, by its parameters; empty if there is none that is no accident."""
        best: Combination = ()
        beam: list[Combination] = [()]
        for _ in range(_MOST_CONDITIONS):
            ranked = self._extended(beam)
            found = (c for c in ranked[:_TESTED] if self._is_significant(c, self._firsts(c)))
            better = next(found, best)
            if self._counts[better] < self._counts[best]:
                best = better
            beam = [combination for combination in ranked[:_BEAM] if self._counts[combination]]
            if not self._counts[best] or not beam:
                break
        is_telling = self._counts[best] <= MOST_INSIDE * self._n_completed
        return self._parts(best) if is_telling else []

    def _extended(self, beam: Sequence[Combination]) -> list[Combination]:
        """Add a term to each combination, and sort these: fewest rows, then simplest, first."""
        if not self._terms:
            return []
        inside = np.array([self._mask(combination) for combination in beam], dtype=np.float32)
        ranked = {}
        for combination, counts in zip(beam, np.rint(inside @ self._table).tolist(), strict=True):
            for term, count in enumerate(counts):
                longer = tuple(sorted({*combination, term}))
                names = {condition.name for condition in self._firsts(longer)}
                if count < self._counts[combination] and len(names) <= _MOST_PARAMETERS:
                    self._counts[longer] = int(count)
                    ranked[longer] = (count, len(names), sum(self._costs(self._firsts(longer))))
        return sorted(ranked, key=lambda combination: ranked[combination])

    def _is_significant(self, combination: Combination, chosen: Sequence[Condition]) -> bool:
        """Tell whether neither the region nor a condition in it is likely to be an accident."""
        count = self._count(combination)
        costs = self._costs(chosen)
        nested = sorted(math.log(c.n_nested) for c in chosen)
        total = sum(costs) + sum(nested[:-1]) + _LONGER * (len(chosen) - 1)
        limit = math.log(_CHANCE_MIXED if count else _CHANCE)
        if self._log_chance(count, self._n_completed) + total > limit:
            return False
        without = (combination[:i] + combination[i + 1 :] for i in range(len(combination)))
        return all(
            self._log_chance(count, self._count(others)) + cost <= limit
            for others, cost in zip(without, costs, strict=True)
        )

    def _log_chance(self, inside: int, outside: int) -> float:
        """Return the logarithm of the chance that all failed rows are in the smaller region."""
        n, small, large = self._n_failed, inside + self._n_failed, outside + self._n_failed
        return _log_ways(small, n) - _log_ways(large, n)

    def _costs(self, chosen: Sequence[Condition]) -> list[float]:
        return [condition.cost + self._cost_of_choice for condition in chosen]

    def _firsts(self, combination: Combination) -> list[Condition]:
        return [self._terms[term][0] for term in combination]

    def _mask(self, combination: Combination) -> Mask:
        mask = np.ones(self._n_completed, dtype=bool)
        for term in combination:
            mask &= self._masks[term]
        return mask

    def _count(self, combination: Combination) -> int:
        if combination not in self._counts:
            self._counts[combination] = int(np.count_nonzero(self._mask(combination)))
        return self._counts[combination]

    def _parts(self, combination: Combination) -> list[Part]:
        """Sort a combination by parameter, and add what serves equally well."""
        firsts = self._firsts(combination)
        parts = []
        for name in sorted({c.name for c in firsts}, key=self._names.index):
            places = [i for i, condition in enumerate(firsts) if condition.name == name]
            part = [[firsts[i] for i in places]]
            for group in self._tied([combination[i] for i in places])[1:]:
                chosen = list(firsts)
                for i, condition in zip(places, group, strict=True):
                    chosen[i] = condition
                if self._is_significant(combination, chosen):
                    part.append(group)
            parts.append(part[:_MOST_SHOWN])
        return parts

    def _tied(self, terms: Sequence[int]) -> list[list[Condition]]:
        """Find the parameters with conditions in all of some terms; return these conditions."""
        by_name: dict[str, list[Condition]] = {}
        for term in terms:
            for condition in self._terms[term]:
                by_name.setdefault(condition.name, []).append(condition)
        return [group for group in by_name.values() if len(group) == len(terms)]


def _log_ways(n: int, k: int) -> float:
    """Return the logarithm of the binomial coefficient, but for a term that depends on *k* only."""
    return math.lgamma(n + 1) - math.lgamma(n - k + 1)
