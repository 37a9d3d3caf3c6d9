"""What a supervisor and one of its children share: a socket and a page of memory.

Through the socket the child asks for rows and gets their bounds. Into the page it notes what it
is doing, which costs no message and outlives it.
"""

import mmap
import os
import socket
import struct
import tempfile
from enum import IntEnum
from typing import NamedTuple

_BOUNDS = struct.Struct("<qq")
_DOING = struct.Struct("<qqd")
_DONE = struct.Struct("<qq")
_STOP, _BUSY, _TROUBLE = 0, 1, 2
_DOING_AT = 8
_DONE_AT = _DOING_AT + _DOING.size

NOTHING_LEFT = (-1, -1)


class Trouble(IntEnum):
    """Why a child has given up, if the reason is not a row's."""

    NONE = 0
    CANNOT_BEGIN = 1
    CANNOT_WRITE = 2


class Doing(NamedTuple):
    """The row that a child is at, or was when it died."""

    position: int
    row: int
    since: float


class Page:
    """The page of memory."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, mmap.PAGESIZE)

    @classmethod
    def create(cls) -> "Page":
        """Make a new page, to be passed on by its file descriptor."""
        with tempfile.TemporaryFile() as file:
            file.truncate(mmap.PAGESIZE)
            page = cls(os.dup(file.fileno()))
        page.begin(-1, -1, 0.0)
        page.end(0, 0)
        return page

    def begin(self, position: int, row: int, now: float) -> None:
        """Note that a row is being evaluated."""
        _DOING.pack_into(self._memory, _DOING_AT, position, row, now)
        self._memory[_BUSY] = 1

    def end(self, completed: int, failed: int) -> None:
        """Note that the row is in the journal, and how many there are."""
        _DONE.pack_into(self._memory, _DONE_AT, completed, failed)
        self._memory[_BUSY] = 0

    def doing(self) -> Doing | None:
        """Return the row that is being evaluated, if any."""
        if not self._memory[_BUSY]:
            return None
        return Doing(*_DOING.unpack_from(self._memory, _DOING_AT))

    def last(self) -> Doing:
        """Return the row that was begun last."""
        return Doing(*_DOING.unpack_from(self._memory, _DOING_AT))

    def done(self) -> tuple[int, int]:
        """Return how many rows the child has completed and how many have failed."""
        completed, failed = _DONE.unpack_from(self._memory, _DONE_AT)
        return completed, failed

    def give_up(self, trouble: Trouble) -> None:
        """Note why the child ends early."""
        self._memory[_TROUBLE] = trouble

    def trouble(self) -> Trouble:
        """Return why the child has ended early."""
        return Trouble(self._memory[_TROUBLE])

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


def ask(connection: socket.socket) -> tuple[int, int] | None:
    """Ask for rows, as a child; return their bounds, or None if nothing is left."""
    try:
        connection.sendall(b"?")
        answer = connection.recv(_BOUNDS.size, socket.MSG_WAITALL)
    except (BrokenPipeError, ConnectionResetError):
        return None
    if len(answer) < _BOUNDS.size:
        return None
    start, stop = _BOUNDS.unpack(answer)
    return None if (start, stop) == NOTHING_LEFT else (start, stop)


def answer(connection: socket.socket, bounds: tuple[int, int]) -> None:
    """Answer a child that has asked."""
    connection.sendall(_BOUNDS.pack(*bounds))
