"""The merge as a job of its own, which sends again what is missing."""

import sys
from pathlib import Path

from psyrun.plan import read_brief
from psyrun.run.merge_step import merge_rows
from psyrun.run.rounds import conclude
from psyrun.tasks import import_snapshot_on_demand


def merge_as_job(head: Path) -> int:
    """Merge a plan, in a process of its own; return the exit code."""
    import_snapshot_on_demand(*read_brief(head))
    try:
        return merge_rows(head, conclude)
    except OSError as err:
        print(err, file=sys.stderr)
        return 1
