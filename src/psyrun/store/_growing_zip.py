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
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from psyrun.store._layout import Array, Extent
from psyrun.store.base import write_at

_PAGE = 4096
_VERSION = 45  # the one with zip64
_UTF8_NAME = 0x800
_DATE = 1 << 5 | 1  # 1980-01-01
_U16, _U32 = 0xFFFF, 0xFFFF_FFFF  # the number is in the zip64 field

_NPY = struct.Struct("<8sH")
_LOCAL = struct.Struct("<4s5H3L2H" + "2H2Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ENTRY_EXTRA = struct.Struct("<2H3Q")
_END = struct.Struct("<4sQ2H2L4Q" + "4sLQL" + "4s4H2LH")

_ROWS = re.compile(rb"\( *\d+,")
_COMMENT = "psyrun rows={:020d} directory={:08x}"
_COMMENT_SIZE = len(_COMMENT.format(0, 0))
_COMMENT_PATTERN = re.compile(rb"psyrun rows=(\d{20}) directory=([0-9a-f]{8})")


class Member:
    """An array in the archive.

    Parameters
    ----------
    name : str
        Column.
    dtype : dtype
        Type of its values.
    extent : tuple of int
        Shape of a row.
    start : int
        Offset of its headers in the file.
    crc : int
        Checksum of npy header and rows.
    """

    def __init__(
        self, name: str, dtype: np.dtype[Any], extent: Extent, start: int, crc: int = 0
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.extent = extent
        self.start = start
        self.crc = crc
        self.file_name = f"{name}.npy".encode()
        self.row_size = dtype.itemsize * math.prod(extent)
        self.first_row = start + _LOCAL.size + len(self.file_name) + len(self.npy_header(0))

    def npy_header(self, rows: int) -> bytes:
        extent = "".join(f" {n}," for n in self.extent)
        descr = f"'descr': {self.dtype.str!r}, 'fortran_order': False"
        text = f"{{{descr}, 'shape': ({rows:20d},{extent}), }}"
        size = -(-(len(text) + 11) // 64) * 64 - 10
        return _NPY.pack(b"\x93NUMPY\x01\x00", size) + f"{text:{size - 1}}\n".encode()

    def headers(self, rows: int) -> bytes:
        """Return the headers of zip and npy."""
        npy_header = self.npy_header(rows)
        size = len(npy_header) + rows * self.row_size
        fields = _LOCAL.pack(
            *(b"PK\3\4", _VERSION, _UTF8_NAME, 0, 0, _DATE, self.crc, _U32, _U32),
            *(len(self.file_name), 20, 1, 16, size, size),
        )
        return fields[:30] + self.file_name + fields[30:] + npy_header

    def entry(self, rows: int) -> bytes:
        """Return the entry in the directory."""
        size = len(self.npy_header(0)) + rows * self.row_size
        entry = _ENTRY.pack(
            *(b"PK\1\2", _VERSION, _VERSION, _UTF8_NAME, 0, 0, _DATE, self.crc, _U32, _U32),
            *(len(self.file_name), _ENTRY_EXTRA.size, 0, 0, 0, 0o600 << 16, _U32),
        )
        return entry + self.file_name + _ENTRY_EXTRA.pack(1, 24, size, size, self.start)


class GrowingZip:
    """An open file in this layout.

    Parameters
    ----------
    fd : int
        File descriptor.
    rows : int
        Number of rows that count.
    members : list of Member
        The arrays.
    end : int
        Offset of the directory.
    intact : bool
        Whether the last append completed, so that the checksums are right.
    """

    def __init__(
        self, fd: int, rows: int, members: list[Member], end: int, intact: bool = True
    ) -> None:
        self.fd = fd
        self.rows = rows
        self.members = members
        self.end = end
        self.intact = intact

    @classmethod
    def open(cls, fd: int) -> "GrowingZip | None":
        """Read the directory; return None if the file has another layout."""
        fixed = _END.size + _COMMENT_SIZE
        fixed_at = os.fstat(fd).st_size - fixed
        if fixed_at < 0:
            return None
        tail = os.pread(fd, fixed, fixed_at)
        comment = _COMMENT_PATTERN.fullmatch(tail[_END.size :])
        if comment is None:
            return None
        rows, crc = int(comment[1]), int(comment[2], 16)
        start = _END.unpack(tail[: _END.size])[9]
        directory = os.pread(fd, fixed_at - start, start)
        intact = zlib.crc32(directory + tail[: _END.size]) == crc
        return cls(fd, rows, list(_members(fd, directory)), start, intact)

    def has_room(self, n: int) -> bool:
        """Tell whether *n* more rows fit behind those of each array."""
        starts = [*(member.start for member in self.members), self.end]
        return all(
            member.first_row + (self.rows + n) * member.row_size <= end
            for member, end in zip(self.members, starts[1:], strict=True)
        )

    def read(self, member: Member, start: int = 0, stop: int | None = None) -> Array:
        """Read rows of an array."""
        shape = ((self.rows if stop is None else stop) - start, *member.extent)
        with open(self.fd, "rb", closefd=False) as file:
            file.seek(member.first_row + start * member.row_size)
            count = math.prod(shape)
            values = np.fromfile(file, member.dtype, count)
        if len(values) < count:
            raise ValueError(f"{member.name!r} is cut off")
        return values.reshape(shape)

    def read_all(self) -> dict[str, Array]:
        """Read all arrays, and compare their checksums."""
        columns = {member.name: self.read(member) for member in self.members}
        for member in self.members if self.intact else ():
            if member.crc != self._crc(member, self.rows, columns[member.name]):
                raise ValueError(f"the checksum of {member.name!r} is wrong")
        return columns

    def append(self, columns: Mapping[str, Array], n: int) -> None:
        """Append rows, which must fit, to all arrays."""
        rows = self.rows + n
        for member in self.members:
            content = _content(columns[member.name])
            write_at(self.fd, content, member.first_row + self.rows * member.row_size)
        for member in self.members:
            if self.intact:
                headers = (zlib.crc32(member.npy_header(m)) for m in (self.rows, rows))
                change = _shift(next(headers) ^ next(headers), rows * member.row_size)
                member.crc = zlib.crc32(_content(columns[member.name]), member.crc) ^ change
            else:
                member.crc = self._crc(member, rows, self.read(member, 0, rows))
            write_at(self.fd, member.headers(rows), member.start)
        write_at(self.fd, _directory(self.members, rows, self.end), self.end)

    @staticmethod
    def _crc(member: Member, rows: int, values: Array) -> int:
        return zlib.crc32(_content(values), zlib.crc32(member.npy_header(rows)))


def write(path: Path, columns: Mapping[str, Array], rows: int, capacity: int) -> None:
    """Write a file.

    Parameters
    ----------
    path : Path
        File to write.
    columns : mapping of str to ndarray
        The arrays.
    rows : int
        Number of rows of all arrays.
    capacity : int
        Number of rows to have room for.
    """
    members = []
    offset = 0
    with path.open("wb") as file:
        for name, values in columns.items():
            member = Member(name, values.dtype, values.shape[1:], offset)
            content = _content(values)
            member.crc = zlib.crc32(content, zlib.crc32(member.npy_header(rows)))
            file.seek(offset)
            file.write(member.headers(rows))
            file.write(content)
            members.append(member)
            offset = member.first_row + capacity * member.row_size
        # A file of whole pages has its last bytes, the commit of an append, within one.
        offset += -(offset + len(_directory(members, rows, 0))) % _PAGE
        file.seek(offset)
        file.write(_directory(members, rows, offset))


def _directory(members: list[Member], rows: int, offset: int) -> bytes:
    """Return the directory of the archive and what follows it."""
    entries = b"".join(member.entry(rows) for member in members)
    n, short_n = len(members), min(len(members), _U16)
    size = len(entries)
    end = _END.pack(
        *(b"PK\6\6", 44, _VERSION, _VERSION, 0, 0, n, n, size, offset),
        *(b"PK\6\7", 0, offset + size, 1),
        *(b"PK\5\6", 0, 0, short_n, short_n, min(size, _U32), _U32, _COMMENT_SIZE),
    )
    return entries + end + _COMMENT.format(rows, zlib.crc32(entries + end)).encode()


def _members(fd: int, directory: bytes) -> Iterator[Member]:
    position = 0
    while position < len(directory):
        fields = _ENTRY.unpack_from(directory, position)
        crc, name_size = fields[7], fields[10]
        name_at = position + _ENTRY.size
        extra_at = name_at + name_size
        start = _ENTRY_EXTRA.unpack_from(directory, extra_at)[-1]
        name = directory[name_at:extra_at].decode().removesuffix(".npy")
        npy_at = start + _LOCAL.size + name_size
        size = _NPY.unpack(os.pread(fd, _NPY.size, npy_at))[1]
        text = os.pread(fd, size, npy_at + _NPY.size)
        yield Member(name, *_parsed(_ROWS.sub(b"(0,", text)), start, crc)
        position = extra_at + _ENTRY_EXTRA.size


@lru_cache(maxsize=256)
def _parsed(npy_header: bytes) -> tuple[np.dtype[Any], Extent]:
    """Return type and shape of a row."""
    fields = ast.literal_eval(npy_header.decode())
    return np.dtype(fields["descr"]), fields["shape"][1:]


def _content(values: Array) -> memoryview:
    return values.reshape(-1).view(np.uint8).data


# --- Checksums ------------------------------------------------------------------------------------


_POLYNOMIAL = 0xEDB8_8320  # of CRC-32, the highest power in the lowest bit


def _shift(crc: int, n: int) -> int:
    """Return what a difference of two checksums becomes when the same *n* bytes follow."""
    return _multiply(_power(n), crc)


@lru_cache(maxsize=16)
def _power(n: int) -> int:
    """Return x^(8 n) modulo the polynomial."""
    result, k = 1 << 31, 3
    while n:
        if n & 1:
            result = _multiply(_square(k), result)
        n >>= 1
        k += 1
    return result


@cache
def _square(k: int) -> int:
    """Return x^(2^k) modulo the polynomial."""
    return 1 << 30 if k == 0 else _multiply(_square(k - 1), _square(k - 1))


def _multiply(a: int, b: int) -> int:
    """Multiply two polynomials over GF(2) modulo the polynomial."""
    product = 0
    while a:
        if a & 0x8000_0000:
            product ^= b
        a = (a << 1) & _U32
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product
