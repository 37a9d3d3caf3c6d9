"""Store using Zarr."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psyrun.exceptions import StoreError
from psyrun.extras import ensure, require
from psyrun.store._dataset import DatasetStore, to_dataset
from psyrun.store._layout import Array
from psyrun.store.base import FilePath

_NAME = "ZarrStore"
_METADATA = frozenset({".zarray", ".zmetadata", "zarr.json"})


class ZarrStore(DatasetStore):
    """Store using Zarr (format 2), which xarray, Dask, Julia and JavaScript read.

    It holds numbers, booleans, text, bytes, datetimes, timedeltas and arrays of these. Each column
    is an array with the dimension ``row``; times are stored as the CF conventions have it. Rows
    whose arrays have different extents are padded to the largest (with NaN, NaT, or empty text),
    and so are missing values, for which integers become floats.

    Zarr usually is a directory of many files. No file system replaces a directory in one step, so a
    crash could leave half of one. This store writes a zip archive instead, ``.zarr.zip``, which
    ``xarray.open_zarr(zarr.storage.ZipStore("result.zarr.zip", mode="r"))`` opens; it loads
    directories as well. `append` writes the file anew. (Jobs of tasks do not append.) A data set
    with a dimension for each parameter, also as a directory, is what ``psy export`` makes.

    Loading never unpickles and so never runs foreign code.

    Requires `xarray <https://xarray.dev>`_ and `zarr <https://zarr.dev>`_ .

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     filename = f"{directory}/result.zarr.zip"
    ...     ZarrStore().save(filename, {"a": [1, 2], "b": [0.5, None]})
    ...     ZarrStore().load(filename)
    {'a': array([1, 2]), 'b': array([0.5, nan])}
    """

    ext = ".zarr.zip"
    extra = "zarr"

    def __init__(self) -> None:
        ensure("xarray", self.extra, _NAME)
        ensure("zarr", self.extra, _NAME)

    def _write_parts(self, filename: FilePath, parts: Any) -> None:
        if Path(filename).suffix.lower() != ".zip":
            raise StoreError(
                f"{_NAME} writes a single file, so that a result is there whole or not at all: "
                f"name it {Path(filename).name + '.zip'!r} instead of {str(filename)!r}."
            )
        super()._write_parts(filename, parts)

    def _write(self, filename: Path, columns: dict[str, Array], rows: int) -> None:
        storage = require("zarr.storage", self.extra, _NAME)
        files: dict[str, Any] = {}
        to_dataset(columns).to_zarr(
            storage.MemoryStore(files), mode="w", zarr_format=2, write_empty_chunks=True
        )
        with zipfile.ZipFile(filename, "w") as archive:  # the chunks are compressed already
            for name in sorted(files):
                archive.writestr(zipfile.ZipInfo(name), files[name].to_bytes())

    @contextmanager
    def _open(self, filename: str) -> Iterator[Any]:
        xarray = require("xarray", self.extra, _NAME)
        storage = require("zarr.storage", self.extra, _NAME)
        path = Path(filename).absolute()
        _refuse_pickles(path)
        store = storage.LocalStore if path.is_dir() else storage.ZipStore
        with (
            store(path, read_only=True) as opened,
            xarray.open_dataset(
                opened,
                engine="zarr",
                chunks=None,
                consolidated=False,
                mask_and_scale=False,
                decode_times=False,
                decode_coords=False,
            ) as dataset,
        ):
            yield dataset


def _refuse_pickles(path: Path) -> None:
    for content in _metadata(path):
        if _names_pickle(json.loads(content)):
            raise StoreError(
                f"{str(path)!r} holds pickled objects, which could run any code; if you trust it, "
                f"read it with zarr."
            )


def _metadata(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        for file in path.rglob("*"):
            if file.name in _METADATA:
                yield file.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.rpartition("/")[2] in _METADATA:
                yield archive.read(name)


def _names_pickle(content: Any) -> bool:
    if isinstance(content, dict):
        codec = [content.get("id"), content.get("name")]
        return any(isinstance(name, str) and name.endswith("pickle") for name in codec) or any(
            map(_names_pickle, content.values())
        )
    return isinstance(content, list) and any(map(_names_pickle, content))
