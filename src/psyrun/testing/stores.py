"""What every store has to do, as tests."""

import datetime
import multiprocessing
import random
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from psyrun.exceptions import StoreError
from psyrun.store import Store
from psyrun.store.base import Columns

_EXACT = 2**53

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int": st.integers(-_EXACT, _EXACT),
    "float": st.floats(),
    "complex": st.complex_numbers(),
    "text": st.text(max_size=5),
    "bytes": st.binary(max_size=5),
    "datetime": st.datetimes(),
    "timedelta": st.timedeltas(),
    "array": hnp.arrays(float, st.integers(1, 3)),
    "matrix": hnp.arrays(
        int,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=3),
        elements=st.integers(-_EXACT, _EXACT),
    ),
    "object": st.dictionaries(st.text(max_size=2), st.none() | st.lists(st.booleans())),
}
"""Values of each kind of column that a store may hold."""

Rows = list[dict[str, Any]]


class StoreContract:
    """The tests that each store passes, to derive from.

    Examples
    --------
    Put this into a test module, and pytest runs the tests on your store::

        from psyrun.testing import StoreContract

        class TestMyStore(StoreContract):
            kinds = ("float", "text")  # if it does not hold all of them

            def make_store(self):
                return MyStore()

    Attributes
    ----------
    kinds : sequence of str
        The keys of `psyrun.testing.stores.KINDS` that the store holds.
    values : mapping of str to hypothesis strategy
        The values of each kind, `psyrun.testing.stores.KINDS` unless the store holds not all.
    kills : int
        How many processes to kill while they append.
    examples : int
        How many sequences of operations to try.
    """

    kinds: ClassVar[tuple[str, ...]] = tuple(kind for kind in KINDS if kind != "object")
    values: ClassVar[Mapping[str, st.SearchStrategy[Any]]] = KINDS
    kills: ClassVar[int] = 5
    examples: ClassVar[int] = 60

    def make_store(self) -> Store:
        """Return the store to test."""
        raise NotImplementedError

    def file_in(self, directory: str | Path) -> Path:
        """Return the name of a file for the store."""
        return Path(directory) / f"result{self.make_store().ext}"

    def test_the_extension_starts_with_a_dot(self) -> None:
        assert self.file_in("").suffix

    def test_what_was_saved_is_loaded(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.save(filename, {"a": [1.5, 2.5], "b": [1, 2]})
        assert_rows(store.load(filename), [{"a": 1.5, "b": 1}, {"a": 2.5, "b": 2}])

    def test_names_of_files_may_be_str(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), str(self.file_in(tmp_path))
        store.save(filename, {"a": [1.5]})
        store.append(filename, {"a": [2.5]})
        assert_rows(store.load(filename), [{"a": 1.5}, {"a": 2.5}])

    def test_saving_replaces_the_file(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.save(filename, {"a": [1.5, 2.5]})
        store.save(filename, {"b": [3.5]})
        assert_rows(store.load(filename), [{"b": 3.5}])

    def test_appending_creates_the_file(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.append(filename, {"a": [1.5]})
        assert_rows(store.load(filename), [{"a": 1.5}])

    def test_one_row_is_loaded_as_lists_of_length_one(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.save(filename, {"a": [1.5, 2.5, 3.5], "b": [1, 2, 3]})
        assert store.load(filename, row=1) == {"a": [2.5], "b": [2]}
        assert store.load(filename, row=-1) == {"a": [3.5], "b": [3]}

    @pytest.mark.parametrize("row", [2, -3])
    def test_a_row_out_of_range_is_an_index_error(self, tmp_path: Path, row: int) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.save(filename, {"a": [1.5, 2.5]})
        with pytest.raises(IndexError):
            store.load(filename, row=row)

    def test_rows_that_lack_a_column_are_filled(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.append(filename, {"a": [1.5], "b": [1]})
        store.append(filename, {"a": [2.5], "c": [2.0]})
        assert_rows(store.load(filename), [{"a": 1.5, "b": 1}, {"a": 2.5, "c": 2.0}])

    @pytest.mark.parametrize("table", [{}, {"a": []}, {"a": [], "b": []}])
    def test_an_empty_table_is_saved_and_appended_to(
        self, tmp_path: Path, table: dict[str, list[Any]]
    ) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.save(filename, table)
        assert {name: list(column) for name, column in store.load(filename).items()} == table
        store.append(filename, table)
        store.append(filename, {"a": [1.5], "b": [2]})
        assert_rows(store.load(filename), [{"a": 1.5, "b": 2}])

    @pytest.mark.parametrize("method", ["save", "append"])
    def test_columns_of_different_lengths_are_refused(self, tmp_path: Path, method: str) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.save(filename, {"a": [1.5], "b": [2.5]})
        with pytest.raises(ValueError, match="b"):
            getattr(store, method)(filename, {"a": [1.5], "b": [2.5, 3.5]})
        assert_rows(store.load(filename), [{"a": 1.5, "b": 2.5}])

    def test_a_file_that_does_not_exist_is_not_found(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            self.make_store().load(self.file_in(tmp_path))

    @pytest.mark.parametrize("content", [b"", b"x", b"garbage" * 1000])
    def test_a_file_of_another_format_is_refused(self, tmp_path: Path, content: bytes) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        filename.write_bytes(content)
        with pytest.raises(StoreError, match=filename.name):
            store.load(filename)
        with pytest.raises(StoreError, match=filename.name):
            store.append(filename, {"a": [1.5]})
        assert filename.read_bytes() == content

    def test_a_truncated_file_is_refused(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.save(filename, {"a": [float(i) for i in range(5000)], "b": [1.5] * 5000})
        content = filename.read_bytes()
        filename.write_bytes(content[: len(content) // 2])
        with pytest.raises(StoreError, match=filename.name):
            store.load(filename)

    def test_a_table_is_written_and_read_in_pieces(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        chunks: list[Columns] = [{"a": [1.5]}, {"a": [2.5, 3.5]}, {"b": [1]}]
        store.save_chunks(filename, iter(chunks))
        rows: Rows = [{"a": 1.5}, {"a": 2.5}, {"a": 3.5}, {"b": 1}]
        assert_rows(store.load(filename), rows)
        pieces = list(store.iter_chunks(filename, size=3))
        assert_rows(pieces[0], rows[:3])
        assert_rows(pieces[1], rows[3:])

    def test_pieces_that_fail_leave_the_file_as_it_was(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        store.save(filename, {"a": [1.5]})

        def chunks() -> Any:
            yield {"a": [2.5]}
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.save_chunks(filename, chunks())
        assert_rows(store.load(filename), [{"a": 1.5}])
        assert [path.name for path in tmp_path.iterdir()] == [filename.name]

    def test_what_is_to_be_stored_passes_the_check(self) -> None:
        self.make_store().check({"a": 1.5, "b": 1, "c": None})

    def test_any_operations_give_the_same_as_a_list_of_rows(self) -> None:
        @settings(
            max_examples=self.examples,
            deadline=None,
            suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
        )
        @given(data=st.data())
        def compare(data: st.DataObject) -> None:
            self._compare(data)

        compare()

    def _compare(self, data: st.DataObject) -> None:
        store = self.make_store()
        tables = st.lists(self.tables(), min_size=1, max_size=4)
        with TemporaryDirectory() as directory:
            filename = self.file_in(directory)
            names, rows = _names(first := data.draw(self.tables())), _rows(first)
            store.save(filename, first)
            for table in data.draw(tables):
                for row in _rows(table):
                    store.check(row)
                if data.draw(st.integers(0, 4)):
                    store.append(filename, table)
                    names, rows = names | _names(table), rows + _rows(table)
                else:
                    store.save_chunks(filename, iter([first, table]))
                    names, rows = _names(first) | _names(table), _rows(first) + _rows(table)
                loaded = store.load(filename)
                assert loaded.keys() == names
                assert_rows(loaded, rows)
            start = 0
            for chunk in store.iter_chunks(filename, size=2):
                assert_rows(chunk, rows[start : start + 2])
                start += 2
            for i in range(-len(rows), len(rows)):
                assert_rows(store.load(filename, row=i), [rows[i]])

    def tables(self) -> st.SearchStrategy[dict[str, list[Any]]]:
        """Return a strategy for tables; columns are named by what they hold."""

        def with_columns(drawn: tuple[list[str], int]) -> st.SearchStrategy[dict[str, list[Any]]]:
            kinds, n = drawn
            return st.fixed_dictionaries(
                {kind: st.lists(self.values[kind], min_size=n, max_size=n) for kind in kinds}
            )

        kinds = st.lists(st.sampled_from(self.kinds), unique=True, min_size=1, max_size=4)
        return st.tuples(kinds, st.integers(0, 4)).flatmap(with_columns)

    def test_an_append_that_is_killed_loses_nothing(self, tmp_path: Path) -> None:
        store, filename = self.make_store(), self.file_in(tmp_path)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, type(store).__module__])
        chance = random.Random(0)  # noqa: S311  # any moments do
        n = 0
        for _ in range(self.kills):
            acknowledged, connection = context.Pipe(duplex=False)
            process = context.Process(
                target=_append_for_ever, args=(store, filename, n, connection)
            )
            process.start()
            connection.close()
            for _ in range(chance.randrange(1, 60)):
                n = acknowledged.recv()
            for _ in range(chance.randrange(10_000)):
                pass
            process.kill()
            process.join()
            with acknowledged, suppress(EOFError):
                while True:
                    n = acknowledged.recv()
            loaded = store.load(filename)
            assert len(loaded["a"]) in (n, n + 1)
            n = len(loaded["a"])
            assert_rows(loaded, [_row(i) for i in range(n)])
        store.append(filename, _as_table(_row(n)))
        assert_rows(store.load(filename), [_row(i) for i in range(n + 1)])


def _row(i: int) -> dict[str, Any]:
    return {"a": i, "b": i / 2, "c": 3 * i}


def _as_table(row: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [value] for name, value in row.items()}


def _append_for_ever(store: Store, filename: Path, n: int, connection: Any) -> None:
    while True:
        store.append(filename, _as_table(_row(n)))
        n += 1
        connection.send(n)


def _names(table: Mapping[str, list[Any]]) -> set[str]:
    return set(table)


def _rows(table: Mapping[str, list[Any]]) -> Rows:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def assert_rows(loaded: Mapping[str, Any], rows: Rows) -> None:
    """Assert that a loaded table has these rows, up to padding and missing values."""
    for name, column in loaded.items():
        assert len(column) == len(rows)
        for found, row in zip(column, rows, strict=True):
            assert _matches(found, row.get(name)), (name, found, row.get(name))
    assert {name for row in rows for name in row} <= loaded.keys()


def _matches(found: Any, value: Any) -> bool:
    """Tell whether a value came back, maybe padded."""
    if value is None:
        return all(map(_is_blank, np.ravel(np.asarray(found, dtype=object))))
    if isinstance(value, np.ndarray):
        found = np.asarray(found)
        inner = tuple(map(slice, value.shape))
        padding = found.astype(object)
        padding[inner] = None
        return np.array_equal(found[inner], value, equal_nan=True) and all(
            map(_is_blank, padding.ravel())
        )
    if isinstance(value, datetime.datetime):
        return bool(np.datetime64(found) == np.datetime64(value))
    if isinstance(value, datetime.timedelta):
        return bool(np.timedelta64(found) == np.timedelta64(value))
    return bool(found == value) or (value != value and found != found)


def _is_blank(value: Any) -> bool:
    return value is None or value in ("", b"") or bool(value != value)
