"""The merge job."""

import sys
from pathlib import Path

from psyrun.exceptions import PsyrunError
from psyrun.jobstate import JobState
from psyrun.merging import merge_plan, report_damages, summary
from psyrun.plan import Brief, read_brief, read_plan
from psyrun.tasks import import_snapshot_on_demand
from psyrun.workdir import PlanDir, Workdir


def merge_rows(head: Path) -> int:
    """Merge a plan; return the exit code: 0 if each row of the space is completed."""
    brief, files = read_brief(head)
    state = JobState("merge")
    state.write(files.job("merge"))
    import_snapshot_on_demand(brief, files)
    try:
        said, fine = _merge(brief, files)
        state = state.ending("finished", said)
    except (PsyrunError, OSError) as err:
        print(err, file=sys.stderr)
        state, fine = state.ending("failed", str(err)), False
    except BaseException as err:
        state.ending("failed", f"{type(err).__name__}: {err}").write(files.job("merge"))
        raise
    state.write(files.job("merge"))
    return 0 if fine else 1


def _merge(brief: Brief, files: PlanDir) -> tuple[str, bool]:
    workdir = Workdir.of_plan(files, brief.task)
    ledger = merge_plan(workdir, brief, read_plan(files), files)
    report_damages(ledger)
    said = summary(ledger, brief.total)
    print(said)
    return said, len(ledger.completed) == brief.total
