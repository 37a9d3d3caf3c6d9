"""Which rows have been computed and which have failed, read from journals and result files."""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.exceptions import UsageError
from psyrun.failure import Failure
from psyrun.files import again_if_stale
from psyrun.journal import JournalWriter, Kind
from psyrun.journal.reader import Damage, Journal
from psyrun.merging.history import Origin
from psyrun.merging.record import Record
from psyrun.merging.timings import Timings, join
from psyrun.plan import Source
from psyrun.rows import Rows, RowSet
from psyrun.workdir import Workdir


class Ledger:
    """The rows of a space that are known, and where each is to be read.

    Parameters
    ----------
    workdir : Workdir
        The task's files.
    origins : sequence of Origin
        Where rows may be, those that count first.
    sources : sequence of Source
        For each origin how its rows are found in the space.

    Attributes
    ----------
    completed, failed : RowSet
        Rows; none is in both.
    damages : list of Damage
        Stretches of journals that could not be read.
    """

    def __init__(
        self, workdir: Workdir, origins: Sequence[Origin], sources: Sequence[Source]
    ) -> None:
        self._places: list[_Place] = []
        for origin, source in zip(origins, sources, strict=True):
            if origin.record is not None:
                self._places.append(
                    _RecordPlace(origin.record, source, workdir.timings_of(origin.plan_id))
                )
                failed = workdir.failed(origin.plan_id)
                paths = [failed] if failed.exists() else []
            else:
                paths = [] if origin.files is None else origin.files.all_journals()
            for path in paths:
                self._places.append(_JournalPlace(Journal(path, origin.plan_id), source))
        self.completed = RowSet()
        for place in self._places:
            self.completed |= place.completed
        self._failures = self._find_failures()
        self.failed = RowSet(list(self._failures))
        self.damages = [damage for place in self._places for damage in place.damages]

    def _find_failures(self) -> dict[int, tuple["_JournalPlace", int]]:
        """Find for each row that has only failed its newest failure."""
        found: dict[int, tuple[_JournalPlace, int, float]] = {}
        for place in self._journal_places():
            rows, frames = place.frames(Kind.FAILED)
            still = ~self.completed.has(rows)
            starts = place.starts(frames)
            for row, frame, start in zip(
                rows[still].tolist(), frames[still].tolist(), starts[still].tolist(), strict=True
            ):
                if row not in found or start >= found[row][2]:
                    found[row] = (place, frame, start)
        return {row: found[row][:2] for row in sorted(found)}

    def _journal_places(self) -> Iterator["_JournalPlace"]:
        return (place for place in self._places if isinstance(place, _JournalPlace))

    @cached_property
    def _index(self) -> tuple[npt.NDArray[np.int32], Rows]:
        """For each completed row the place that counts, and the frame or line there."""
        places = np.empty(len(self.completed), dtype=np.int32)
        frames = np.empty(len(self.completed), dtype=np.int64)
        for number, place in reversed(list(enumerate(self._places))):
            rows, found = place.frames(Kind.COMPLETED)
            at = self.completed.rank(rows)
            # Written from the last to the first, so that the first one stays.
            places[at[::-1]] = number
            frames[at[::-1]] = found[::-1]
        return places, frames

    def results(self, start: int, stop: int) -> list[dict[str, Any]]:
        """Read what the function returned for some of the completed rows.

        Parameters
        ----------
        start, stop : int
            Positions among the completed rows.

        Returns
        -------
        list of dict
        """
        all_places, all_frames = self._index
        places, frames = all_places[start:stop], all_frames[start:stop]
        results: list[dict[str, Any]] = [{}] * (stop - start)
        for number in np.unique(places).tolist():
            at = np.flatnonzero(places == number)
            read = self._places[number].read(frames[at])
            if len(at) == len(results):
                return list(read)
            for i, result in zip(at.tolist(), read, strict=True):
                results[i] = result
        return results

    def failures(self) -> Iterator[tuple[int, Failure]]:
        """Iterate over the rows that have failed, each with the newest cause."""
        for row, (place, frame) in self._failures.items():
            yield row, place.failure(frame)

    def failure_of(self, row: int) -> Failure | None:
        """Return the newest cause why a row has failed, None if it has not."""
        if row not in self._failures:
            return None
        place, frame = self._failures[row]
        return place.failure(frame)

    def copy_failures(self, journal: JournalWriter) -> None:
        """Copy all failed attempts at rows, also at those that were completed later."""
        for place in self._journal_places():
            place.copy_failures(journal)

    def remove_journals(self) -> None:
        """Delete the journals that were read, unless something has been added to them since.

        Others are not touched: on a shared file system a journal may be there that the directory
        does not list yet.
        """
        for place in self._journal_places():
            place.remove_journal()

    def timings(self) -> Timings:
        """Return when, where and for how long the completed rows were evaluated."""
        parts: list[Timings] = []
        known = np.zeros(len(self.completed), dtype=bool)
        for place in self._places:
            rows, frames = place.frames(Kind.COMPLETED)
            rows, first = np.unique(rows, return_index=True)
            new = ~known[self.completed.rank(rows)]
            timings = place.timings(frames[first[new]])
            rows = rows[new][timings.row]
            known[self.completed.rank(rows)] = True
            parts.append(timings.renumbered(rows))
        return join(parts)


class _JournalPlace:
    """A journal, seen from the space that its rows are wanted for."""

    def __init__(self, journal: Journal, source: Source) -> None:
        self._journal = journal
        self._source = source
        self.damages = journal.damages
        self.completed = RowSet(self.frames(Kind.COMPLETED)[0])

    def frames(self, kind: Kind) -> tuple[Rows, Rows]:
        """Return the rows of a kind and their frames, in the order of writing."""
        frames = np.flatnonzero(self._journal.frames["kind"] == kind)
        return _translate(self._journal.frames["row"][frames], frames, self._source)

    def read(self, frames: Rows) -> Iterator[dict[str, Any]]:
        """Read the results in some frames."""
        return map(pickle.loads, self._journal.payloads(frames))

    def starts(self, frames: Rows) -> npt.NDArray[np.float64]:
        """Return when the evaluations in some frames began."""
        starts: npt.NDArray[np.float64] = self._journal.frames["start"][frames]
        return starts

    def timings(self, frames: Rows) -> Timings:
        """Return the timings in some frames, numbered by their position."""
        heads = self._journal.frames[frames]
        host = self._journal.host()
        return Timings(
            np.arange(len(frames)),
            heads["start"],
            heads["duration"],
            heads["attempt"],
            np.full(len(frames), 0 if host else -1, dtype=np.int32),
            [host] if host else [],
        )

    def copy_failures(self, journal: JournalWriter) -> None:
        """Copy the failed attempts to another journal."""
        rows, frames = self.frames(Kind.FAILED)
        heads = self._journal.frames[frames]
        payloads = self._journal.payloads(frames)
        for row, head, payload in zip(rows.tolist(), heads, payloads, strict=True):
            journal.append(
                row,
                Kind.FAILED,
                payload,
                int(head["attempt"]),
                float(head["start"]),
                float(head["duration"]),
            )

    def remove_journal(self) -> None:
        """Delete the journal, if it is as it was read."""
        path = self._journal.path
        with suppress(FileNotFoundError):
            if path.stat().st_size == self._journal.size:
                path.unlink()

    def failure(self, frame: int) -> Failure:
        """Read the failure in a frame."""
        (payload,) = self._journal.payloads(np.array([frame]))
        return Failure.decode(payload)


class _RecordPlace:
    """A result file, seen from the space that its rows are wanted for."""

    damages: Sequence[Damage] = ()

    def __init__(self, record: Record, source: Source, timings: Path) -> None:
        self._record = record
        self._timings = timings if timings.exists() else None
        self._source = source
        self.completed = (
            record.rows if source.there is None else RowSet(self.frames(Kind.COMPLETED)[0])
        )

    def frames(self, kind: Kind) -> tuple[Rows, Rows]:
        """Return the rows of a kind and their lines."""
        if kind is not Kind.COMPLETED:
            nothing = np.empty(0, dtype=np.int64)
            return nothing, nothing
        lines = np.arange(len(self._record.rows), dtype=np.int64)
        return _translate(self._record.rows.to_array(), lines, self._source)

    def read(self, lines: Rows) -> Iterator[dict[str, Any]]:
        """Read the results in some lines."""
        names = list(self._columns)
        if not names:
            return ({} for _ in range(len(lines)))
        values = ([column[line] for line in lines.tolist()] for column in self._columns.values())
        return (dict(zip(names, row, strict=True)) for row in zip(*values, strict=True))

    def timings(self, lines: Rows) -> Timings:
        """Return the timings of some lines, numbered by their position."""
        if self._timings is None:
            return Timings()
        if not self._timings.exists():
            raise UsageError(
                f"The run times of the rows in {str(self._record.resultfile)!r} are not there any "
                f"more: it has been merged anew, or deleted, since it was loaded; load it again."
            )
        return Timings.load(self._timings).at(self._record.rows.to_array()[lines])

    @cached_property
    def _columns(self) -> dict[str, Any]:
        record = self._record
        loaded = again_if_stale(lambda: record.store.load(str(record.resultfile)))
        # Parameters are read from the space, which knows them exactly.
        return {name: loaded[name] for name in record.outputs if name in loaded}


_Place = _JournalPlace | _RecordPlace


def _translate(rows: Rows, frames: Rows, source: Source) -> tuple[Rows, Rows]:
    """Find the rows of a source in the space that it is for."""
    if source.there is None or source.here is None:
        return rows, frames
    order = np.argsort(source.there, kind="stable")
    there = source.there[order]
    at = np.minimum(np.searchsorted(there, rows), max(len(there) - 1, 0))
    known = there[at] == rows if len(there) else np.zeros(len(rows), dtype=bool)
    return source.here[order][at[known]], frames[known]
