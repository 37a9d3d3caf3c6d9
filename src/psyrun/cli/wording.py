"""How things are said on the screen."""

import shlex
import sys
from collections import deque
from pathlib import Path

_TAIL = 12
"""Lines of a log that are shown when its job has failed."""


def complain(message: object) -> None:
    """Say on stderr what is wrong."""
    sys.stdout.flush()
    print(f"psy: {message}", file=sys.stderr)


def reason(err: OSError) -> str:
    """Say what the system has refused, and for which file."""
    why = err.strerror or str(err)
    return f"{why}: {err.filename}" if err.filename else why


def count(n: int, what: str) -> str:
    """Return a number of things, in the singular or the plural."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def show_duration(seconds: float) -> str:
    """Write a duration with two units at most.

    Examples
    --------
    >>> show_duration(7), show_duration(3700), show_duration(200_000)
    ('7 s', '1 h 1 min', '2 d 7 h')
    """
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    rest = round(seconds)
    parts: list[str] = []
    for size, unit in units:
        if rest >= size or (unit == "s" and not parts):
            parts.append(f"{rest // size} {unit}")
        rest %= size
    return " ".join(parts[:2])


def hint(command: str, task: str) -> str:
    """Return a command about a task as it can be typed, whatever the name of the task is."""
    return shlex.join(["psy", *command.split(), *(["--"] if task.startswith("-") else []), task])


def tail(log: Path) -> str:
    """Return the last lines of a log, indented."""
    try:
        with log.open(errors="replace") as file:
            lines = deque(file, _TAIL)
    except OSError:
        return ""
    return "".join(f"     {line.rstrip()}\n" for line in lines)
