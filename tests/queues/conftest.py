"""The schedulers other than Slurm: a real Grid Engine, and stand-ins where there is no package."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from clusters import standins
from clusters.grid_engine import GridEngine, why_not

from psyrun.store import AutodetectStore

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds after which something that has to happen is taken to have failed."""

MODULES = {"Sqsub": "sharcnet", "PBS": "pbs", "LSF": "lsf", "HTCondor": "htcondor"}
"""The modules of the stand-ins."""

NAMES = ["GridEngine", *MODULES]
COMMANDS = {"Sqsub": "sqsub", "LSF": "bsub", "HTCondor": "condor_submit"}

REFUSED = {
    "GridEngine": 'attribute "h_rt" is not a time value',
    "Sqsub": "sqsub: error: soon is no run time",
    "PBS": "qsub: Illegal attribute or resource value Resource_List.walltime",
    "LSF": "soon: Bad RUNLIMIT specification. Job not submitted.",
    "HTCondor": "ERROR: allowed_execute_duration=soon is invalid, must eval to an integer.",
}
"""What is said of a time limit that is none."""

HEAD = """\
import os, pathlib, time
from psyrun import DistributeBackend, LoadBalancingBackend, Param, {name}
HERE = pathlib.Path(__file__).parent
def note(*words):
    fd = os.open(HERE / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, (" ".join(map(str, words)) + "\\n").encode())
    os.close(fd)
def wait_for(name):
    while not (HERE / name).exists():
        time.sleep(0.01)
scheduler = {scheduler}
scheduler_args = {arguments}
"""


class Cluster(NamedTuple):
    """What runs jobs, as tests need to know it.

    Attributes
    ----------
    name : str
        The name of the scheduler.
    scheduler : str
        The scheduler as it is written in a task file.
    arguments : dict
        What jobs need to be told.
    command : str
        The command that submits.
    words : str
        What is said of a time limit that is none.
    """

    name: str
    scheduler: str
    arguments: dict[str, Any]
    command: str
    words: str


class Said(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str


class Study:
    """A directory with tasks, in which psy is used from processes of its own."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        self.root = root
        self.tasks = root / "psy-tasks"
        self.tasks.mkdir(parents=True)
        self._cluster = cluster

    def task(self, name: str, text: str) -> None:
        """Write a task file."""
        head = HEAD.format(**self._cluster._asdict())
        (self.tasks / f"task_{name}.py").write_text(head + text)

    def psy(self, *args: str) -> Said:
        """Run psy."""
        done = subprocess.run(
            [sys.executable, "-m", "psyrun", *args],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def let(self, name: str) -> None:
        """Let rows go on that wait for this."""
        (self.tasks / name).touch()

    def notes(self) -> Counter[str]:
        """Return what rows have noted, and how often."""
        path = self.tasks / "notes"
        return Counter(path.read_text().splitlines() if path.exists() else [])

    def status(self, name: str) -> dict[str, Any]:
        """Return what is told of a task, the scheduler being asked."""
        said = self.psy("status", "--json", "--refresh", name)
        assert said.code in (0, 1), said
        (status,) = json.loads(said.out)["tasks"]
        return dict(status)

    def result_file(self, name: str) -> Path:
        """Return where the result of a task goes."""
        return self.root / "psy-work" / name / "result.pkl"

    def result(self, name: str) -> dict[str, list[Any]]:
        """Return the result of a task."""
        table = AutodetectStore().load(self.result_file(name))
        return {column: list(values) for column, values in table.items()}


def until(condition: Callable[[], T], what: str) -> T:
    """Wait until a condition holds, and return its value."""
    deadline, pause = time.monotonic() + PATIENCE, 0.05
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen in {PATIENCE} seconds")
        time.sleep(pause)
        pause = min(1.5 * pause, 0.5)
    return value


def _use(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def grid_engine_cell() -> Iterator[GridEngine]:
    """Run a Grid Engine."""
    if reason := why_not():
        pytest.skip(reason)
    cell = GridEngine()
    yield cell
    cell.stop()


@pytest.fixture
def grid_engine(
    grid_engine_cell: GridEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GridEngine]:
    """Let psyrun find the Grid Engine; what is left of a test's jobs is killed."""
    _use(
        {k: v for k, v in grid_engine_cell.environment.items() if k.startswith("SGE_")}, monkeypatch
    )
    yield grid_engine_cell
    grid_engine_cell.end_all_jobs()


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], standins.StandIn]]:
    """Return what starts a stand-in for the test."""
    with standins.several() as start:

        def use(module: str) -> standins.StandIn:
            found = start(module)
            monkeypatch.setenv("PATH", str(found.bin), prepend=os.pathsep)
            return found

        yield use


@pytest.fixture
def cluster(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    """Return the scheduler that the test is parametrised with, running."""
    scheduler = f"{name}()"
    # On Grid Engine this is memory that is mapped, used or not.
    arguments = {"timelimit": "5m", "memory": "4G" if name == "GridEngine" else "1G"}
    if name in MODULES:
        request.getfixturevalue("standin")(MODULES[name])
    else:
        request.getfixturevalue("grid_engine")
    if name == "Sqsub":
        scheduler = f"Sqsub({str(tmp_path / 'sqsub')!r})"
    return Cluster(name, scheduler, arguments, COMMANDS.get(name, "qsub"), REFUSED[name])


@pytest.fixture
def study(cluster: Cluster, tmp_path: Path) -> Iterator[Study]:
    """Return a directory for tasks whose jobs the scheduler runs."""
    study = Study(tmp_path / "a study of 100%j", cluster)
    yield study
    for log in study.root.rglob("*.log"):  # pytest shows this if the test has failed
        with suppress(FileNotFoundError):  # the merge may delete it
            print(log.name, log.read_text(errors="replace")[-2000:])
