"""When, where and for how long each row was evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UsageError
from psyrun.files import read_shared, replacing
from psyrun.rows import Rows
from psyrun.workdir import Workdir


@dataclass(frozen=True)
class Timings:
    """Run times of completed rows.

    Attributes
    ----------
    row : numpy.ndarray of int64, shape (n,)
        The rows, in order.
    start : numpy.ndarray of float64, shape (n,)
        When their evaluation began, in seconds since the epoch.
    duration : numpy.ndarray of float32, shape (n,)
        How long it took, in seconds.
    attempt : numpy.ndarray of uint8, shape (n,)
        Number of the attempt that completed the row.
    host : numpy.ndarray of int32, shape (n,)
        Where, as an index into *hosts*; -1 if it is not known.
    hosts : list of str
        Names of the machines.
    """

    row: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    start: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    duration: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    attempt: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    host: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    hosts: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.row)

    def total(self) -> float:
        """Return the time of all evaluations together, in seconds."""
        return float(np.sum(self.duration, dtype=np.float64))

    def span(self) -> tuple[float | None, float | None]:
        """Return when the first evaluation began and the last one ended."""
        if not len(self):
            return None, None
        return float(np.min(self.start)), float(np.max(self.start + self.duration))

    def at(self, rows: Rows) -> "Timings":
        """Return the part about some rows, which are renumbered as their position in *rows*."""
        order = np.searchsorted(self.row, rows)
        order = np.minimum(order, max(len(self) - 1, 0))
        known = self.row[order] == rows if len(self) else np.zeros(len(rows), dtype=bool)
        i = order[known]
        return Timings(
            np.flatnonzero(known),
            self.start[i],
            self.duration[i],
            self.attempt[i],
            self.host[i],
            self.hosts,
        )

    def renumbered(self, rows: Rows) -> "Timings":
        """Return the same with other row numbers."""
        return Timings(rows, self.start, self.duration, self.attempt, self.host, self.hosts)

    def save(self, path: Path) -> None:
        """Write the timings to a file."""
        with replacing(path, durable=False) as temporary:
            np.savez(
                temporary,
                row=self.row,
                start=self.start,
                duration=self.duration,
                attempt=self.attempt,
                host=self.host,
                hosts=np.array(self.hosts, dtype=np.str_),
            )

    @classmethod
    def load(cls, path: Path) -> "Timings":
        """Read timings from a file; none if there is no such file."""
        if not path.exists():
            return cls()
        with np.load(BytesIO(read_shared(path)), allow_pickle=False) as data:
            return cls(
                data["row"],
                data["start"],
                data["duration"],
                data["attempt"],
                data["host"],
                data["hosts"].tolist(),
            )


def join(parts: Sequence[Timings]) -> Timings:
    """Put timings of different rows together, in the order of the rows."""
    hosts = sorted({host for part in parts for host in part.hosts})
    number = {host: i for i, host in enumerate(hosts)}
    renumbered = [
        np.array([*(number[host] for host in part.hosts), -1], dtype=np.int32)[part.host]
        for part in parts
    ]
    if not parts:
        return Timings()
    row = np.concatenate([part.row for part in parts])
    order = np.argsort(row, kind="stable")
    return Timings(
        row[order],
        np.concatenate([part.start for part in parts])[order],
        np.concatenate([part.duration for part in parts])[order],
        np.concatenate([part.attempt for part in parts])[order],
        np.concatenate(renumbered)[order],
        hosts,
    )


def load_timings(path: str | PathLike[str]) -> dict[str, npt.NDArray[np.generic]]:
    """Load when, where and for how long the rows of a result were evaluated.

    Parameters
    ----------
    path : path-like
        The task's directory in the work directory, such as ``'psy-work/example'``.

    Returns
    -------
    dict of numpy.ndarray, shape (n,)
        *row*; *start*, in seconds since the epoch; *duration*, in seconds; *attempt*; *host*.
        Ready for a data frame. The rows are those that had been completed when the result was
        merged.

    Raises
    ------
    UsageError
        If nothing has been merged there.
    """
    directory = Path(path).absolute()
    file = Workdir(directory.parent, directory.name).timings
    if not file.exists():
        raise UsageError(f"There are no timings in {str(path)!r}; nothing has been merged there.")
    timings = Timings.load(file)
    hosts = np.array([*timings.hosts, ""], dtype=np.str_)
    return {
        "row": timings.row,
        "start": timings.start,
        "duration": timings.duration,
        "attempt": timings.attempt,
        "host": hosts[timings.host],
    }
