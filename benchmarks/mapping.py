"""Speed of the map functions, relative to loops that do the same."""

import joblib
from timing import ratio, report

from psyrun.mapper import map_pspace, map_pspace_parallel
from psyrun.pspace import Param

A, B = list(range(1000)), list(range(100))
PARALLEL = Param(a=list(range(100))) * Param(b=list(range(100)))


def trivial(a, b):
    return {"sum": a + b, "product": a * b}


def map_plainly():
    columns = {"a": [], "b": [], "sum": [], "product": []}
    for a in A:
        for b in B:
            result = trivial(a=a, b=b)
            columns["a"].append(a)
            columns["b"].append(b)
            columns["sum"].append(result["sum"])
            columns["product"].append(result["product"])
    return columns


def map_by_joblib():
    return joblib.Parallel(2)(joblib.delayed(trivial)(**row) for row in PARALLEL.iterate())


def run():
    space = Param(a=A) * Param(b=B)
    return [
        (
            "map_pspace of 10^5 rows, vs a double loop",
            ratio(lambda: map_pspace(trivial, space), map_plainly),
            1.5,
        ),
        (
            "map_pspace_parallel of 10^4 rows, vs joblib",
            ratio(lambda: map_pspace_parallel(trivial, PARALLEL, 2), map_by_joblib),
            1.2,
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(report(run()))
