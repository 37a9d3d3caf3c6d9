"""Explaining why a row has no result."""

import json
import os
import reprlib
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import NamedTuple

DIED = "ProcessDied"
TIMED_OUT = "Timeout"
OUT_OF_MEMORY = "OutOfMemory"

_EVALUATION = "psyrun.evaluation"

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 80


def shorten(value: object) -> str:
    """Format a value for messages, shortened; never raises."""
    try:
        return _repr.repr(value)
    except Exception as broken:
        return f"<{type(value).__qualname__} that cannot be shown: {type(broken).__name__}>"


def show_assignment(assignment: Mapping[str, object]) -> str:
    """Format an assignment for messages, long values shortened."""
    return ", ".join(f"{name}={shorten(value)}" for name, value in assignment.items())


class Failure(NamedTuple):
    """Why a row has no result.

    Attributes
    ----------
    type : str
        Name of the exception's type, or what else happened.
    message : str
        Its message.
    where : str
        Place in the user's code, ``file:line in function``; empty if unknown.
    traceback : str
        The traceback from the user's function on; empty if there is none.
    assignment : str
        The assignment, formatted.
    seed : int or None
        Seed of the row.
    host : str
        Machine.
    pid : int
        Process.
    """

    type: str
    message: str
    where: str = ""
    traceback: str = ""
    assignment: str = ""
    seed: int | None = None
    host: str = ""
    pid: int = 0

    @classmethod
    def of_exception(
        cls, err: BaseException, assignment: Mapping[str, object], seed: int
    ) -> "Failure":
        """Describe an exception that the evaluation of a row has raised."""
        import traceback  # most rows do without it

        tb = _users_part(err.__traceback__)
        frames = traceback.extract_tb(tb)
        libraries = _libraries()
        own = [frame for frame in frames if not frame.filename.startswith(libraries)]
        where = f"{own[-1].filename}:{own[-1].lineno} in {own[-1].name}" if own else ""
        return cls(
            type=type(err).__qualname__,
            message=message_of(err),
            where=where,
            traceback="".join(traceback.format_exception(type(err), err, tb)),
            assignment=show_assignment(assignment),
            seed=seed,
            host=os.uname().nodename,
            pid=os.getpid(),
        )

    def encode(self) -> bytes:
        """Return the failure as JSON, for the journal."""
        return json.dumps(self._asdict()).encode("utf-8", "backslashreplace")

    @classmethod
    def decode(cls, payload: bytes) -> "Failure":
        """Read a failure from a journal."""
        return cls(**json.loads(payload))


@cache
def _libraries() -> tuple[str, ...]:
    """Return where code lies that is not the user's own."""
    import sysconfig  # most rows do without it

    paths = sysconfig.get_paths()
    places = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*places, os.path.dirname(__file__))  # noqa: PTH120 - as in tracebacks


def message_of(err: BaseException) -> str:
    """Return an exception's message, also if it fails to tell it."""
    try:
        return str(err)
    except Exception as broken:
        return f"<the message cannot be shown: {type(broken).__name__}>"


def _users_part(tb: TracebackType | None) -> TracebackType | None:
    """Leave out psyrun's own frames, with which a traceback begins."""
    below = tb
    while tb is not None:
        if tb.tb_frame.f_globals.get("__name__") == _EVALUATION:
            below = tb.tb_next
        tb = tb.tb_next
    return below
