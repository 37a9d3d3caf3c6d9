"""Which rows have been computed and which have failed, read from journals and result files."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from psyrun.failure import Failure
from psyrun.journal import Damage, Journal, Kind
from psyrun.matching import match
from psyrun.plan import Brief, Plan, Source, read_brief, read_plan
from psyrun.record import Record, current_record
from psyrun.rows import Rows, RowSet
from psyrun.workdir import PlanDir, Workdir

if TYPE_CHECKING:
    from psyrun.pspace import ParameterSpace


@dataclass(frozen=True)
class Origin:
    """Something that rows have been written to: the journals of a plan, or a result file.

    Attributes
    ----------
    plan_id : str
        The plan.
    space : ParameterSpace
        Its space.
    space_digest : str
        Hash of the space.
    files : PlanDir or None
        The plan's files, if the rows are in its journals.
    record : Record or None
        The record, if the rows are in the result file.
    """

    plan_id: str
    space: "ParameterSpace"
    space_digest: str
    files: PlanDir | None = None
    record: Record | None = None

    def source(self, space: "ParameterSpace", space_digest: str) -> Source:
        """Return how the rows of this origin are found in another space."""
        merged = self.record is not None
        if space_digest == self.space_digest:
            return Source(self.plan_id, merged)
        here, there = match(space, self.space)
        return Source(self.plan_id, merged, there, here)


@dataclass(frozen=True)
class History:
    """All that is there of a task's former runs.

    Attributes
    ----------
    brief, plan, files
        The newest plan, if there is any.
    record : Record or None
        What the result file holds.
    origins : list of Origin
        Where the rows are, the oldest first.
    """

    brief: Brief | None
    plan: Plan | None
    files: PlanDir | None
    record: Record | None
    origins: list[Origin]

    @property
    def digest(self) -> Any:
        """What the newest run depends on, None if there is none."""
        if self.plan is not None:
            return self.plan.digest
        return None if self.record is None else self.record.digest

    @property
    def run(self) -> str | None:
        """Token of the newest run."""
        if self.brief is not None:
            return self.brief.run
        return None if self.record is None else self.record.run

    @property
    def merged(self) -> bool:
        """Whether the newest plan has been merged into the result file."""
        return self.record is not None and (
            self.brief is None or self.record.plan_id == self.brief.plan_id
        )


def read_history(workdir: Workdir) -> History:
    """Read what is there of a task's former runs.

    Raises
    ------
    JournalError
        If the newest plan is damaged.
    """
    record = current_record(workdir)
    heads = workdir.plan_heads()
    if not heads:
        origins = [] if record is None else [_merged_origin(record)]
        return History(None, None, None, record, origins)
    brief, files = read_brief(heads[-1])
    plan = read_plan(files)
    return History(brief, plan, files, record, _origins(workdir, plan, files, record))


def _origins(
    workdir: Workdir, plan: Plan, files: PlanDir, record: Record | None
) -> list[Origin]:
    own = Origin(files.plan_id, plan.space, plan.digest.space, files=files)
    if record is not None and record.plan_id == files.plan_id:
        return [_merged_origin(record), own]
    earlier = []
    for source in plan.sources:
        if source.merged:
            if record is not None and record.plan_id == source.plan_id:
                earlier.append(_merged_origin(record))
        elif (found := _find_plan(workdir, source.plan_id)) is not None:
            earlier.append(found)
    return [*earlier, own]


def _merged_origin(record: Record) -> Origin:
    return Origin(record.plan_id, record.space, record.digest.space, record=record)


def _find_plan(workdir: Workdir, plan_id: str) -> Origin | None:
    for head in workdir.plan_heads():
        brief, files = read_brief(head)
        if brief.plan_id == plan_id:
            plan = read_plan(files)
            return Origin(plan_id, plan.space, plan.digest.space, files=files)
    return None


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
        self._journals: list[Journal] = []
        self._records: list[Record] = []
        self._found: list[_Found] = []
        self.damages: list[Damage] = []
        for origin, source in zip(origins, sources, strict=True):
            if origin.record is not None:
                self._add_record(workdir, origin.record, source)
            elif origin.files is not None:
                for path in origin.files.all_journals():
                    self._add_journal(Journal(path, origin.plan_id), source)
        completed = _first_of_each(self._found, Kind.COMPLETED)
        self._rows, self._places, self._frames = completed
        self.completed = RowSet(self._rows)
        rows, places, frames = _first_of_each(self._found[::-1], Kind.FAILED)
        still = ~self.completed.has(rows)
        self._failed = rows[still], places[still], frames[still]
        self.failed = RowSet(rows[still])

    def _add_record(self, workdir: Workdir, record: Record, source: Source) -> None:
        self._records.append(record)
        lines = np.arange(len(record.rows), dtype=np.int64)
        rows, lines = _translate(record.rows.to_array(), lines, source)
        self._found.append(_Found(Kind.COMPLETED, rows, -len(self._records), lines))
        failed = workdir.failed(record.plan_id)
        if failed.exists():
            self._add_journal(Journal(failed, record.plan_id), source)

    def _add_journal(self, journal: Journal, source: Source) -> None:
        place = len(self._journals)
        self._journals.append(journal)
        self.damages += journal.damages
        rows = np.frombuffer(journal.rows, dtype=np.int64)
        kinds = np.frombuffer(journal.kinds, dtype=np.uint8)
        for kind in Kind:
            frames = np.flatnonzero(kinds == kind)
            if kind is Kind.FAILED:
                frames = frames[::-1]  # the last attempt tells most
            here, frames = _translate(rows[frames], frames, source)
            self._found.append(_Found(kind, here, place, frames))

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
        places, frames = self._places[start:stop], self._frames[start:stop]
        results: list[dict[str, Any]] = [{}] * (stop - start)
        for place in np.unique(places).tolist():
            at = np.flatnonzero(places == place)
            for i, result in zip(at.tolist(), self._read(place, frames[at]), strict=True):
                results[i] = result
        return results

    def _read(self, place: int, frames: Rows) -> Iterator[dict[str, Any]]:
        if place >= 0:
            payloads = self._journals[place].payloads(iter(frames.tolist()))
            return map(pickle.loads, payloads)
        columns = self._loaded(self._records[-place - 1])
        picked = ([column[line] for line in frames.tolist()] for column in columns.values())
        return (dict(zip(columns, values, strict=True)) for values in zip(*picked, strict=True))

    def _loaded(self, record: Record) -> dict[str, Any]:
        loaded: dict[str, Any] | None = getattr(self, "_result_columns", None)
        if loaded is None:
            loaded = self._result_columns = dict(record.store.load(str(record.resultfile)))
        return loaded

    def failures(self) -> Iterator[tuple[int, Failure]]:
        """Iterate over the rows that have failed, each with the newest cause."""
        for row, place, frame in zip(*(part.tolist() for part in self._failed), strict=True):
            (payload,) = self._journals[place].payloads(iter([frame]))
            yield row, Failure.decode(payload)


@dataclass(frozen=True)
class _Found:
    """Rows of one kind in one place: a journal's number, or below 0 a record's."""

    kind: Kind
    rows: Rows
    place: int
    frames: npt.NDArray[np.intp]


def _translate(rows: Rows, frames: Any, source: Source) -> tuple[Rows, Any]:
    """Find the rows of a source in the space that it is for."""
    if source.there is None or source.here is None:
        return rows, frames
    order = np.argsort(source.there, kind="stable")
    there = source.there[order]
    at = np.minimum(np.searchsorted(there, rows), max(len(there) - 1, 0))
    known = there[at] == rows if len(there) else np.zeros(len(rows), dtype=bool)
    return source.here[order][at[known]], frames[known]


def _first_of_each(found: Sequence[_Found], kind: Kind) -> tuple[Rows, Rows, Rows]:
    """Return the rows of a kind in order, and for each the first place where it was found."""
    parts = [part for part in found if part.kind == kind]
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, nothing
    rows = np.concatenate([part.rows for part in parts])
    places = np.repeat([part.place for part in parts], [len(part.rows) for part in parts])
    frames = np.concatenate([part.frames for part in parts])
    ordered, first = np.unique(rows, return_index=True)
    return ordered, places[first], frames[first]
