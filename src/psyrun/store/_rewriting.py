"""What the stores have in common whose files cannot grow."""

# the methods are described in Store

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from psyrun.files import replacing
from psyrun.store._layout import Array, Unstorable
from psyrun.store.base import Columns, FilePath, Store

C = TypeVar("C")
Part = tuple[dict[str, C], int]
"""Rows of a table: the columns, and how many rows they have."""

_FITS = frozenset({type(None), bool, float, np.bool_, np.int32, np.int64, np.float32, np.float64})


class RewritingStore(Store, Generic[C]):
    """A store that writes whole files, from columns of type *C*.

    An append reads the file and writes it anew.
    """

    def save(self, filename: FilePath, data: Columns) -> None:
        self.save_chunks(filename, [data])

    def save_chunks(self, filename: FilePath, chunks: Iterable[Columns]) -> None:
        self._write_parts(filename, [self._part(chunk) for chunk in chunks])

    def append(self, filename: FilePath, data: Columns) -> None:
        new = self._part(data)
        try:
            parts = [self._read(filename), new]
        except FileNotFoundError:
            parts = [new]
        self._write_parts(filename, parts)

    def check(self, data: Mapping[str, object]) -> None:
        for name, value in data.items():
            kind = type(value)
            if kind in _FITS or (kind is int and -(2**63) <= value < 2**64):  # type: ignore[operator]
                continue
            if kind is str and value.isascii() and "\0" not in value:  # type: ignore[attr-defined,operator]
                continue
            self._part({name: [value]})

    def _write_parts(self, filename: FilePath, parts: Sequence[Part[C]]) -> None:
        columns, rows = self._joined(parts), sum(n for _, n in parts)
        with replacing(filename) as temporary:
            self._write(temporary, columns, rows)

    def _part(self, data: Columns) -> Part[C]:
        """Convert a table.

        Raises
        ------
        StoreTypeError
            If the store cannot hold it.
        """
        raise NotImplementedError

    def _joined(self, parts: Sequence[Part[C]]) -> dict[str, C]:
        """Put tables below each other."""
        raise NotImplementedError

    def _read(self, filename: FilePath) -> Part[C]:
        """Read a file that is to be written anew."""
        raise NotImplementedError

    def _write(self, filename: Path, columns: dict[str, C], rows: int) -> None:
        """Write a file."""
        raise NotImplementedError


def check_text(texts: Array, *, nul: bool = True) -> None:
    """Refuse text that is no valid Unicode or, unless allowed, has NUL characters.

    Raises
    ------
    Unstorable
        If there is such text.
    """
    for row, value in enumerate(texts):
        for text in value.flat if isinstance(value, np.ndarray) else (value,):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise Unstorable("text with lone surrogates", row) from None
            if not nul and "\0" in text:
                raise Unstorable("text with NUL characters", row)


def with_elements(column: Array) -> Array:
    """Return a column whose rows are no arrays without elements, which files cannot hold."""
    if column.ndim == 1 or 0 not in column.shape[1:]:
        return column
    return np.full((len(column), *(max(1, n) for n in column.shape[1:])), np.nan)
