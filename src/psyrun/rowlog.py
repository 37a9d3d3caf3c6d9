"""Telling in a log what each row has printed.

A row that prints is followed by a line with its number and the place where its output begins, so
that a log can be read by people as it is, and rows that print nothing cost nothing.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MARK = re.compile(rb"^-- psyrun: end of row (\d+), attempt (\d+), from byte (\d+) --\n", re.M)


class RowOutput(NamedTuple):
    """What a row has printed."""

    row: int
    attempt: int
    text: bytes


class RowLog:
    """The log that this process prints to."""

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._end = os.lseek(fd, 0, os.SEEK_END)

    def end_row(self, row: int, attempt: int) -> None:
        """Mark what was printed since the last call as the output of a row, if there is any."""
        end = os.lseek(self._fd, 0, os.SEEK_CUR)
        if end != self._end:
            os.write(self._fd, _mark(row, attempt, self._end, os.pread(self._fd, 1, end - 1)))
            self._end = os.lseek(self._fd, 0, os.SEEK_CUR)


def mark_row(log: Path, row: int, attempt: int) -> None:
    """Mark what a process has printed since its last mark as the output of the row it died in."""
    content = log.read_bytes()
    last = 0
    for match in _MARK.finditer(content):
        last = match.end()
    if len(content) > last:
        with log.open("ab") as file:
            file.write(_mark(row, attempt, last, content[-1:]))


def _mark(row: int, attempt: int, begin: int, last_byte: bytes) -> bytes:
    line = f"-- psyrun: end of row {row}, attempt {attempt}, from byte {begin} --\n".encode()
    return line if last_byte in (b"\n", b"") else b"\n" + line


def read_rows(log: Path) -> Iterator[RowOutput]:
    """Iterate over what the rows have printed, in the order of the log."""
    content = log.read_bytes()
    for match in _MARK.finditer(content):
        row, attempt, begin = (int(group) for group in match.groups())
        if begin <= match.start():  # a row may print what looks like a mark
            yield RowOutput(row, attempt, content[begin : match.start()])
