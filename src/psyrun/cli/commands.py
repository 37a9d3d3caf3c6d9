"""The psy commands."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from psyrun import run
from psyrun.cli.live import watching
from psyrun.cli.main import FINE, INCOMPLETE, INTERRUPTED, WRONG_USE
from psyrun.cli.template import new_task_file
from psyrun.exceptions import (
    JobsRunningWarning,
    PsyrunError,
    TaskBusyError,
    TaskWorkdirDirtyWarning,
)
from psyrun.failure import show_assignment
from psyrun.rows import RowSet
from psyrun.tasks import PackageLoader, TaskDef

_SHOWN = 20
"""How many assignments ``psy status -v`` shows of each kind."""


def _complain(message: object) -> None:
    sys.stdout.flush()
    print(f"psy: {message}", file=sys.stderr)


class _Tasks:
    """The tasks that a command is about; those that do not load are complained about."""

    def __init__(self, args: argparse.Namespace) -> None:
        loader = PackageLoader(args.taskdir)
        self._tasks = loader.load_task_defs(getattr(args, "task", ()))
        for error in loader.errors.values():
            _complain(error)
        self.code = WRONG_USE if loader.errors else FINE

    def __iter__(self) -> Iterator[TaskDef]:
        return iter(self._tasks)

    def each(self, command: Callable[[TaskDef], int]) -> int:
        """Call a command for each task, whatever becomes of the others; return the worst code."""
        for task in self._tasks:
            try:
                code = command(task)
            except PsyrunError as err:
                _complain(err)
                code = WRONG_USE
            self.code = max(self.code, code)
        return self.code


def _run(args: argparse.Namespace) -> int:
    tasks = _Tasks(args)
    if args.dry_run:
        return tasks.each(lambda task: _show_decision(task, args))
    try:
        return tasks.each(lambda task: _run_task(task, args))
    except KeyboardInterrupt:
        return INTERRUPTED


def _run_task(task: TaskDef, args: argparse.Namespace) -> int:
    decision = run.decide(task, keep=args.keep, n_parallel=args.n_parallel)
    found = decision.survey
    if run.jobs_of(task, found.history):
        _complain(JobsRunningWarning(task.name))
        return FINE
    if decision.nothing_to_do:
        for step in ("process", run.MERGE):
            print(f"-  {run.job_name(task.name, step)}")
        print(f"{task.name}: up to date, all {found.total} rows are in {found.resultfile}")
        return FINE
    if decision.dropped and not task.overwrite_dirty:
        _complain(TaskWorkdirDirtyWarning(task.name))
        return WRONG_USE
    print(f"{task.name}: {describe(decision)}", flush=True)
    try:
        started = run.make_plan(decision)
    except TaskBusyError as err:
        _complain(err)
        return FINE
    if not started.brief.batches:
        print(f"-  {run.job_name(task.name, 'process')}")
    try:
        with watching(started) as bar:
            run.submit(task, started, lambda step: bar.say(f".  {run.job_name(task.name, step)}"))
    except KeyboardInterrupt:
        completed, _ = run.progress(started)
        _complain(
            f"interrupted; the {completed} rows completed in this run are kept, "
            f"go on with 'psy run {task.name}'."
        )
        raise
    return _report(task, started)


def describe(decision: run.Decision) -> str:
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


def _show_decision(task: TaskDef, args: argparse.Namespace) -> int:
    decision = run.decide(task, keep=args.keep, n_parallel=args.n_parallel)
    if decision.nothing_to_do:
        print(f"{task.name}: up to date, nothing to do")
        return FINE
    print(f"{task.name}: {describe(decision)}")
    print(
        f"  {decision.n_jobs} process jobs of {decision.pool_size} processes each, and a merge, "
        f"with {type(task.scheduler).__name__}"
    )
    print(f"  result: {run.resultfile_of(task)}")
    return FINE


def _report(task: TaskDef, started: run.Started) -> int:
    """Say how a run that has ended went; nothing is known yet if jobs were only submitted."""
    if not task.scheduler.serial:
        n = len(started.brief.batches)
        print(f"{task.name}: {n} process jobs and a merge submitted; see 'psy status'")
        return FINE
    found = run.survey(task)
    for step in run.steps_of(started.brief):
        end = run.end_of(started, step)
        if end is None:
            _complain(f"{run.job_name(task.name, step)} did not end in good order.")
        elif end.how != "finished":
            _complain(f"{run.job_name(task.name, step)} {end.how}: {end.why}")
        else:
            continue
        print(f"     log: {started.files.log(step)}", file=sys.stderr)
    completed, failed = len(found.ledger.completed), len(found.ledger.failed)
    pending = found.total - completed - failed
    line = f"{task.name}: {completed} of {found.total} rows completed"
    if failed:
        line += f", {failed} failed"
        row, failure = next(found.ledger.failures())
        print(f"\nRow {row} ({failure.assignment}) failed:", file=sys.stderr)
        print(failure.traceback or failure.message, file=sys.stderr)
    if pending:
        line += f", {pending} pending"
    if failed or pending:
        line += f": psy status -v {task.name}"
    elif found.merged:
        line += f", result in {found.resultfile}"
    print(line)
    return FINE if found.up_to_date else INCOMPLETE


def _clean(args: argparse.Namespace) -> int:
    def clean(task: TaskDef) -> int:
        run.clean(task)
        print(f"{task.name}: cleaned {run.workdir_of(task).path}")
        return FINE

    return _Tasks(args).each(clean)


def _kill(args: argparse.Namespace) -> int:
    def kill(task: TaskDef) -> int:
        killed = run.kill(task)
        print(f"{task.name}: {len(killed)} jobs killed" + "".join(f"\n  {s}" for s in killed))
        return FINE

    return _Tasks(args).each(kill)


def _list(args: argparse.Namespace) -> int:
    tasks = _Tasks(args)
    for task in tasks:
        print(task.name)
    return tasks.code


def _merge(args: argparse.Namespace) -> int:
    _, what = run.merge_directory(Path(args.directory), Path(args.merged))
    print(f"merged {what} into {args.merged}")
    return FINE


def _new_task(args: argparse.Namespace) -> int:
    path = new_task_file(Path(args.taskdir), args.name, args.scheduler)
    print(f"made {path}: fill in pspace and execute, then try 'psy test {args.name}'")
    return FINE


def _status(args: argparse.Namespace) -> int:
    tasks = _Tasks(args)
    if args.json:
        shown: list[dict[str, Any]] = []
        code = tasks.each(lambda task: _append_status(task, shown))
        print(json.dumps({"tasks": shown}, indent=2))
        return code
    return tasks.each(lambda task: _print_status(task, verbose=args.verbose))


def _append_status(task: TaskDef, shown: list[dict[str, Any]]) -> int:
    found = run.survey(task)
    jobs = run.jobs_of(task, found.history)
    completed, failed = len(found.ledger.completed), len(found.ledger.failed)
    shown.append(
        {
            "name": task.name,
            "total": found.total,
            "completed": completed,
            "failed": failed,
            "pending": found.total - completed - failed,
            "running_jobs": len(jobs.running),
            "queued_jobs": len(jobs.queued),
            "up_to_date": found.up_to_date,
            "resultfile": str(run.resultfile_of(task)),
        }
    )
    return FINE


def _print_status(task: TaskDef, *, verbose: bool) -> int:
    found = run.survey(task)
    jobs = run.jobs_of(task, found.history)
    completed, failed = found.ledger.completed, found.ledger.failed
    print(f"{task.name}:")
    print(f"  {len(completed)} out of {found.total} rows completed.")
    if failed:
        print(f"  {len(failed)} rows failed.")
    if jobs.running or jobs.queued:
        print(f"  {len(jobs.running)} jobs running, {len(jobs.queued)} queued.")
    if found.changes and found.history.digest is not None:
        print(f"  The {' and '.join(found.changes)} changed since.")
    elif found.up_to_date:
        print(f"  Up to date: {run.resultfile_of(task)}")
    if verbose:
        _print_assignments("Pending", task, found.pending)
        if failed:
            print("  Failed:")
            for i, (row, failure) in enumerate(found.ledger.failures()):
                if i == _SHOWN:
                    print(f"    ... and {len(failed) - _SHOWN} more")
                    break
                assert task.pspace is not None
                print(
                    f"    {row}: {show_assignment(task.pspace[row])}\n"
                    f"      {failure.type}: {failure.message}"
                )
    print()
    return FINE


def _print_assignments(title: str, task: TaskDef, rows: RowSet) -> None:
    print(f"  {title}:")
    assert task.pspace is not None
    for row in rows.slice(0, min(len(rows), _SHOWN)).tolist():
        print(f"    {row}: {show_assignment(task.pspace[row])}")
    if len(rows) > _SHOWN:
        print(f"    ... and {len(rows) - _SHOWN} more")


def _test(args: argparse.Namespace) -> int:
    return _Tasks(args).each(_test_task)


def _test_task(task: TaskDef) -> int:
    assert task.pspace is not None
    print(task.name, flush=True)
    try:
        result = run.try_first_row(task)
    except PsyrunError as err:
        where = f" ({show_assignment(task.pspace[0])})" if len(task.pspace) else ""
        _complain(f"{task.name}{where}: {err}")
        return INCOMPLETE
    except KeyboardInterrupt:
        raise
    except BaseException as err:
        from psyrun.failure import Failure

        failure = Failure.of_exception(err, task.pspace[0], seed=0)
        print(f"Row 0 ({failure.assignment}) failed:\n{failure.traceback}", file=sys.stderr)
        return INCOMPLETE
    for name, value in result.items():
        print(f"  {name}: {show_assignment({'': value})[1:]}")
    return FINE


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "clean": _clean,
    "kill": _kill,
    "list": _list,
    "merge": _merge,
    "new-task": _new_task,
    "status": _status,
    "test": _test,
}
