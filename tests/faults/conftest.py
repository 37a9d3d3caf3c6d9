"""A directory with a task, and psy at work in it: real processes, which may be killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

import psyrun
from psyrun.failure import Failure
from psyrun.jobstate import JobState, read_states
from psyrun.journal import Kind
from psyrun.journal.reader import Journal
from psyrun.merging.history import read_history
from psyrun.merging.ledger import Ledger
from psyrun.store import AutodetectStore
from psyrun.workdir import PlanDir, Workdir

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which something that has to happen is taken to have failed."""

HERE = Path(__file__).parent
PSYRUN = str(Path(psyrun.__file__).parent)

HEAD = """\
from psyrun import DistributeBackend, ImmediateRun, LoadBalancingBackend, Param, PickleStore
from psyrun.store.h5 import H5Store
from psyrun.store.npz import NpzStore
from helping import *
import os, signal, sys, time
"""


def until(condition: Callable[[], T], what: str) -> T:
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen in {PATIENCE} seconds")
        time.sleep(0.002)
    return value


class Said(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it has printed."""
        return self.out + self.err


class Attempt(NamedTuple):
    """An attempt at a row, as it stands in a journal."""

    row: int
    number: int
    failure: Failure | None


class Zygote:
    """A process that has loaded psy and is copied for each command."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", HERE / "zygote.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, *words: object) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()


class Psy:
    """A psy command in a process of its own, and in a session of its own."""

    def __init__(
        self, zygote: Zygote, directory: Path, args: tuple[object, ...], environment: dict[str, str]
    ) -> None:
        self._zygote = zygote
        self._output = directory / f"psy-{os.urandom(4).hex()}"
        words = list(map(str, args))
        self.pid: int = zygote.ask("start", str(directory), str(self._output), words, environment)
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        if self._code is None:
            self._code = self._zygote.ask("poll", self.pid)
        return self._code

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def end(self) -> Said:
        """Wait for its end."""
        until(lambda: self.poll() is not None, "the end of psy")
        assert self._code is not None
        out, err = (self._output.with_suffix(suffix) for suffix in (".out", ".err"))
        texts = [path.read_text() if path.exists() else "" for path in (out, err)]
        return Said(self._code, *texts)


class Study:
    """A directory in which psy is used on a task named ``t``."""

    def __init__(self, root: Path, zygote: Zygote) -> None:
        self.root = root
        self.tasks = root / "psy-tasks"
        self.workdir = Workdir(root / "psy-work", "t")
        self._zygote = zygote
        self._started: list[Psy] = []
        self.environment: dict[str, str] = {}
        self.tasks.mkdir(parents=True)
        shutil.copy(HERE / "helping.py", self.tasks)

    def task(self, text: str) -> None:
        """Write the task file."""
        (self.tasks / "task_t.py").write_text(HEAD + textwrap.dedent(text))

    def inject(self, code: str) -> None:
        """Have code run at the beginning of each process of psyrun that is started from now on."""
        path = self.root / "injected"
        path.mkdir(exist_ok=True)
        (path / "sitecustomize.py").write_text(textwrap.dedent(code))
        self.environment["PYTHONPATH"] = f"{path}:{self.tasks}"

    def start(self, *args: object) -> Psy:
        """Start psy."""
        self._started.append(Psy(self._zygote, self.root, args, self.environment))
        return self._started[-1]

    def psy(self, *args: object) -> Said:
        """Run psy; whatever happens, it has something better to say than a traceback."""
        said = self.start(*args).end()
        assert "Traceback" not in said.err or PSYRUN not in said.err, said.err
        return said

    def run(self, *args: object) -> Said:
        """Run psy run, of which tracebacks of rows may come."""
        return self.start("run", *args).end()

    def stop_all(self) -> None:
        """Leave no process behind, also when a test has failed."""
        for psy in self._started:
            psy.kill()
        for path, state in self.states("*"):
            if state.process.alive():
                os.kill(state.process.pid, signal.SIGKILL)
                until(lambda state=state: not state.process.alive(), f"the end of {path}")
        for note in self.notes():
            if note.startswith("process "):
                assert not alive(int(note.split()[1])), f"{note} is still there"

    def let(self, name: str) -> None:
        """Let rows go on that wait for something."""
        (self.tasks / name).touch()

    def notes(self) -> list[str]:
        """Return what rows have noted."""
        path = self.tasks / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def counts(self) -> Counter[str]:
        """Return how often each thing was noted."""
        return Counter(self.notes())

    # --- What is there ---

    def heads(self) -> list[Path]:
        return self.workdir.plan_heads()

    def plan(self) -> PlanDir:
        """Return the newest plan."""
        files = read_history(self.workdir).files
        assert files is not None
        return files

    def journals(self) -> list[Path]:
        return sorted(self.workdir.plans.glob("*/journals/*.journal.pickle"))

    def attempts(self) -> list[Attempt]:
        """Return all attempts at rows that stand in journals, in the order of their beginning."""
        found = []
        failed = sorted(self.workdir.state.glob("*.failed"))
        for path in [*failed, *self.journals()]:
            plan_id = path.stem if path in failed else path.parent.parent.name
            journal = Journal(path, plan_id)
            for i, frame in enumerate(journal.frames):
                if frame["kind"] == Kind.ABOUT:
                    continue
                failure = None
                if frame["kind"] == Kind.FAILED:
                    failure = Failure.decode(journal.payloads([i])[0])
                attempt = Attempt(int(frame["row"]), int(frame["attempt"]), failure)
                found.append((float(frame["start"]), attempt))
        return [attempt for _, attempt in sorted(found, key=lambda pair: pair[0])]

    def failures(self) -> dict[int, str]:
        """Return the cause of each failed row."""
        ledger = self.ledger()
        return {row: f"{each.type}: {each.message}" for row, each in ledger.failures()}

    def ledger(self) -> Ledger:
        history = read_history(self.workdir)
        plan = history.plan
        assert plan is not None
        sources = [o.source(plan.space, plan.digest.space) for o in history.origins]
        return Ledger(self.workdir, history.origins, sources)

    def completed(self) -> set[int]:
        """Return the completed rows."""
        return set(self.ledger().completed) if self.heads() else set()

    def result(self) -> dict[str, list[Any]]:
        """Read the result."""
        (path,) = self.workdir.path.glob("result.[!j]*")
        data = AutodetectStore().load(str(path))
        return {key: [_plain(value) for value in column] for key, column in data.items()}

    def status(self) -> dict[str, Any]:
        """Return what psy status says."""
        said = self.psy("status", "--json")
        (status,) = json.loads(said.out)["tasks"]
        assert status["total"] == status["completed"] + status["failed"] + status["pending"]
        return dict(status)

    def states(self, step: str = "process-*") -> list[tuple[Path, JobState]]:
        """Return the states of jobs of all plans, the newest last."""
        return read_states(sorted(self.workdir.plans.glob(f"*/jobs/{step}.json")))

    def state(self, step: str = "process-0") -> JobState:
        """Return the state of a job of the newest plan."""
        ((_, state),) = read_states([self.plan().jobs / f"{step}.json"])
        return state

    def has_ended(self, step: str) -> bool:
        """Tell whether a job of the newest plan has left its end record."""
        states = read_states([self.plan().jobs / f"{step}.json"])
        return bool(states) and states[0][1].ended is not None

    def worker(self, step: str = "process-0") -> int | None:
        """Return the process of a job of the newest plan, None if it is not at work."""
        if not self.heads():
            return None
        states = self.states(step)
        if not states or states[-1][0].parent.parent.name[:4] != self.heads()[-1].stem:
            return None
        process = states[-1][1].process
        return process.pid if process.alive() else None


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(")") + 2] not in "ZX"


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Return a process that starts psy."""
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
def study(tmp_path: Path, zygote: Zygote) -> Iterator[Study]:
    """Return an empty directory for a task."""
    made = Study(tmp_path / "study", zygote)
    yield made
    made.stop_all()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Return random numbers that are the same each time, whose seed pytest shows on a failure.

    Set PSYRUN_TESTS_SEED to try others.
    """
    seed = f"{request.node.name} {os.environ.get('PSYRUN_TESTS_SEED', '1')}"
    print(f"Seed of this test: {seed!r}")
    return random.Random(seed)
