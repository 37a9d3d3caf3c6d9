"""Run times, summed up for a page."""

from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.merging.timings import Timings

_BINS = 40
_POINTS = 120
_MOST_HOSTS = 5
_WIDE = 20.0
"""Ratio of the longest to the shortest run time from which bins grow with the time."""


def describe_times(timings: Timings) -> dict[str, Any] | None:
    """Sum up run times: quantiles, a histogram by host, and how rows were completed over time.

    Parameters
    ----------
    timings : Timings
        Run times of completed rows.

    Returns
    -------
    dict or None
        Ready for JSON; times in seconds. None if there are none.
    """
    seconds = timings.duration.astype(np.float64)
    known = np.isfinite(seconds) & np.isfinite(timings.start)
    if not known.any():
        return None
    seconds = seconds[known]
    edges = _edges(seconds)
    hosts = _few_hosts(timings, known)
    histogram = [
        {"host": host, "counts": np.histogram(seconds[of_host], edges)[0].tolist()}
        for host, of_host in hosts
    ]
    median, most, longest = np.quantile(seconds, [0.5, 0.95, 1.0]).tolist()
    return {
        "rows": len(seconds),
        "total": float(seconds.sum()),
        "median": median,
        "most": most,
        "longest": longest,
        "longest_row": int(timings.row[known][np.argmax(seconds)]),
        "edges": edges.tolist(),
        "logarithmic": bool(np.ptp(np.diff(edges)) > 1e-6 * edges[-1]),
        "histogram": histogram,
        "course": _course(timings.start[known] + seconds),
    }


def _edges(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the edges of bins, all of one width or, for times that differ much, of one ratio."""
    low, high = float(seconds.min()), float(seconds.max())
    if high <= 0.0:
        return np.array([0.0, 1e-6])
    bins = min(_BINS, max(4, round(2 * len(seconds) ** 0.5)))
    floor = max(low, 1e-7)
    if high / floor >= _WIDE:
        edges = np.geomspace(floor, high, bins + 1)
    elif high == low:
        return np.array([0.9 * low, 1.1 * low])
    else:
        edges = np.linspace(low, high, bins + 1)
    edges[0], edges[-1] = low, high  # rounding must not leave out the ends
    return edges


def _few_hosts(
    timings: Timings, known: npt.NDArray[np.bool_]
) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Return the hosts that have evaluated most rows, and which rows; the others as one."""
    hosts = timings.host[known]
    numbers, counts = np.unique(hosts, return_counts=True)
    main = numbers[np.argsort(-counts, kind="stable")][:_MOST_HOSTS].tolist()
    few = [(timings.hosts[i] if i >= 0 else "", hosts == i) for i in main]
    if len(numbers) > len(main):
        few.append((f"{len(numbers) - len(main)} other hosts", ~np.isin(hosts, main)))
    return few


def _course(ends: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    """Return when how many rows had been completed, at a few times; in milliseconds."""
    ends = np.sort(ends)
    at = np.unique(np.linspace(0, len(ends) - 1, _POINTS).astype(np.int64))
    return {"time": (ends[at] * 1e3).tolist(), "rows": (at + 1).tolist()}
