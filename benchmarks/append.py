"""Appending single rows to a result file, compared with SQLite.

Each row is appended by a call that opens and closes the file, and is readable afterwards; SQLite
inserts the same rows into an open database, with one commit each. Besides, the second half of the
rows must not take much longer than the first: appending takes linear time.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from timing import report

from psyrun.store import PickleStore, Store
from psyrun.store.h5 import H5Store
from psyrun.store.npz import NpzStore

ROUNDS = 20
Append = Callable[[int], None]


def run(n: int = 100_000) -> list[tuple[str, float, float]]:
    """Measure.

    Parameters
    ----------
    n : int
        Number of rows to append to each file.

    Returns
    -------
    list of (str, float, float)
        What was measured, the ratio, and the limit below which it has to be. The ratios are medians
        over rounds, in each of which all take turns.
    """
    stores: list[Store] = [PickleStore(), NpzStore(), H5Store()]
    with tempfile.TemporaryDirectory() as directory:
        appends = {repr(store): _to_store(store, directory) for store in stores}
        database = sqlite3.connect(f"{directory}/result.sqlite")
        appends["sqlite"] = _to_sqlite(database)
        seconds: dict[str, list[float]] = {name: [] for name in appends}
        for i in range(ROUNDS):
            rows = range(i * n // ROUNDS, (i + 1) * n // ROUNDS)
            for name, append in appends.items():
                seconds[name].append(_time(append, rows))
        database.close()
        for store in stores:
            assert len(store.load(f"{directory}/result{store.ext}")["x"]) == n

    ratios = []
    for name in map(repr, stores):
        pairs = zip(seconds[name], seconds["sqlite"], strict=True)
        ratios.append((f"{name}.append / sqlite commit", median(a / b for a, b in pairs), 1.0))
    for name in map(repr, stores):
        halves = seconds[name][: ROUNDS // 2], seconds[name][ROUNDS // 2 :]
        ratios.append(
            (f"{name}.append, second / first half", median(halves[1]) / median(halves[0]), 1.5)
        )
    return ratios


def _to_store(store: Store, directory: str) -> Append:
    filename = Path(directory) / f"result{store.ext}"
    return lambda i: store.append(filename, {"x": [i / 2], "y": [i * 0.25]})


def _to_sqlite(database: sqlite3.Connection) -> Append:
    database.execute("CREATE TABLE result (x REAL, y REAL)")

    def append(i: int) -> None:
        database.execute("INSERT INTO result VALUES (?, ?)", (i / 2, i * 0.25))
        database.commit()

    return append


def _time(append: Append, rows: range) -> float:
    start = time.perf_counter()
    for i in rows:
        append(i)
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(report(run(*map(int, sys.argv[1:]))))
