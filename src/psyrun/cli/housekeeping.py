"""psy clean, kill, list, merge and new-task."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from psyrun import run
from psyrun.cli.exits import FINE
from psyrun.cli.tasks import Tasks
from psyrun.cli.template import new_task_file
from psyrun.cli.wording import complain, count, hint
from psyrun.tasks import TaskDef

_LISTED = 10


def clean(args: argparse.Namespace) -> int:
    """Delete what was generated for tasks."""

    def clean_task(task: TaskDef) -> int:
        files = run.files_of(task)
        if files and not args.yes and sys.stdin.isatty() and not _agreed(task, files):
            print(f"{task.name}: nothing deleted")
            return FINE
        run.clean(task)
        print(f"{task.name}: cleaned {run.workdir_of(task).path}")
        return FINE

    return _each_named(args, clean_task)


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


def kill(args: argparse.Namespace) -> int:
    """End the jobs of tasks."""

    def kill_task(task: TaskDef) -> int:
        killed = run.kill(task, refresh=args.refresh)
        print(f"{task.name}: {count(len(killed), 'job')} killed")
        for step in killed:
            print(f"  {step}")
        return FINE

    return _each_named(args, kill_task)


def _each_named(args: argparse.Namespace, command: Callable[[TaskDef], int]) -> int:
    """Call a command for the tasks that are named; without a name for none."""
    if not args.task:
        print(f"psy {args.command}: nothing done; name the tasks to {args.command}")
        return FINE
    return Tasks(args).each(command)


def list_tasks(args: argparse.Namespace) -> int:
    """List the names of all tasks."""
    tasks = Tasks(args)
    for task in tasks:
        print(task.name)
    return tasks.code


def merge(args: argparse.Namespace) -> int:
    """Merge data files into a single one."""
    what, damages = run.merge_directory(Path(args.directory), Path(args.merged))
    for damage in damages:
        complain(damage)
    print(f"merged {what} into {args.merged}")
    return FINE


def new_task(args: argparse.Namespace) -> int:
    """Make a new task file."""
    path = new_task_file(Path(args.taskdir), args.name, args.scheduler)
    print(f"made {path}: fill in pspace and execute, then try '{hint('test', args.name)}'")
    return FINE
