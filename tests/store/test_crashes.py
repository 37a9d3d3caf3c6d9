"""An append that dies anywhere loses nothing, and the next one repairs the file."""

import errno
import itertools
import os
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from psyrun.store import PickleStore, base
from psyrun.store.h5 import H5Store
from psyrun.store.npz import NpzStore

WIDE = {f"column-{i:03}": [i] for i in range(100)}  # the directory of a zip takes several pages
TABLES = {
    "narrow": {"a": [1], "x": [[0.5, 1.5]], "t": ["text"]},
    "wide": WIDE,
}


def load(store, filename):
    return {name: np.asarray(column).tolist() for name, column in store.load(filename).items()}


def rows(table, n):
    return {name: column * n for name, column in table.items()}


def load_plainly(filename):
    if filename.suffix == ".pkl":
        return pickle.loads(filename.read_bytes())
    with zipfile.ZipFile(filename) as archive:
        assert archive.testzip() is None
    return {name: column.tolist() for name, column in np.load(filename).items()}


@pytest.fixture(params=[PickleStore(), NpzStore()], ids=repr)
def store(request):
    return request.param


@pytest.fixture(params=TABLES)
def table(request):
    return TABLES[request.param]


@pytest.fixture
def filename(store, table, tmp_path):
    """Return a file of three rows, to which one fits without rewriting."""
    filename = tmp_path / f"result{store.ext}"
    for _ in range(3):
        store.append(filename, table)
    return filename


def recorded_writes(store, filename, table, monkeypatch):
    """Append, and return the content before and all that was written."""
    before = filename.read_bytes()
    writes = []

    def pwrite(fd, content, offset):
        writes.append((bytes(content), offset))
        return os_pwrite(fd, content, offset)

    os_pwrite = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(base.os, "pwrite", pwrite)
        store.append(filename, table)
    assert writes
    return before, writes


def tears(content, offset, bytewise):
    """Return the lengths that may have been written; a page is written as a whole."""
    if bytewise:
        return [*range(0, len(content), 7), len(content) - 1]
    return [n for n in range(len(content)) if n == 0 or (offset + n) % 4096 == 0]


def test_writes_torn_anywhere_lose_nothing(store, filename, table, monkeypatch):
    before, writes = recorded_writes(store, filename, table, monkeypatch)
    assert load(store, filename) == rows(table, 4)
    for done, (content, offset) in enumerate(writes):
        for n in tears(content, offset, bytewise=isinstance(store, PickleStore)):
            torn = bytearray(before)
            for piece, at in [*writes[:done], (content[:n], offset)]:
                torn[at : at + len(piece)] = piece
            filename.write_bytes(torn)
            complete = isinstance(store, PickleStore) and n == len(content) - 1  # but for the STOP
            assert load(store, filename) == rows(table, 3 + complete)
            store.append(filename, table)
            expected = rows(table, 4 + complete)
            assert load(store, filename) == load_plainly(filename) == expected


def test_a_full_disk_leaves_all_rows(store, filename, table, monkeypatch):
    before, writes = recorded_writes(store, filename, table, monkeypatch)
    for fails_at in range(len(writes)):
        filename.write_bytes(before)
        calls = itertools.count()
        os_pwrite = os.pwrite

        def pwrite(fd, content, offset, calls=calls, fails_at=fails_at, os_pwrite=os_pwrite):
            call = next(calls)
            if call == fails_at:
                return os_pwrite(fd, content[: len(content) // 2], offset)
            if call == fails_at + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return os_pwrite(fd, content, offset)

        if isinstance(store, NpzStore) and fails_at == len(writes) - 1:
            continue  # a rewrite of pages that the file has already needs no space
        with monkeypatch.context() as patch:
            patch.setattr(base.os, "pwrite", pwrite)
            with pytest.raises(OSError, match="No space left"):
                store.append(filename, table)
        assert load(store, filename) == rows(table, 3)
        if isinstance(store, PickleStore):
            assert filename.read_bytes() == before
        store.append(filename, table)
        assert load_plainly(filename) == rows(table, 4)


def test_a_tail_of_garbage_is_dropped(tmp_path):
    filename = tmp_path / "result.pkl"
    for i in range(3):
        PickleStore().append(filename, {"a": [i]})
    with filename.open("ab") as file:
        file.write(b"\0" * 5000)
    assert PickleStore().load(filename) == {"a": [0, 1, 2]}
    PickleStore().append(filename, {"a": [3]})
    assert load_plainly(filename) == {"a": [0, 1, 2, 3]}


def changes(before, after):
    """Return the changed words of a file."""
    words = np.frombuffer(before, np.uint64) != np.frombuffer(after, np.uint64)
    return [8 * int(i) for i in np.flatnonzero(words)]


def test_any_part_of_the_writes_of_hdf5_loses_nothing(tmp_path):
    store, filename = H5Store(), tmp_path / "result.h5"
    table = {"a": [1], "x": [[0.5]], "t": ["text"]}
    for _ in range(3):
        store.append(filename, table)
    before = filename.read_bytes()
    store.append(filename, table)
    after = filename.read_bytes()
    assert len(before) == len(after)
    changed = changes(before, after)
    assert len(changed) == 6  # rows and numbers of rows
    for chosen in itertools.product([False, True], repeat=len(changed)):
        torn = bytearray(before)
        for at in itertools.compress(changed, chosen):
            torn[at : at + 8] = after[at : at + 8]
        filename.write_bytes(torn)
        n = len(store.load(filename)["a"])
        assert n in (3, 4)
        assert {name: column[:3] for name, column in load(store, filename).items()} == rows(
            table, 3
        )
        store.append(filename, table)
        store.append(filename, table)
        loaded = load(store, filename)
        assert {name: column[n:] for name, column in loaded.items()} == rows(table, 2)
        with h5py.File(filename) as h5:
            assert {len(column) for column in h5["psyrun"].values()} == {n + 2}
