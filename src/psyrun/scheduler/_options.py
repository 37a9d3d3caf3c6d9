"""Arguments of jobs, as options of a scheduler's commands."""

import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from psyrun.timelimit import parse_time


class Option(NamedTuple):
    """How an argument is written on a scheduler's command line.

    Attributes
    ----------
    flag : str
        Option, such as ``-r`` or ``--mpp``.
    convert : callable
        Makes a string of the value.
    """

    flag: str
    convert: Callable[[Any], str] = str

    def build(self, value: object) -> list[str]:
        """Return the option as words of a command line, none if the value is None."""
        if value is None:
            return []
        text = self.convert(value)
        return [f"{self.flag}={text}"] if self.flag.startswith("--") else [self.flag, text]


def build_options(known: Mapping[str, Option], values: Mapping[str, Any]) -> list[str]:
    """Write arguments as options; names that are not known are passed on as they are.

    Examples
    --------
    >>> build_options({"memory": Option("--mpp")}, {"memory": "1G", "test": True, "p": 2})
    ['--mpp=1G', '--test', '-p', '2']
    """
    words = []
    for name, value in values.items():
        if value is None or value is False:
            continue
        if name in known:
            words += known[name].build(value)
        elif value is True:
            words.append(_flag(name))
        else:
            words += Option(_flag(name)).build(value)
    return words


def dashed(values: Mapping[str, Any]) -> list[str]:
    """Write arguments as options of commands that have one dash before every option.

    Examples
    --------
    >>> dashed({"app": "long", "l": ["a=1", "b=2"], "r": True})
    ['-app', 'long', '-l', 'a=1', '-l', 'b=2', '-r']
    """
    words = []
    for name, value in values.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            words += [f"-{name}"] if item is True else [f"-{name}", str(item)]
    return words


def _flag(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"


def seconds_of(value: object) -> int | None:
    """Return a time limit in seconds, None if it is not understood.

    Examples
    --------
    >>> seconds_of('2h30m'), seconds_of(datetime.timedelta(minutes=5)), seconds_of('soon')
    (9000, 300, None)
    """
    if isinstance(value, datetime.timedelta):
        return math.ceil(value.total_seconds())
    seconds = parse_time(value)
    return None if seconds is None else math.ceil(seconds)


def clock(seconds: int) -> str:
    """Return a time as hours, minutes and seconds.

    Examples
    --------
    >>> clock(129600)
    '36:00:00'
    """
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
