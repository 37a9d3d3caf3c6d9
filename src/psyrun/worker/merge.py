"""The merge job."""

import json
import sys
import traceback
from pathlib import Path

from psyrun.exceptions import PsyrunError
from psyrun.jobstate import JobState
from psyrun.merging import merge_plan, report_damages, summary
from psyrun.plan import Brief, read_brief, read_plan
from psyrun.tasks import import_snapshot_on_demand, load_snapshot
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
    if brief.has_on_finish:
        _tell_task(workdir, brief, files)
    return said, len(ledger.completed) == brief.total


def _tell_task(workdir: Workdir, brief: Brief, files: PlanDir) -> None:
    """Call what the task wants to be called when it is merged."""
    told = json.loads(workdir.provenance.read_bytes())
    try:
        task = load_snapshot(brief, files)
        if task.on_finish is not None:
            task.on_finish(
                {"task": brief.task, "resultfile": told["result"]}
                | told["rows"]
                | {"seconds": told["evaluation_seconds"]}
            )
    except BaseException:
        print("on_finish has failed; the result is not affected:", file=sys.stderr)
        traceback.print_exc()
