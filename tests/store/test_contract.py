"""All stores pass the contract."""

from typing import ClassVar

import hypothesis.strategies as st

from psyrun.store import AutodetectStore, PickleStore
from psyrun.store.csv import CsvStore
from psyrun.store.h5 import H5Store
from psyrun.store.netcdf import NetCDFStore
from psyrun.store.npz import NpzStore
from psyrun.store.parquet import ParquetStore
from psyrun.store.zarr import ZarrStore
from psyrun.testing import StoreContract
from psyrun.testing.stores import KINDS

WITHOUT_NUL = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


class TestPickleStore(StoreContract):
    kinds = tuple(KINDS)
    kills = 30

    def make_store(self):
        return PickleStore()


class TestPickleStoreOfProtocol2(StoreContract):
    kinds = tuple(KINDS)

    def make_store(self):
        return PickleStore(protocol=2)


class TestNpzStore(StoreContract):
    kills = 30

    def make_store(self):
        return NpzStore()


class TestH5Store(StoreContract):
    kills = 30

    def make_store(self):
        return H5Store()


class TestH5StoreElsewhere(StoreContract):
    def make_store(self):
        return H5Store(node="/some/where")


class TestH5StoreInTheRoot(StoreContract):
    def make_store(self):
        return H5Store(node="/")


class TestCsvStore(StoreContract):
    kinds = ("bool", "int", "float", "text", "datetime")
    kills = 30

    def make_store(self):
        return CsvStore()


class TestParquetStore(StoreContract):
    kinds = tuple(kind for kind in KINDS if kind not in ("complex", "object"))
    kills = 2

    def make_store(self):
        return ParquetStore()


class TestNetCDFStore(StoreContract):
    kinds = tuple(kind for kind in KINDS if kind not in ("complex", "object"))
    values: ClassVar = KINDS | {"text": st.text(WITHOUT_NUL, max_size=5)}
    kills = 1
    examples = 15  # opening and closing take their time

    def make_store(self):
        return NetCDFStore()


class TestZarrStore(StoreContract):
    kills = 1
    examples = 15

    def make_store(self):
        return ZarrStore()


class TestAutodetectStore(StoreContract):
    def make_store(self):
        return AutodetectStore()

    def file_in(self, directory):
        return super().file_in(directory).with_suffix(".h5")
