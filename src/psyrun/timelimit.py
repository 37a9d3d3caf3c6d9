"""How much time a job has left."""

import re
import sys
import time
from collections.abc import Callable

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_deadline: Callable[[], float | None] = lambda: None  # noqa: E731 - a job sets another one


def remaining_time() -> float | None:
    """Return the seconds that the job has left, for use in a task's `execute`.

    Returns
    -------
    float or None
        Seconds until the job is ended, not below 0; None if no limit is known.

    Examples
    --------
    >>> import psyrun
    >>> psyrun.remaining_time() is None  # not in a job
    True
    """
    deadline = _deadline()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def use_deadline(deadline: Callable[[], float | None]) -> None:
    """Say how to ask for the job's end, in seconds of the monotonic clock."""
    global _deadline
    _deadline = deadline


def parse_time(text: object) -> float | None:
    """Read a time limit as schedulers write it.

    Parameters
    ----------
    text : object
        Such as ``'90s'``, ``'15m'``, ``'1h'``, ``'2h30m'``, ``'1:30:00'``, ``'1-12:00:00'``, or a
        `datetime.timedelta`.

    Returns
    -------
    float or None
        Seconds; None if it cannot be read. A bare number cannot: schedulers do not agree on its
        unit.

    Examples
    --------
    >>> from datetime import timedelta
    >>> parse_time('15m'), parse_time('1-00:30:00'), parse_time(timedelta(hours=1)), parse_time(60)
    (900.0, 88200.0, 3600.0, None)
    """
    if not isinstance(text, str):
        # Its module takes a while to load, and whoever has one has loaded it.
        timedelta = getattr(sys.modules.get("datetime"), "timedelta", None)
        return text.total_seconds() if timedelta and isinstance(text, timedelta) else None
    text = text.strip().lower()
    if re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text):
        return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)([smhd])", text))
    clock = re.fullmatch(r"(?:(\d+)-)?(\d+(?::\d+){1,2})", text)
    if clock is None:
        return None
    days, rest = clock.groups()
    parts = [int(part) for part in rest.split(":")]
    if days is not None and len(parts) == 2:
        parts.append(0)  # days-hours:minutes
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + part
    return float(seconds + 86400 * int(days or 0))
