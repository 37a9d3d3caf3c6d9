"""Results as files for other programs."""

import shutil
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from psyrun.exceptions import StoreTypeError, UnfitColumnError, UsageError
from psyrun.extras import require
from psyrun.files import replacing
from psyrun.results.columns import Array
from psyrun.store import AutodetectStore
from psyrun.store.base import registered_extension

if TYPE_CHECKING:
    from psyrun.results.result import Result


def export(result: "Result", filename: str | PathLike[str]) -> None:
    """Write a result to a file, whole or not at all; the extension decides on the format.

    ``.nc``, ``.zarr`` and ``.zarr.zip`` get what `psyrun.results.Result.to_xarray` makes, with a
    dimension for each parameter; the other extensions of stores, such as ``.csv`` and ``.parquet``,
    the table of the completed rows.

    Parameters
    ----------
    result : Result
        The result.
    filename : path-like
        File to write. A directory, which ``.zarr`` is, is not replaced.

    Raises
    ------
    UsageError
        If it is the result file of the task itself, or a directory that exists.
    StoreError
        If no store has this extension, or the format cannot hold a column.
    MissingExtraError
        If what the format needs is not installed.
    """
    path = Path(filename)
    if str(path.absolute()) == result.provenance.get("result"):
        raise UsageError(f"{str(filename)!r} is the result file of {result.name!r} itself.")
    ext = registered_extension(path)
    if ext in _LABELLED:
        _LABELLED[ext](result, path)
        return
    try:
        if ext == ".parquet":
            _write_parquet(result, path)
        else:
            table: dict[str, Any] = {**result.to_dict()}
            AutodetectStore().save(path, table)
    except StoreTypeError as err:
        raise UnfitColumnError(str(err).partition(";")[0]) from None


def _write_parquet(result: "Result", path: Path) -> None:
    parquet = require("pyarrow.parquet", "parquet", "Writing .parquet files")
    with replacing(path) as temporary:
        parquet.write_table(result.to_arrow(), temporary, write_page_checksum=True)


def _write_netcdf(result: "Result", path: Path) -> None:
    require("h5netcdf", "netcdf", "Writing .nc files")
    dataset = _writable(result)
    for name, variable in dataset.variables.items():
        if variable.dtype.kind == "c":
            raise UnfitColumnError(f"Column {name!r}: NetCDF cannot hold complex numbers")
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")


def _write_zarr(result: "Result", path: Path) -> None:
    require("zarr", "zarr", "Writing .zarr directories")
    dataset = _writable(result)
    if path.exists():
        raise UsageError(
            f"{str(path)!r} exists, and a directory cannot be replaced in one step: delete it "
            f"first, or write {path.name + '.zip'!r}."
        )
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        dataset.to_zarr(temporary, zarr_format=2, consolidated=True)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_zarr_zip(result: "Result", path: Path) -> None:
    require("zarr", "zarr", "Writing .zarr.zip files")
    dataset = _writable(result)
    with replacing(path) as temporary:
        directory = temporary.with_suffix(".partial")
        try:
            dataset.to_zarr(directory, zarr_format=2, consolidated=True)
            made = shutil.make_archive(str(temporary.with_suffix(".made")), "zip", directory)
            Path(made).rename(temporary)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


_LABELLED = {".nc": _write_netcdf, ".zarr": _write_zarr, ".zarr.zip": _write_zarr_zip}


def _writable(result: "Result") -> Any:
    """Make a data set that files can hold."""
    dataset = result.to_xarray()
    for name, variable in dataset.variables.items():
        if variable.dtype == object:
            dataset[name] = (variable.dims, _texts(str(name), variable.values), variable.attrs)
        if variable.dtype.kind in "mM":
            dataset[name].attrs.pop("units", None)  # the format has its own
    names = {name: str(name).replace("/", "%2F") for name in {*dataset.variables, *dataset.dims}}
    return dataset.rename({old: new for old, new in names.items() if old != new})


def _texts(name: str, values: Array) -> Array:
    """Return texts without gaps, as the variable *state* tells where they are."""
    texts = np.array(
        ["" if value is None or value != value else value for value in values.flat], dtype=object
    )
    if not all(isinstance(value, str) for value in texts):
        kinds = sorted({type(value).__qualname__ for value in texts})
        raise UnfitColumnError(
            f"Column {name!r}: the format cannot hold values of type {' and '.join(kinds)}"
        )
    return texts.reshape(values.shape)
