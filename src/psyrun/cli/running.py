"""psy run."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from psyrun import run
from psyrun.cli.exits import FINE, INCOMPLETE, INTERRUPTED, WRONG_USE
from psyrun.cli.live import watching
from psyrun.cli.planned import show_plan
from psyrun.cli.tasks import Tasks
from psyrun.cli.wording import complain, count, hint, tail
from psyrun.exceptions import JobsRunningWarning, TaskBusyError, TaskWorkdirDirtyWarning
from psyrun.failure import show_assignment
from psyrun.merging.merge import describe_damages, summary
from psyrun.plan import Overrides
from psyrun.rows import RowSet
from psyrun.tasks import TaskDef


def run_tasks(args: argparse.Namespace) -> int:
    """Run the tasks that are not up to date."""
    act = show_plan if args.dry_run else _run
    try:
        return Tasks(args).each(lambda task: _decide(task, args, act))
    except KeyboardInterrupt:
        return INTERRUPTED


def _decide(
    task: TaskDef, args: argparse.Namespace, act: Callable[[TaskDef, run.Decision], int]
) -> int:
    if args.scheduler is not None or args.scheduler_args:
        given = run.parse_arguments(args.scheduler_args)
        run.override(task, Overrides(args.scheduler, given))
    decision = run.decide(
        task,
        keep=args.keep,
        n_parallel=args.n_parallel,
        fail_fast=args.fail_fast,
        select=_selection(args),
    )
    found = decision.survey
    if decision.nothing_to_do:
        for step in ("process", run.MERGE):
            print(f"-  {run.job_name(task.name, step)}")
        print(f"{task.name}: {_nothing_to_do(decision)}")
        return FINE
    jobs = run.jobs_of(task, refresh=args.refresh)
    if jobs and not args.refresh:  # they may just have ended, or have been killed
        jobs = run.jobs_of(task, refresh=True)
    if jobs:
        complain(JobsRunningWarning(task.name))
        return FINE
    if jobs.trouble:
        complain(f"{jobs.trouble} Nothing was started, so that nothing is done twice.")
        return WRONG_USE
    for damage in describe_damages(found.ledger):
        complain(damage)
    if decision.dropped and not task.overwrite_dirty:
        complain(TaskWorkdirDirtyWarning(task.name))
        return WRONG_USE
    print(f"{task.name}: {_describe(decision)}", flush=True)
    return act(task, decision)


def _nothing_to_do(decision: run.Decision) -> str:
    found = decision.survey
    if decision.selected is None:
        return f"up to date, all {found.total} rows are in {found.resultfile}"
    if not decision.selected:
        return "there are no such rows, nothing to do"
    return f"the {count(len(decision.selected), 'row')} asked for are completed, nothing to do"


def _selection(args: argparse.Namespace) -> Callable[[run.Survey], RowSet] | None:
    """Return how to find the rows that are asked for, None if all are."""
    if args.failed:
        return lambda found: found.ledger.failed
    if args.rows is not None:
        return lambda found: run.parse_rows(args.rows, found.total)
    if args.where is not None:
        return lambda found: run.rows_where(found.space, args.where)
    return None


def _describe(decision: run.Decision) -> str:
    """Say in one line what a run is going to do."""
    found = decision.survey
    if decision.dropped:
        start = f"{' and '.join(found.changes)} changed, starting over"
    elif found.changes and decision.reused:
        start = f"{' and '.join(found.changes)} changed, keeping what has been computed"
    elif decision.todo:
        start = "running"
    else:
        start = "merging"
    new = len(decision.todo) - decision.failed_before
    return (
        f"{start}: {found.total} rows, {decision.reused} reused, {new} new, "
        f"{decision.failed_before} failed before"
    )


def _run(task: TaskDef, decision: run.Decision) -> int:
    try:
        started = run.make_plan(decision)
    except TaskBusyError as err:
        complain(err)
        return FINE
    with watching(task, started) as screen:
        if not started.brief.batches:
            screen.say(f"-  {run.job_name(task.name, 'process')}")
        try:
            with _telling_of_interrupts():
                run.submit(
                    task, started, lambda step: screen.say(f".  {run.job_name(task.name, step)}")
                )
        except KeyboardInterrupt:
            screen.close()
            completed, _ = run.progress(started)
            complain(
                f"interrupted; {count(completed, 'row')} completed in this run: kept. "
                f"Go on with '{hint('run', task.name)}'."
            )
            raise
    if task.scheduler.serial:
        return _report(task, started)
    jobs = count(len(started.brief.batches), "process job")
    print(f"{task.name}: {jobs} and a merge submitted; see '{hint('status', task.name)}'")
    return FINE


@contextmanager
def _telling_of_interrupts() -> Iterator[None]:
    """Say at Ctrl-C what psy is waiting for, if it is the terminal's foreground process."""
    former = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if former is not signal.default_int_handler or not in_main_thread:
        yield  # the caller has ideas of its own
        return

    def tell(number: int, frame: FrameType | None) -> None:
        complain("stopping after the current rows; Ctrl-C again ends them now")
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _report(task: TaskDef, started: run.Started) -> int:
    """Say how a run that has ended went."""
    for step in run.steps_of(started.brief):
        _report_trouble(task, started, step)
    found = run.survey(task)
    line = f"{task.name}: {summary(found.ledger, found.total)}"
    if found.ledger.failed:
        row, failure = next(found.ledger.failures())
        print(f"\nRow {row} ({show_assignment(found.space[row])}) failed:", file=sys.stderr)
        print(failure.traceback or failure.message, file=sys.stderr)
        line += f": {hint('failures', task.name)}"
    elif found.pending:
        line += f": {hint('status -v', task.name)}"
    elif found.merged:
        line += f", result in {found.resultfile}"
    print(line)
    # A task file that was edited meanwhile does not make this run's result worse.
    return FINE if found.merged and len(found.ledger.completed) == found.total else INCOMPLETE


def _report_trouble(task: TaskDef, started: run.Started, step: str) -> None:
    """Say what kept a job from doing its work, rows aside."""
    end = run.end_of(started, step)
    if end is not None and end.how == "finished":
        return
    how = "did not end in good order" if end is None else f"{end.how}: {end.why}"
    complain(f"{run.job_name(task.name, step)} {how}")
    log = _telling_log(started, step)
    said = tail(log)
    if end is not None and said.strip() == end.why:
        said = ""
    print(f"     log: {log}\n{said}", end="", file=sys.stderr)


def _telling_log(started: run.Started, step: str) -> Path:
    """Return the log in which the cause stands: that of a child, if one has said anything."""
    files = started.files
    children = [files.child_log(step, number) for number in range(started.brief.pool_size)]
    return next((log for log in children if tail(log)), files.log(step))
