"""Journals: the append-only files in which workers write rows down.

A journal has one writer, so it needs no lock. It begins with a line that names the format and the
plan, then come frames, one a row and attempt::

    marker   4 bytes   where a reader finds its way back after damage
    crc      4 bytes   of all that follows
    length   4 bytes   of the payload
    row      8 bytes
    kind     1 byte    completed or failed
    attempt  1 byte
    start    8 bytes   seconds since the epoch
    duration 4 bytes   seconds
    payload            a completed row: its pickled result; a failed one: its failure as JSON

The checksum starts from a value made of the plan's name and the frame's place, so bytes that look
like a frame, but were not written there for this plan (a journal inside a result, a block that
the file system misplaced), are not taken for a row. A torn or damaged frame is skipped and
reported; everything before and after it counts.
"""

import errno
import os
import struct
import zlib
from array import array
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

_FORMAT = "psyrun journal 1"
_MARKER = b"\xf5pS\x1a"
_HEAD = struct.Struct("<4sIIqBBdf")
_CHECKED = struct.Struct("<IqBBdf")
_CHECKED_FROM = 8  # the checksum covers what stands behind itself
_BLOCK = 1 << 20
_PLACE_FACTOR = 0x9E3779B1  # odd, so that each place gives another starting value


class Kind(IntEnum):
    """What a frame says of its row."""

    COMPLETED = 0
    FAILED = 1


def _salt(plan_id: str) -> int:
    return zlib.crc32(plan_id.encode())


def _heading(plan_id: str) -> bytes:
    return f"{_FORMAT} {plan_id}\n".encode()


class JournalWriter:
    """Append frames to a new journal of which this process is the only writer.

    Parameters
    ----------
    path : Path
        File to create; it must not exist.
    plan_id : str
        Plan that the rows belong to.

    Raises
    ------
    FileExistsError
        If there is such a file already.
    """

    def __init__(self, path: Path, plan_id: str) -> None:
        self.path = path
        self._salt = _salt(plan_id)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o666)
        self._end = 0
        self._put(_heading(plan_id))

    def append(
        self,
        row: int,
        kind: Kind,
        payload: bytes,
        *,
        attempt: int = 1,
        start: float = 0.0,
        duration: float = 0.0,
    ) -> None:
        """Write one frame down; when this returns it survives the death of the process.

        Parameters
        ----------
        row : int
            Row that was evaluated.
        kind : Kind
            How it went.
        payload : bytes
            Result or failure.
        attempt : int, optional
            Number of the attempt, from 1.
        start : float, optional
            When the evaluation began, in seconds since the epoch.
        duration : float, optional
            How long it took, in seconds.

        Raises
        ------
        OSError
            If the frame could not be written; the journal is then as before.
        """
        checked = _CHECKED.pack(len(payload), row, kind, min(attempt, 255), start, duration)
        crc = (self._salt ^ (self._end * _PLACE_FACTOR)) & 0xFFFFFFFF
        crc = zlib.crc32(payload, zlib.crc32(checked, crc))
        self._put(b"".join((_MARKER, crc.to_bytes(4, "little"), checked, payload)))

    def _put(self, frame: bytes) -> None:
        written = 0
        try:
            written = os.write(self._fd, frame)
            while written < len(frame):
                step = os.write(self._fd, frame[written:])
                if step == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                written += step
        except OSError as err:
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
            err.filename = str(self.path)
            raise
        self._end += written

    def close(self) -> None:
        """Flush the journal to the disk and close it."""
        os.fsync(self._fd)
        os.close(self._fd)


class Damage(NamedTuple):
    """A stretch of a journal that could not be read."""

    path: Path
    start: int
    stop: int
    torn: bool
    """Whether it is the journal's end, as a killed writer leaves it."""


class Journal:
    """What a journal holds, without the payloads.

    Parameters
    ----------
    path : Path
        Journal to read. Its writer may be at work.
    plan_id : str
        Plan that the journal belongs to; frames of another plan do not count.

    Attributes
    ----------
    rows, kinds, attempts, starts, durations : array.array
        One item a frame, in the order of writing.
    damages : list of Damage
        What could not be read.
    """

    def __init__(self, path: Path, plan_id: str) -> None:
        self.path = path
        self.rows = array("q")
        self.kinds = array("B")
        self.attempts = array("B")
        self.starts = array("d")
        self.durations = array("f")
        self.damages: list[Damage] = []
        self._places = array("q")
        self._lengths = array("I")
        self._salt = _salt(plan_id)
        self._begin = len(_heading(plan_id))
        self._read()

    def _read(self) -> None:
        with self.path.open("rb") as file:
            base = self._begin
            file.seek(base)
            buffer = b""
            while block := file.read(max(_BLOCK, len(buffer))):
                buffer += block
                used = self._read_frames(buffer, base, at_end=False)
                buffer = buffer[used:]
                base += used
            self._read_frames(buffer, base, at_end=True)

    def _read_frames(self, buffer: bytes, base: int, *, at_end: bool) -> int:
        """Read the frames in *buffer*, which begins at *base*; return how much of it is used."""
        unpack, crc32, salt, head = _HEAD.unpack_from, zlib.crc32, self._salt, _HEAD.size
        view = memoryview(buffer)
        end = len(buffer)
        pos = 0
        while end - pos >= head:
            marker, crc, length, row, kind, attempt, start, duration = unpack(buffer, pos)
            stop = pos + head + length
            if marker == _MARKER and stop <= end:
                seed = (salt ^ ((base + pos) * _PLACE_FACTOR)) & 0xFFFFFFFF
                if crc32(view[pos + _CHECKED_FROM : stop], seed) == crc:
                    self.rows.append(row)
                    self.kinds.append(kind)
                    self.attempts.append(attempt)
                    self.starts.append(start)
                    self.durations.append(duration)
                    self._places.append(base + pos + head)
                    self._lengths.append(length)
                    pos = stop
                    continue
            elif marker == _MARKER and not at_end:
                return pos  # more of this frame may follow
            found = buffer.find(_MARKER, pos + 1)
            if found < 0:
                # A marker may begin in the last bytes.
                found = end if at_end else max(pos + 1, end - len(_MARKER) + 1)
            self._damaged(base + pos, base + found)
            pos = found
        if at_end and pos < end:
            self._damaged(base + pos, base + end)
            pos = end
        if at_end and self.damages and self.damages[-1].stop == base + end:
            self.damages[-1] = self.damages[-1]._replace(torn=True)
        return pos

    def _damaged(self, start: int, stop: int) -> None:
        if self.damages and self.damages[-1].stop >= start:
            start = self.damages.pop().start
        self.damages.append(Damage(self.path, start, stop, torn=False))

    def __len__(self) -> int:
        return len(self.rows)

    def payloads(self, frames: Iterator[int]) -> Iterator[bytes]:
        """Read the payloads of some frames, given by their numbers in the journal."""
        with self.path.open("rb") as file:
            fd = file.fileno()
            for frame in frames:
                yield os.pread(fd, self._lengths[frame], self._places[frame])
