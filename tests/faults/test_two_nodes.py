"""Two nodes share a run on a network file system with caches and without locks."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import gluster
from .conftest import Study, until

N = 120

TASK = """
    class Nodes(Background):
        # Every other job sees the work directory through the mount of another node.
        def submit(self, args, output_filename, name=None, depends_on=None, scheduler_args=None):
            number = len(list((HERE / 'jobs').glob('*.name')))
            if number % 2:
                there = 'mount --bind "$0" "$1" && cd . && shift && exec "$@"'
                args = ['unshare', '-m', 'sh', '-c', there, {other!r}, {root!r}, *args]
            return super().submit(args, output_filename, name, depends_on, scheduler_args)

    scheduler, backend, store = Nodes(), {backend}, {store}()
    max_jobs, min_items = 4, 1
    pspace = Param(x=range({n}))
    def execute(x):
        note(x, os.getpid())
        time.sleep(0.004)
        return {{'y': 10 * x, 'node': os.readlink('/proc/self/ns/mnt')}}
    """


@pytest.fixture
def other(study: Study, tmp_path: Path) -> Iterator[Path]:
    """Mount a volume as the work directory of this node, and for another one."""
    if reason := gluster.why_not():
        pytest.skip(reason)
    volume = gluster.Volume(tmp_path / "volume")
    try:
        volume.mount(study.workdir.root)
        volume.mount(tmp_path / "other")
        yield tmp_path / "other"
        study.stop_all()
    finally:
        volume.close()


def write(study: Study, other: Path, n: int, backend: str, store: str) -> None:
    (study.tasks / "jobs").mkdir(exist_ok=True)
    places = {"other": str(other), "root": str(study.workdir.root)}
    study.task(TASK.format(n=n, backend=backend, store=store, **places))


def run(study: Study, *flags: str) -> None:
    said = study.psy("run", *flags)
    assert said.code == 0, said


def all_jobs_have_ended(study: Study) -> bool:
    jobs = study.tasks / "jobs"
    return len(list(jobs.glob("*.name"))) == len(list(jobs.glob("*.ended")))


def finish(study: Study, n: int) -> None:
    """Run until all rows are there; what a node sees late comes to light."""

    def is_there() -> bool:
        until(lambda: all_jobs_have_ended(study), "the end of all jobs")
        run(study, "--continue")
        until(lambda: all_jobs_have_ended(study), "the end of all jobs")
        return bool(study.status()["up_to_date"])

    until(is_there, "the result")
    result = study.result()
    assert (result["x"], result["y"]) == (list(range(n)), [10 * x for x in range(n)])


@pytest.mark.parametrize(
    ("backend", "store"),
    [("LoadBalancingBackend", "PickleStore"), ("DistributeBackend", "NpzStore")],
)
def test_two_nodes_share_a_run_without_a_lost_or_wrong_row(
    study: Study, other: Path, backend: str, store: str
) -> None:
    for n in (N, N + 40):
        write(study, other, n, backend, store)
        run(study, "--continue")
        finish(study, n)
    result = study.result()
    assert len(set(result["node"])) >= 2
    counts = [note.split()[0] for note in study.notes()]
    assert len(counts) == len(set(counts)) == N + 40


def test_two_nodes_share_a_run_in_which_workers_are_killed(
    study: Study, other: Path, chance: random.Random
) -> None:
    write(study, other, N, "LoadBalancingBackend", "PickleStore")
    for _ in range(4):
        before = len(study.notes())
        run(study)
        wanted = before + chance.randrange(1, 20)
        until(lambda n=wanted: len(study.notes()) >= n or all_jobs_have_ended(study), "a row")
        for path, state in study.states():
            if state.process.alive() and chance.random() < 0.7:
                os.kill(state.process.pid, signal.SIGKILL)
                assert path
        until(lambda: all_jobs_have_ended(study), "the end of all jobs")
    finish(study, N)
