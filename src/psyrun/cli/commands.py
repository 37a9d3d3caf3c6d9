"""The psy commands."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from psyrun import run
from psyrun.cli.exits import FINE, INCOMPLETE
from psyrun.cli.finding import debug, failures, logs
from psyrun.cli.plotting import plot
from psyrun.cli.reporting import dashboard, report
from psyrun.cli.running import run_tasks
from psyrun.cli.showing import export, show
from psyrun.cli.status import show_status
from psyrun.cli.tasks import Tasks
from psyrun.cli.template import new_task_file
from psyrun.cli.watching import wait, watch
from psyrun.cli.wording import complain, count, hint
from psyrun.exceptions import PsyrunError
from psyrun.failure import shorten, show_assignment
from psyrun.tasks import TaskDef

_LISTED = 10


def _clean(args: argparse.Namespace) -> int:
    def clean(task: TaskDef) -> int:
        files = run.files_of(task)
        if files and not args.yes and sys.stdin.isatty() and not _agreed(task, files):
            print(f"{task.name}: nothing deleted")
            return FINE
        run.clean(task)
        print(f"{task.name}: cleaned {run.workdir_of(task).path}")
        return FINE

    return _each_named(args, clean)


def _agreed(task: TaskDef, files: list[Path]) -> bool:
    """Show on a terminal what is going to be deleted, and ask."""
    workdir = run.workdir_of(task).path
    elsewhere = [path for path in files if workdir not in path.parents]
    size = sum(path.stat().st_size for path in files if path.exists())
    print(f"{workdir}: {count(len(files) - len(elsewhere), 'file')}")
    for path in [*(p for p in files if p.name.startswith("result.")), *elsewhere][:_LISTED]:
        print(f"  {path}")
    answer = input(f"Delete these results and all else of task {task.name!r} ({_mb(size)})? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _kill(args: argparse.Namespace) -> int:
    def kill(task: TaskDef) -> int:
        killed = run.kill(task, refresh=args.refresh)
        print(f"{task.name}: {count(len(killed), 'job')} killed")
        for step in killed:
            print(f"  {step}")
        return FINE

    return _each_named(args, kill)


def _each_named(args: argparse.Namespace, command: Callable[[TaskDef], int]) -> int:
    """Call a command for the tasks that are named; without a name for none."""
    if not args.task:
        print(f"psy {args.command}: nothing done; name the tasks to {args.command}")
        return FINE
    return Tasks(args).each(command)


def _list(args: argparse.Namespace) -> int:
    tasks = Tasks(args)
    for task in tasks:
        print(task.name)
    return tasks.code


def _merge(args: argparse.Namespace) -> int:
    what, damages = run.merge_directory(Path(args.directory), Path(args.merged))
    for damage in damages:
        complain(damage)
    print(f"merged {what} into {args.merged}")
    return FINE


def _new_task(args: argparse.Namespace) -> int:
    path = new_task_file(Path(args.taskdir), args.name, args.scheduler)
    print(f"made {path}: fill in pspace and execute, then try '{hint('test', args.name)}'")
    return FINE


def _test(args: argparse.Namespace) -> int:
    return Tasks(args).each(_test_task)


def _test_task(task: TaskDef) -> int:
    assert task.pspace is not None
    print(task.name, flush=True)
    try:
        result = run.try_first_row(task)
    except PsyrunError as err:
        where = f" ({show_assignment(task.pspace[0])})" if len(task.pspace) else ""
        complain(f"{task.name}{where}: {err}")
        return INCOMPLETE
    except KeyboardInterrupt:
        raise
    except BaseException as err:
        from psyrun.failure import Failure

        failure = Failure.of_exception(err, task.pspace[0], seed=0)
        print(f"Row 0 ({failure.assignment}) failed:\n{failure.traceback}", file=sys.stderr)
        return INCOMPLETE
    for name, value in result.items():
        print(f"  {name}: {shorten(value)}")
    return FINE


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run_tasks,
    "clean": _clean,
    "dashboard": dashboard,
    "debug": debug,
    "export": export,
    "failures": failures,
    "kill": _kill,
    "list": _list,
    "logs": logs,
    "merge": _merge,
    "new-task": _new_task,
    "plot": plot,
    "report": report,
    "show": show,
    "status": show_status,
    "test": _test,
    "wait": wait,
    "watch": watch,
}
