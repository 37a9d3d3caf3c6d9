"""kill -9 at random moments, many times: no row is lost, none that was completed is repeated."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from psyrun.store import AutodetectStore

from .conftest import Study, until

N = 500

TASK = """
    import numpy as np
    backend, store, pool_size, scheduler = {backend}, {store}(), {pool}, {scheduler}()
    max_jobs, min_items = 3, 10
    pspace = Param(x=range(500))
    def execute(x):
        note(x, os.getpid())
        time.sleep(0.001)
        return {{'y': x * x, 'z': np.full(1000, x)}}
    """

SETTINGS = [
    ("DistributeBackend", "PickleStore"),
    ("DistributeBackend", "H5Store"),
    ("LoadBalancingBackend", "NpzStore"),
    ("LoadBalancingBackend", "PickleStore"),
]


class Kills:
    """Kills, and keeps an account of what must not be evaluated again."""

    def __init__(self, study: Study, chance: random.Random) -> None:
        self._study, self._chance = study, chance
        self._safe: list[tuple[set[int], Counter[int]]] = []
        self.done: Counter[str] = Counter()

    def counts(self) -> Counter[int]:
        """Return how often each row was evaluated."""
        return Counter(int(note.split()[0]) for note in self._study.notes())

    def kill(self, victim: str, pid: int | None, within: float = 0.003) -> None:
        """Kill a process at a random moment within some seconds, if it is still there then."""
        time.sleep(self._chance.random() * within)
        try:
            os.kill(pid or 1 << 30, signal.SIGKILL)
            self.done[victim] += 1
        except ProcessLookupError:
            pass

    def take_stock(self) -> None:
        """Note what is completed, once nothing is at work."""
        states = self._study.states("*")
        until(lambda: not any(s.process.alive() for _, s in states), "the end of the workers")
        self._safe.append((self._study.completed(), self.counts()))

    def check(self) -> None:
        """Check that all is there, once, and that nothing was evaluated in vain."""
        result = self._study.result()
        assert result["x"] == list(range(N))
        assert result["y"] == [x * x for x in range(N)]
        assert result["z"] == [1000 * [x] for x in range(N)]
        counts = self.counts()
        for completed, before in self._safe:
            repeated = {row for row in completed if counts[row] != before[row]}
            assert not repeated
        assert self._study.status()["up_to_date"]
        print(self.done)

    def children(self) -> list[int]:
        """Return the processes that have noted something lately and may still be there."""
        return [int(note.split()[1]) for note in self._study.notes()[-3:]]


def wait_for_rows(study: Study, n: int, or_for: Callable[[], bool]) -> None:
    """Wait until some more rows have begun."""
    wanted = len(study.notes()) + n
    until(lambda: len(study.notes()) >= wanted or or_for(), "a row")


@pytest.mark.parametrize(("backend", "store"), SETTINGS)
def test_psy_worker_and_child_are_killed_again_and_again(
    study: Study, chance: random.Random, backend: str, store: str
) -> None:
    pool_size = chance.choice([1, 2])
    study.task(TASK.format(scheduler="ImmediateRun", backend=backend, store=store, pool=pool_size))
    kills = Kills(study, chance)
    for _ in range(5):
        running = study.start("run")
        for victim in [*chance.choices(["child"], k=chance.randrange(4)), "the end"]:
            wait_for_rows(study, chance.randrange(1, 25), lambda r=running: r.poll() is not None)
            if victim == "the end":
                victim, pid = chance.choice([("psy", running.pid), ("worker", study.worker())])
            else:
                pid = kills.children()[-1]
            kills.kill(victim, pid)
        said = running.end()
        assert said.code in (-9, 0, 1), said
        kills.take_stock()
    assert kills.done.total() > 0
    said = study.run()
    assert said.code == 0, said
    kills.check()
    assert len(study.notes()) <= N + kills.done.total() * pool_size


def all_jobs_have_ended(study: Study) -> bool:
    jobs = study.tasks / "jobs"
    return len(list(jobs.glob("*.name"))) == len(list(jobs.glob("*.ended")))


@pytest.mark.parametrize(("backend", "store"), SETTINGS)
def test_jobs_in_the_background_are_killed_again_and_again(
    study: Study, chance: random.Random, backend: str, store: str
) -> None:
    study.task(TASK.format(scheduler="Background", backend=backend, store=store, pool=1))
    kills = Kills(study, chance)
    for victim in ["workers", "workers", "child", "worker"]:
        assert study.run().code == 0
        wait_for_rows(study, chance.randrange(1, 25), lambda: all_jobs_have_ended(study))
        steps = [study.worker(f"process-{i}") for i in range(3)]
        pids = kills.children() if victim == "child" else [pid for pid in steps if pid]
        for pid in pids if victim == "workers" else pids[:1]:
            kills.kill(victim, pid)
        until(lambda: all_jobs_have_ended(study), "the end of all jobs")
        kills.take_stock()
    assert kills.done.total() > 0
    study.run()
    until(lambda: all_jobs_have_ended(study), "the end of all jobs")
    kills.check()


@pytest.mark.parametrize("store", ["PickleStore", "NpzStore", "H5Store"])
def test_a_merge_is_killed_again_and_again(study: Study, chance: random.Random, store: str) -> None:
    settings = {"scheduler": "Background", "backend": "DistributeBackend", "pool": 1}
    study.task(TASK.format(store=store, **settings).replace("time.sleep", "# "))
    kills = Kills(study, chance)
    for _ in range(8):
        said = study.run()
        assert said.code == 0, said
        if said.out.startswith("-  t:process\n-"):
            break
        merge = until(lambda: study.worker("merge") or all_jobs_have_ended(study), "a merge")
        kills.kill("merge", merge if merge is not True else None, within=0.04)
        until(lambda: all_jobs_have_ended(study), "the end of all jobs")
        kills.take_stock()
        assert study.completed() == set(range(N))
        for path in study.workdir.path.glob("result.[!j]*"):
            assert len(AutodetectStore().load(path)["x"]) == N
    assert kills.done.total() > 0
    study.run()
    until(lambda: all_jobs_have_ended(study), "the end of all jobs")
    kills.check()
