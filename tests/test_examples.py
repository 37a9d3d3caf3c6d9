"""The studies in examples/ run, are not run twice, and their pictures are drawn."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
STUDIES = {"mc_circle": "result.npz", "digits": "result.pkl", "epidemic": "result.h5"}


def call(*command):
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env=os.environ | {"MPLBACKEND": "Agg"},
    )


@pytest.fixture(params=STUDIES)
def study(request, tmp_path, monkeypatch):
    """A study with every 40th row of its space, in a directory of its own."""
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True, ignore=lambda *_: {"psy-work"})
    task = tmp_path / "psy-tasks" / f"task_{request.param}.py"
    task.write_text(task.read_text() + "\n\npspace = pspace[::40]\n")
    monkeypatch.chdir(tmp_path)
    return request.param


def test_a_study_runs_once_and_is_drawn(study):
    first = call("-m", "psyrun", "run", "-j", "2", study)
    assert first.returncode == 0, first.stdout + first.stderr
    result = Path("psy-work", study, STUDIES[study])
    written = result.stat().st_mtime_ns

    second = call("-m", "psyrun", "run", "-j", "2", study)
    assert second.returncode == 0, second.stdout + second.stderr
    assert not [line for line in second.stdout.splitlines() if line.startswith(".")]
    assert result.stat().st_mtime_ns == written

    drawn = call(f"plot_{study}.py")
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    assert Path(f"{study}.png").read_bytes().startswith(b"\x89PNG")


def test_every_study_is_tested():
    files = EXAMPLES.glob("psy-tasks/task_*.py")
    assert {path.stem.removeprefix("task_") for path in files} == set(STUDIES)
