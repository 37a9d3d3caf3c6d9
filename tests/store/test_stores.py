"""What is particular to a store."""

import datetime
import enum
import importlib.metadata
import itertools
import pickle
import subprocess
import sys
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import pandas as pd
import pytest
import tables

from psyrun.exceptions import StoreError, StoreTypeError
from psyrun.store import AutodetectStore, DefaultStore, PickleStore, Store, base
from psyrun.store.h5 import H5Store
from psyrun.store.npz import NpzStore
from psyrun.values import MISSING, is_missing

STORES = [PickleStore(), NpzStore(), H5Store()]
ARRAY_STORES = STORES[1:]

stores = pytest.mark.parametrize("store", STORES, ids=repr)
array_stores = pytest.mark.parametrize("store", ARRAY_STORES, ids=repr)


@pytest.fixture
def filename(tmp_path, store):
    return tmp_path / f"result{store.ext}"


def load_plainly(filename):
    """Read a file without psyrun; text of HDF5 as bytes."""
    if filename.suffix == ".pkl":
        return pickle.loads(filename.read_bytes())
    if filename.suffix == ".npz":
        return dict(np.load(filename))
    with h5py.File(filename) as h5:
        columns = {name: array[:] for name, array in h5["psyrun"].items()}
    with tables.open_file(filename) as h5:
        for name, column in columns.items():
            np.testing.assert_array_equal(h5.get_node("/psyrun", name)[:], column)
    return columns


class TestPlainTools:
    @stores
    def test_they_read_all_rows_after_each_append(self, store, filename):
        for i in range(200):
            store.append(filename, {"a": [i], "x": [[i, i / 2]], "b": [b"b"]})
            plain = load_plainly(filename)
            assert list(plain["a"]) == list(range(i + 1))
            assert np.array_equal(plain["x"], [[k, k / 2] for k in range(i + 1)])
            assert list(plain["b"]) == [b"b"] * (i + 1)

    @stores
    def test_they_read_saved_files(self, store, filename):
        store.save(filename, {"a": [1, 2], "b": [b"x", b"yz"]})
        plain = load_plainly(filename)
        assert list(plain["a"]) == [1, 2]
        assert list(plain["b"]) == [b"x", b"yz"]

    def test_zip_checksums_are_right(self, tmp_path):
        filename = tmp_path / "result.npz"
        for i in range(70):
            NpzStore().append(filename, {"a": [i], "x": [[i] * 100]})
            with zipfile.ZipFile(filename) as archive:
                assert archive.testzip() is None

    def test_text_in_hdf5_is_utf8(self, tmp_path):
        H5Store().save(tmp_path / "result.h5", {"t": ["ä", "x"]})
        with h5py.File(tmp_path / "result.h5") as h5:
            assert list(h5["psyrun/t"]) == ["ä".encode(), b"x"]
            assert h5["psyrun/t"].attrs["psyrun_kind"] == b"text"


class TestFilesOfPsyrun08:
    TABLE: ClassVar = {"a": [1, 2], "root.x": [1.5, 2.5]}

    def test_pickle(self, tmp_path):
        filename = tmp_path / "result.pkl"
        filename.write_bytes(pickle.dumps(self.TABLE, pickle.HIGHEST_PROTOCOL))
        self.check(PickleStore(), filename)

    def test_npz(self, tmp_path):
        np.savez(tmp_path / "result.npz", **self.TABLE)
        self.check(NpzStore(), tmp_path / "result.npz")

    def test_compressed_npz(self, tmp_path):
        np.savez_compressed(tmp_path / "result.npz", **self.TABLE)
        self.check(NpzStore(), tmp_path / "result.npz")

    @pytest.mark.filterwarnings("ignore::tables.NaturalNameWarning")
    @pytest.mark.parametrize("create", ["create_array", "create_earray"])
    def test_hdf5(self, tmp_path, create):
        with tables.open_file(tmp_path / "result.h5", "w") as h5:
            for name, column in self.TABLE.items():
                kwargs = {"shape": (0,)} if create == "create_earray" else {}
                getattr(h5, create)(
                    "/psyrun", name, obj=np.array(column), createparents=True, **kwargs
                )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.filters", [("error", None, Warning, None, 0)])
            self.check(H5Store(), tmp_path / "result.h5")

    def check(self, store, filename):
        loaded = store.load(filename)
        assert {name: list(column) for name, column in loaded.items()} == self.TABLE
        assert store.load(filename, row=1) == {"a": [2], "root.x": [2.5]}
        store.append(filename, {"a": [3], "root.x": [3.5]})
        assert list(store.load(filename)["root.x"]) == [1.5, 2.5, 3.5]
        assert list(load_plainly(filename)["a"]) == [1, 2, 3]


class TestStoresWrittenFor08:
    class Old(Store):
        """Knows only what 0.8 asked for."""

        ext = ".old"

        def save(self, filename, data):
            filename.write_bytes(pickle.dumps(data))

        def load(self, filename, row=None):
            data = pickle.loads(filename.read_bytes())
            return data if row is None else {k: [v[row]] for k, v in data.items()}

        def append(self, filename, data):
            raise NotImplementedError

    def test_everything_else_works(self, tmp_path):
        store = self.Old()
        store.check({"a": object()})
        store.save_chunks(tmp_path / "x.old", [{"a": [1]}, {"a": [2], "b": [3]}])
        assert store.load(tmp_path / "x.old") == {"a": [1, 2], "b": [None, 3]}
        pieces = list(store.iter_chunks(tmp_path / "x.old", size=1))
        assert pieces == [{"a": [1], "b": [None]}, {"a": [2], "b": [3]}]

    def test_autodetection_finds_it_by_its_entry_point(self, monkeypatch):
        point = importlib.metadata.EntryPoint(
            ".old", f"{__name__}:TestStoresWrittenFor08.Old", "psyrun.stores"
        )
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
        base._registered.cache_clear()
        try:
            assert AutodetectStore.get_concrete_store("dir.x/result.OLD").ext == ".old"
        finally:
            base._registered.cache_clear()


class TestAutodetection:
    @stores
    def test_the_extension_selects_the_store(self, store):
        assert type(AutodetectStore.get_concrete_store(f"a.b{store.ext}")) is type(store)

    def test_an_unknown_extension_is_refused(self):
        with pytest.raises(StoreError, match=r"'result\.xyz'.*\.h5, \.nc, \.npz, \.parquet, \.pkl"):
            AutodetectStore().load("result.xyz")

    def test_importing_stores_does_not_import_pytables(self):
        code = "import sys, psyrun.store; sys.exit('tables' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0

    def test_the_default_store_is_the_pickle_store(self):
        assert DefaultStore is PickleStore


class TestAppending:
    @stores
    def test_it_rarely_rewrites_the_file(self, store, filename):
        inodes = []
        for i in range(2000):
            store.append(filename, {"a": [i], "b": [i / 2], "t": [str(i)]})
            inodes.append(filename.stat().st_ino)
        rewrites = sum(a != b for a, b in itertools.pairwise(inodes))
        assert rewrites <= 15
        assert list(store.load(filename)["a"]) == list(range(2000))

    @stores
    def test_to_a_saved_file(self, store, filename):
        store.save(filename, {"a": np.arange(3), "t": ["x", "y", "z"]})
        store.append(filename, {"a": [3], "t": ["longer"]})
        loaded = store.load(filename)
        assert list(loaded["a"]) == [0, 1, 2, 3]
        assert list(loaded["t"]) == ["x", "y", "z", "longer"]

    @stores
    def test_columns_keep_their_order(self, store, filename):
        store.append(filename, {"z": [1], "a": [2]})
        store.append(filename, {"m": [3], "a": [4], "z": [5]})
        assert list(store.load(filename)) == ["z", "a", "m"]

    def test_hdf5_keeps_other_groups(self, tmp_path):
        filename = tmp_path / "result.h5"
        H5Store("/one").append(filename, {"a": [1]})
        H5Store("/two/deep").append(filename, {"a": [2]})
        for _ in range(3):
            H5Store("/one").append(filename, {"b": [3]})
        assert list(H5Store("/two/deep").load(filename)["a"]) == [2]
        with pytest.raises(StoreError, match="/three"):
            H5Store("/three").load(filename)

    def test_compressed_hdf5_is_rewritten(self, tmp_path):
        filename = tmp_path / "result.h5"
        with h5py.File(filename, "w") as h5:
            kwargs = {"maxshape": (None,), "chunks": (10,), "compression": "gzip"}
            h5.create_dataset("psyrun/a", data=[1.5], **kwargs)
        H5Store().append(filename, {"a": [2.5]})
        with h5py.File(filename) as h5:
            assert h5["psyrun/a"].compression is None
            assert list(h5["psyrun/a"]) == [1.5, 2.5]

    def test_loading_a_row_of_hdf5_does_not_read_the_rest(self, tmp_path):
        filename = tmp_path / "result.h5"
        H5Store().append(filename, {"a": np.arange(2_000_000)})

        def bytes_read():
            return int(Path("/proc/self/io").read_text().split()[1])

        H5Store().load(filename, row=5)
        before = bytes_read()
        assert H5Store().load(filename, row=1_234_567) == {"a": [1_234_567]}
        assert bytes_read() - before < 100_000


class TestNames:
    NAMES: ClassVar = [
        "root.a",
        "a b",
        "x/y",
        "",
        ".",
        "..",
        "%",
        "%2F",
        "ä",
        "for",
        "_v_attrs",
        "_i_x",
        "a.npy",
    ]

    @stores
    def test_any_text_names_a_column(self, store, filename):
        table = {name: [i] for i, name in enumerate(self.NAMES)}
        store.append(filename, table)
        store.append(filename, table)
        loaded = store.load(filename)
        assert list(loaded) == self.NAMES
        assert {name: list(column) for name, column in loaded.items()} == {
            name: [i, i] for i, name in enumerate(self.NAMES)
        }

    @array_stores
    def test_a_name_with_nul_is_refused(self, store, filename):
        with pytest.raises(StoreTypeError, match="NUL"):
            store.save(filename, {"a\0b": [1]})

    @stores
    def test_a_single_value_is_no_column(self, store, filename):
        for value in ["text", 1, np.float64(1), {1: 2}, {1}, b"x"]:
            with pytest.raises(ValueError, match=r"'a'.*each row"):
                store.save(filename, {"a": value})


TIME = datetime.datetime(2000, 1, 2, 3, 4, 5, 6)


class TestTypes:
    @array_stores
    @pytest.mark.parametrize(
        ("values", "dtype"),
        [
            ([True, False], "?"),
            ([True, 2], "i8"),
            ([1, 2.5], "f8"),
            ([1, None], "f8"),
            ([True, MISSING], "f8"),
            ([1, 2j], "c16"),
            ([2**64 - 1, 1], "u8"),
            (np.array([1, 2], "f4"), "f4"),
            (np.array([1, 2], ">i2"), "i2"),
            (np.array([1, 2], "f2"), "f2"),
            ([np.float32(1), None], "f8"),
            ([np.longdouble(1) / 3, np.longdouble(2)], "g"),
            ([TIME, datetime.date(2000, 1, 1)], "M8[us]"),
            ([datetime.date(2000, 1, 1), None], "M8[D]"),
            ([pd.Timestamp("2000-01-01 00:00:00.000000001"), pd.NaT], "M8[ns]"),
            ([np.datetime64("2000-01"), np.datetime64("NaT")], "M8[M]"),
            ([datetime.timedelta(1), np.timedelta64(1, "ns")], "m8[ns]"),
            (pd.Series([1, 2]), "i8"),
            (range(2), "i8"),
        ],
        ids=str,
    )
    def test_a_column_of_numbers_or_times(self, store, filename, values, dtype):
        store.save(filename, {"a": values})
        loaded = store.load(filename)["a"]
        assert loaded.dtype == np.dtype(dtype)
        for found, value in zip(loaded, values, strict=True):
            value = getattr(value, "to_numpy", lambda value=value: value)()
            missing = value is None or value != value
            assert found != found if missing else found == np.asarray(value, loaded.dtype)

    @array_stores
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (["a", None, MISSING, float("nan"), "b"], ["a", "", "", "", "b"]),
            ([b"a", None, np.float32("nan")], [b"a", b"", b""]),
            (["a\0", "b", "c\0\0", "\uffff", "\0"], ["a\0", "b", "c\0\0", "\uffff", "\0"]),
            ([b"a\0", b"", "\uffff".encode()], [b"a\0", b"", "\uffff".encode()]),
            (np.array(["x", "yy"]), ["x", "yy"]),
            (["\ud800", "ä" * 50], ["\ud800", "ä" * 50]),
            ([["a", "b\0"], ["c"]], [["a", "b\0"], ["c", ""]]),
        ],
        ids=ascii,
    )
    @pytest.mark.parametrize("one_by_one", [False, True])
    def test_a_column_of_text_or_bytes(self, store, filename, values, expected, one_by_one):
        if one_by_one:
            for value in values:
                store.append(filename, {"t": [value]})
        else:
            store.save(filename, {"t": values})
        assert [np.asarray(t, object).tolist() for t in store.load(filename)["t"]] == expected

    @array_stores
    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([[1, 2], [3]], [[1, 2], [3, np.nan]]),
            ([[1.5], None, MISSING], [[1.5], [np.nan], [np.nan]]),
            ([[[1], [2]], [[3, 4]]], [[[1, np.nan], [2, np.nan]], [[3, 4], [np.nan, np.nan]]]),
            ([[True], [False, True]], [[1, np.nan], [0, 1]]),
            ([(1, 2), np.array([3, 4])], [[1, 2], [3, 4]]),
            ([[], [1]], [[np.nan], [1]]),
            ([np.array(1.5), 2.5], [1.5, 2.5]),
        ],
        ids=str,
    )
    def test_arrays_are_padded(self, store, filename, values, expected):
        store.save(filename, {"x": values})
        np.testing.assert_array_equal(store.load(filename)["x"], expected)
        filename.unlink()
        for value in values:
            store.append(filename, {"x": [value]})
        np.testing.assert_array_equal(store.load(filename)["x"], expected)

    @array_stores
    def test_arrays_of_times_are_padded_with_nat(self, store, filename):
        store.save(filename, {"x": [[TIME, TIME], [TIME]]})
        assert np.isnat(store.load(filename)["x"]).tolist() == [[False, False], [False, True]]

    @stores
    def test_missing_values_stay_recognisable(self, store, filename):
        store.append(filename, {"a": [MISSING, float("nan"), 1.5]})
        store.append(filename, {"a": [MISSING]})
        loaded = store.load(filename)["a"]
        assert [is_missing(value) for value in loaded] == [True, False, False, True]
        assert is_missing(store.load(filename, row=0)["a"][0])

    @array_stores
    def test_rows_which_lack_a_column_of_numbers_are_recognisable(self, store, filename):
        store.append(filename, {"a": [1]})
        store.append(filename, {"x": [[1.5, 2.5]]})
        assert is_missing(store.load(filename)["a"][1])
        assert is_missing(store.load(filename)["x"][0, 1])

    @array_stores
    def test_a_column_of_missing_values_may_become_anything(self, store, filename):
        for value in ["text", TIME, [1.5, 2.5], True]:
            store.save(filename, {"a": [None, None]})
            store.append(filename, {"a": [value]})
            assert len(store.load(filename)["a"]) == 3
            assert np.array_equal(store.load(filename)["a"][2], np.asarray(value))

    def test_the_pickle_store_keeps_what_it_is_given(self, tmp_path):
        value = {"any": Fraction(1, 2)}
        PickleStore().append(tmp_path / "a.pkl", {"a": [[1, 2], value, [3]]})
        assert PickleStore().load(tmp_path / "a.pkl") == {"a": [[1, 2], value, [3]]}


class Colour(enum.Enum):
    RED = 1


class TestRefusal:
    @array_stores
    @pytest.mark.parametrize(
        ("value", "what"),
        [
            (object(), "type object"),
            ({}, "type dict"),
            (Fraction(1, 2), "type Fraction"),
            (Colour.RED, "type Colour"),
            (2**64, "beyond 64 bits"),
            ([2**70], "beyond 64 bits"),
            ([[1], [2, 3]], "a ragged list"),
            (np.array([[1], [2, 3]], dtype=object), "a ragged list"),
            ([1, "a"], "beside"),
            (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "a datetime with a time zone"),
            (datetime.time(1), "type time"),
            (np.ma.masked_array([1], [True]), "a masked array"),
            (np.zeros(1, [("a", int)]), "a structured array"),
            (np.array([None, object()]), "type object"),
        ],
        ids=lambda case: case if isinstance(case, str) else type(case).__name__,
    )
    def test_it_names_column_type_and_row_before_anything_is_written(
        self, store, filename, value, what
    ):
        with pytest.raises(StoreTypeError, match=f"'x'.*{what}.*PickleStore.*exclude_from_result"):
            store.check({"a": 1, "x": value})
        store.save(filename, {"a": [1, 2]})
        content = filename.read_bytes()
        values = [value, value]
        for method in store.save, store.append:
            with pytest.raises(StoreTypeError, match=f"'x', row 0.*{what}"):
                method(filename, {"a": [1, 2], "x": values})
        assert filename.read_bytes() == content

    @array_stores
    @pytest.mark.parametrize(
        ("values", "what"),
        [
            ([1, "a"], "text .str. beside numbers"),
            (["a", 1.5], "numbers .float. beside text"),
            (["a", b"a"], "bytes .bytes. beside text"),
            ([TIME, 1], "numbers .int. beside datetimes"),
            ([TIME, datetime.timedelta(1)], "timedeltas"),
            ([[1.5], [[1.5]]], "dimensions"),
            ([[1.5], 1.5], "dimensions"),
            ([1.5, 2**53 + 1], "beyond 2.*53"),
            ([np.datetime64(0, "as"), np.datetime64(10**6, "Y")], "times"),
        ],
        ids=str,
    )
    def test_values_which_cannot_share_a_column(self, store, filename, values, what):
        with pytest.raises(StoreTypeError, match=f"'x', row 1.*{what}"):
            store.save(filename, {"x": values})
        assert not filename.exists()
        store.append(filename, {"x": values[:1]})
        with pytest.raises(StoreTypeError, match=f"'x'.*{what.split(' .')[0]}"):
            store.append(filename, {"x": values[1:]})
        assert len(store.load(filename)["x"]) == 1

    def test_the_pickle_store_refuses_what_cannot_be_pickled(self, tmp_path):
        store, filename = PickleStore(), tmp_path / "a.pkl"
        store.save(filename, {"a": [1]})
        values = [1, lambda: None]
        for method in store.save, store.append:
            with pytest.raises(StoreTypeError, match=r"'x', row 1.*type function.*exclude_from"):
                method(filename, {"x": values})
        with pytest.raises(StoreTypeError, match=r"'x': .*type function"):
            store.check({"x": values[1]})
        assert store.load(filename) == {"a": [1]}

    @stores
    def test_common_values_pass_the_check(self, store):
        store.check({"a": 1, "b": 1.5, "c": None, "d": "x", "e": b"x", "f": np.float64(1), "g": 1j})
        store.check({"h": [1, 2], "i": np.arange(3), "j": TIME, "k": pd.Timestamp("2000")})


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


class TestStrangers:
    def test_npz_never_unpickles(self, tmp_path):
        target = tmp_path / "touched"
        filename = tmp_path / "evil.npz"
        np.savez(filename, a=np.array([Evil(target)], dtype=object))
        for action in (
            lambda: NpzStore().load(filename),
            lambda: NpzStore().load(filename, row=0),
            lambda: NpzStore().append(filename, {"a": [1]}),
            lambda: list(NpzStore().iter_chunks(filename)),
        ):
            with pytest.raises(StoreError, match="pickled"):
                action()
        filename.write_bytes(pickle.dumps(Evil(target)))
        with pytest.raises(StoreError):
            NpzStore().load(filename)
        assert not target.exists()

    def test_attributes_in_hdf5_are_never_unpickled(self, tmp_path):
        target, filename = tmp_path / "touched", tmp_path / "evil.h5"
        evil = np.bytes_(pickle.dumps(Evil(target), protocol=0))
        H5Store().save(filename, {"a": [1.5], "t": ["x"]})
        with h5py.File(filename, "a") as h5:
            h5.create_group("other")
            for node in (h5, h5["other"], h5["psyrun"], h5["psyrun/a"], h5["psyrun/t"]):
                for name in ("CLASS", "TITLE", "FLAVOR", "VERSION", "FILTERS", "EXTDIM", "other"):
                    node.attrs[name] = evil
            h5["psyrun/a"].attrs["psyrun_kind"] = evil
            h5["psyrun/a"].attrs["psyrun_position"] = evil
        assert list(H5Store().load(filename)["a"]) == [1.5]
        for text in ["longer", "y"]:
            H5Store().append(filename, {"a": [2.5], "t": [text]})
        assert list(next(H5Store().iter_chunks(filename))["t"]) == ["x", "longer", "y"]
        with h5py.File(filename, "a") as h5:
            h5["psyrun/t"].attrs["psyrun_kind"] = evil
        with pytest.raises(StoreError, match="'t' is of the unknown kind"):
            H5Store().load(filename)
        assert not target.exists()

    def test_pytables_still_unpickles_in_files_opened_elsewhere(self, tmp_path):
        with tables.open_file(tmp_path / "a.h5", "w") as h5:
            h5.root._v_attrs.value = {"any": "object"}
        with tables.open_file(tmp_path / "a.h5") as h5:
            assert h5.root._v_attrs.value == {"any": "object"}

    @pytest.mark.parametrize("create", ["create_vlarray", "create_table"])
    def test_other_nodes_in_hdf5_are_refused(self, tmp_path, create):
        target, filename = tmp_path / "touched", tmp_path / "evil.h5"
        with tables.open_file(filename, "w") as h5:
            h5.create_group("/", "psyrun")
            if create == "create_vlarray":
                h5.create_vlarray("/psyrun", "a", tables.ObjectAtom()).append(Evil(target))
            else:
                h5.create_table("/psyrun", "a", {"x": tables.Float64Col()})
        for action in (
            lambda: H5Store().load(filename),
            lambda: H5Store().append(filename, {"a": [1]}),
        ):
            with pytest.raises(StoreError, match="'a'"):
                action()
        assert not target.exists()

    def test_the_log_of_a_transaction_in_hdf5_is_left_alone(self, tmp_path):
        target, filename = tmp_path / "touched", tmp_path / "evil.h5"
        H5Store().append(filename, {"a": [1.5]})
        with tables.open_file(filename, "a") as h5:
            h5.enable_undo()
            h5.create_array("/", "x", [1])
        with h5py.File(filename, "a") as h5:
            evil = np.bytes_(pickle.dumps(Evil(target), protocol=0))
            h5["_p_transactions"].attrs["TITLE"] = evil
            h5["_p_transactions/actionlog"].attrs["FIELD_0_FILL"] = evil
        H5Store().append(filename, {"a": [2.5]})
        H5Store().append(filename, {"b": [2.5]})
        assert list(H5Store().load(filename)["a"][:2]) == [1.5, 2.5]
        assert not target.exists()

    def test_a_pickle_of_something_else_is_refused(self, tmp_path):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps([1]))
        with pytest.raises(StoreError, match=r"a\.pkl.*list"):
            PickleStore().load(tmp_path / "a.pkl")

    def test_flipped_bits_in_npz_are_noticed(self, tmp_path):
        NpzStore().save(tmp_path / "a.npz", {"a": np.zeros(1000)})
        content = bytearray((tmp_path / "a.npz").read_bytes())
        content[2000] ^= 1
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(StoreError, match="checksum"):
            NpzStore().load(tmp_path / "a.npz")
