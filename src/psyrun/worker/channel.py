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
_DOING = struct.Struct("<qqdqq")
_STOP, _BUSY, _TROUBLE, _DOING_AT = 0, 1, 2, 8

NOTHING_LEFT = (-1, -1)


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
        When it began it, in seconds since the epoch.
    completed, failed : int
        Rows that it had written down before that.
    """

    position: int
    row: int
    since: float
    completed: int
    failed: int


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
        page.begin(-1, -1, 0.0, 0, 0)
        page.end()
        return page

    def begin(self, position: int, row: int, since: float, completed: int, failed: int) -> None:
        """Note that a row is being evaluated."""
        _DOING.pack_into(self._memory, _DOING_AT, position, row, since, completed, failed)
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
