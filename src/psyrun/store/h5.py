"""Store using HDF5 files."""

# ruff: noqa: D102  # the methods are described in Store

import re
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np

from psyrun.exceptions import StoreError
from psyrun.files import replacing
from psyrun.store._arrays import (
    Array,
    Extent,
    Layout,
    Unstorable,
    check_values,
    fit,
    fitted,
    lacking,
    to_columns,
    unguard,
    unite,
)
from psyrun.store.base import Columns, FilePath, Store, pick_row, row_index

try:
    import tables
except ImportError as error:
    raise ImportError(
        "H5Store needs PyTables: install it with pip install 'psyrun[h5]', or use another store."
    ) from error

_NAME = "H5Store"
_BLOCK = 1 << 20  # bytes of a column to handle at a time
_MIN_ROOM = 1 << 13
_MAX_CHUNK = 1 << 30  # HDF5 has a limit of 4 GiB
_KIND = "psyrun_kind"
_KINDS = {
    "S": re.compile(r"|text"),
    "i": re.compile(r"|(datetime|timedelta)64\[\d*(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]"),
}
_POSITION = "psyrun_position"


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
        self.node = node

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
            with _open(temporary, "w") as h5:
                _emptied_group(h5, self.node)
            for chunk in chunks:
                new, n = to_columns(chunk, _NAME)
                if not self._append_in_place(temporary, new, n, grow=True):
                    self._rewrite(temporary, new, n, room=1)

    def iter_chunks(self, filename: FilePath, size: int = 65536) -> Iterator[dict[str, Any]]:
        with self._reading(filename) as table:
            for start in range(0, max(table.rows, 1), size):
                yield table.read(start, min(start + size, table.rows))

    @contextmanager
    def _reading(self, filename: FilePath) -> Iterator["_Table"]:
        with _open(filename, "r") as h5:
            table = _table(h5, self.node)
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
        with _open(filename, "r+") as h5:
            table = _table(h5, self.node)
            if table is None or not table.columns.keys() >= new.keys():
                return False
            contents = {}
            for name, column in table.columns.items():
                values = fitted(new.get(name, lacking(n)), column.dtype, column.extent)
                if values is None or not (grow or column.has_room(table.rows, n)):
                    return False
                contents[name] = _encoded(values)
                if not column.accepts(contents[name]):
                    return False
            for name, column in table.columns.items():
                column.append(contents[name], table.rows)
        return True

    def _rewrite(self, filename: FilePath, new: dict[str, Array], n: int, *, room: int) -> None:
        """Append by writing a new file, with room for so many times the rows."""
        with replacing(filename) as temporary, ExitStack() as stack:
            old: _Table | None = None
            if Path(filename).exists():
                h5 = stack.enter_context(_open(filename, "r"))
                old = _table(h5, self.node)
                if _holds_more(h5, self.node):
                    shutil.copyfile(filename, temporary)
            target = stack.enter_context(_open(temporary, "a"))
            group = _emptied_group(target, self.node)
            old = old or _Table({}, 0)
            for name in dict.fromkeys([*old.names(), *new]):
                try:
                    _write_column(group, name, old, new.get(name, lacking(n)), room)
                except Unstorable as problem:
                    raise problem.named(name, _NAME) from None


class _Column:
    """An array in an HDF5 file.

    Parameters
    ----------
    array : tables.Array
        The array.

    Attributes
    ----------
    kind : str
        Empty, ``text``, or the name of the dtype of times.
    dtype, extent
        Type and shape of a row, as `read` returns it.
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.extent: Extent = tuple(map(int, array.shape[1:]))
        stored = array.atom.dtype.base
        self.kind = self._read_kind(stored) if stored.kind == "S" or stored == np.int64 else ""
        self.dtype = np.dtype(
            f"U{stored.itemsize}" if self.kind == "text" else self.kind if self.kind else stored
        )

    def _read_kind(self, stored: np.dtype[Any]) -> str:
        kind = getattr(self.array._v_attrs, _KIND, "")
        kind = kind.decode("latin-1") if isinstance(kind, bytes) else str(kind)
        if not _KINDS[stored.kind].fullmatch(kind):
            raise StoreError(
                f"{self.array._v_file.filename!r} says that {self.array._v_name!r} is of the "
                f"unknown kind {kind!r}; read it with PyTables or h5py."
            )
        return kind

    @property
    def position(self) -> int:
        position = getattr(self.array._v_attrs, _POSITION, 0)
        return int(position) if isinstance(position, np.integer) else 0

    def read(self, start: int, stop: int) -> Array:
        values: Array = self.array.read(start, stop)
        if self.kind == "text":
            values = np.char.decode(values, "utf-8", "surrogatepass")
        elif self.kind:
            values = values.view(self.dtype)
        return values

    def has_room(self, rows: int, n: int) -> bool:
        """Tell whether space is allocated for *n* rows behind the first *rows*."""
        chunk = self.array.chunkshape[0] if self.array.chunkshape else 1
        return rows + n <= -(-rows // chunk) * chunk

    def accepts(self, content: Array) -> bool:
        extendable = isinstance(self.array, tables.EArray) and self.array.extdim == 0
        return extendable and content.dtype.itemsize <= self.array.atom.dtype.base.itemsize

    def append(self, content: Array, rows: int) -> None:
        """Append behind the first *rows* rows."""
        if self.array.nrows > rows:
            self.array.truncate(rows)
        self.array.append(content)

    def is_blank(self, rows: int) -> bool:
        """Tell whether all values are missing."""
        if self.dtype != np.float64:
            return False
        return all(np.isnan(block).all() for block in self.blocks(rows))

    def blocks(self, rows: int) -> Iterator[Array]:
        step = max(1, _BLOCK // (self.dtype.itemsize * prod(self.extent)))
        for start in range(0, rows, step):
            yield self.read(start, min(start + step, rows))


class _Table(NamedTuple):
    columns: dict[str, _Column]
    rows: int

    def names(self) -> list[str]:
        """Return the names of the columns in the order in which they were added."""
        return sorted(self.columns, key=lambda name: self.columns[name].position)

    def read(self, start: int, stop: int) -> dict[str, Any]:
        return {name: unguard(self.columns[name].read(start, stop)) for name in self.names()}


def _encoded(values: Array) -> Array:
    """Return what HDF5 stores for an array."""
    if values.dtype.kind == "U":
        return np.char.encode(values, "utf-8", "surrogatepass")
    return values.view(np.int64) if values.dtype.kind in "mM" else values


def _write_column(group: Any, name: str, old: _Table, new: Array, room: int) -> None:
    """Write a column of old and new rows to a new file."""
    column = old.columns.get(name)
    layout = _united(column, old.rows, new) or Layout(np.dtype(np.float64), ())
    dtype, extent = layout.target
    extent = tuple(max(1, n) for n in extent)  # HDF5 cannot extend an empty array
    last = _encoded(fit(new, dtype, extent))
    stored = last.dtype
    if column is not None and column.kind == "text" and dtype.kind == "U":
        stored = np.promote_types(stored, column.array.atom.dtype.base)
    total, row_size = old.rows + len(new), stored.itemsize * prod(extent)
    rows = min(total, _BLOCK // row_size) if room == 1 else max(room * total, _MIN_ROOM // row_size)
    chunk = max(1, min(rows, _MAX_CHUNK // row_size))
    with warnings.catch_warnings(action="ignore", category=tables.NaturalNameWarning):
        array = group._v_file.create_earray(
            *(group, _node_name(name), tables.Atom.from_dtype(stored)),
            shape=(0, *extent),
            chunkshape=(chunk, *extent),
            filters=tables.Filters(),  # else those of the group, which may be a stranger's
        )
    if dtype.kind in "UmM":
        array._v_attrs[_KIND] = "text" if dtype.kind == "U" else dtype.name
    array._v_attrs[_POSITION] = group._v_nchildren - 1
    for block in (lacking(old.rows),) if column is None else column.blocks(old.rows):
        array.append(_encoded(fit(block, dtype, extent)))
    array.append(last)


def _united(column: _Column | None, rows: int, new: Array) -> Layout | None:
    if column is None or rows == 0:
        return unite(Layout.of(lacking(rows)), Layout.of(new))
    try:
        return unite(Layout(column.dtype, column.extent), Layout.of(new))
    except Unstorable:
        if not column.is_blank(rows):
            raise
        return unite(Layout(None, column.extent or None), Layout.of(new))


# --- Files, groups and names ----------------------------------------------------------------------


class _File(tables.File):  # type: ignore[misc]  # PyTables ships no types
    """A file in which nothing is ever unpickled."""

    def __init__(self, filename: FilePath, mode: str) -> None:
        with warnings.catch_warnings(action="ignore"):  # of attributes that PyTables cannot read
            # Without a cache for chunks, only the rows asked for are read and written.
            super().__init__(str(filename), mode, pytables_sys_attrs=False, chunk_cache_size=0)

    def enable_undo(self, *args: object, **kwargs: object) -> None:
        """Leave the log of an interrupted transaction alone."""


class _PlainAttributes(tables.attributeset.AttributeSet):  # type: ignore[misc]  # as above
    """Attributes as HDF5 knows them."""

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__["_v_attrnames"]:
            raise AttributeError(name)
        return self._g_getattr(self._v_node, name)


def _attribute_set(node: Any) -> Any:
    kind = _PlainAttributes if isinstance(node._v_file, _File) else _PickledAttributes
    return kind(node)


# PyTables unpickles all attributes of a group that it opens, and no setting prevents that. So it
# has to be told how to read attributes, for files which are opened here.
_PickledAttributes = tables.Node._AttributeSet
tables.Node._AttributeSet = staticmethod(_attribute_set)


@contextmanager
def _open(filename: FilePath, mode: str) -> Iterator[_File]:
    if mode == "r+" and Path(filename).stat().st_size == 0:  # which PyTables would initialise
        raise StoreError(f"{str(filename)!r} is empty and so no HDF5 file; delete it first.")
    reading = mode in ("r", "r+")
    try:
        with _File(filename, mode) as h5:
            reading = mode == "r"
            yield h5
    except tables.HDF5ExtError as error:
        reason = (str(error).strip().splitlines() or ["unknown error"])[-1].strip()
        if reading:
            raise StoreError(
                f"{str(filename)!r} cannot be read as an HDF5 file ({reason}): it is damaged, of "
                f"another format, or another program has it open."
            ) from error
        raise OSError(
            f"HDF5 could not write in {str(Path(filename).parent)!r} ({reason}); the disk may be "
            f"full."
        ) from error


def _table(h5: Any, node: str) -> _Table | None:
    """Find the columns; None if there is no such group."""
    try:
        group = h5.get_node(node, classname="Group")
    except tables.NoSuchNodeError:
        return None
    columns = {}
    with warnings.catch_warnings(action="ignore"):  # of nodes that PyTables does not know
        for name in group._v_leaves:
            array = group._f_get_child(name)
            if not isinstance(array, tables.Array) or array.shape == ():
                raise StoreError(
                    f"{h5.filename!r} has in {node!r} a {type(array).__name__} named {name!r}, "
                    f"which H5Store does not read; use PyTables or h5py."
                )
            columns[_column_name(name)] = _Column(array)
    return _Table(columns, min((int(c.array.nrows) for c in columns.values()), default=0))


def _emptied_group(h5: Any, node: str) -> Any:
    """Return the group, without columns; make it if necessary."""
    table = _table(h5, node)
    if table is None:
        parent, _, name = node.rpartition("/")
        return h5.create_group(parent or "/", name, createparents=True)
    for column in table.columns.values():
        column.array._f_remove()
    return h5.get_node(node)


def _holds_more(h5: Any, node: str) -> bool:
    """Tell whether there is something in a file besides our columns."""
    group = h5.root
    for name in filter(None, node.split("/")):
        if set(group._v_children) - {name}:
            return True
        if name not in group._v_children:
            return False
        group = group._f_get_child(name)
    return len(group._v_children) > len(group._v_leaves)


def _node_name(column: str) -> str:
    """Return the name of the array that holds a column."""
    name = re.sub(r"[%/]|^\.+$|^_(?=[a-z]_)", _percent_encoded, column)
    return name or "%00"


def _column_name(node_name: str) -> str:
    return unquote(node_name).strip("\0")


def _percent_encoded(match: re.Match[str]) -> str:
    return "".join(f"%{ord(character):02X}" for character in match[0])
