"""Journals: the append-only files in which workers write rows down.

A journal has one writer, so it needs no lock. It begins with a line that names the format and the
plan, then come frames, one a row and attempt::

    marker   4 bytes   where a reader finds its way back after damage
    crc      4 bytes   of all that follows
    length   4 bytes   of the payload
    row      8 bytes
    kind     1 byte    completed or failed; or about the writer, which is the first frame
    attempt  1 byte
    start    8 bytes   seconds since the epoch
    duration 4 bytes   seconds
    payload            a completed row: its pickled result; others: JSON

The checksum starts from a value made of the plan's name and the frame's place, so bytes that look
like a frame, but were not written there for this plan (a journal inside a result, a block that
the file system misplaced), are not taken for a row. A torn or damaged frame is skipped and
reported; everything before and after it counts.
"""

from psyrun.journal.format import Kind
from psyrun.journal.writer import JournalWriter

__all__ = ["JournalWriter", "Kind"]
