"""Comparing the speed of two ways to do the same."""

import statistics
import time
from collections.abc import Callable


def ratio(ours: Callable[[], object], plain: Callable[[], object], rounds: int = 7) -> float:
    """Return by which factor *ours* takes longer than *plain*: medians of interleaved runs."""
    times: tuple[list[float], list[float]] = ([], [])
    ours(), plain()
    for _ in range(rounds):
        for function, record in zip((ours, plain), times, strict=True):
            start = time.perf_counter()
            function()
            record.append(time.perf_counter() - start)
    return statistics.median(times[0]) / statistics.median(times[1])


def report(cases: list[tuple[str, float, float]]) -> int:
    """Print the cases of a benchmark; return how many exceed their limits."""
    for case, value, limit in cases:
        print(f"{case:50} {value:6.2f}  (limit {limit})  {'ok' if value <= limit else 'TOO SLOW'}")
    return sum(value > limit for _, value, limit in cases)
