"""What can be typed behind ``psy``."""

import argparse
import math
import os
from pathlib import Path
from typing import Any

from psyrun import __version__

_TASKDIR = "psy-tasks"

FORMS = ("lines", "heatmap", "strips", "bars", "scatter", "histogram")
SPREADS = ("sem", "std", "quartiles", "range", "each")
"""What psyrun.plotting can draw, which takes too long to be asked."""


def complete_task(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Complete the name of a task, for the shell."""
    taskdir = Path(getattr(parsed_args, "taskdir", _TASKDIR))
    names = sorted(path.stem.removeprefix("task_") for path in taskdir.glob("task_*.py"))
    return [name for name in names if name.startswith(prefix)]


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of ``psy``."""
    parser = argparse.ArgumentParser(
        prog="psy",
        description="Evaluate functions over spaces of parameters, as task files say.",
    )
    parser.add_argument("--version", action="version", version=f"psyrun {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="<subcommand>", required=True)

    run = _add(
        commands,
        "run",
        "run the tasks that are not up to date",
        "Run all tasks, or those given, that are not up to date. Each subtask is printed with '.' "
        "if it is executed and '-' if it is skipped. What has been computed is not computed "
        "again, unless the task file, a file in file_dep, or the parameter space has changed.",
    )
    _add_tasks(run)
    run.add_argument(
        "-c",
        "--continue",
        dest="keep",
        action="store_true",
        help="keep all rows that have been computed, also if the task has changed",
    )
    run.add_argument(
        "-j",
        dest="n_parallel",
        metavar="N",
        type=_positive,
        help="evaluate N rows at a time on this machine",
    )
    run.add_argument(
        "--fail-fast", action="store_true", help="hand out no more rows after the first failure"
    )
    only = run.add_mutually_exclusive_group()
    only.add_argument("--failed", action="store_true", help="only rows that have failed")
    only.add_argument("--rows", metavar="ROWS", help="only these rows, as in 3,17,100-200")
    only.add_argument(
        "--where",
        metavar="EXPR",
        help="only rows for which an expression over the parameters holds, as in 'n > 4000'",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be done and submitted, and do nothing",
    )
    run.add_argument(
        "--scheduler",
        metavar="NAME",
        help="what runs the jobs, in place of what the task file says",
    )
    run.add_argument(
        "--scheduler-arg",
        dest="scheduler_args",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="an argument for the scheduler, in place of what the task file says (repeatable)",
    )
    _add_refresh(run)

    clean = _add(
        commands,
        "clean",
        "delete what was generated for tasks",
        "Delete all files that were generated for the given tasks, also their results.",
    )
    _add_tasks(clean, default="none")

    clean.add_argument("-y", "--yes", action="store_true", help="do not ask")

    kill = _add(
        commands,
        "kill",
        "end the jobs of tasks",
        "End the queued and running jobs of the given tasks. Computed rows are kept.",
    )
    _add_tasks(kill, default="none")
    _add_refresh(kill)

    _add(commands, "list", "list the names of all tasks", "List the names of all tasks.")

    merge = _add(
        commands,
        "merge",
        "merge data files into a single one",
        "Merge what is in the directory of a task in the work directory (also while it runs, or "
        "after a crash), or all result files in another directory, into a single file. The "
        "extension of that file decides on the format.",
    )
    merge.add_argument("directory", help="directory with the files to merge")
    merge.add_argument("merged", help="file to write")

    new_task = _add(
        commands,
        "new-task",
        "make a new task file",
        "Make a new task file, ready to be filled in.",
    )
    new_task.add_argument("name", help="name of the new task")
    new_task.add_argument(
        "-s",
        "--scheduler",
        metavar="NAME",
        default="ImmediateRun",
        help="scheduler to prepare the file for (default: %(default)s)",
    )

    status = _add(
        commands,
        "status",
        "show how far tasks are",
        "Show how many rows of all tasks, or those given, are completed, have failed or are "
        "pending.",
    )
    _add_tasks(status)
    status.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show the assignments that are pending or have failed",
    )
    status.add_argument("--json", action="store_true", help="for programs")
    _add_refresh(status)

    _add_finding(commands)
    _add_plot(commands)
    _add_report(commands)
    _add_showing(commands)

    test = _add(
        commands,
        "test",
        "evaluate one assignment of tasks",
        "Evaluate the first assignment of all tasks, or those given, here and at once, and check "
        "that the store can hold the result. Nothing is kept.",
    )
    _add_tasks(test)
    _add_watching(commands)
    return parser


def _add_finding(commands: Any) -> None:
    failures = _add(
        commands,
        "failures",
        "show why rows have failed",
        "Show the failed rows of all tasks, or those given, grouped by cause, and what the failing "
        "assignments have in common.",
    )
    _add_tasks(failures)
    failures.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    failures.add_argument("--json", action="store_true", help="for programs")

    logs = _add(
        commands,
        "logs",
        "show what jobs or rows have printed",
        "Show what the jobs of a task, or one of its rows, have printed, and the traceback of a "
        "row that has failed.",
    )
    _add_task(logs)
    logs.add_argument("row", nargs="?", type=int, help="number of a row (default: all)")
    logs.add_argument("-f", "--follow", action="store_true", help="go on showing what is printed")

    debug = _add(
        commands,
        "debug",
        "evaluate one row here, in the debugger",
        "Evaluate one row of a task in this process, with its seed, and open the debugger where "
        "an exception is raised.",
    )
    _add_task(debug)
    debug.add_argument("row", type=int, help="number of the row")
    debug.add_argument(
        "--no-pdb", dest="pdb", action="store_false", help="just show the result or the traceback"
    )


def _add_plot(commands: Any) -> None:
    plot = _add(
        commands,
        "plot",
        "draw an output against parameters",
        "Draw an output of a task against its parameters, into a file or, without one, in the "
        "terminal. What is not said is chosen: one numeric parameter makes lines, two make a heat "
        "map, categories make strips of points or bars; further ones get colours and panels; over "
        "the rest rows are averaged.",
    )
    plot.usage = "psy plot [option ...] task [X] Y"
    _add_task(plot)
    plot.add_argument(
        "columns",
        nargs="+",
        metavar="X Y",
        help="what to draw (Y), and along which axis; 'A,B' for the two axes of a heat map, or "
        "for several outputs",
    )
    plot.add_argument("--color", metavar="C", help="column to tell by colour")
    plot.add_argument("--style", metavar="S", help="column to tell by the style of lines or points")
    plot.add_argument("--facet", metavar="F", help="column with a panel for each value, or two")
    plot.add_argument("--error", metavar="E", help="output that is the error of Y")
    plot.add_argument("--form", choices=FORMS, help="what to draw, if not what suits the columns")
    plot.add_argument(
        "--spread",
        choices=SPREADS,
        default=SPREADS[0],
        help="what is shown of rows that are not told apart (default: %(default)s, the mean with "
        "its standard error)",
    )
    plot.add_argument(
        "--log", choices=("x", "y", "xy", "none"), help="logarithmic axes, if not those that suit"
    )
    plot.add_argument("-o", "--output", metavar="FILE", help="file to write: .png, .svg or .pdf")
    plot.add_argument(
        "--partial", action="store_true", help="draw also what has not been merged yet"
    )
    plot.add_argument(
        "--where", metavar="EXPR", help="only rows for which an expression over the columns holds"
    )


def _add_report(commands: Any) -> None:
    report = _add(
        commands,
        "report",
        "write a page that shows tasks and their results",
        "Write a page for a browser that shows all tasks that have been run, or those given: what "
        "was run, progress, failures, run times, and the rows as linked plots and a table. It is a "
        "single file that needs no network. Tasks may be running.",
    )
    _add_tasks(report)
    report.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="report.html",
        help="file to write (default: %(default)s)",
    )

    dashboard = _add(
        commands,
        "dashboard",
        "show tasks in a browser, live",
        "Show all tasks in a browser on this machine, live, until Ctrl-C. Nobody is let in without "
        "the token in the address that is printed.",
    )
    dashboard.add_argument(
        "--port",
        metavar="N",
        type=int,
        default=8779,
        help="port to listen on, 0 for any that is free (default: %(default)s)",
    )


def _add_showing(commands: Any) -> None:
    show = _add(
        commands,
        "show",
        "show the table of a task",
        "Show the parameters and outputs of the rows of a task that are completed, as far as they "
        "have been computed; it may be running. The task may also be given as its directory in the "
        "work directory, or as a result file.",
    )
    _add_task(show)
    _add_choice(show)
    show.add_argument(
        "--sort",
        metavar="COLUMNS",
        help="columns to sort by, as in n,error; with a minus from the largest on (--sort=-error)",
    )
    show.add_argument(
        "-n",
        type=_count,
        metavar="N",
        help="show N rows, 0 for all (default: 20 in a table, else all)",
    )
    form = show.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help="for programs"
        )

    export = _add(
        commands,
        "export",
        "write the result of a task for other programs",
        "Write the result of a task to a file, whose extension decides on the format: .csv, "
        ".parquet, .npz, .h5, .pkl for the table of the completed rows; .nc, .zarr, .zarr.zip for "
        "arrays with a dimension for each parameter.",
    )
    _add_task(export)
    export.add_argument("file", help="file to write")
    _add_choice(export)
    export.add_argument(
        "--partial", action="store_true", help="write also what has not been merged yet"
    )


def _add_watching(commands: Any) -> None:
    codes = "The exit code is 0 if all rows are completed and merged, 1 if not"
    watch = _add(
        commands,
        "watch",
        "show how tasks get on until they have ended",
        "Show how all tasks that have been run, or those given, get on, until no job of theirs is "
        f"running or queued. {codes}, 130 after Ctrl-C, which leaves the jobs alone.",
    )
    _add_tasks(watch, default="all that have been run")
    watch.add_argument(
        "--interval",
        metavar="S",
        type=_seconds,
        default=2.0,
        help="seconds between two looks (default: %(default)g)",
    )
    wait = _add(
        commands,
        "wait",
        "wait until tasks have ended",
        "Wait until no job of all tasks that have been run, or of those given, is running or "
        f"queued. {codes}, 3 if the time is over before that.",
    )
    _add_tasks(wait, default="all that have been run")
    wait.add_argument("--timeout", metavar="S", type=_seconds, help="seconds to wait at most")


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--where", metavar="EXPR", help="only rows for which an expression over the columns holds"
    )
    parser.add_argument("--columns", metavar="NAMES", help="only these columns, as in n,error")


def _add(commands: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=description
    )
    taskdir = parser.add_argument(
        "--taskdir",
        default=_TASKDIR,
        help="directory of the task files (default: %(default)s)",
    )
    taskdir.completer = _complete_directory  # type: ignore[attr-defined]  # read by argcomplete
    return parser


def _add_tasks(parser: argparse.ArgumentParser, default: str = "all") -> None:
    task = parser.add_argument("task", nargs="*", help=f"name of a task (default: {default})")
    task.completer = complete_task  # type: ignore[attr-defined]  # read by argcomplete


def _add_task(parser: argparse.ArgumentParser) -> None:
    task = parser.add_argument("task", help="name of the task")
    task.completer = complete_task  # type: ignore[attr-defined]  # read by argcomplete


def _add_refresh(parser: argparse.ArgumentParser) -> None:
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


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows")
    return int(text)


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return number
