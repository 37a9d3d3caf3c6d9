"""HDF5 files through PyTables, such that nothing in them is unpickled."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from psyrun.exceptions import StoreError
from psyrun.store.base import FilePath

try:
    import tables
except ImportError as error:
    raise ImportError(
        "H5Store needs PyTables: install it with pip install 'psyrun[h5]', or use another store."
    ) from error


class File(tables.File):  # type: ignore[misc]  # PyTables ships no types
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
    kind = _PlainAttributes if isinstance(node._v_file, File) else _PickledAttributes
    return kind(node)


# PyTables unpickles all attributes of a group that it opens, and no setting prevents that. So it
# has to be told how to read attributes, for files which are opened here.
_PickledAttributes = tables.Node._AttributeSet
tables.Node._AttributeSet = staticmethod(_attribute_set)


@contextmanager
def open_file(filename: FilePath, mode: str) -> Iterator[File]:
    """Open a file for a while.

    Parameters
    ----------
    filename : path-like
        File to open.
    mode : str
        As of `tables.open_file`.

    Raises
    ------
    StoreError
        If HDF5 cannot read it.
    OSError
        If HDF5 cannot write it.
    """
    if mode == "r+" and Path(filename).stat().st_size == 0:  # which PyTables would initialise
        raise StoreError(f"{str(filename)!r} is empty and so no HDF5 file; delete it first.")
    reading = mode in ("r", "r+")
    try:
        with File(filename, mode) as h5:
            reading = mode == "r"
            yield h5
    except tables.HDF5ExtError as error:
        reason = (str(error).strip().splitlines() or ["unknown error"])[-1].strip()
        if reading:
            raise StoreError(
                f"{str(filename)!r} cannot be read as an HDF5 file ({reason}): it is damaged, of "
                f"another format, or another program has it open."
            ) from error
        number = re.search(r"errno = (\d+)", str(error.h5backtrace))
        if number is not None:
            code = int(number[1])
            raise OSError(code, os.strerror(code), str(filename)) from error
        raise OSError(
            f"HDF5 could not write in {str(Path(filename).parent)!r} ({reason}); the disk may be "
            f"full."
        ) from error


def node_name(column: str) -> str:
    """Return the name of the array that holds a column."""
    name = re.sub(r"[%/]|^\.+$|^_(?=[a-z]_)", _percent_encoded, column)
    return name or "%00"


def column_name(array_name: str) -> str:
    """Return the column that is held by an array of this name."""
    return unquote(array_name).strip("\0")


def _percent_encoded(match: re.Match[str]) -> str:
    return "".join(f"%{ord(character):02X}" for character in match[0])
