"""What a supervisor and one of its children share: a socket and a page of memory.

Through the socket the child asks for rows and gets their bounds. Into the page it notes what it
is doing, which costs no message and outlives it.
"""

import math
import mmap
import os
import signal
import socket
import struct
import sys
import tempfile
from enum import IntEnum
from typing import NamedTuple

_MESSAGE = struct.Struct("<qqq")
_DOING = struct.Struct("<qqdqQqq")
_DEADLINE = struct.Struct("<d")
_STOP, _BUSY, _TROUBLE, _DEADLINE_AT, _DOING_AT, _WHY_AT = 0, 1, 2, 8, 16, 1024


STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
"""Signals by which users and schedulers tell a job to end."""


class Assignment(NamedTuple):
    """Rows that a child is to evaluate: their positions among the rows to do.

    Attributes
    ----------
    start, stop : int
        The first position, and the one behind the last.
    attempt : int
        Number of the attempt at the first of them.
    """

    start: int
    stop: int
    attempt: int = 1


NOTHING_LEFT = Assignment(-1, -1)


class Trouble(IntEnum):
    """Why a child has given up, if the reason is not a row's."""

    NONE = 0
    CANNOT_BEGIN = 1
    CANNOT_WRITE = 2


class Doing(NamedTuple):
    """Where a child is, or was when it died.

    Attributes
    ----------
    position, row : int
        The row that it has begun last, and its position among the rows to do.
    since : float
        When it began it, in seconds of the monotonic clock.
    attempt : int
        Number of the attempt.
    seed : int
        Seed of the row.
    completed, failed : int
        Rows that it had written down before that.
    """

    position: int
    row: int
    since: float
    attempt: int
    seed: int
    completed: int
    failed: int


class Page:
    """The page of memory."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, mmap.PAGESIZE)

    @classmethod
    def create(cls, deadline: float) -> "Page":
        """Make a new page, to be passed on by its file descriptor."""
        page = cls(_new_memory())
        page.begin(Doing(-1, -1, 0.0, 0, 0, 0, 0))
        page.end()
        page.set_deadline(deadline)
        return page

    def begin(self, doing: Doing) -> None:
        """Note that a row is being evaluated."""
        _DOING.pack_into(self._memory, _DOING_AT, *doing)
        self._memory[_BUSY] = 1

    def end(self) -> None:
        """Note that the row is in the journal."""
        self._memory[_BUSY] = 0

    def busy(self) -> bool:
        """Tell whether a row is being evaluated."""
        return self._memory[_BUSY] != 0

    def doing(self) -> Doing:
        """Return where the child is."""
        return Doing(*_DOING.unpack_from(self._memory, _DOING_AT))

    def set_deadline(self, deadline: float) -> None:
        """Tell the child when its job ends, in seconds of the monotonic clock."""
        _DEADLINE.pack_into(self._memory, _DEADLINE_AT, deadline)

    def deadline(self) -> float | None:
        """Return when the job ends, None if that is not known."""
        (deadline,) = _DEADLINE.unpack_from(self._memory, _DEADLINE_AT)
        return None if math.isinf(deadline) else deadline

    def give_up(self, trouble: Trouble, why: str) -> None:
        """Note why the child ends early."""
        text = why.encode("utf-8", "replace")[: mmap.PAGESIZE - _WHY_AT]
        self._memory[_WHY_AT : _WHY_AT + len(text)] = text
        self._memory[_TROUBLE] = trouble

    def trouble(self) -> Trouble:
        """Return why the child has ended early."""
        return Trouble(self._memory[_TROUBLE])

    def why(self) -> str:
        """Return in words why the child has ended early, empty if it has not said."""
        return self._memory[_WHY_AT:].rstrip(b"\0").decode("utf-8", "replace")

    def ask_to_stop(self) -> None:
        """Ask the child to take no further row."""
        self._memory[_STOP] = 1

    def asked_to_stop(self) -> bool:
        """Tell whether the child should take no further row."""
        return self._memory[_STOP] != 0

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.fd)


def _new_memory() -> int:
    """Return a file descriptor of a page of memory."""
    if sys.platform == "linux":
        fd = os.memfd_create("psyrun")  # needs no room on a disk, which may be full
        os.ftruncate(fd, mmap.PAGESIZE)
        return fd
    with tempfile.TemporaryFile() as file:
        file.write(bytes(mmap.PAGESIZE))
        file.flush()
        return os.dup(file.fileno())


def ask(connection: socket.socket) -> Assignment | None:
    """Ask for rows, as a child; return None if nothing is left."""
    try:
        connection.sendall(b"?")
        message = connection.recv(_MESSAGE.size, socket.MSG_WAITALL)
    except (BrokenPipeError, ConnectionResetError):
        return None
    if len(message) < _MESSAGE.size:
        return None
    assignment = Assignment(*_MESSAGE.unpack(message))
    return None if assignment == NOTHING_LEFT else assignment


def answer(connection: socket.socket, assignment: Assignment) -> None:
    """Answer a child that has asked."""
    connection.sendall(_MESSAGE.pack(*assignment))
