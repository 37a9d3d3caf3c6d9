"""Files are written whole or not at all, and created by one."""

import errno
import multiprocessing
import os

import pytest

from psyrun import files
from psyrun.files import Fingerprint, content_hash, create_exclusively, replacing, write_whole


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_replacing_puts_the_new_file_in_the_place_of_the_old(tmp_path):
    path = tmp_path / "result.pkl"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".pkl"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names_in(tmp_path) == ["result.pkl"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("has_written", [True, False])
def test_replacing_leaves_the_old_file_when_the_block_raises(tmp_path, error, has_written):
    path = tmp_path / "result.pkl"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        if has_written:
            temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["result.pkl"]


def test_replacing_creates_the_file_if_there_is_none(tmp_path):
    write_whole(str(tmp_path / "new file"), b"x")
    write_whole(tmp_path / "-quick", b"y", durable=False)
    assert (tmp_path / "new file").read_bytes() == b"x"
    assert (tmp_path / "-quick").read_bytes() == b"y"
    assert names_in(tmp_path) == ["-quick", "new file"]


def test_the_long_names_that_a_file_system_allows_are_the_only_limit(tmp_path):
    write_whole(tmp_path / ("n" * 200), b"x")
    assert create_exclusively(tmp_path / ("m" * 200), b"x")
    assert names_in(tmp_path) == ["m" * 200, "n" * 200]


def no_links(*args):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def compete(directory, number, with_links, barrier, wins):
    if not with_links:
        os.link = no_links
    for i in range(50):
        barrier.wait()
        if create_exclusively(directory / str(i), b"%d" % number):
            wins.put((i, number))
    wins.put(None)


@pytest.mark.parametrize("with_links", [True, False])
def test_one_of_eight_processes_wins(tmp_path, with_links):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    n = 8
    barrier, wins = context.Barrier(n), context.Queue()
    processes = [
        context.Process(target=compete, args=(tmp_path, i, with_links, barrier, wins))
        for i in range(n)
    ]
    for process in processes:
        process.start()
    winners, ended = [], 0
    while ended < n:
        won = wins.get(timeout=60)
        if won is None:
            ended += 1
        else:
            winners.append(won)
    for process in processes:
        process.join()
    assert sorted(i for i, _ in winners) == list(range(50))
    for i, number in winners:
        assert (tmp_path / str(i)).read_bytes() == b"%d" % number
    assert names_in(tmp_path) == sorted(map(str, range(50)))


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSPC, errno.EXDEV, errno.EEXIST])
def test_a_link_that_is_reported_as_failed_but_was_made_counts(tmp_path, monkeypatch, error):
    link = os.link

    def make_and_deny(source, target):
        link(source, target)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", make_and_deny)
    assert create_exclusively(tmp_path / "claim", b"mine")
    assert (tmp_path / "claim").read_bytes() == b"mine"
    assert names_in(tmp_path) == ["claim"]


def test_a_file_that_exists_stays_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "claim"
    assert create_exclusively(path, b"first")
    assert not create_exclusively(path, b"second")
    monkeypatch.setattr(os, "link", no_links)
    assert not create_exclusively(path, b"third")
    assert path.read_bytes() == b"first"
    assert names_in(tmp_path) == ["claim"]


def test_a_file_that_cannot_be_written_is_not_created(tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "sync", full)
    with pytest.raises(OSError, match="space"):
        create_exclusively(tmp_path / "claim", b"x")
    with pytest.raises(OSError, match="space"):
        write_whole(tmp_path / "state", b"x")
    assert names_in(tmp_path) == []


def test_a_file_that_could_not_be_written_without_links_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    fsync, calls = os.fsync, []

    def full(fd):
        calls.append(fd)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        create_exclusively(tmp_path / "claim", b"x")
    assert names_in(tmp_path) == []


def test_a_fingerprint_tells_content_from_a_new_date(tmp_path):
    path = tmp_path / "result.pkl"
    path.write_bytes(b"content")
    fingerprint = Fingerprint.of(path)
    assert fingerprint.matches(path)
    os.utime(path, (0, 0))
    assert fingerprint.matches(path)
    path.write_bytes(b"changed")
    assert not fingerprint.matches(path)
    path.write_bytes(b"content and more")
    assert not fingerprint.matches(path)
    path.write_bytes(b"content")
    assert fingerprint.matches(path)
    path.unlink()
    assert not fingerprint.matches(path)


def test_a_hash_is_that_of_the_content(tmp_path):
    for name, content in [("a", b"x" * 10**6), ("b", b"x" * 10**6), ("c", b"x" * 10**6 + b"y")]:
        (tmp_path / name).write_bytes(content)
    assert content_hash(tmp_path / "a") == content_hash(str(tmp_path / "b"))
    assert content_hash(tmp_path / "a") != content_hash(tmp_path / "c")
