"""Speed of parameter spaces, relative to the plain way to do the same."""

import itertools
from collections import deque

import numpy as np
import pandas as pd
from timing import ratio, report

from psyrun.pspace import Param, missing
from psyrun.values import assignment_hashes

SIDE = 1000
A, B = list(range(SIDE)), list(range(SIDE))
PRODUCT = Param(a=A) * Param(b=B)
HUGE = Param(a=list(range(10**5))) * Param(b=list(range(10**5)))
CHUNK = np.arange(1_234_567_890, 1_234_567_890 + 4096)


def iterate_plainly():
    deque(({"a": a, "b": b} for a, b in itertools.product(A, B)), maxlen=0)


def build_plainly():
    columns = {"a": [], "b": []}
    for a in A:
        for b in B:
            columns["a"].append(a)
            columns["b"].append(b)
    return columns


def build_chunk_plainly():
    columns = {"a": [], "b": []}
    for row in CHUNK.tolist():
        columns["a"].append(row // 10**5)
        columns["b"].append(row % 10**5)
    return columns


def anti_join(all_rows, done):
    joined = all_rows.merge(done, how="left", indicator=True)
    return joined[joined["_merge"] == "left_only"]


def as_space(table):
    return Param(**{name: table[name] for name in table})


def missing_cases():
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(SIDE * SIDE)
    ints = pd.DataFrame({"a": shuffled // SIDE, "b": shuffled % SIDE})
    mixed = pd.DataFrame({"x": rng.random(len(ints)), "s": [f"name {i}" for i in ints["a"]]})
    for label, table in (("two int columns", ints), ("a float and a str column", mixed)):
        done = table.sample(len(table) // 2, random_state=1)
        space, done_space = as_space(table), as_space(done)
        assert len(missing(space, done_space)) == len(anti_join(table, done)) == len(table) // 2
        yield (
            f"missing of 10^6 rows, {label}, vs pandas",
            ratio(
                lambda s=space, d=done_space: missing(s, d), lambda t=table, d=done: anti_join(t, d)
            ),
            1.5,
        )


def run():
    columns = HUGE[CHUNK].build()
    return [
        (
            "iterate over 10^6 rows, vs itertools.product",
            ratio(lambda: deque(PRODUCT.iterate(), maxlen=0), iterate_plainly),
            2.0,
        ),
        ("build 10^6 rows, vs a double loop", ratio(PRODUCT.build, build_plainly), 1.0),
        ("build 4096 of 10^10 rows, vs a loop", ratio(HUGE[CHUNK].build, build_chunk_plainly), 1.0),
        (
            "hash 4096 rows, vs a loop that builds them",
            ratio(lambda: assignment_hashes(columns, len(CHUNK)), build_chunk_plainly),
            1.0,
        ),
        *missing_cases(),
    ]


if __name__ == "__main__":
    raise SystemExit(report(run()))
