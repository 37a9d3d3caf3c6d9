"""Merging a plan, and telling how that went."""

import io
import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from psyrun.exceptions import PsyrunError, StoreError
from psyrun.jobstate import PATIENCE, JobState
from psyrun.merging.merge import describe_damages, merge_plan, summary
from psyrun.plan import MERGE, Brief, Plan, read_brief, read_plan
from psyrun.tasks import load_snapshot
from psyrun.workdir import PlanDir, Workdir

Conclude = Callable[[Brief, PlanDir, Plan], tuple[str, bool]]


def merge_here(files: PlanDir) -> None:
    """Merge a plan in this process, which has loaded all that it takes.

    Raises
    ------
    StoreError
        If it has failed and not even that could be written down.
    """
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            merge_rows(files.head)
    except OSError as err:
        raise StoreError(f"The result could not be merged: {err}") from err
    except Exception:  # noqa: S110 - it is in the log and in the end record
        pass
    finally:
        with suppress(OSError), files.log(MERGE).open("a") as log:
            log.write(said.getvalue())


def merge_rows(head: Path, conclude: Conclude | None = None) -> int:
    """Merge a plan; return the exit code: 0 if each row of the space is completed.

    Parameters
    ----------
    head : Path
        The plan.
    conclude : callable, optional
        Called with what was merged; returns in words what has come of it, and whether that is that
        the run goes on.

    Raises
    ------
    OSError
        If it has failed and not even that could be written down.
    """
    brief, files = read_brief(head)
    state, path = JobState.beginning(MERGE), files.job(MERGE)
    try:
        state.write(path)
        with _signs_of_life(state, path):
            said, fine = _merge(brief, files, conclude)
    except (PsyrunError, OSError) as err:
        print(err, file=sys.stderr)
        try:
            state.ending("failed", str(err)).write(path)
        except OSError:
            raise err from None
        return 1
    except BaseException as err:
        traceback.print_exc()
        state.ending("failed", f"{type(err).__name__}: {err}").write(path)
        raise
    with suppress(OSError):  # the result stands
        state.ending("finished", said).write(path)
    return 0 if fine else 1


@contextmanager
def _signs_of_life(state: JobState, path: Path) -> Iterator[None]:
    """Let other machines see that the merge is still at work, until the block ends."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(PATIENCE / 10):
            with suppress(OSError):
                state.write(path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _merge(brief: Brief, files: PlanDir, conclude: Conclude | None) -> tuple[str, bool]:
    workdir = Workdir.of_plan(files, brief.task)
    plan = read_plan(files)
    ledger = merge_plan(workdir, brief, plan, files)
    for damage in describe_damages(ledger):
        print(damage, file=sys.stderr)
    said = summary(ledger, brief.total)
    print(said)
    told = workdir.provenance.read_bytes()
    words, goes_on = conclude(brief, files, plan) if conclude is not None else ("", False)
    if words:
        print(words)
        said = f"{said}. {words}"
    if brief.has_on_finish and not goes_on:
        _tell_task(brief, files, json.loads(told))
    return said, len(ledger.completed) == brief.total


def _tell_task(brief: Brief, files: PlanDir, told: dict[str, Any]) -> None:
    """Call what the task wants to be called when it is merged."""
    try:
        task = load_snapshot(brief, files)
        if task.on_finish is not None:
            summary = {"task": brief.task, "resultfile": told["result"]} | told["rows"]
            with chdir(brief.task_dir):
                task.on_finish(summary | {"seconds": told["evaluation_seconds"]})
    except BaseException:
        print("on_finish has failed; the result is not affected:", file=sys.stderr)
        traceback.print_exc()
