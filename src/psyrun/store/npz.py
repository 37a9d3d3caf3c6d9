"""Store using NumPy's npz files."""

# ruff: noqa: D102  # the methods are described in Store

import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from psyrun.exceptions import StoreError
from psyrun.files import replacing
from psyrun.store._arrays import check_values, join_columns, lacking, to_columns, unguard
from psyrun.store._growing_zip import GrowingZip, write
from psyrun.store._layout import Array, fitted
from psyrun.store.base import Columns, FilePath, Store, pick_row, row_index

_NAME = "NpzStore"
_MIN_ROOM = 64


class NpzStore(Store):
    """Store using NumPy *.npz* files.

    It holds numbers, booleans, text, bytes, datetimes, timedeltas and arrays of these. Rows whose
    arrays have different extents are padded to the largest (with NaN, NaT, or empty text), and so
    are missing values, for which integers become floats. `numpy.load` reads its files, also those
    written by `append`. Loading a file never unpickles and so never runs foreign code.

    A text or bytes that ends in NUL characters, which NumPy drops, is stored with the code point
    U+FFFF behind it; `load` returns a column with such values as an array of objects.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     filename = f"{directory}/result.npz"
    ...     NpzStore().append(filename, {"a": [1, 2], "x": [[1], [2]]})
    ...     NpzStore().append(filename, {"a": [3], "x": [[3, 4]]})
    ...     np.load(filename)["x"]
    array([[ 1., nan],
           [ 2., nan],
           [ 3.,  4.]])
    """

    ext = ".npz"

    def __repr__(self) -> str:
        return f"{_NAME}()"

    def save(self, filename: FilePath, data: Columns) -> None:
        self.save_chunks(filename, [data])

    def load(self, filename: FilePath, row: int | None = None) -> dict[str, Any]:
        with Path(filename).open("rb") as file:
            try:
                growing = GrowingZip.open(file.fileno())
                if growing is None:
                    columns = _load_foreign(filename)
                elif row is None:
                    columns = growing.read_all()
                else:
                    row = row_index(row, growing.rows, filename)
                    columns = {m.name: growing.read(m, row, row + 1) for m in growing.members}
                    row = 0
            except (IndexError, StoreError, OSError):
                raise
            except Exception as error:
                raise StoreError(
                    f"{str(filename)!r} cannot be read as an npz file ({error}): it is damaged or "
                    f"of another format."
                ) from error
        data: dict[str, Any] = {name: unguard(column) for name, column in columns.items()}
        return data if row is None else pick_row(data, row, filename)

    def append(self, filename: FilePath, data: Columns) -> None:
        new, n = to_columns(data, _NAME)
        with suppress(FileNotFoundError), Path(filename).open("r+b", buffering=0) as file:
            if _append_in_place(file.fileno(), new, n):
                return
        try:
            old, rows = to_columns(self.load(filename), _NAME)
        except FileNotFoundError:
            old, rows = {}, 0
        columns = join_columns([(old, rows), (new, n)], _NAME)
        with replacing(filename) as temporary:
            write(temporary, columns, rows + n, max(2 * (rows + n), _MIN_ROOM))

    def check(self, data: Mapping[str, object]) -> None:
        check_values(data, _NAME)

    def save_chunks(self, filename: FilePath, chunks: Iterable[Columns]) -> None:
        parts = [to_columns(chunk, _NAME) for chunk in chunks]
        rows = sum(n for _, n in parts)
        columns = join_columns(parts, _NAME)
        with replacing(filename) as temporary:
            write(temporary, columns, rows, rows)


def _append_in_place(fd: int, new: dict[str, Array], n: int) -> bool:
    """Append to a file, unless it has to be rewritten."""
    try:
        growing = GrowingZip.open(fd)
    except Exception:  # damaged; reading it will tell
        return False
    if growing is None or not growing.has_room(n):
        return False
    columns = {}
    for member in growing.members:
        column = fitted(new.get(member.name, lacking(n)), member.dtype, member.extent)
        if column is None:
            return False
        columns[member.name] = column
    if not columns.keys() >= new.keys():
        return False
    growing.append(columns, n)
    return True


def _load_foreign(filename: FilePath) -> dict[str, Array]:
    """Read what somebody else wrote."""
    if not zipfile.is_zipfile(filename):
        raise StoreError(
            f"{str(filename)!r} is no npz file, or cut off; read it with the store that wrote it."
        )
    with np.load(filename, allow_pickle=False) as archive:
        try:
            return dict(archive)
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise StoreError(
                f"{str(filename)!r} holds pickled objects, which could run any code; if you trust "
                f"it, read it with numpy.load(..., allow_pickle=True)."
            ) from error
