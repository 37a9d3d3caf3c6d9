"""What can be typed behind ``psy``."""

import argparse
from typing import Any

from psyrun import __version__
from psyrun.cli.arguments import add_command, add_refresh, add_task, add_tasks, positive, seconds
from psyrun.cli.parser_of_results import add_plot, add_report, add_showing


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of ``psy``."""
    parser = argparse.ArgumentParser(
        prog="psy",
        description="Evaluate functions over spaces of parameters, as task files say.",
    )
    parser.add_argument("--version", action="version", version=f"psyrun {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="<subcommand>", required=True)

    run = add_command(
        commands,
        "run",
        "run the tasks that are not up to date",
        "Run all tasks, or those given, that are not up to date. Each subtask is printed with '.' "
        "if it is executed and '-' if it is skipped. What has been computed is not computed "
        "again, unless the task file, a file in file_dep, or the parameter space has changed.",
    )
    add_tasks(run)
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
        type=positive,
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
    add_refresh(run)

    clean = add_command(
        commands,
        "clean",
        "delete what was generated for tasks",
        "Delete all files that were generated for the given tasks, also their results.",
    )
    add_tasks(clean, default="none")

    clean.add_argument("-y", "--yes", action="store_true", help="do not ask")

    kill = add_command(
        commands,
        "kill",
        "end the jobs of tasks",
        "End the queued and running jobs of the given tasks. Computed rows are kept.",
    )
    add_tasks(kill, default="none")
    add_refresh(kill)

    add_command(commands, "list", "list the names of all tasks", "List the names of all tasks.")

    merge = add_command(
        commands,
        "merge",
        "merge data files into a single one",
        "Merge what is in the directory of a task in the work directory (also while it runs, or "
        "after a crash), or all result files in another directory, into a single file. The "
        "extension of that file decides on the format.",
    )
    merge.add_argument("directory", help="directory with the files to merge")
    merge.add_argument("merged", help="file to write")

    new_task = add_command(
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

    status = add_command(
        commands,
        "status",
        "show how far tasks are",
        "Show how many rows of all tasks, or those given, are completed, have failed or are "
        "pending.",
    )
    add_tasks(status)
    status.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show the assignments that are pending or have failed",
    )
    status.add_argument("--json", action="store_true", help="for programs")
    add_refresh(status)

    _add_finding(commands)
    add_plot(commands)
    add_report(commands)
    add_showing(commands)

    test = add_command(
        commands,
        "test",
        "evaluate one assignment of tasks",
        "Evaluate the first assignment of all tasks, or those given, here and at once, and check "
        "that the store can hold the result. Nothing is kept.",
    )
    add_tasks(test)
    _add_watching(commands)
    return parser


def _add_finding(commands: Any) -> None:
    failures = add_command(
        commands,
        "failures",
        "show why rows have failed",
        "Show the failed rows of all tasks, or those given, grouped by cause, and what the failing "
        "assignments have in common.",
    )
    add_tasks(failures)
    failures.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    failures.add_argument("--json", action="store_true", help="for programs")

    logs = add_command(
        commands,
        "logs",
        "show what jobs or rows have printed",
        "Show what the jobs of a task, or one of its rows, have printed, and the traceback of a "
        "row that has failed.",
    )
    add_task(logs)
    logs.add_argument("row", nargs="?", type=int, help="number of a row (default: all)")
    logs.add_argument("-f", "--follow", action="store_true", help="go on showing what is printed")

    debug = add_command(
        commands,
        "debug",
        "evaluate one row here, in the debugger",
        "Evaluate one row of a task in this process, with its seed, and open the debugger where "
        "an exception is raised.",
    )
    add_task(debug)
    debug.add_argument("row", type=int, help="number of the row")
    debug.add_argument(
        "--no-pdb", dest="pdb", action="store_false", help="just show the result or the traceback"
    )


def _add_watching(commands: Any) -> None:
    codes = "The exit code is 0 if all rows are completed and merged, 1 if not"
    watch = add_command(
        commands,
        "watch",
        "show how tasks get on until they have ended",
        "Show how all tasks that have been run, or those given, get on, until no job of theirs is "
        f"running or queued. {codes}, 130 after Ctrl-C, which leaves the jobs alone.",
    )
    add_tasks(watch, default="all that have been run")
    watch.add_argument(
        "--interval",
        metavar="S",
        type=seconds,
        default=2.0,
        help="seconds between two looks (default: %(default)g)",
    )
    wait = add_command(
        commands,
        "wait",
        "wait until tasks have ended",
        "Wait until no job of all tasks that have been run, or of those given, is running or "
        f"queued. {codes}, 3 if the time is over before that.",
    )
    add_tasks(wait, default="all that have been run")
    wait.add_argument("--timeout", metavar="S", type=seconds, help="seconds to wait at most")
