"""The commands that help to find out what went wrong: failures, logs, debug."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from psyrun import run
from psyrun.cli.endings import ends_as_json, print_ends
from psyrun.cli.exits import FINE, INCOMPLETE
from psyrun.cli.tasks import Tasks
from psyrun.cli.wording import hint
from psyrun.diagnosis import FailureGroup
from psyrun.exceptions import UsageError
from psyrun.failure import Failure, shorten, show_assignment
from psyrun.run import finding
from psyrun.tasks import TaskDef

_EVERY = 0.3
_SHOWN_ROWS = 12


def failures(args: argparse.Namespace) -> int:
    """Show why rows have failed."""
    shown: list[dict[str, Any]] = []

    def one(task: TaskDef) -> int:
        found = run.survey(task)
        groups = finding.failures(found)
        jobs = run.jobs_of(task)
        ends = run.ends_of(task, jobs)
        if args.json:
            shown.append(_as_json(task, groups) | {"jobs": ends_as_json(ends)})
        else:
            _print_groups(task, found, groups, verbose=args.verbose)
            print_ends(task, jobs, ends)
        return FINE

    code = Tasks(args).each(one)
    if args.json:
        print(json.dumps(shown[0] if len(shown) == 1 else shown, indent=2))
    return code


def _as_json(task: TaskDef, groups: list[FailureGroup]) -> dict[str, Any]:
    return {
        "task": task.name,
        "failed": sum(len(group.rows) for group in groups),
        "groups": [
            {
                "cause": group.cause,
                "type": group.type,
                "where": group.where,
                "count": len(group.rows),
                "rows": list(group.rows),
                "region": group.region,
                "example": {
                    "row": group.example[0],
                    "assignment": _assignment(task, group.example[0]),
                    "traceback": group.example[1].traceback,
                },
            }
            for group in groups
        ],
    }


def _assignment(task: TaskDef, row: int) -> dict[str, Any]:
    assert task.pspace is not None
    return {name: _plain(value) for name, value in task.pspace[row].items()}


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return shorten(value)
    return value


def _print_groups(
    task: TaskDef, found: run.Survey, groups: list[FailureGroup], *, verbose: bool
) -> None:
    n_failed = len(found.ledger.failed)
    print(f"{task.name}: {n_failed} of {found.total} rows failed")
    for group in groups:
        region = f", all with {group.region}" if group.region else ""
        print(f"\n  {len(group.rows)} x {group.cause}{region}")
        print(f"    rows {_show_rows(list(group.rows.slice(0, _SHOWN_ROWS + 1)))}")
        row, failure = group.example
        assert task.pspace is not None
        print(f"    for example row {row}: {show_assignment(task.pspace[row])}")
        if verbose and failure.traceback:
            print("".join(f"      {line}\n" for line in failure.traceback.splitlines()), end="")
        elif failure.message and failure.message not in group.cause:
            print(f"      {failure.type}: {failure.message}")
    if groups and not verbose:
        print(
            f"\nTracebacks: {hint('failures -v', task.name)}. "
            f"Look into one: {hint('debug', task.name)} {groups[0].example[0]}"
        )


def _show_rows(rows: list[int]) -> str:
    shown = ", ".join(map(str, rows[:_SHOWN_ROWS]))
    return f"{shown}, ..." if len(rows) > _SHOWN_ROWS else shown


def logs(args: argparse.Namespace) -> int:
    """Show what jobs or a row have printed."""
    return Tasks(args).each(lambda task: _print_logs(task, args.row, follow=args.follow))


def _print_logs(task: TaskDef, row: int | None, *, follow: bool) -> int:
    if row is not None:
        return _print_row(task, row)
    paths = finding.logs(task)
    for path in paths:
        _head(path, several=len(paths) > 1)
        _copy(path, 0)
    if follow:
        _follow(task, {path: path.stat().st_size for path in paths})
    elif not paths:
        print(f"{task.name}: nothing has been printed")
    return FINE


def _head(path: Path, *, several: bool) -> None:
    if several:
        print(f"==> {path} <==", flush=True)


def _copy(path: Path, begin: int) -> int:
    """Print a file from a place on; return where it ends."""
    with path.open("rb") as file:
        file.seek(begin)
        while block := file.read(1 << 16):
            sys.stdout.write(block.decode(errors="replace"))
        sys.stdout.flush()
        return file.tell()


def _follow(task: TaskDef, ends: dict[Path, int]) -> None:
    """Print what is added to the logs until the jobs have ended."""
    last: Path | None = None
    while True:
        working = bool(run.jobs_of(task))
        for path in finding.logs(task):
            if path.stat().st_size > ends.get(path, 0):
                _head(path, several=path != last)
                ends[path], last = _copy(path, ends.get(path, 0)), path
        if not working:
            return
        time.sleep(_EVERY)


def _print_row(task: TaskDef, row: int) -> int:
    assert task.pspace is not None
    if not 0 <= row < len(task.pspace):
        raise UsageError(f"Task {task.name!r} has no row {row}; it has {len(task.pspace)} rows.")
    print(f"row {row}: {show_assignment(task.pspace[row])}")
    printed = False
    for path, output in finding.output_of(task, row):
        printed = True
        print(f"==> {path}, attempt {output.attempt} <==")
        print(output.text.decode(errors="replace"))
    failure = run.survey(task).ledger.failure_of(row)
    if failure is not None and not (printed and failure.traceback):
        print(failure.traceback or failure.message)
    elif failure is None and not printed:
        print("it has printed nothing")
    return FINE


def debug(args: argparse.Namespace) -> int:
    """Evaluate one row here, in the debugger if it fails."""
    return Tasks(args).each(lambda task: _debug_row(task, args.row, with_pdb=args.pdb))


def _debug_row(task: TaskDef, row: int, *, with_pdb: bool) -> int:
    call = run.prepare_call(task, row)
    print(f"row {row}: {show_assignment(call.assignment)} (seed {call.seed})", flush=True)
    try:
        result = call.evaluate()
    except BaseException as err:
        failure = Failure.of_exception(err, call.assignment, call.seed)
        print(failure.traceback, file=sys.stderr)
        if with_pdb:
            _open_debugger(err, call.directory)
        return INCOMPLETE
    for name, value in result.items():
        print(f"  {name}: {shorten(value)}")
    return FINE


def _open_debugger(err: BaseException, directory: Path) -> None:
    import pdb

    os.chdir(directory)
    pdb.post_mortem(err.__traceback__)
