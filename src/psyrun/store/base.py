"""The interface of stores, and the store that goes by the extension."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psyrun.exceptions import StoreError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Columns = Mapping[str, Sequence[Any]]
"""A table: for each column name the values of all rows."""

FilePath = str | os.PathLike[str]


class Store:
    """A format of result files; base class of all stores.

    A new store defines `ext`, `save`, `load` and `append`; the other methods have defaults which
    build on these. Register it as an entry point of the group ``psyrun.stores``, named by its
    extension, and `AutodetectStore` and ``psy merge`` will know it::

        [project.entry-points."psyrun.stores"]
        ".ext" = "package.module:ClassName"

    Run the tests of `psyrun.testing.StoreContract` on it.

    Attributes
    ----------
    ext : str
        Extension of the store's files, with the dot.
    """

    ext: str = ""

    def save(self, filename: FilePath, data: Columns) -> None:
        """Write a table to a file, whole or not at all, replacing what was there.

        Parameters
        ----------
        filename : path-like
            File to write.
        data : dict of str to sequence
            For each column the values of all rows.

        Raises
        ------
        ValueError
            If the columns have different lengths.
        StoreTypeError
            If the store cannot hold a value.
        """
        raise NotImplementedError

    def load(self, filename: FilePath, row: int | None = None) -> dict[str, Any]:
        """Read a table from a file.

        Parameters
        ----------
        filename : path-like
            File to read.
        row : int, optional
            Read only this row; negative numbers count from the end.

        Returns
        -------
        dict of str to sequence
            For each column the values of all rows, or with *row* a list of one value.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        IndexError
            If there is no such row.
        StoreError
            If the file is not of this format, or damaged.
        """
        raise NotImplementedError

    def append(self, filename: FilePath, data: Columns) -> None:
        """Add rows to a file, and create it if it does not exist.

        Rows which lack a column, those in the file or the new ones, get a missing value in it. The
        rows already in the file survive an append that dies.

        Parameters
        ----------
        filename : path-like
            File to append to; only one process may append to a file at a time.
        data : dict of str to sequence
            For each column the values of the new rows.

        Raises
        ------
        ValueError
            If the columns have different lengths.
        StoreError
            If the file is not of this format, or damaged.
        StoreTypeError
            If the store cannot hold a value, or not in the same column as those before.
        """
        raise NotImplementedError

    def check(self, data: Mapping[str, object]) -> None:
        """Refuse values that the store cannot hold; by default none.

        Parameters
        ----------
        data : dict of str to object
            The values of a single row.

        Raises
        ------
        StoreTypeError
            If the store cannot hold one of the values.
        """

    def save_chunks(self, filename: FilePath, chunks: Iterable[Columns]) -> None:
        """Write a table that arrives in pieces, whole or not at all.

        Parameters
        ----------
        filename : path-like
            File to write.
        chunks : iterable of dict
            Consecutive rows; a column missing in a piece is filled.
        """
        self.save(filename, concatenate(chunks))

    def iter_chunks(self, filename: FilePath, size: int = 65536) -> Iterator[dict[str, Any]]:
        """Read a table in pieces.

        Parameters
        ----------
        filename : path-like
            File to read.
        size : int
            Largest number of rows of a piece.

        Yields
        ------
        dict of str to sequence
            The columns of consecutive rows; a table without rows yields one piece without rows.
        """
        data = self.load(filename)
        n = min((len(column) for column in data.values()), default=0)
        for start in range(0, max(n, 1), size):
            yield {name: column[start : start + size] for name, column in data.items()}


class AutodetectStore(Store):
    """Selects the store by the extension of the file name.

    Examples
    --------
    >>> AutodetectStore.get_concrete_store("result.npz")
    NpzStore()
    """

    @classmethod
    def get_concrete_store(cls, filename: FilePath) -> Store:
        """Return the store for a file name.

        Raises
        ------
        StoreError
            If no installed store has this extension.
        """
        ext = registered_extension(filename)
        if ext is None:
            raise StoreError(
                f"No store is known for {os.fspath(filename)!r}: use one of the extensions "
                f"{', '.join(sorted(_registered()))}, or install a package with a store for "
                f"{Path(filename).suffix!r}."
            )
        store: Store = _registered()[ext].load()()
        return store

    def save(self, filename: FilePath, data: Columns) -> None:  # noqa: D102  # as in Store
        self.get_concrete_store(filename).save(filename, data)

    def load(self, filename: FilePath, row: int | None = None) -> dict[str, Any]:  # noqa: D102
        return self.get_concrete_store(filename).load(filename, row=row)

    def append(self, filename: FilePath, data: Columns) -> None:  # noqa: D102
        self.get_concrete_store(filename).append(filename, data)

    def save_chunks(self, filename: FilePath, chunks: Iterable[Columns]) -> None:  # noqa: D102
        self.get_concrete_store(filename).save_chunks(filename, chunks)

    def iter_chunks(  # noqa: D102
        self, filename: FilePath, size: int = 65536
    ) -> Iterator[dict[str, Any]]:
        return self.get_concrete_store(filename).iter_chunks(filename, size)


def registered_extension(filename: FilePath) -> str | None:
    """Return the extension by which the store of a file is known, None if none is."""
    name = Path(filename).name.lower()
    return max((ext for ext in _registered() if name.endswith(ext)), key=len, default=None)


@cache
def _registered() -> "dict[str, EntryPoint]":
    """Return the entry point of the store for each extension."""
    from importlib.metadata import EntryPoint, entry_points  # takes long to load

    built_in = {
        ".csv": "csv:CsvStore",
        ".h5": "h5:H5Store",
        ".nc": "netcdf:NetCDFStore",
        ".npz": "npz:NpzStore",
        ".parquet": "parquet:ParquetStore",
        ".pkl": "pickle:PickleStore",
        ".zarr": "zarr:ZarrStore",
        ".zarr.zip": "zarr:ZarrStore",
    }
    return {point.name: point for point in entry_points(group="psyrun.stores")} | {
        ext: EntryPoint(ext, f"psyrun.store.{value}", "psyrun.stores")
        for ext, value in built_in.items()
    }


def row_count(data: Columns) -> int:
    """Return the number of rows of a table.

    Raises
    ------
    ValueError
        If a column is no sequence, or the columns have different lengths.
    """
    n, first = 0, None
    for name, column in data.items():
        single = isinstance(column, str | bytes | Mapping | Set) or getattr(column, "ndim", 1) == 0
        if single or not hasattr(column, "__len__"):
            raise ValueError(
                f"Column {name!r} is a single {type(column).__name__}; give a sequence with one "
                f"value for each row."
            )
        if first is None:
            n, first = len(column), name
        elif len(column) != n:
            raise ValueError(
                f"Column {name!r} has {len(column)} rows, but column {first!r} has {n}; give all "
                f"columns the same number of rows."
            )
    return n


def pick_row(data: Columns, row: int, filename: FilePath) -> dict[str, list[Any]]:
    """Return one row of a table as a table."""
    n = min((len(column) for column in data.values()), default=0)
    row = row_index(row, n, filename)
    return {name: [column[row]] for name, column in data.items()}


def row_index(row: int, n: int, filename: FilePath) -> int:
    """Return the non-negative number of a row.

    Raises
    ------
    IndexError
        If there is no such row.
    """
    if not -n <= row < n:
        raise IndexError(f"{os.fspath(filename)!r} has {n} rows, there is no row {row}.")
    return row % n


def concatenate(chunks: Iterable[Columns]) -> dict[str, list[Any]]:
    """Put tables below each other; a column that a table lacks is filled with None."""
    columns: dict[str, list[Any]] = {}
    n = 0
    for chunk in chunks:
        rows = row_count(chunk)
        for name in chunk:
            columns.setdefault(name, [None] * n)
        for name, column in columns.items():
            column.extend(chunk[name] if name in chunk else [None] * rows)
        n += rows
    return columns


def write_at(fd: int, content: bytes | memoryview, offset: int) -> None:
    """Write all of *content* at an offset of an open file."""
    view = memoryview(content)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written
