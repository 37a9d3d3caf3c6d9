"""The merge job."""

import json
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from psyrun.exceptions import PsyrunError
from psyrun.jobstate import JobState
from psyrun.merging import merge_plan, report_damages, summary
from psyrun.plan import Brief, read_brief, read_plan
from psyrun.tasks import import_snapshot_on_demand, load_snapshot
from psyrun.workdir import PlanDir, Workdir

STEP = "merge"


def merge_as_job(head: Path) -> int:
    """Merge a plan, in a process of its own; return the exit code."""
    import_snapshot_on_demand(*read_brief(head))
    return merge_rows(head)


def merge_here(files: PlanDir) -> None:
    """Merge a plan in this process, which has loaded all that it takes."""
    with (
        files.log(STEP).open("a") as log,
        redirect_stdout(log),
        redirect_stderr(log),
        suppress(Exception),  # it is in the log and in the end record
    ):
        merge_rows(files.head)


def merge_rows(head: Path) -> int:
    """Merge a plan; return the exit code: 0 if each row of the space is completed."""
    brief, files = read_brief(head)
    state = JobState.beginning(STEP)
    try:
        state.write(files.job(STEP))
        said, fine = _merge(brief, files)
        state = state.ending("finished", said)
    except (PsyrunError, OSError) as err:
        print(err, file=sys.stderr)
        state, fine = state.ending("failed", str(err)), False
    except BaseException as err:
        traceback.print_exc()
        state.ending("failed", f"{type(err).__name__}: {err}").write(files.job(STEP))
        raise
    with suppress(OSError):  # the disk may be full
        state.write(files.job(STEP))
    return 0 if fine else 1


def _merge(brief: Brief, files: PlanDir) -> tuple[str, bool]:
    workdir = Workdir.of_plan(files, brief.task)
    ledger = merge_plan(workdir, brief, read_plan(files), files)
    report_damages(ledger)
    said = summary(ledger, brief.total)
    print(said)
    if brief.has_on_finish:
        _tell_task(brief, files, json.loads(workdir.provenance.read_bytes()))
    return said, len(ledger.completed) == brief.total


def _tell_task(brief: Brief, files: PlanDir, told: dict[str, Any]) -> None:
    """Call what the task wants to be called when it is merged."""
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
