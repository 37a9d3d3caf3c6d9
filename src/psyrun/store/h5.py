"""Store using HDF5 files."""

# ruff: noqa: D102  # the methods are described in Store

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from psyrun.exceptions import StoreError
from psyrun.files import replacing
from psyrun.store._arrays import check_values, lacking, to_columns
from psyrun.store._h5_file import open_file
from psyrun.store._h5_table import (
    Table,
    emptied_group,
    encoded,
    find_table,
    holds_more,
    write_column,
)
from psyrun.store._layout import Array, Unstorable, fitted
from psyrun.store.base import Columns, FilePath, Store, pick_row, row_index

_NAME = "H5Store"


class H5Store(Store):
    """Store using HDF5 files.

    It holds numbers, booleans, text, bytes, datetimes, timedeltas and arrays of these. Rows whose
    arrays have different extents are padded to the largest (with NaN, NaT, or empty text), and so
    are missing values, for which integers become floats. An array without elements is padded to
    one. A single row, or pieces of a table, are read without reading the rest.

    Each column is an array in the group *node*, which PyTables, h5py and other programs read:

    - text is stored as UTF-8 of fixed width, with the attribute ``psyrun_kind = "text"``;
    - datetimes and timedeltas are stored as 64-bit integers, with their type as attribute, as in
      ``psyrun_kind = "datetime64[us]"``;
    - a text or bytes that ends in NUL characters, which HDF5 drops, is stored with the code point
      U+FFFF (in UTF-8) behind it; `load` returns a column with such values as an array of objects;
    - characters that HDF5 or PyTables do not allow in names, and ``%``, are percent-encoded: the
      column ``x/y`` is named ``x%2Fy``.

    Loading a file never unpickles and so never runs foreign code.

    Requires `PyTables <https://www.pytables.org/>`_ .

    Parameters
    ----------
    node : str, optional
        Group in the HDF5 file to store the data in. `save` replaces the whole file, `append`
        keeps what is stored in other groups.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     filename = f"{directory}/result.h5"
    ...     H5Store().append(filename, {"a": [1, 2], "b": ["x", "y"]})
    ...     H5Store().append(filename, {"a": [3]})
    ...     H5Store().load(filename)
    {'a': array([1, 2, 3]), 'b': array(['x', 'y', ''], dtype='<U1')}
    """

    ext = ".h5"

    def __init__(self, node: str = "/psyrun") -> None:
        self.node = "/" + node.strip("/")

    def __repr__(self) -> str:
        return f"{_NAME}({'' if self.node == '/psyrun' else f'node={self.node!r}'})"

    def save(self, filename: FilePath, data: Columns) -> None:
        self.save_chunks(filename, [data])

    def load(self, filename: FilePath, row: int | None = None) -> dict[str, Any]:
        with self._reading(filename) as table:
            if row is None:
                return table.read(0, table.rows)
            row = row_index(row, table.rows, filename)
            return pick_row(table.read(row, row + 1), 0, filename)

    def append(self, filename: FilePath, data: Columns) -> None:
        new, n = to_columns(data, _NAME)
        if not self._append_in_place(filename, new, n, grow=False):
            self._rewrite(filename, new, n, room=2)

    def check(self, data: Mapping[str, object]) -> None:
        check_values(data, _NAME)

    def save_chunks(self, filename: FilePath, chunks: Iterable[Columns]) -> None:
        with replacing(filename) as temporary:
            with open_file(temporary, "w") as h5:
                emptied_group(h5, self.node)
            for chunk in chunks:
                new, n = to_columns(chunk, _NAME)
                if not self._append_in_place(temporary, new, n, grow=True):
                    self._rewrite(temporary, new, n, room=1)

    def iter_chunks(self, filename: FilePath, size: int = 65536) -> Iterator[dict[str, Any]]:
        with self._reading(filename) as table:
            for start in range(0, max(table.rows, 1), size):
                yield table.read(start, min(start + size, table.rows))

    @contextmanager
    def _reading(self, filename: FilePath) -> Iterator[Table]:
        with open_file(filename, "r") as h5:
            table = find_table(h5, self.node)
            if table is None:
                raise StoreError(
                    f"{str(filename)!r} has no group {self.node!r}; give the group that holds the "
                    f"data, as in H5Store(node='/psyrun')."
                )
            yield table

    def _append_in_place(
        self, filename: FilePath, new: dict[str, Array], n: int, *, grow: bool
    ) -> bool:
        """Append to a file, unless it has to be rewritten.

        Unless the file may *grow*, only rows for which HDF5 has allocated space already are written
        in place: this changes nothing in the file but these rows and the number of rows in the
        header of each array, so a crash cannot hurt the rows before. Should it leave arrays of
        different lengths, the shortest tells which rows count.
        """
        if not Path(filename).exists():
            return False
        with open_file(filename, "r+") as h5:
            table = find_table(h5, self.node)
            if table is None or not table.columns.keys() >= new.keys():
                return False
            contents = {}
            for name, column in table.columns.items():
                values = fitted(new.get(name, lacking(n)), column.dtype, column.extent)
                if values is None or not (grow or column.has_room(table.rows, n)):
                    return False
                contents[name] = encoded(values)
                if not column.accepts(contents[name]):
                    return False
            for name, column in table.columns.items():
                column.append(contents[name], table.rows)
        return True

    def _rewrite(self, filename: FilePath, new: dict[str, Array], n: int, *, room: int) -> None:
        """Append by writing a new file, with room for so many times the rows."""
        with replacing(filename) as temporary, ExitStack() as stack:
            old: Table | None = None
            if Path(filename).exists():
                h5 = stack.enter_context(open_file(filename, "r"))
                old = find_table(h5, self.node)
                if holds_more(h5, self.node):
                    shutil.copyfile(filename, temporary)
            target = stack.enter_context(open_file(temporary, "a"))
            group = emptied_group(target, self.node)
            old = old or Table({}, 0)
            for name in dict.fromkeys([*old.names(), *new]):
                try:
                    write_column(group, name, old, new.get(name, lacking(n)), room)
                except Unstorable as problem:
                    raise problem.named(name, _NAME) from None
