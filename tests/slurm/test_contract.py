"""The contract, on a real Slurm, as this user and as another."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from psyrun import Slurm
from psyrun.testing import SchedulerContract

USER = "nobody"


@pytest.mark.usefixtures("slurm")
class TestSlurm(SchedulerContract):
    scheduler_args: ClassVar = {"timelimit": "5m", "memory": "50M"}

    def make_scheduler(self) -> Slurm:
        return Slurm()


class TestSlurmAsAnotherUser(TestSlurm):
    @pytest.fixture(autouse=True)
    def _as_another_user(
        self, slurm: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        """Let the commands be that user's, and jobs run a Python that it may run."""
        become = ["setpriv", f"--reuid={USER}", f"--regid={pwd.getpwnam(USER).pw_gid}"]
        become += ["--clear-groups"]
        commands = tmp_path.parent / "bin"
        commands.mkdir()
        for name in Slurm._COMMANDS:
            line = f'#!/bin/sh\nexec {" ".join(become)} {shutil.which(name)} "$@"\n'
            (commands / name).write_text(line)
            (commands / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(commands), prepend=":")
        monkeypatch.setattr(sys, "executable", _python_for_all(become))
        mask = os.umask(0)  # that user's jobs write to files that this one has made
        yield
        os.umask(mask)

    @pytest.fixture
    def tmp_path(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "work"
            path.mkdir()
            for place in (path.parent, path):
                place.chmod(0o777)
            yield path

    def test_a_job_is_the_users(self, tmp_path: Path) -> None:
        code = "import getpass; print(getpass.getuser())"
        self._wait_for_end_of(self._submit(code, output=tmp_path / "log"))
        assert (tmp_path / "log").read_text() == f"{USER}\n"


def _python_for_all(become: list[str]) -> str:
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        # By a shell of that user: a command of setpriv itself is found with root's rights.
        command = [*become, "sh", "-c", '"$0" -c ""', python]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return python
    pytest.skip(f"there is no Python that {USER} may run")
