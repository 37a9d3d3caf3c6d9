"""A disk that is full: it is said where, nothing earlier is damaged, and work goes on with room."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Study, until

TASK = """
    import numpy as np
    store = {store}()
    scheduler = {scheduler}()
    workdir = {workdir!r}
    max_jobs = 2
    pspace = Param(x=range({n}))
    def execute(x):
        note(x)
        return {{'y': x, 'z': np.full({size}, x)}}
    """

STORES = ["PickleStore", "NpzStore", "H5Store"]

NO_ROOM = "No space left on device"


class Disk:
    """A small file system of its own, in which the work directory is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "psyrun", path], check=True)

    def resize(self, kilobytes: int) -> None:
        """Change its size."""
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", self.path], check=True)

    def leave(self, kilobytes: int) -> None:
        """Fill it but for some room."""
        with self._filler.open("wb") as file:
            stat = os.statvfs(self.path)
            file.write(bytes(stat.f_bavail * stat.f_frsize - kilobytes * 1024))

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", self.path], check=True)


@pytest.fixture
def disk(study: Study) -> Iterator[Disk]:
    """Return a small disk on which the work directory is."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    study.workdir.root.mkdir()
    made = Disk(study.workdir.root)
    yield made
    made.close()


def write(study: Study, n: int, **settings: object) -> None:
    usual = {"store": "PickleStore", "scheduler": "Forked", "size": 1}
    workdir = str(study.workdir.root)
    study.task(TASK.format(**{**usual, "n": n, "workdir": workdir, **settings}))


def check(study: Study, n: int) -> None:
    said = study.run()
    assert said.code == 0, said
    assert study.result()["x"] == list(range(n)) == study.result()["y"]
    assert study.status()["up_to_date"]


@pytest.mark.parametrize("scheduler", ["ImmediateRun", "Forked"])
def test_a_row_that_cannot_be_written_down_is_not_begun_again_and_none_before_is_lost(
    study: Study, disk: Disk, scheduler: str
) -> None:
    write(study, 40, size=5000, scheduler=scheduler)
    said = study.psy("run")
    assert said.code in (1, 2)
    journal = next(path for path in study.journals() if path.stat().st_size > 10000)
    (line,) = [line for line in said.err.splitlines() if "process:0" in line]
    assert "a row could not be written down" in line and NO_ROOM in line and str(journal) in line
    assert study.state().how == "failed" and NO_ROOM in study.state().why
    done = study.completed()
    assert done == set(range(len(done))) and len(done) > 10
    assert len(study.notes()) == len(done) + 1
    assert study.status()["completed"] == len(done) and study.status()["failed"] == 0
    disk.resize(8000)
    check(study, 40)
    assert study.counts() == {str(x): 2 if x == len(done) else 1 for x in range(40)}


@pytest.mark.parametrize("store", STORES)
def test_a_result_that_finds_no_room_leaves_the_former_one(
    study: Study, disk: Disk, store: str
) -> None:
    write(study, 2, store=store)
    assert study.run().code == 0
    write(study, 16, store=store, size=5000)
    said = study.psy("run")
    assert said.code in (1, 2)
    (line,) = [line for line in said.err.splitlines() if NO_ROOM in line and "merge" in line]
    assert str(study.workdir.result(".")) in line
    assert study.result()["y"] == [0, 1]
    assert list(study.workdir.path.glob(".*")) == []
    (study.tasks / "notes").unlink()
    disk.resize(8000)
    check(study, 16)
    assert study.notes() == []


def test_wherever_room_ends_it_is_said_and_the_next_run_goes_on(study: Study, disk: Disk) -> None:
    failed = 0
    room = 0
    while True:
        for path in (study.workdir.path, study.tasks / "notes"):
            subprocess.run(["rm", "-rf", path], check=True)
        write(study, 2)
        assert study.run().code == 0
        write(study, 3)
        disk.leave(room)
        said = study.psy("run")
        disk.empty()
        if said.code == 0:
            break
        failed += 1
        assert NO_ROOM in said.err and str(study.workdir.root) in said.err, (room, said)
        assert all(len(line) < 400 for line in said.err.splitlines())
        check(study, 3)
        room += 8
    assert failed > 4
    check(study, 3)


def test_a_limit_on_the_size_of_files_is_like_a_full_disk(study: Study) -> None:
    study.inject("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))")
    write(study, 30, size=5000)
    said = study.psy("run")
    assert said.code == 1
    assert "t:process:0 failed: a row could not be written down: [Errno 27] File too large" in (
        said.err
    )
    done = study.completed()
    assert done == set(range(4))
    study.environment.clear()
    check(study, 30)
    assert all(study.counts()[str(x)] == 1 for x in done)


def test_a_limit_that_the_result_exceeds_leaves_the_journals(study: Study) -> None:
    write(study, 3)
    assert study.run().code == 0
    write(study, 12, size=2000, scheduler="Background")  # the rows go into two journals
    study.inject("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (150000, 150000))")
    assert study.psy("run").code == 0
    until(lambda: study.has_ended("merge"), "the end of the merge")
    assert study.state("merge").how == "failed"
    why = study.state("merge").why
    assert "File too large" in why and str(study.workdir.result(".pkl")) in why
    assert study.result()["y"] == [0, 1, 2]
    until(lambda: not study.status()["queued_jobs"], "the end of the job")
    (study.tasks / "notes").unlink()
    study.environment.clear()
    assert study.psy("run").code == 0
    until(lambda: study.status()["up_to_date"], "the result")
    assert study.notes() == [] and study.result()["y"] == list(range(12))
