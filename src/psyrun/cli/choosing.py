"""Loading the result that a command is about, or the part of it that is asked for."""

import argparse
from typing import TYPE_CHECKING

from psyrun.exceptions import NotMergedError, UsageError

if TYPE_CHECKING:
    from psyrun.results import Result


def load_chosen(args: argparse.Namespace, *, partial: bool) -> "Result":
    """Load the rows of a task that are asked for."""
    from psyrun.results import load

    try:
        result = load(args.task, partial=partial, taskdir=args.taskdir)
    except NotMergedError as err:
        raise UsageError(f"{err.problem}; add --partial for what has been computed.") from None
    return result if args.where is None else result.where(args.where)


def split_names(result: "Result", text: str) -> list[str]:
    """Split names at commas, apart from those in the names of columns.

    A minus before a name is left there.
    """
    names, parts = [], text.split(",")
    while parts:
        for n in range(len(parts), 0, -1):
            name = ",".join(parts[:n])
            if n == 1 or name in result or name.removeprefix("-") in result:
                names.append(name)
                del parts[:n]
                break
    return names
