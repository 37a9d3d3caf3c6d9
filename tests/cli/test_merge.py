"""psy merge."""

import os
import signal
from pathlib import Path

import pytest

from psyrun.store import AutodetectStore

from .conftest import Project, until

SLOW = """
    class Point:
        def __init__(self, x): self.x = x
    pspace = Param(x=range(5))
    def execute(x):
        note(x)
        if x == 3:
            wait_for('go')
        return {'y': -x, 'point': Point(x)}
    """


def load(path: Path) -> dict[str, list[object]]:
    return {name: list(column) for name, column in AutodetectStore().load(str(path)).items()}


def test_a_task_directory_is_merged_while_it_runs_after_a_crash_and_at_the_end(
    project: Project,
) -> None:
    project.task("slow", SLOW)
    running = project.start("run")
    until(lambda: project.counts()["3"], "row 3")
    for directory in ("psy-work/slow", "psy-work/slow/"):
        said = project.psy("merge", directory, "now.pkl")
        assert said.code == 0 and "3 of 5 rows" in said.out
        merged = load(project.root / "now.pkl")
        assert merged["x"] == [0, 1, 2] and merged["y"] == [0, -1, -2]
    assert running.poll() is None

    os.killpg(running.pid, signal.SIGKILL)
    project.end(running)
    assert project.psy("merge", "psy-work/slow", "crashed.pkl").code == 0
    assert load(project.root / "crashed.pkl")["x"] == [0, 1, 2]

    project.let("go")
    assert project.psy("run").code == 0
    assert project.psy("merge", "psy-work/slow", "end.pkl").code == 0
    assert load(project.root / "end.pkl")["x"] == [0, 1, 2, 3, 4]
    (project.tasks / "task_slow.py").unlink()
    assert project.call("merge", "psy-work/slow", "without.pkl").code == 0


@pytest.mark.parametrize("ext", [".pkl", ".npz", ".h5"])
def test_a_directory_of_result_files_is_merged(project: Project, ext: str) -> None:
    files = project.root / "some files"
    files.mkdir()
    for i in range(3):
        AutodetectStore().save(str(files / f"{i}{ext}"), {"x": [i, i + 10], f"only{i}": ["a", "b"]})
    (files / "other.txt").write_text("not of this format")
    (project.root / "plans").mkdir()  # a name that psyrun uses as well
    for _ in range(2):
        said = project.psy("merge", "some files", f"some files/merged{ext}")
        assert said.code == 0 and "3 files" in said.out
    merged = load(files / f"merged{ext}")
    assert [int(str(x)) for x in merged["x"]] == [0, 10, 1, 11, 2, 12]
    assert str(merged["only1"][2]) == "a"


def test_what_cannot_be_merged_is_told_in_a_line(project: Project) -> None:
    (project.root / "empty").mkdir()
    (project.root / "bad").mkdir()
    (project.root / "bad" / "a.npz").write_bytes(b"garbage")
    for directory, merged, culprit in [
        ("nowhere", "m.pkl", "'nowhere'"),
        ("empty", "m.pkl", "'empty'"),
        ("empty", "m.xyz", ".xyz"),
        ("empty", "m", "m"),
        ("bad", "m.npz", "a.npz"),
    ]:
        said = project.psy("merge", directory, merged)
        assert said.code == 2
        assert culprit in said.err and len(said.err.splitlines()) == 1, said.err
        assert not (project.root / merged).exists()
