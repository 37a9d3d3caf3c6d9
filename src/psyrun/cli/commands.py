"""Where the psy commands are; each is loaded when it is called."""

import argparse
import importlib
from collections.abc import Callable

COMMANDS = {
    "run": "running.run_tasks",
    "clean": "housekeeping.clean",
    "dashboard": "reporting.dashboard",
    "debug": "finding.debug",
    "export": "showing.export",
    "failures": "finding.failures",
    "kill": "housekeeping.kill",
    "list": "housekeeping.list_tasks",
    "logs": "finding.logs",
    "merge": "housekeeping.merge",
    "new-task": "housekeeping.new_task",
    "plot": "plotting.plot",
    "report": "reporting.report",
    "show": "showing.show",
    "status": "status.show_status",
    "test": "trying.test",
    "wait": "watching.wait",
    "watch": "watching.watch",
}


def find_command(name: str) -> Callable[[argparse.Namespace], int]:
    """Return the function that does a command; it returns the exit code."""
    module, _, function = COMMANDS[name].partition(".")
    command: Callable[[argparse.Namespace], int] = getattr(
        importlib.import_module(f"psyrun.cli.{module}"), function
    )
    return command
