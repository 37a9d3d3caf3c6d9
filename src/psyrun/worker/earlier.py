"""A job that a scheduler begins anew, after preemption or the death of its node.

What it had completed before is not evaluated again. Which journals are from before is noted when
the job begins, since the processes that it starts later cannot tell.
"""

from pathlib import Path

from psyrun.files import read_shared, write_whole
from psyrun.journal import Kind
from psyrun.journal.reader import Journal
from psyrun.plan import read_brief
from psyrun.rows import RowSet
from psyrun.workdir import PlanDir


def note_earlier_journals(head: Path, step: str) -> None:
    """Note which journals there are of a job that begins, if there are any."""
    _, files = read_brief(head)
    names = [path.name for path in files.journals_of(step)]
    if names:
        write_whole(files.earlier(step), "\n".join(names).encode())


def completed_earlier(files: PlanDir, step: str) -> RowSet:
    """Return the rows that a job had completed before it began anew."""
    try:
        names = read_shared(files.earlier(step)).decode().splitlines()
    except FileNotFoundError:
        return RowSet()
    completed = RowSet()
    for name in names:
        frames = Journal(files.journals / name, files.plan_id).frames
        completed |= RowSet(frames["row"][frames["kind"] == Kind.COMPLETED])
    return completed
