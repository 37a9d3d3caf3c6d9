"""A pickle of a dict of lists that grows at its end.

``pickle.load`` reads such a file without knowing anything of psyrun. A pickle is a program which
ends with a STOP. Here it builds a dict of empty lists, one for each column (the *head*), and then
extends these lists by the rows of each append (the *pieces*)::

    columns = [[], [], ...]
    table = dict(zip(pickle.loads(names), columns))
    list(map(list.extend, columns, pickle.loads(rows)))      # once for each piece

An append writes a piece and a new STOP over the old STOP. Each piece ends with its own offset, so a
glance at the end of the file tells whether it is intact; if not, going through the pieces finds
the last intact one.
"""

import os
import pickle
import struct
from collections.abc import Sequence
from pickle import (
    APPENDS,
    BINBYTES8,
    BINGET,
    EMPTY_LIST,
    MARK,
    MEMOIZE,
    POP,
    PROTO,
    REDUCE,
    SHORT_BINBYTES,
    SHORT_BINUNICODE,
    STACK_GLOBAL,
    STOP,
    TUPLE1,
    TUPLE2,
    TUPLE3,
)
from typing import Any

from psyrun.store.base import write_at


def _global(module: bytes, name: bytes) -> bytes:
    strings = (SHORT_BINUNICODE + bytes([len(text)]) + text for text in (module, name))
    return b"".join(strings) + STACK_GLOBAL


_EXTEND, _LOADS, _MAP, _LIST, _COLUMNS = (BINGET + bytes([index]) for index in range(5))

_HEAD = (
    PROTO
    + b"\x04"
    + _global(b"builtins", b"list.extend")
    + (MEMOIZE + POP)
    + _global(b"pickle", b"loads")
    + (MEMOIZE + POP)
    + _global(b"builtins", b"map")
    + (MEMOIZE + POP)
    + _global(b"builtins", b"list")
    + (MEMOIZE + POP)
    + _global(b"builtins", b"dict")
    + _global(b"builtins", b"zip")
    + _LOADS
)
_PIECE = _LIST + _MAP + _EXTEND + _COLUMNS + _LOADS
_PIECE_DONE = TUPLE1 + REDUCE + TUPLE3 + REDUCE + TUPLE1 + REDUCE + POP

_LENGTH = struct.Struct("<Q")


def _blob(content: bytes) -> bytes:
    return BINBYTES8 + _LENGTH.pack(len(content)) + content


def head(names: Sequence[str]) -> bytes:
    """Return the beginning of a file with the given columns."""
    return _HEAD + _blob(pickle.dumps(list(names), 4)) + _head_done(len(names))


def _head_done(n_columns: int) -> bytes:
    lists = EMPTY_LIST + MEMOIZE + MARK + EMPTY_LIST * n_columns + APPENDS
    return TUPLE1 + REDUCE + lists + TUPLE2 + REDUCE + TUPLE1 + REDUCE


def piece(offset: int, rows: bytes) -> bytes:
    """Return what adds rows at the given offset; *rows* is the pickle of a list of columns."""
    return _PIECE + _blob(rows) + _PIECE_DONE + _tail(offset)


def _tail(offset: int) -> bytes:
    return SHORT_BINBYTES + b"\x08" + _LENGTH.pack(offset) + POP


_TAIL_SIZE = len(_tail(0))


class GrowingPickle:
    """An open file in this layout.

    Parameters
    ----------
    fd : int
        File descriptor.

    Attributes
    ----------
    names : list of str or None
        The columns; None if the file has another layout.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self.names: list[Any] | None = None
        span = self._blob_behind(_HEAD, 0)
        if span is not None:
            names = pickle.loads(os.pread(fd, len(span), span.start))  # noqa: S301  # as below
            self._first = span.stop + len(_head_done(len(names)))
            self.names = names if self._first <= self.size else None

    def read(self) -> Any:
        """Return the table."""
        with open(self.fd, "rb", closefd=False) as file:
            file.seek(0)
            return pickle.loads(file.read(self.end()) + STOP)  # noqa: S301  # it is a pickle store

    def append(self, rows: bytes) -> None:
        """Add rows, the pickle of a list of columns; if that fails, leave the file as it was."""
        end = self.end()
        if end + len(STOP) != self.size:
            os.truncate(self.fd, end)
        try:
            write_at(self.fd, piece(end, rows) + STOP, end)
        except OSError:
            os.truncate(self.fd, end)
            write_at(self.fd, STOP, end)
            raise

    def end(self) -> int:
        """Return the offset behind the last intact piece."""
        last = self.size - len(STOP)
        if os.pread(self.fd, 1, last) == STOP:
            if last == self._first:
                return last
            tail = os.pread(self.fd, _TAIL_SIZE, last - _TAIL_SIZE)
            if self._end_of_piece(_LENGTH.unpack(tail[2:-1])[0]) == last:
                return last
        position: int | None = self._first
        while position is not None:
            last = position
            position = self._end_of_piece(position)
        return last

    def _end_of_piece(self, offset: int) -> int | None:
        """Return where the piece at an offset ends; None if there is no intact one."""
        span = self._blob_behind(_PIECE, offset)
        if span is None:
            return None
        done = _PIECE_DONE + _tail(offset)
        return span.stop + len(done) if os.pread(self.fd, len(done), span.stop) == done else None

    def _blob_behind(self, opcodes: bytes, offset: int) -> range | None:
        """Return where the bytes object behind these opcodes lies; None if it is not there."""
        prefix = opcodes + BINBYTES8
        start = offset + len(prefix) + _LENGTH.size
        if start > self.size:
            return None
        read = os.pread(self.fd, start - offset, offset)
        stop = start + _LENGTH.unpack(read[len(prefix) :])[0]
        return range(start, stop) if read.startswith(prefix) and stop <= self.size else None
