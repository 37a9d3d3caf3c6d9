"""Store using pickle files."""

# ruff: noqa: D102  # the methods are described in Store

import datetime
import pickle
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from psyrun.exceptions import StoreError, StoreTypeError
from psyrun.files import replacing
from psyrun.store._growing_pickle import GrowingPickle, head, piece
from psyrun.store.base import Columns, FilePath, Store, concatenate, pick_row, row_count

_PICKLABLE = frozenset(
    {type(None), bool, int, float, complex, str, bytes, datetime.datetime, datetime.date}
    | {np.bool_, np.int32, np.int64, np.float32, np.float64, np.str_, np.datetime64}
)


class PickleStore(Store):
    """Store using Python pickle *.pkl* files.

    It holds all objects that can be pickled and has no additional dependencies. ``pickle.load``
    reads its files, also those written by `append`, as a dict of lists. Only load files from people
    you trust: unpickling a file can run any code.

    Parameters
    ----------
    protocol : int, optional
        Version of the pickle format. What `append` writes needs at least version 4 to be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as directory:
    ...     filename = f"{directory}/result.pkl"
    ...     PickleStore().append(filename, {"a": [1, 2], "b": ["x", {"any": "object"}]})
    ...     PickleStore().append(filename, {"a": [3]})
    ...     PickleStore().load(filename)
    {'a': [1, 2, 3], 'b': ['x', {'any': 'object'}, None]}
    """

    ext = ".pkl"

    def __init__(self, protocol: int = pickle.HIGHEST_PROTOCOL) -> None:
        self.protocol = protocol

    def __repr__(self) -> str:
        default = self.protocol == pickle.HIGHEST_PROTOCOL
        return f"PickleStore({'' if default else f'protocol={self.protocol}'})"

    def save(self, filename: FilePath, data: Columns) -> None:
        row_count(data)
        with replacing(filename) as temporary, temporary.open("wb") as file:
            try:
                pickle.dump(dict(data), file, self.protocol)
            except OSError:
                raise
            except Exception as error:  # whatever the __reduce__ of a value raises
                raise self._culprit(data, error) from error

    def load(self, filename: FilePath, row: int | None = None) -> dict[str, Any]:
        with Path(filename).open("rb") as file:
            try:
                growing = GrowingPickle(file.fileno())
                data = pickle.load(file) if growing.names is None else growing.read()  # noqa: S301
            except Exception as error:
                raise StoreError(
                    f"{str(filename)!r} cannot be unpickled ({error}): it is damaged or no pickle, "
                    f"or the classes of its objects cannot be imported here."
                ) from error
        if not isinstance(data, dict):
            raise StoreError(
                f"{str(filename)!r} holds a {type(data).__name__}, not the dict of columns that "
                f"PickleStore writes; read it with pickle.load."
            )
        return data if row is None else pick_row(data, row, filename)

    def append(self, filename: FilePath, data: Columns) -> None:
        n = row_count(data)
        with suppress(FileNotFoundError), Path(filename).open("r+b", buffering=0) as file:
            growing = GrowingPickle(file.fileno())
            if growing.names is not None and set(growing.names).issuperset(data):
                absent = [None] * n
                rows = [data.get(name, absent) for name in growing.names]
                growing.append(self._dumps(rows, data))
                return
        self._rewrite(filename, data)

    def check(self, data: Mapping[str, object]) -> None:
        for name, value in data.items():
            if type(value) not in _PICKLABLE and not (
                type(value) is np.ndarray and not value.dtype.hasobject
            ):
                try:
                    pickle.dumps(value, self.protocol)
                except Exception as error:  # whatever the __reduce__ of a value raises
                    raise _refusal(f"Column {name!r}", value, error) from error

    def save_chunks(self, filename: FilePath, chunks: Iterable[Columns]) -> None:
        with replacing(filename) as temporary:
            self.save(temporary, {})
            for chunk in chunks:
                self.append(temporary, chunk)

    def _rewrite(self, filename: FilePath, data: Columns) -> None:
        """Append to a file that lacks a column or has not been written by `append`."""
        try:
            old = self.load(filename)
        except FileNotFoundError:
            old = {}
        table = concatenate([old, data])
        start = head(list(table))
        content = start + piece(len(start), self._dumps(list(table.values()), data)) + pickle.STOP
        with replacing(filename) as temporary:
            temporary.write_bytes(content)

    def _dumps(self, value: object, data: Columns) -> bytes:
        try:
            return pickle.dumps(value, self.protocol)
        except Exception as error:
            raise self._culprit(data, error) from error

    def _culprit(self, data: Columns, error: Exception) -> StoreTypeError:
        """Find the value which cannot be pickled."""
        for name, column in data.items():
            for row, value in enumerate(column):
                try:
                    pickle.dumps(value, self.protocol)
                except Exception as found:
                    return _refusal(f"Column {name!r}, row {row}", value, found)
        return StoreTypeError(f"The table cannot be pickled ({error}).")


def _refusal(where: str, value: object, error: Exception) -> StoreTypeError:
    return StoreTypeError(
        f"{where}: a value of type {type(value).__name__} cannot be pickled ({error}); return "
        f"something else, or leave the column out with exclude_from_result."
    )
