"""Tasks that psy runs in a directory of their own."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

import psyrun
from psyrun.main import psy_main
from psyrun.results import Result

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which something that has to happen is taken to have failed."""


class Study:
    """A directory in which psy is used."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tasks = root / "psy-tasks"
        self.tasks.mkdir()
        self._started: list[subprocess.Popen[bytes]] = []

    def task(self, text: str, name: str = "a") -> Path:
        """Write a task file."""
        path = self.tasks / f"task_{name}.py"
        head = "import numpy as np\nfrom psyrun import Param\n"
        path.write_text(head + textwrap.dedent(text))
        return path

    def run(self, text: str, name: str = "a", **options: Any) -> Result:
        """Run a task, and load what was computed."""
        self.task(text, name)
        psy_main(["run", name])
        return psyrun.load(self.root / "psy-work" / name, **options)

    def start(self, name: str = "a") -> "subprocess.Popen[bytes]":
        """Run a task in the background."""
        process = subprocess.Popen(
            [sys.executable, "-m", "psyrun", "run", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.root,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def stop(self) -> None:
        """Leave no process behind."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def until(condition: Callable[[], T], what: str) -> T:
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen in {PATIENCE} seconds")
        time.sleep(0.01)
    return value


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """Change to an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    made = Study(tmp_path)
    yield made
    made.stop()
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", None)):
            del sys.modules[name]
