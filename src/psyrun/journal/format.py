"""What reading and writing journals share."""

import struct
import zlib
from enum import IntEnum

MARKER = b"\xf5pS\x1a"
HEAD = struct.Struct("<4sIIqBBdf")
BEGINNING = struct.Struct("<4sII")
CHECKED = struct.Struct("<IqBBdf")
CHECKED_FROM = 8  # the checksum covers what stands behind itself

_PLACE_FACTOR = 0x9E3779B1  # odd, so that each place gives another starting value


class Kind(IntEnum):
    """What a frame says of its row."""

    COMPLETED = 0
    FAILED = 1
    ABOUT = 2
    """Not about a row, but about the writer."""


def heading(plan_id: str) -> bytes:
    """Return the line with which a journal begins."""
    return f"psyrun journal 1 {plan_id}\n".encode()


def salt_of(plan_id: str) -> int:
    """Return what makes the checksums of a plan differ from those of others."""
    return zlib.crc32(plan_id.encode())


def checksum_start(salt: int, place: int) -> int:
    """Return the value from which the checksum of the frame at *place* starts."""
    return (salt ^ (place * _PLACE_FACTOR)) & 0xFFFFFFFF
