"""The studies in examples/ run, are not run twice, and their pictures are drawn."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
sys.path.append(str(DOCS))
import draw_gallery  # noqa: E402 - a script of the documentation

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

    for name, command in drawings(study).items():
        drawn = call(*command)
        assert drawn.returncode == 0, drawn.stdout + drawn.stderr
        assert Path(name).read_bytes().startswith(b"\x89PNG")


def drawings(study):
    """Return the commands that draw a study: its script, and those of the gallery."""
    shown = {
        name: ["-m", "psyrun", *command, "-o", name]
        for name, command in draw_gallery.commands().items()
        if command[1] == study
    }
    script = Path(f"plot_{study}.py")
    return shown | ({f"{study}.png": [str(script)]} if script.exists() else {})


def test_the_pictures_of_the_gallery_are_small_and_those_that_would_be_drawn_now():
    made = json.loads(draw_gallery.MADE_FROM.read_text())
    now = {name: draw_gallery.source_of(c) for name, c in draw_gallery.commands().items()}
    assert made == now, "run 'make gallery' and look at the pictures"
    shown = re.findall(r"_static/gallery/(\S+)", (DOCS / "gallery.rst").read_text())
    assert set(shown) == set(made) == {path.name for path in draw_gallery.PICTURES.glob("*.png")}
    assert all((draw_gallery.PICTURES / name).stat().st_size < 60_000 for name in made)


def test_every_study_is_tested():
    files = EXAMPLES.glob("psy-tasks/task_*.py")
    assert {path.stem.removeprefix("task_") for path in files} == set(STUDIES)
