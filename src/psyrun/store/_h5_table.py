"""A table in an HDF5 file: a group with an array for each column."""

import re
import warnings
from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
import tables

from psyrun.exceptions import StoreError
from psyrun.store._arrays import lacking, unguard
from psyrun.store._h5_file import File, column_name, node_name
from psyrun.store._layout import FLOAT, Array, Extent, Layout, Unstorable, fit, unite

_BLOCK = 1 << 20  # bytes of a column to handle at a time
_MIN_ROOM = 1 << 13
_MAX_CHUNK = 1 << 30  # HDF5 has a limit of 4 GiB

_KIND = "psyrun_kind"
_KINDS = {
    "S": re.compile(r"|text"),
    "i": re.compile(r"|(datetime|timedelta)64\[\d*(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]"),
}
_POSITION = "psyrun_position"


class Column:
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
        """Place among the columns."""
        position = getattr(self.array._v_attrs, _POSITION, 0)
        return int(position) if isinstance(position, np.integer) else 0

    def read(self, start: int, stop: int) -> Array:
        """Read rows."""
        values: Array = self.array.read(start, stop)
        if self.kind == "text":
            values = np.char.decode(values, "utf-8", "surrogatepass")
        elif self.kind:
            values = values.view(self.dtype)
        return values

    def has_room(self, rows: int, n: int) -> bool:
        """Tell whether space is allocated for *n* rows behind the first *rows*."""
        if not self.array.chunkshape or self.array.filters != tables.Filters():
            return False  # a compressed chunk is written anew
        chunk = int(self.array.chunkshape[0])
        return rows + n <= -(-rows // chunk) * chunk

    def accepts(self, content: Array) -> bool:
        """Tell whether encoded values fit in."""
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
        """Read the first *rows* rows in pieces."""
        step = max(1, _BLOCK // (self.dtype.itemsize * prod(self.extent)))
        for start in range(0, rows, step):
            yield self.read(start, min(start + step, rows))


class Table(NamedTuple):
    """The columns in a group, and how many of their rows count."""

    columns: dict[str, Column]
    rows: int

    def names(self) -> list[str]:
        """Return the names of the columns in the order in which they were added."""
        return sorted(self.columns, key=lambda name: self.columns[name].position)

    def read(self, start: int, stop: int) -> dict[str, Any]:
        """Read rows."""
        return {name: unguard(self.columns[name].read(start, stop)) for name in self.names()}


def find_table(h5: File, node: str) -> Table | None:
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
            columns[column_name(name)] = Column(array)
    return Table(columns, min((int(c.array.nrows) for c in columns.values()), default=0))


def emptied_group(h5: File, node: str) -> Any:
    """Return the group, without columns; make it if necessary."""
    table = find_table(h5, node)
    if table is None:
        parent, _, name = node.rpartition("/")
        return h5.create_group(parent or "/", name, createparents=True)
    for column in table.columns.values():
        column.array._f_remove()
    return h5.get_node(node)


def holds_more(h5: File, node: str) -> bool:
    """Tell whether there is something in a file besides our columns."""
    group = h5.root
    for name in filter(None, node.split("/")):
        if set(group._v_children) - {name}:
            return True
        if name not in group._v_children:
            return False
        group = group._f_get_child(name)
    return len(group._v_children) > len(group._v_leaves)


def encoded(values: Array) -> Array:
    """Return what HDF5 stores for an array."""
    if values.dtype.kind == "U":
        return np.char.encode(values, "utf-8", "surrogatepass")
    return values.view(np.int64) if values.dtype.kind in "mM" else values


def write_column(group: Any, name: str, old: Table, new: Array, room: int) -> None:
    """Write a column of old and new rows to a new file.

    Space for *room* times as many rows is allocated at once, unless *room* is 1.
    """
    column = old.columns.get(name)
    layout = _united(column, old.rows, new) or Layout(FLOAT, ())
    dtype, extent = layout.target
    extent = tuple(max(1, n) for n in extent)  # HDF5 cannot extend an empty array
    last = encoded(fit(new, dtype, extent))
    stored = last.dtype
    if column is not None and column.kind == "text" and dtype.kind == "U":
        stored = np.promote_types(stored, column.array.atom.dtype.base)
    total, row_size = old.rows + len(new), stored.itemsize * prod(extent)
    rows = min(total, _BLOCK // row_size) if room == 1 else max(room * total, _MIN_ROOM // row_size)
    chunk = max(1, min(rows, _MAX_CHUNK // row_size))
    with warnings.catch_warnings(action="ignore", category=tables.NaturalNameWarning):
        array = group._v_file.create_earray(
            *(group, node_name(name), tables.Atom.from_dtype(stored)),
            shape=(0, *extent),
            chunkshape=(chunk, *extent),
            filters=tables.Filters(),  # else those of the group, which may be a stranger's
        )
    if dtype.kind in "UmM":
        array._v_attrs[_KIND] = "text" if dtype.kind == "U" else dtype.name
    array._v_attrs[_POSITION] = group._v_nchildren - 1
    for block in _lacking_blocks(old.rows) if column is None else column.blocks(old.rows):
        array.append(encoded(fit(block, dtype, extent)))
    array.append(last)


def _lacking_blocks(rows: int) -> Iterator[Array]:
    for start in range(0, rows, _BLOCK // 8):
        yield lacking(min(_BLOCK // 8, rows - start))


def _united(column: Column | None, rows: int, new: Array) -> Layout | None:
    if column is None or rows == 0:
        return unite(Layout.of(lacking(rows)), Layout.of(new))
    try:
        return unite(Layout(column.dtype, column.extent), Layout.of(new))
    except Unstorable:
        if not column.is_blank(rows):
            raise
        return unite(Layout(None, column.extent or None), Layout.of(new))
