"""Store using NetCDF files."""

from pathlib import Path
from typing import Any

import numpy as np

from psyrun.extras import ensure, require
from psyrun.store._arrays import unguard
from psyrun.store._dataset import DatasetStore, to_dataset
from psyrun.store._layout import Array, Unstorable
from psyrun.store._rewriting import check_text

_NAME = "NetCDFStore"


class NetCDFStore(DatasetStore):
    """Store using NetCDF files (version 4), which xarray, ncdump, Julia and R read.

    It holds numbers, booleans, text, bytes, datetimes, timedeltas and arrays of these; no complex
    numbers, and no text with NUL characters. Each column is a variable with the dimension ``row``;
    times are stored as the CF conventions have it. Rows whose arrays have different extents are
    padded to the largest (with NaN, NaT, or empty text), and so are missing values, for which
    integers become floats.

    `append` writes the file anew. (Jobs of tasks do not append.) A data set with a dimension for
    each parameter is what `psyrun.results.Result.to_xarray` makes, and ``psy export``.

    Requires `xarray <https://xarray.dev>`_ and `h5netcdf <https://h5netcdf.org>`_ .

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     filename = f"{directory}/result.nc"
    ...     NetCDFStore().save(filename, {"a": [1, 2], "b": [0.5, None]})
    ...     NetCDFStore().load(filename)
    {'a': array([1, 2]), 'b': array([0.5, nan])}
    """

    ext = ".nc"
    extra = "netcdf"

    def __init__(self) -> None:
        ensure("xarray", self.extra, _NAME)
        ensure("h5netcdf", self.extra, _NAME)

    def _check_types(self, column: Array) -> None:
        super()._check_types(column)
        if column.dtype.kind == "c":
            raise Unstorable("complex numbers")
        if column.dtype.kind == "U":
            check_text(unguard(column), nul=False)

    def _write(self, filename: Path, columns: dict[str, Array], rows: int) -> None:
        require("h5netcdf", self.extra, _NAME)
        # NetCDF knows no numbers of 16 bits.
        columns = {
            name: column.astype(np.float32) if column.dtype == np.float16 else column
            for name, column in columns.items()
        }
        to_dataset(columns).to_netcdf(str(filename), engine="h5netcdf")

    def _open(self, filename: str) -> Any:
        xarray = require("xarray", self.extra, _NAME)
        require("h5netcdf", self.extra, _NAME)
        Path(filename).open("rb").close()  # tells better than HDF5 why it cannot be read
        return xarray.open_dataset(
            str(Path(filename).absolute()),
            engine="h5netcdf",
            mask_and_scale=False,
            decode_times=False,
            decode_coords=False,
        )
