"""A NumPy *.npz* file whose arrays grow in place.

An *.npz* file is a zip archive with an uncompressed *.npy* file for each array. Here each array is
followed by room for further rows, so that an append writes

1. the new rows behind those that count,
2. the headers of each array, with the new number of rows and checksum,
3. the directory of the archive, in a single write. Its last bytes, the comment of the archive, hold
   the number of rows that count, so this is the commit: rows and headers written before matter to
   the readers of this module from then on only.

All sizes are fixed, so everything stays at its place. See APPNOTE.TXT 6.3 of PKWARE for zip (all
entries are of the zip64 kind), and NEP 1 for npy.
"""

import ast
import math
import os
import re
import struct
import zlib
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from psyrun.store._arrays import Array, Extent
from psyrun.store.base import write_at

_PAGE = 4096
_U32 = 0xFFFF_FFFF  # stands for "see the zip64 field"
_U16 = 0xFFFF
_NAMES_ARE_UTF8 = 0x800
_VERSION = 45  # zip64
_DATE = (1 << 5) | 1  # 1980-01-01
_LOCAL = struct.Struct("<4s5HL2L2H" + "2H2Q")
_ENTRY = struct.Struct("<4s6HL2L5H2L")
_ENTRY_EXTRA = struct.Struct("<2H3Q")
_END = struct.Struct("<4sQ2H2L4Q" + "4sLQL" + "4s4H2LH")
_COMMENT = "psyrun rows={:020d} directory={:08x}"
_COMMENT_SIZE = len(_COMMENT.format(0, 0))
_COMMENT_PATTERN = re.compile(rb"psyrun rows=(\d{20}) directory=([0-9a-f]{8})")


class Member(NamedTuple):
    """An array in the archive.

    Attributes
    ----------
    name : str
        Column.
    dtype, extent
        Type and shape of a row.
    start : int
        Offset of its headers.
    crc : int
        Checksum of the npy header and the rows.
    """

    name: str
    dtype: np.dtype[Any]
    extent: Extent
    start: int
    crc: int

    @property
    def row_size(self) -> int:
        return self.dtype.itemsize * math.prod(self.extent)

    @property
    def first_row(self) -> int:
        """Offset of the rows."""
        return self.start + len(self.headers(0))

    def npy_header(self, rows: int) -> bytes:
        extent = "".join(f" {n}," for n in self.extent)
        shape = f"({rows:20d},{extent})"
        text = f"{{'descr': {self.dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}"
        size = -(-(len(text) + 11) // 64) * 64 - 10
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", size) + f"{text:{size - 1}}\n".encode()

    def headers(self, rows: int) -> bytes:
        """Return the local zip header and the npy header."""
        name, header = _file_name(self.name), self.npy_header(rows)
        size = len(header) + rows * self.row_size
        fields = _LOCAL.pack(
            *(b"PK\x03\x04", _VERSION, _NAMES_ARE_UTF8, 0, 0, _DATE, self.crc, _U32, _U32),
            *(len(name), 20, 1, 16, size, size),
        )
        return fields[:30] + name + fields[30:] + header
