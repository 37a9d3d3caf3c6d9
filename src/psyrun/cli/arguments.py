"""What the commands' arguments have in common."""

import argparse
import math
import os
from pathlib import Path
from typing import Any

TASKDIR = "psy-tasks"


def add_command(
    commands: Any, name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    """Add a command that looks at the task files of a directory."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description
    )
    taskdir = parser.add_argument(
        "--taskdir",
        default=TASKDIR,
        help="directory of the task files (default: %(default)s)",
    )
    taskdir.completer = _complete_directory  # type: ignore[attr-defined]  # read by argcomplete
    return parser


def add_tasks(parser: argparse.ArgumentParser, default: str = "all") -> None:
    """Let a command take names of tasks."""
    task = parser.add_argument("task", nargs="*", help=f"name of a task (default: {default})")
    task.completer = complete_task  # type: ignore[attr-defined]  # read by argcomplete


def add_task(parser: argparse.ArgumentParser) -> None:
    """Let a command take the name of a task."""
    task = parser.add_argument("task", help="name of the task")
    task.completer = complete_task  # type: ignore[attr-defined]  # read by argcomplete


def add_refresh(parser: argparse.ArgumentParser) -> None:
    """Let a command ask the scheduler anew."""
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="ask the scheduler now, even if it has been asked in the last half minute",
    )


def _complete_directory(prefix: str, **_: Any) -> list[str]:
    head, tail = os.path.split(prefix)
    with os.scandir(head or ".") as entries:
        return [
            os.path.join(head, entry.name) + "/"  # noqa: PTH118 - keeps what was typed
            for entry in entries
            if entry.is_dir() and entry.name.startswith(tail)
        ]


def seconds(text: str) -> float:
    """Read a number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def count(text: str) -> int:
    """Read a number of rows."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows")
    return int(text)


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return number


def complete_task(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Complete the name of a task, for the shell."""
    taskdir = Path(getattr(parsed_args, "taskdir", TASKDIR))
    names = sorted(path.stem.removeprefix("task_") for path in taskdir.glob("task_*.py"))
    return [name for name in names if name.startswith(prefix)]
