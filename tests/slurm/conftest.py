"""A real Slurm for each process that runs tests, and what tests need round it."""

import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from clusters.slurm import Slurm, why_not

from psyrun.store import AutodetectStore

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds after which something that has to happen is taken to have failed."""

HEAD = """\
import os, pathlib, signal, sys, time
from psyrun import DistributeBackend, LoadBalancingBackend, Param, Slurm
HERE = pathlib.Path(__file__).parent
def note(*words):
    fd = os.open(HERE / 'notes', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(fd, (' '.join(map(str, words)) + '\\n').encode())
    os.close(fd)
def wait_for(name):
    while not (HERE / name).exists():
        time.sleep(0.01)
scheduler = Slurm()
scheduler_args = {'timelimit': '10m', 'memory': '100M'}
"""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Slurm]:
    """Run a cluster of one node."""
    if reason := why_not():
        pytest.skip(reason)
    cluster = Slurm()
    yield cluster
    cluster.stop()


@pytest.fixture
def slurm(cluster: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """Let psyrun find the cluster; what is left of a test's jobs is killed."""
    use(cluster, monkeypatch)
    yield cluster
    cluster.run("scancel", "--quiet", "--me")
    until(lambda: not cluster.run("squeue", "-h"), "the end of what is left")


@pytest.fixture
def own_slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Slurm]]:
    """Start clusters that a test may do to what it likes."""
    if reason := why_not():
        pytest.skip(reason)
    started = []

    def start(**settings: Any) -> Slurm:
        started.append(Slurm(**settings))
        use(started[-1], monkeypatch)
        return started[-1]

    yield start
    for cluster in started:
        cluster.stop()


def use(cluster: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let psyrun find a cluster."""
    for name in os.environ:
        if name.startswith(("SLURM_", "SBATCH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", cluster.environment["PATH"])
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])


def until(condition: Callable[[], T], what: str) -> T:
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen in {PATIENCE} seconds")
        time.sleep(0.05)
    return value


class Said(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str


class Study:
    """A directory with tasks, in which psy is used from processes of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tasks = root / "psy-tasks"
        self.tasks.mkdir(parents=True)

    def task(self, text: str, name: str = "a") -> None:
        """Write a task file."""
        (self.tasks / f"task_{name}.py").write_text(HEAD + textwrap.dedent(text))

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start psy."""
        return subprocess.Popen(
            [sys.executable, "-m", "psyrun", *args],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def psy(self, *args: str) -> Said:
        """Run psy."""
        process = self.start(*args)
        out, err = process.communicate(timeout=PATIENCE * 2)
        return Said(process.returncode, out, err)

    def let(self, name: str) -> None:
        """Let rows go on that wait for this."""
        (self.tasks / name).touch()

    def notes(self) -> Counter[str]:
        """Return what rows have noted, and how often."""
        notes = self.tasks / "notes"
        return Counter(notes.read_text().splitlines() if notes.exists() else [])

    def has_noted(self, n: int) -> bool:
        """Tell whether rows have left as many notes."""
        return self.notes().total() >= n

    def result(self, name: str = "a") -> dict[str, Any]:
        """Wait for the result of a task and return it."""
        file = self.root / "psy-work" / name / "result.pkl"
        until(file.exists, f"the merge of {name}")
        return AutodetectStore().load(file)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "a study of 100%j")


class Calls:
    """Counts how often commands of Slurm are called."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "calls"
        for name in ("sbatch", "squeue", "scancel", "scontrol", "sacct", "sinfo"):
            script = directory / name
            real = shutil.which(name)
            script.write_text(f'#!/bin/sh\necho {name} >>"{self.file}"\nexec {real} "$@"\n')
            script.chmod(0o755)

    def take(self) -> Counter[str]:
        """Return the calls since this was last asked."""
        calls = Counter(self.file.read_text().split() if self.file.exists() else [])
        self.file.unlink(missing_ok=True)
        return calls


@pytest.fixture
def calls(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    directory = tmp_path / "bin"
    directory.mkdir()
    calls = Calls(directory)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    return calls
