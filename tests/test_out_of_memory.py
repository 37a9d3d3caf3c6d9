"""Processes that the system has killed for lack of memory are told from others."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from psyrun.failure import OUT_OF_MEMORY
from psyrun.worker.memory import OutOfMemoryKills

TASK = """
from psyrun import Param
pspace = Param(mb=[1, 1000, 2]) + Param(mb=[0])
def execute(mb):
    import os, signal
    if mb == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"y": len(bytearray(mb << 20))}
"""

VERSIONS = {
    1: ("3:cpu:/x\n7:memory:/a/b\n0::/\n", "memory/a/b/memory.oom_control", "under_oom 0\n"),
    2: ("0::/a/b\n", "a/b/memory.events", "low 3\noom 5\noom_group_kill 9\n"),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_kill_is_told_of_once(tmp_path: Path, version: int) -> None:
    groups, name, other = VERSIONS[version]
    own, counter = tmp_path / "cgroup", tmp_path / name
    own.write_text(groups)
    counter.parent.mkdir(parents=True)
    counter.write_text(f"{other}oom_kill 2\n")
    kills = OutOfMemoryKills(own, tmp_path)
    assert not kills.one_more()
    counter.write_text(f"{other}oom_kill 4\n")
    assert [kills.one_more() for _ in range(3)] == [True, True, False]
    counter.unlink()
    assert not kills.one_more()
    assert not OutOfMemoryKills(tmp_path / "none", tmp_path).one_more()


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with little memory."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line.split(":", 2)[2] for line in lines if ":memory:" in line), None)
    if own is None:
        pytest.skip("needs control groups of version 1 for memory")
    made = Path(f"/sys/fs/cgroup/memory{own}/psyrun-test-{os.getpid()}")
    try:
        made.mkdir()
    except OSError as err:
        pytest.skip(f"needs the right to make a control group ({err})")
    (made / "memory.limit_in_bytes").write_text(str(300 << 20))
    yield made
    made.rmdir()


def test_a_row_that_takes_too_much_memory_says_so(group: Path, tmp_path: Path) -> None:
    (tmp_path / "psy-tasks").mkdir()
    (tmp_path / "psy-tasks" / "task_t.py").write_text(TASK)

    def psy(*args: str) -> subprocess.CompletedProcess[str]:
        enter = ["/bin/sh", "-c", 'echo $$ > "$0"; exec "$@"', str(group / "cgroup.procs")]
        command = [*enter, sys.executable, "-m", "psyrun", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert psy("run").returncode == 1
    told = json.loads(psy("failures", "--json").stdout)
    causes = {cause["type"]: (cause["rows"], cause["cause"]) for cause in told["groups"]}
    died = "process died from signal 9 (SIGKILL)"
    assert causes == {OUT_OF_MEMORY: ([1], f"{died}: out of memory"), "ProcessDied": ([3], died)}
