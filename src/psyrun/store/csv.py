"""Store using CSV files."""

# ruff: noqa: D102  # the methods are described in Store

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from psyrun.exceptions import StoreError, StoreTypeError
from psyrun.files import replacing
from psyrun.store._csv_text import Records, to_cell, to_header
from psyrun.store._layout import Unstorable
from psyrun.store.base import Columns, FilePath, Store, concatenate, row_count, row_index, write_at

_NAME = "CsvStore"
_PLAIN = frozenset({type(None), bool, int, float})


class CsvStore(Store):
    """Store using CSV files: text with commas, which every program reads.

    It holds integers, floats, booleans, text, datetimes and missing values (None), and what is
    loaded equals what was saved. Arrays, bytes, timedeltas and complex numbers it does not hold.
    Floats have as many digits as tell them from all others; text is in quotes, and may have line
    ends in it; a missing value is an empty cell, without quotes. The encoding is UTF-8.

    In files that others have written, what looks like a number, a time (ISO 8601) or ``true`` is
    one, unless it is in quotes.

    An append costs the new rows only. Until all of them are in the file, a NUL stands before them,
    and a record that begins so does not count: so an append that dies leaves the rows before it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     filename = f"{directory}/result.csv"
    ...     CsvStore().append(filename, {"a": [1, 2], "b": ["x", None]})
    ...     CsvStore().append(filename, {"a": [0.5]})
    ...     print(Path(filename).read_text(), end="")
    a,b
    1,"x"
    2,
    0.5,
    """

    ext = ".csv"

    def __repr__(self) -> str:
        return f"{_NAME}()"

    def save(self, filename: FilePath, data: Columns) -> None:
        content = _header(data) + _lines(list(data), data)
        with replacing(filename) as temporary:
            temporary.write_bytes(content)

    def load(self, filename: FilePath, row: int | None = None) -> dict[str, Any]:
        if row is not None:
            return self._load_row(filename, row)
        with _reading(filename) as (names, rows):
            columns: list[list[Any]] = [[] for _ in names]
            adders = [column.append for column in columns]
            for values in rows:
                for add, value in zip(adders, values, strict=True):
                    add(value)
        return dict(zip(names, columns, strict=True))

    def _load_row(self, filename: FilePath, row: int) -> dict[str, Any]:
        with _reading(filename) as (names, rows):
            n = 0
            for values in rows:
                if n == row:
                    return {name: [value] for name, value in zip(names, values, strict=True)}
                n += 1
        return self._load_row(filename, row_index(row, n, filename))

    def append(self, filename: FilePath, data: Columns) -> None:
        row_count(data)
        if not Path(filename).exists():
            return self.save(filename, data)
        with Path(filename).open("r+b", buffering=0) as file:
            end = _repaired(file.fileno(), filename)
            with _reading(filename) as (names, _):
                pass
            if set(names).issuperset(data):
                return _append(file.fileno(), end, _lines(names, data))
        self.save(filename, concatenate([self.load(filename), data]))
        return None

    def check(self, data: Mapping[str, object]) -> None:
        for name, value in data.items():
            if type(value) not in _PLAIN:
                try:
                    to_cell(value)
                except Unstorable as problem:
                    raise problem.named(name, _NAME) from None

    def save_chunks(self, filename: FilePath, chunks: Iterable[Columns]) -> None:
        with replacing(filename) as temporary:
            self.save(temporary, {})
            for chunk in chunks:
                self.append(temporary, chunk)

    def iter_chunks(self, filename: FilePath, size: int = 65536) -> Iterator[dict[str, Any]]:
        with _reading(filename) as (names, rows):
            table: list[list[Any]] = []
            empty = True
            for values in rows:
                table.append(values)
                if len(table) == size:
                    yield _as_columns(names, table)
                    table, empty = [], False
            if table or empty:
                yield _as_columns(names, table)


def _as_columns(names: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in names)
    return dict(zip(names, columns, strict=True))


def _header(names: Iterable[str]) -> bytes:
    for name in names:
        if not isinstance(name, str):
            raise StoreTypeError(f"{_NAME} cannot hold a column named {name!r}; use text.")
    try:
        return (",".join(map(to_header, names)) + "\n").encode()
    except Unstorable as problem:
        raise StoreTypeError(f"{_NAME} cannot hold a column named by {problem.what}.") from None


def _lines(names: list[str], data: Columns) -> bytes:
    n = row_count(data)
    cells = [_cells(name, data[name]) if name in data else [""] * n for name in names]
    return "".join(f"{','.join(row)}\n" for row in zip(*cells, strict=True)).encode()


def _cells(name: str, values: Sequence[Any]) -> list[str]:
    try:
        return list(map(to_cell, values))
    except Unstorable:
        pass
    for row, value in enumerate(values):
        try:
            to_cell(value)
        except Unstorable as problem:
            raise Unstorable(problem.what, row).named(name, _NAME) from None
    raise AssertionError("one of them has been refused")


@contextmanager
def _reading(filename: FilePath) -> Iterator[tuple[list[str], Iterator[list[Any]]]]:
    """Open a file; provide the names of the columns, and the rows."""
    with Path(filename).open("rb") as file:
        records = Records(file, os.fspath(filename))
        names = _names(records, filename)
        yield names, _rows(records, names, filename)


def _names(records: Records, filename: FilePath) -> list[str]:
    for record in records:
        if not record:
            return []
        names = [plain if text is None else text for text, plain in records.cells(record)]
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            raise StoreError(
                f"{os.fspath(filename)!r} has two columns named {twice!r}; rename one of them."
            )
        return names
    raise StoreError(f"{os.fspath(filename)!r} has no line with the names of its columns.")


def _rows(records: Records, names: list[str], filename: FilePath) -> Iterator[list[Any]]:
    for record in records:
        if not record and len(names) != 1:
            continue
        row = records.values(record)
        if len(row) != len(names):
            raise StoreError(
                f"{os.fspath(filename)!r} has {len(row)} cells where it should have {len(names)}, "
                f"in {record[:60]!r}: it is damaged or of another format."
            )
        yield row


def _repaired(fd: int, filename: FilePath) -> int:
    """Remove what an append has left that died; return where the file ends."""
    end = os.fstat(fd).st_size
    last = os.pread(fd, 1, max(end - 1, 0))
    if last == b"\n":
        return end
    with Path(filename).open("rb") as file:
        records = Records(file, os.fspath(filename))
        for _ in records:
            pass
    if last == b"\0":
        os.ftruncate(fd, records.end)
    return records.end


def _append(fd: int, end: int, content: bytes) -> None:
    """Append such that what has been written counts only when all of it has."""
    if not content:
        return
    try:
        write_at(fd, b"\0", end + len(content))
        write_at(fd, content[1:], end + 1)  # in front of it is a hole, which reads as NUL
        write_at(fd, content[:1], end)
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, end)
        raise
    os.ftruncate(fd, end + len(content))
