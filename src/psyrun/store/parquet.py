"""Store using Parquet files."""

# ruff: noqa: D102  # the methods are described in Store

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psyrun.exceptions import StoreError
from psyrun.extras import ensure, require
from psyrun.store._arrays import check_name, unguard
from psyrun.store._gaps import Column, Gapped, filled, gap, join_gapped, to_gapped
from psyrun.store._layout import Array, Unstorable
from psyrun.store._parquet_columns import check_types, from_arrow, to_arrow
from psyrun.store._rewriting import Part, RewritingStore
from psyrun.store.base import Columns, FilePath, row_count, row_index

_NAME = "ParquetStore"
_ROW_GROUP = 1 << 16


class ParquetStore(RewritingStore[Column]):
    """Store using Parquet files, which pandas, Polars, DuckDB, Spark and R read.

    It holds numbers, booleans, text, bytes, datetimes, timedeltas and arrays of these; no complex
    numbers. Rows that lack a value have a null; `load` gives NaN for it in numbers (of which
    integers come as floats then), NaT in times, else None. Rows whose arrays have different extents
    are padded to the largest.

    A Parquet file ends with the list of all that is in it, so it cannot grow: `append` writes the
    file anew. (Jobs of tasks do not append.) Loading a file never unpickles and so never runs
    foreign code.

    Requires `PyArrow <https://arrow.apache.org/docs/python/>`_ .

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     filename = f"{directory}/result.parquet"
    ...     ParquetStore().append(filename, {"a": [1, 2], "b": ["x", "y"]})
    ...     ParquetStore().append(filename, {"a": [3]})
    ...     ParquetStore().load(filename)
    {'a': array([1, 2, 3]), 'b': array(['x', 'y', None], dtype=object)}
    """

    ext = ".parquet"

    def __init__(self) -> None:
        ensure("pyarrow", "parquet", _NAME)

    def __repr__(self) -> str:
        return f"{_NAME}()"

    def load(self, filename: FilePath, row: int | None = None) -> dict[str, Any]:
        with _reading(filename) as file:
            if row is None:
                return _shown(_table(file.read()))
            row = row_index(row, file.metadata.num_rows, filename)
            for group in range(file.metadata.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row < rows:
                    return _shown(_table(file.read_row_group(group).slice(row, 1)))
                row -= rows
        raise AssertionError("row_index has checked the row")

    def iter_chunks(self, filename: FilePath, size: int = 65536) -> Iterator[dict[str, Any]]:
        pyarrow = require("pyarrow", "parquet", _NAME)
        with _reading(filename) as file:
            if not file.metadata.num_rows:
                yield _shown(_table(file.read()))
            for batch in file.iter_batches(batch_size=size):
                yield _shown(_table(pyarrow.Table.from_batches([batch])))

    def _part(self, data: Columns) -> Part[Column]:
        rows, columns = row_count(data), {}
        for name, values in data.items():
            check_name(name, _NAME)
            try:
                columns[name] = to_gapped(values)
                check_types(columns[name])
            except Unstorable as problem:
                raise problem.named(name, _NAME) from None
        return columns, rows

    def _joined(self, parts: Sequence[Part[Column]]) -> dict[str, Column]:
        joined = {}
        for name in dict.fromkeys(name for columns, _ in parts for name in columns):
            try:
                joined[name] = join_gapped([columns.get(name, gap(n)) for columns, n in parts])
            except Unstorable as problem:
                raise problem.named(name, _NAME) from None
        return joined

    def _read(self, filename: FilePath) -> Part[Column]:
        with _reading(filename) as file:
            table = file.read()
        return _table(table), table.num_rows

    def _write(self, filename: Path, columns: dict[str, Column], rows: int) -> None:
        pyarrow = require("pyarrow", "parquet", _NAME)
        parquet = require("pyarrow.parquet", "parquet", _NAME)
        table = pyarrow.table({name: to_arrow(column) for name, column in columns.items()})
        parquet.write_table(
            table, str(filename), row_group_size=_ROW_GROUP, write_page_checksum=True
        )


def _table(table: Any) -> dict[str, Column]:
    return {
        name: from_arrow(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _shown(columns: dict[str, Column]) -> dict[str, Any]:
    shown: dict[str, Array] = {}
    for name, column in columns.items():
        shown[name] = filled(column) if isinstance(column, Gapped) else unguard(column)
    return shown


@contextmanager
def _reading(filename: FilePath) -> Iterator[Any]:
    pyarrow = require("pyarrow", "parquet", _NAME)
    parquet = require("pyarrow.parquet", "parquet", _NAME)
    with Path(filename).open("rb") as file:
        try:
            with parquet.ParquetFile(file, page_checksum_verification=True) as opened:
                yield opened
        except (pyarrow.ArrowException, OSError) as error:
            if getattr(error, "errno", None) is not None:
                raise
            raise StoreError(
                f"{str(filename)!r} cannot be read as a Parquet file "
                f"({str(error).splitlines()[0]}): it is damaged or of another format."
            ) from error
