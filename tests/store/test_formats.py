"""What is particular to the stores of tables for other programs: CSV, Parquet, NetCDF, Zarr."""

import datetime
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import zipfile
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.parquet
import pytest
import xarray as xr
import zarr.storage

from psyrun.exceptions import MissingExtraError, StoreError, StoreTypeError
from psyrun.store import AutodetectStore, base
from psyrun.store.csv import CsvStore
from psyrun.store.netcdf import NetCDFStore
from psyrun.store.parquet import ParquetStore
from psyrun.store.zarr import ZarrStore
from psyrun.values import MISSING, is_missing

TIME = datetime.datetime(2000, 1, 2, 3, 4, 5, 6)
STORES = [CsvStore(), ParquetStore(), NetCDFStore(), ZarrStore()]
DATASETS = STORES[2:]

stores = pytest.mark.parametrize("store", STORES, ids=repr)
datasets = pytest.mark.parametrize("store", DATASETS, ids=repr)


@pytest.fixture
def filename(tmp_path, store):
    return tmp_path / f"result{store.ext}"


def open_plainly(filename):
    if filename.suffix == ".zip":
        return xr.open_zarr(zarr.storage.ZipStore(filename, mode="r")).load()
    return xr.load_dataset(filename, engine="h5netcdf")


def bits(column):
    return [np.float64(value).tobytes() for value in column]


@stores
class TestAll:
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
        ".zattrs",
        "row",
        '"',
    ]

    def test_any_text_names_a_column_and_columns_keep_their_order(self, store, filename):
        table = {name: [i] for i, name in enumerate(self.NAMES)}
        store.append(filename, table)
        store.append(filename, dict(reversed(table.items())) | {"z": [1.5]})
        loaded = store.load(filename)
        assert list(loaded) == [*self.NAMES, "z"]
        assert [list(loaded[name]) for name in self.NAMES] == [[i, i] for i in range(len(table))]

    def test_floats_keep_all_their_bits(self, store, filename):
        values = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), -float("inf")]
        singles = np.array([0.1, 1 / 3], "f4").astype("f8")
        store.save(filename, {"a": values})
        store.append(filename, {"a": singles})
        assert bits(store.load(filename)["a"]) == bits([*values, *singles])

    def test_integers_and_truth_values_stay_what_they_are(self, store, filename):
        values = [2**63 - 1, -(2**63)]
        store.save(filename, {"i": values, "b": [True, False], "u": [2**64 - 1, 0]})
        loaded = store.load(filename)
        assert list(loaded["i"]) == values and list(loaded["u"]) == [2**64 - 1, 0]
        assert all(isinstance(value, int | np.integer) for value in loaded["i"])
        assert all(isinstance(value, bool | np.bool_) for value in loaded["b"])

    def test_text_comes_back_whatever_is_in_it(self, store, filename):
        texts = [
            "",
            "a,b",
            '"',
            'x""',
            "two\nlines\r\n",
            " ",
            "1",
            "nan",
            "true",
            "ä€😀",
            "a" * 9000,
        ]
        store.append(filename, {"t": texts})
        store.append(filename, {"t": ["\r"]})
        assert list(store.load(filename)["t"]) == [*texts, "\r"]
        assert list(store.load(filename, row=4)["t"]) == [texts[4]]

    def test_a_column_may_begin_with_gaps(self, store, filename):
        for value in ("text", TIME, True, 1.5):
            store.save(filename, {"a": [None, None]})
            store.append(filename, {"a": [value]})
            assert np.asarray(store.load(filename)["a"][2], dtype="O") == value or value is TIME

    @pytest.mark.parametrize(
        ("value", "what"),
        [
            (object(), "type object"),
            ({}, "type dict"),
            (Fraction(1, 2), "type Fraction"),
            ("\ud800", "lone surrogates"),
            (TIME.replace(tzinfo=datetime.UTC), "a datetime with a time zone"),
        ],
        ids=lambda case: case if isinstance(case, str) else type(case).__name__,
    )
    def test_what_it_cannot_hold_is_refused_before_anything_is_written(
        self, store, filename, value, what
    ):
        with pytest.raises(StoreTypeError, match=f"'x'.*{what}.*PickleStore.*exclude_from_result"):
            store.check({"a": 1, "x": value})
        store.save(filename, {"a": [1, 2]})
        content = filename.read_bytes()
        for method in store.save, store.append:
            with pytest.raises(
                StoreTypeError, match=rf"'x', row \d: {type(store).__name__}.*{what}"
            ):
                method(filename, {"a": [1, 2], "x": [value, value]})
        assert filename.read_bytes() == content

    def test_common_values_pass_the_check(self, store):
        store.check({"a": 1, "b": 1.5, "c": None, "d": "ä", "e": np.float32(1), "f": True})
        store.check({"a": np.int64(1), "b": TIME, "c": np.array(2.5), "d": pd.Timestamp("2000")})

    def test_its_extension_selects_it(self, store):
        assert type(AutodetectStore.get_concrete_store(f"a.b{store.ext.upper()}")) is type(store)


@pytest.mark.parametrize("store", STORES[1:], ids=repr)
def test_arrays_come_back_padded(store, filename):
    table = {
        "x": [[1.5, 2.5], [3.5]],
        "i": [np.eye(2, dtype=int)] * 2,
        "t": [["a", "bc"], ["d"]],
        "e": [[], []],
        "m": [[TIME, TIME], [TIME]],
        "g": [[1, 2], None],
    }
    store.save(filename, table)
    for row in range(2):
        store.append(filename, {name: [column[row]] for name, column in table.items()})
    loaded = store.load(filename)
    padded = [[1.5, 2.5], [3.5, np.nan]]
    np.testing.assert_array_equal(loaded["x"], padded * 2)
    assert loaded["i"].dtype == int and loaded["i"].tolist() == [np.eye(2).tolist()] * 4
    assert loaded["t"].tolist() == [["a", "bc"], ["d", ""]] * 2
    assert np.isnan(loaded["e"]).all() and np.isnat(loaded["m"][1]).tolist() == [False, True]
    np.testing.assert_array_equal(loaded["g"], [[1, 2], [np.nan, np.nan]] * 2)


class TestCsv:
    def test_none_nan_and_empty_text_are_three_things(self, tmp_path):
        CsvStore().save(tmp_path / "a.csv", {"a": [None, float("nan"), "", MISSING], "b": [1] * 4})
        a = CsvStore().load(tmp_path / "a.csv")["a"]
        assert a[0] is None and a[1] != a[1] and a[2] == "" and a[3] != a[3]
        CsvStore().save(tmp_path / "b.csv", {"a": [None, 1, None]})
        assert CsvStore().load(tmp_path / "b.csv") == {"a": [None, 1, None]}

    @pytest.mark.parametrize(
        ("value", "what"),
        [
            ([1, 2], "arrays .a value of type list."),
            (np.arange(2), "arrays .a value of type ndarray."),
            (1j, "complex"),
            (b"x", "type bytes"),
            (datetime.timedelta(1), "type timedelta"),
        ],
        ids=str,
    )
    def test_what_is_no_scalar_is_refused(self, tmp_path, value, what):
        with pytest.raises(StoreTypeError, match=f"'x', row 1.*{what}"):
            CsvStore().save(tmp_path / "a.csv", {"x": [1, value]})
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("header", [0, 1])
    def test_other_programs_read_it(self, tmp_path, header):
        table = {
            "n": [1, 2],
            "x": [0.1, float("nan")],
            "t": ["two\nlines", 'a"b,'],
            "b": [True, False],
        }
        CsvStore().save(tmp_path / "a.csv", table)
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a.csv"), pd.DataFrame(table))
        assert polars.read_csv(tmp_path / "a.csv")["t"].to_list() == table["t"]

    def test_files_of_others_are_read(self, tmp_path):
        filename = tmp_path / "a.csv"
        text = "id,name,when,ok, x\r\n007,Ann,2000-01-02,TRUE,1e3\r\n1_0,,2000-13-45,no,.5\r\n\r\n"
        filename.write_bytes(b"\xef\xbb\xbf" + text.encode())
        rows = {
            "id": ["007", "1_0"],
            "name": ["Ann", None],
            "when": [np.datetime64("2000-01-02"), "2000-13-45"],
            "ok": [True, "no"],
            " x": [1000.0, 0.5],
        }
        assert CsvStore().load(filename) == rows
        CsvStore().append(filename, {"name": ["Bob"]})
        assert CsvStore().load(filename)["name"] == ["Ann", None, "Bob"]

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"a,a\n1,2\n", "two columns named 'a'"),
            (b"a,b\n1\n", "1 cells where it should have 2"),
            (b'a\n"x"y\n', "quotes at a wrong place"),
            (b"a\n\xff\n", "UTF-8 in line 2"),
            (b'a\n1\n"x\n', "within line 3"),
        ],
    )
    def test_what_is_wrong_in_a_file_is_told(self, tmp_path, content, what):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(StoreError, match=f"a.csv.*{what}"):
            CsvStore().load(tmp_path / "a.csv")

    def test_an_append_costs_the_new_rows_only(self, tmp_path):
        filename = tmp_path / "a.csv"
        CsvStore().save(filename, {"a": range(1000)})
        inode = filename.stat().st_ino
        for i in range(1000, 1100):
            CsvStore().append(filename, {"a": [i]})
        assert filename.stat().st_ino == inode
        assert CsvStore().load(filename)["a"] == list(range(1100))

    def test_writes_torn_anywhere_lose_nothing(self, tmp_path, monkeypatch):
        filename, table = tmp_path / "a.csv", {"a": [1, 2], "t": ["two\n\0lines", "x"]}
        CsvStore().append(filename, table)
        before = filename.read_bytes()
        writes = []
        os_pwrite = os.pwrite

        def pwrite(fd, content, offset):
            writes.append((bytes(content), offset))
            return os_pwrite(fd, content, offset)

        with monkeypatch.context() as patch:
            patch.setattr(base.os, "pwrite", pwrite)
            CsvStore().append(filename, table)
        for done, (content, offset) in enumerate(writes):
            for n in range(len(content) + 1):
                torn = bytearray(before)
                for piece, at in [*writes[:done], (content[:n], offset)]:
                    torn.extend(bytes(max(0, at + len(piece) - len(torn))))
                    torn[at : at + len(piece)] = piece
                filename.write_bytes(torn)
                complete = done == len(writes) - 1 and n == len(content)
                rows = 4 if complete else 2
                assert CsvStore().load(filename) == {k: v * (rows // 2) for k, v in table.items()}
                CsvStore().append(filename, table)
                expected = {k: v * (rows // 2 + 1) for k, v in table.items()}
                assert CsvStore().load(filename) == expected
                assert b"\n\0" not in filename.read_bytes().replace(b"two\n\0lines", b"")


class TestParquet:
    def test_other_programs_read_it(self, tmp_path):
        filename = tmp_path / "a.parquet"
        table = {"n": [1, None], "t": [None, ""], "b": [None, True], "m": [TIME, None]}
        ParquetStore().save(filename, table | {"x": [[1.5], [1.5, 2.5]]})
        read = pyarrow.parquet.read_table(filename)
        assert read.select(list(table)).to_pydict() == table
        assert read.schema.field("n").type == pa.int64()
        assert polars.read_parquet(filename)["n"].to_list() == [1, None]
        assert list(pd.read_parquet(filename)["x"][1]) == [1.5, 2.5]

    def test_gaps_stay_gaps_when_the_file_is_appended_to(self, tmp_path):
        filename = tmp_path / "a.parquet"
        ParquetStore().append(filename, {"n": [1, None, 2**53 + 1]})
        ParquetStore().append(filename, {"t": ["x"]})
        assert ParquetStore().load(filename)["n"].tolist() == [1, None, 2**53 + 1, None]
        assert ParquetStore().load(filename, row=0) == {"n": [1], "t": [None]}
        assert pyarrow.parquet.read_schema(filename).field("n").type == pa.int64()
        ParquetStore().save(filename, {"n": [1, MISSING]})
        loaded = ParquetStore().load(filename)["n"]
        assert loaded[0] == 1 and is_missing(loaded[1])

    def test_files_of_others_are_read(self, tmp_path):
        table = pa.table(
            {
                "c": pa.array(["a", "b", "a"]).dictionary_encode(),
                "l": [[1], [2, 3], None],
                "s": [{"k": 1}, None, {"k": 2}],
            }
        )
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
        loaded = ParquetStore().load(tmp_path / "a.parquet")
        assert {name: column.tolist() for name, column in loaded.items()} == table.to_pydict()
        assert ParquetStore().load(tmp_path / "a.parquet", row=-1)["c"] == ["a"]

    def test_flipped_bits_are_noticed(self, tmp_path):
        filename = tmp_path / "a.parquet"
        ParquetStore().save(filename, {"a": np.arange(1000.0)})
        content = bytearray(filename.read_bytes())
        content[500] ^= 1
        filename.write_bytes(content)
        with pytest.raises(StoreError, match=r"a\.parquet"):
            ParquetStore().load(filename)

    @pytest.mark.parametrize("value", [1j, np.longdouble(1) / 3, np.datetime64(1, "as")], ids=str)
    def test_it_has_no_type_for_some_numbers(self, tmp_path, value):
        with pytest.raises(StoreTypeError, match=r"'x'.*cannot hold"):
            ParquetStore().check({"x": value})


class TestDatasets:
    @datasets
    def test_xarray_reads_it(self, store, filename):
        table = {"row": [3, 1], "x": [[1.5, 2.5], [3.5, 4.5]], "t": ["ä", "b"], "b": [True, False]}
        store.save(filename, table | {"m": [TIME, None], "s": [b"x", b"yz"]})
        plain = open_plainly(filename)
        assert plain["x"].shape == (2, 2) and plain["x"].dims[0] == plain["t"].dims[0]
        assert plain["row"].values.tolist() == [3, 1] and plain["t"].values.tolist() == ["ä", "b"]
        assert plain["b"].dtype == bool and plain["s"].values.tolist() == [b"x", b"yz"]
        assert plain["m"].values[0] == np.datetime64(TIME) and np.isnat(plain["m"].values[1])

    @datasets
    @pytest.mark.parametrize(
        ("values", "dtype"),
        [
            ([datetime.date(2000, 1, 1), None], "M8[D]"),
            ([np.datetime64("10000-01-01T00:00:00.000000001"), None], "M8[ns]"),
            ([np.datetime64("-5000", "Y"), None], "M8[Y]"),
            ([np.datetime64(5, "25s"), np.datetime64("NaT")], "M8[25s]"),
            ([np.timedelta64(7, "ps"), None], "m8[ps]"),
            (np.array([1, 2], ">i2"), "i2"),
            (np.array([1.5, None]), "f8"),
        ],
        ids=str,
    )
    def test_types_come_back(self, store, filename, values, dtype):
        store.save(filename, {"a": values})
        loaded = store.load(filename)["a"]
        assert loaded.dtype == np.dtype(dtype)
        assert loaded[0] == np.asarray(values[0], dtype)

    @datasets
    def test_tables_of_others_are_read(self, store, filename):
        written = xr.Dataset(
            {"y": ("time", [1.5, 2.5])}, {"time": pd.date_range("2000", periods=2)}
        )
        if store.ext == ".nc":
            written.to_netcdf(filename, engine="h5netcdf")
        else:
            filename = filename.with_suffix("")
            written.to_zarr(filename, consolidated=False)
        loaded = AutodetectStore().load(filename)
        assert loaded["y"].tolist() == [1.5, 2.5]
        assert loaded["time"][1] == np.datetime64("2000-01-02")

    @datasets
    def test_what_is_no_table_is_refused(self, store, filename, tmp_path):
        labelled = xr.Dataset({"z": (("x", "y"), np.eye(2))}, {"x": [1, 2], "y": [1, 2]})
        if store.ext == ".nc":
            labelled.to_netcdf(filename, engine="h5netcdf")
        else:
            filename = filename.with_suffix("")
            labelled.to_zarr(filename, zarr_format=2)
        with pytest.raises(StoreError, match=r"is no table.*xarray"):
            store.load(filename)

    def test_netcdf_has_no_type_for_some_values(self, tmp_path):
        for value in (1j, np.longdouble(1), "a\0b", "a\0", ["a\0"]):
            with pytest.raises(StoreTypeError, match=r"'x'.*cannot hold"):
                NetCDFStore().check({"x": value})

    def test_zarr_is_written_as_a_single_file(self, tmp_path):
        for method in (ZarrStore().save, AutodetectStore().append):
            with pytest.raises(StoreError, match=r"name it 'a\.zarr\.zip' instead"):
                method(tmp_path / "a.zarr", {"a": [1]})
        AutodetectStore().save(tmp_path / "a.zarr.zip", {"a": [1]})
        assert [path.name for path in tmp_path.iterdir()] == ["a.zarr.zip"]

    @pytest.mark.parametrize("escaped", [False, True])
    def test_zarr_never_unpickles(self, tmp_path, escaped):
        target = tmp_path / "touched"

        class Evil:
            def __reduce__(self):
                return open, (str(target), "w")

        filename = tmp_path / "evil.zarr.zip"
        ZarrStore().save(filename, {"a": ["x"]})
        with zipfile.ZipFile(filename) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        codec = json.dumps({"id": "pickle", "protocol": 5})
        for name in (".zmetadata", "a/.zarray"):
            text = files[name].decode().replace('"id": "vlen-utf8"', codec[1:-1])
            files[name] = text.replace("pickle", "pick\\u006ce" if escaped else "pickle").encode()
        assert b"protocol" in files["a/.zarray"]
        files["a/0"] = pickle.dumps(Evil())
        with zipfile.ZipFile(filename, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        for action in (
            lambda: ZarrStore().load(filename),
            lambda: ZarrStore().append(filename, {}),
        ):
            with pytest.raises(StoreError, match="pickled"):
                action()
        assert not target.exists()


@pytest.mark.parametrize(
    ("ext", "module", "extra"),
    [
        (".parquet", "pyarrow", "parquet"),
        (".nc", "h5netcdf", "netcdf"),
        (".nc", "xarray", "netcdf"),
        (".zarr.zip", "zarr", "zarr"),
    ],
)
def test_what_is_not_installed_is_told(monkeypatch, ext, module, extra):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == module else find_spec(name)
    )
    with pytest.raises(MissingExtraError, match=rf"needs {module}.*install 'psyrun\[{extra}\]'"):
        AutodetectStore.get_concrete_store(f"a{ext}")


def test_importing_the_stores_loads_nothing_that_they_need():
    code = (
        "import sys, psyrun.store.csv, psyrun.store.parquet, psyrun.store.netcdf\n"
        "from psyrun.store.zarr import ZarrStore; ZarrStore().check({'a': 1.5, 't': 'x'})\n"
        "sys.exit(bool({'pyarrow', 'xarray', 'zarr', 'h5netcdf', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
