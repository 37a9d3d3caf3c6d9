"""Reading journals."""

import json
import os
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from psyrun.files import again_if_stale
from psyrun.journal.format import (
    BEGINNING,
    CHECKED_FROM,
    HEAD,
    MARKER,
    Kind,
    checksum_start,
    heading,
    salt_of,
)

_BLOCK = 1 << 20

_HEAD_TYPE = np.dtype(
    [
        ("marker", "S4"),
        ("crc", "<u4"),
        ("length", "<u4"),
        ("row", "<i8"),
        ("kind", "u1"),
        ("attempt", "u1"),
        ("start", "<f8"),
        ("duration", "<f4"),
    ]
)
assert _HEAD_TYPE.itemsize == HEAD.size


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
    start : int, optional
        Where to begin to read: the `end` of what has been read before.

    Attributes
    ----------
    frames : numpy.ndarray, shape (n,)
        The heads of the frames in the order of writing, with the fields ``row``, ``kind``,
        ``attempt``, ``start`` (seconds since the epoch), ``duration`` (seconds), ``length``.
    size : int
        How much of the file has been read, in bytes.
    end : int
        Where its last sound frame ends.
    damages : list of Damage
        What could not be read.
    """

    def __init__(self, path: Path, plan_id: str, start: int = 0) -> None:
        self.path = path
        self.damages: list[Damage] = []
        self._salt = salt_of(plan_id)
        heads: list[npt.NDArray[np.void]] = [np.empty(0, dtype=_HEAD_TYPE)]
        places: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
        start = max(start, len(heading(plan_id)))
        for buffer, base, found in self._blocks(start):
            at = np.array(found, dtype=np.int64)
            content = np.frombuffer(buffer, dtype=np.uint8)
            heads.append(content[at[:, None] + np.arange(HEAD.size)].view(_HEAD_TYPE)[:, 0])
            places.append(at + base + HEAD.size)
        self.frames = np.concatenate(heads)
        self._places = np.concatenate(places)
        self.end = start
        if len(self.frames):
            self.end = int(self._places[-1]) + int(self.frames["length"][-1])

    def _blocks(self, base: int) -> Iterator[tuple[bytes, int, list[int]]]:
        """Read the file piece by piece: its content, its place, and where frames begin in it."""
        with again_if_stale(lambda: self.path.open("rb")) as file:
            file.seek(base)
            buffer = b""
            while block := file.read(max(_BLOCK, len(buffer))):
                buffer += block
                found, used = self._find_frames(buffer, base, at_end=False)
                if found:
                    yield buffer, base, found
                buffer = buffer[used:]
                base += used
            found, _ = self._find_frames(buffer, base, at_end=True)
            self.size = base + len(buffer)
            if found:
                yield buffer, base, found

    def _find_frames(self, buffer: bytes, base: int, *, at_end: bool) -> tuple[list[int], int]:
        """Find the sound frames in a piece of the file, and how much of it they use."""
        unpack, crc32, head, salt = BEGINNING.unpack_from, zlib.crc32, HEAD.size, self._salt
        view = memoryview(buffer)
        end = len(buffer)
        found = []
        pos = 0
        while end - pos >= head:
            marker, crc, length = unpack(buffer, pos)
            stop = pos + head + length
            if marker == MARKER and stop <= end:
                if crc32(view[pos + CHECKED_FROM : stop], checksum_start(salt, base + pos)) == crc:
                    found.append(pos)
                    pos = stop
                    continue
            elif marker == MARKER and not at_end:
                return found, pos  # more of this frame may follow
            following = buffer.find(MARKER, pos + 1)
            if following < 0:
                # A marker may begin in the last bytes.
                following = end if at_end else max(pos + 1, end - len(MARKER) + 1)
            self._damaged(base + pos, base + following)
            pos = following
        if at_end and pos < end:
            self._damaged(base + pos, base + end)
        if at_end and self.damages and self.damages[-1].stop == base + end:
            self.damages[-1] = self.damages[-1]._replace(torn=True)
        return found, pos

    def _damaged(self, start: int, stop: int) -> None:
        if self.damages and self.damages[-1].stop >= start:
            start = self.damages.pop().start
        self.damages.append(Damage(self.path, start, stop, torn=False))

    def __len__(self) -> int:
        return len(self.frames)

    def host(self) -> str:
        """Return the machine of the writer, empty if it is not known."""
        (about,) = np.nonzero(self.frames["kind"] == Kind.ABOUT)
        for payload in self.payloads(about[:1]):
            return str(json.loads(payload)["host"])
        return ""

    def payloads(self, numbers: npt.NDArray[np.int64]) -> list[bytes]:
        """Read the payloads of some frames, given by their numbers in the journal.

        Parameters
        ----------
        numbers : numpy.ndarray of int64, shape (n,)
            Numbers of frames.

        Returns
        -------
        list of bytes
        """
        places, lengths = self._places[numbers], self.frames["length"][numbers].astype(np.int64)
        payloads: list[bytes] = []
        with again_if_stale(lambda: self.path.open("rb")) as file:
            fd = file.fileno()
            for first, last in _stretches(places, lengths):
                base = int(places[first])
                content = os.pread(fd, int(places[last - 1] + lengths[last - 1]) - base, base)
                begins = (places[first:last] - base).tolist()
                ends = (places[first:last] - base + lengths[first:last]).tolist()
                payloads += [content[i:j] for i, j in zip(begins, ends, strict=True)]
        return payloads


def _stretches(
    places: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> Iterator[tuple[int, int]]:
    """Group payloads that lie one behind the other in a journal, so that they are read at once."""
    if not len(places):
        return
    follows = places[1:] == places[:-1] + lengths[:-1] + HEAD.size
    # A stretch is also cut when it gets long.
    blocks = (np.cumsum(lengths) // _BLOCK)[1:] == (np.cumsum(lengths) // _BLOCK)[:-1]
    cuts = np.flatnonzero(~(follows & blocks)) + 1
    yield from pairwise([0, *cuts.tolist(), len(places)])
