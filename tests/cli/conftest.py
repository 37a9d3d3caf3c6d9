"""A directory with task files, and psy run in it, in this process or in its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from psyrun.main import psy_main
from psyrun.store import AutodetectStore

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which something that has to happen is taken to have failed."""

CALLS = '''\
"""Lets rows leave a trace, and wait, across processes."""
import os
import pathlib
import time

HERE = pathlib.Path(__file__).parent

def note(*what):
    with open(HERE / "calls.log", "a") as file:
        file.write(" ".join(map(str, what)) + "\\n")

def wait_for(name, seconds=30):
    deadline = time.monotonic() + seconds
    while not (HERE / name).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(name)
        time.sleep(0.005)
'''


class Said(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str


def until(condition: Callable[[], T], what: str) -> T:
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen in {PATIENCE} seconds")
        time.sleep(0.005)
    return value


class Project:
    """A directory in which psy is used."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.tasks = root / "psy-tasks"
        self.work = root / "psy-work"
        self.tasks.mkdir()
        (self.tasks / "calls.py").write_text(CALLS)
        self._capsys = capsys
        self._started: list[subprocess.Popen[str]] = []

    def task(self, name: str, text: str) -> Path:
        """Write a task file."""
        path = self.tasks / f"task_{name}.py"
        head = "from psyrun import Param\nfrom calls import note, wait_for\n"
        path.write_text(head + textwrap.dedent(text))
        return path

    def psy(self, *args: object) -> Said:
        """Run psy in this process."""
        self._capsys.readouterr()
        code = psy_main([str(arg) for arg in args])
        return Said(code, *self._capsys.readouterr())

    def start(self, *args: object, **options: Any) -> "subprocess.Popen[str]":
        """Start psy in a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "psyrun", *map(str, args)],
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
            text=True,
            cwd=self.root,
            start_new_session=True,
            # A background job of a shell would inherit that SIGINT is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self._started.append(process)
        return process

    def call(self, *args: object, **options: Any) -> Said:
        """Run psy in a process of its own."""
        return self.end(self.start(*args, **options))

    def end(self, process: "subprocess.Popen[str]") -> Said:
        """Wait for psy to end."""
        out, err = process.communicate(timeout=2 * PATIENCE)
        return Said(process.returncode, out, err)

    def stop_all(self) -> None:
        """Leave no process behind, also when a test has failed."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def calls(self) -> list[str]:
        """Return what rows have noted."""
        path = self.tasks / "calls.log"
        return path.read_text().splitlines() if path.exists() else []

    def counts(self) -> Counter[str]:
        """Return how often each thing was noted."""
        return Counter(self.calls())

    def let(self, name: str) -> None:
        """Let rows go on that wait for something."""
        (self.tasks / name).touch()

    def result(self, name: str, ext: str = ".pkl") -> dict[str, list[Any]]:
        """Read a result."""
        data = AutodetectStore().load(str(self.work / name / f"result{ext}"))
        return {key: list(column) for key, column in data.items()}

    def status(self, name: str) -> dict[str, Any]:
        """Return what psy status --json says of a task."""
        said = self.psy("status", "--json", name)
        (status,) = json.loads(said.out)["tasks"]
        assert status["total"] == status["completed"] + status["failed"] + status["pending"]
        return dict(status)

    def worker(self, name: str, step: str = "process-0") -> int | None:
        """Return the process number of the newest worker of a step, None if it has not begun."""
        states = sorted(self.work.glob(f"{name}/plans/*/jobs/{step}.json"))
        return json.loads(states[-1].read_text())["process"][2] if states else None


class Queue:
    """The cluster of `cluster.py`, as a test sees it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.jobs = project.tasks / "jobs"
        shutil.copy(Path(__file__).with_name("cluster.py"), project.tasks)

    def task(self, name: str, text: str) -> Path:
        """Write a file of a task that runs on the cluster."""
        head = "from psyrun import LoadBalancingBackend\nfrom cluster import Cluster\n"
        return self.project.task(name, head + "scheduler = Cluster()\n" + textwrap.dedent(text))

    def act(self, what: str, *args: object) -> None:
        """Call a function of the cluster."""
        code = "import cluster, sys; getattr(cluster, sys.argv[1])(*sys.argv[2:])"
        command = [sys.executable, "-c", code, what, *map(str, args)]
        subprocess.run(command, cwd=self.project.tasks, check=True)

    def log(self, kind: str = "") -> list[str]:
        """Return what the cluster has been asked."""
        path = self.project.tasks / "queue.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(kind)]

    def names(self) -> dict[str, str]:
        """Return the names of all jobs there have been, by their ids."""
        return {path.stem: path.read_text() for path in self.jobs.glob("*.name")}

    def wait(self) -> None:
        """Wait until all jobs have ended."""
        until(lambda: all((self.jobs / f"{i}.ended").exists() for i in self.names()), "their end")

    def merges(self, name: str) -> list[str]:
        """Wait until all jobs have ended, and return what the merges have printed."""
        self.wait()
        logs = sorted((self.project.work / name / "plans").glob("*/logs/merge.log"))
        return [line for log in logs for line in log.read_text().splitlines()]

    def stop(self) -> None:
        """Leave no process behind."""
        for path in self.jobs.glob("*.runner"):
            for number in (path, path.with_suffix(".pid")):
                if number.exists() and not path.with_suffix(".ended").exists():
                    with suppress(ProcessLookupError):
                        os.kill(int(number.read_text()), signal.SIGKILL)


@pytest.fixture
def queue(project: "Project") -> Iterator[Queue]:
    """Put a cluster beside the task files."""
    made = Queue(project)
    yield made
    made.stop()


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Project]:
    """Change to an empty directory; forget afterwards what task files have imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    made = Project(tmp_path, capsys)
    yield made
    made.stop_all()
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) is None or str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]
