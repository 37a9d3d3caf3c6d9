"""What is there of a task's former runs, and where their rows are."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from psyrun.merging.record import Record, current_record
from psyrun.plan import Brief, Digest, Plan, Source, is_abandoned, read_brief, read_plan
from psyrun.pspace.matching import match
from psyrun.workdir import PlanDir, Workdir

if TYPE_CHECKING:
    from psyrun.pspace import ParameterSpace


ADOPTED = "adopted"
"""Run of a record that was made for a result file which psyrun had not left as it was."""


class Origin(NamedTuple):
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


class History(NamedTuple):
    """All that is there of a task's former runs.

    Attributes
    ----------
    brief, plan, files
        The newest plan, if there is any.
    record : Record or None
        What the result file holds.
    origins : list of Origin
        Where the rows are, the oldest first.
    number : int
        The highest number that a plan has taken, 0 if there is none.
    """

    brief: Brief | None
    plan: Plan | None
    files: PlanDir | None
    record: Record | None
    origins: list[Origin]
    number: int

    @property
    def digest(self) -> Digest | None:
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

    def sources(self, space: "ParameterSpace", space_digest: str) -> list[Source]:
        """Return for each origin how its rows are found in a space."""
        return [origin.source(space, space_digest) for origin in self.origins]

    @property
    def merged(self) -> bool:
        """Whether the newest plan has been merged into the result file."""
        return self.record is not None and (
            self.brief is None or self.record.plan_id == self.brief.plan_id
        )


def read_history(
    workdir: Workdir, adopted: Record | None = None, newest: Path | None = None
) -> History:
    """Read what is there of a task's former runs.

    Parameters
    ----------
    workdir : Workdir
        The task's files.
    adopted : Record, optional
        Takes the place of the record of the result file.
    newest : Path, optional
        The newest plan, if it is known; a directory of a shared file system may not list it yet.

    Raises
    ------
    JournalError
        If the newest plan is damaged.
    """
    heads = [newest] if newest is not None else workdir.plan_heads()
    number = int(heads[-1].stem) if heads else 0
    found = _newest_of(heads)
    if found is None:
        record = adopted or current_record(workdir)
        origins = [] if record is None else [_merged_origin(record)]
        return History(None, None, None, record, origins, number)
    brief, files = found
    plan = read_plan(files)
    known = [files.plan_id, *(source.plan_id for source in plan.sources if source.merged)]
    record = adopted or current_record(workdir, known)
    return History(brief, plan, files, record, _origins(workdir, plan, files, record), number)


def newest_plan(workdir: Workdir) -> tuple[Brief, PlanDir] | None:
    """Read the brief of the newest plan, which is enough to look after its jobs.

    Raises
    ------
    JournalError
        If it is damaged.
    """
    return _newest_of(workdir.plan_heads())


def _newest_of(heads: list[Path]) -> tuple[Brief, PlanDir] | None:
    for head in reversed(heads):
        if not is_abandoned(head):
            return read_brief(head)
    return None


def _origins(workdir: Workdir, plan: Plan, files: PlanDir, record: Record | None) -> list[Origin]:
    own = Origin(files.plan_id, plan.space, plan.digest.space, files=files)
    known = {source.plan_id for source in plan.sources if source.merged}
    if record is not None and record.run == ADOPTED and record.plan_id not in known:
        return [_merged_origin(record), *_origins(workdir, plan, files, None)]
    earlier = []
    if record is not None and record.plan_id == files.plan_id:
        earlier.append(_merged_origin(record))
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
    files = workdir.plan_dir(plan_id)
    if not (files.head.exists() and files.plan.exists()):
        return None
    plan = read_plan(files)
    return Origin(plan_id, plan.space, plan.digest.space, files=files)
