"""A random state for each row, made of the run's entropy and the row's assignment.

The seed depends neither on the row's position nor on who evaluates it, so it stays the same when
a space grows and however the rows are spread over jobs. Rows with equal assignments are counted
and get different seeds.
"""

import random
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from psyrun.rows import Rows
from psyrun.values import assignment_hashes, mix

if TYPE_CHECKING:
    from psyrun.pspace import ParameterSpace

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def row_seeds(
    space: "ParameterSpace", rows: Rows, columns: dict[str, list[object]], entropy: int
) -> npt.NDArray[np.uint64]:
    """Derive the seeds of some rows.

    Parameters
    ----------
    space : ParameterSpace
        Space that the rows belong to.
    rows : numpy.ndarray of int64, shape (n,)
        The rows.
    columns : dict of str to list
        Their assignments, as ``space[rows].build()`` gives them.
    entropy : int
        What makes one run differ from another; the task's *seed*, if it sets one.

    Returns
    -------
    numpy.ndarray of uint64, shape (n,)
    """
    hashes = assignment_hashes(columns, len(rows))
    repeats = space.occurrences(rows).astype(np.uint64)
    base = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    with np.errstate(over="ignore"):
        return mix(mix(hashes ^ base) + repeats * _GOLDEN)


# What random.seed() does with an integer, without what it does for other types: this is done for
# every row.
_seed_random = super(random.Random, random._inst).seed


def seed_global_states(seed: int) -> None:
    """Seed the states that `random` and `numpy.random` share with everybody in this process."""
    _seed_random(seed)
    random._inst.gauss_next = None  # type: ignore[attr-defined]  # left over from the row before
    np.random.seed(seed & 0xFFFFFFFF)


def fresh_entropy() -> int:
    """Return 64 bits of the system's randomness."""
    return random.SystemRandom().getrandbits(64)
