"""psy run after something has changed, with and without -c."""

import os
import signal
from collections import Counter

import pytest

from .conftest import Project, until

TASK = """
    pspace = {space}
    {more}
    def execute({names}):
        note({names})
        return {{'y': {y}}}
    """


def write(project: Project, space: str, names: str = "x", y: str = "x", more: str = "") -> None:
    project.task("t", TASK.format(space=space, names=names, y=y, more=more))


def test_a_changed_task_starts_over(project: Project) -> None:
    write(project, "Param(x=[1, 2])")
    assert project.psy("run").code == 0
    write(project, "Param(x=[1, 2])", y="10 * x")
    said = project.psy("run")
    assert "task file changed, starting over: 2 rows, 0 reused, 2 new" in said.out
    assert project.result("t") == {"x": [1, 2], "y": [10, 20]}
    assert project.counts() == {"1": 2, "2": 2}


def test_the_former_result_stands_until_the_new_one_does(project: Project) -> None:
    write(project, "Param(x=[1, 2])")
    assert project.psy("run").code == 0
    write(project, "Param(x=[1, 2, 3])", y="wait_for('go') or 10 * x")
    running = project.start("run")
    until(lambda: len(project.calls()) > 2, "the second run")
    assert project.result("t") == {"x": [1, 2], "y": [1, 2]}
    os.killpg(running.pid, signal.SIGKILL)
    project.end(running)
    assert project.result("t") == {"x": [1, 2], "y": [1, 2]}
    until(lambda: not project.status("t")["running_jobs"], "the end of the worker")
    project.let("go")
    said = project.psy("run")
    assert said.code == 0 and "0 reused" in said.out
    assert project.result("t") == {"x": [1, 2, 3], "y": [10, 20, 30]}


def test_continue_keeps_rows_of_a_space_that_grows_shrinks_and_is_reordered(
    project: Project,
) -> None:
    write(project, "Param(x=[1, 2, 3])")
    assert project.psy("run").code == 0
    write(project, "Param(x=[4, 3, 1, 3])", y="10 * x")
    said = project.psy("run", "-c")
    assert said.code == 0
    assert "keeping" in said.out and "2 reused" in said.out
    assert project.result("t") == {"x": [4, 3, 1, 3], "y": [40, 3, 1, 30]}
    assert project.counts() == {"1": 1, "2": 1, "3": 2, "4": 1}
    assert project.psy("run", "-c").out.startswith("-  t:process")
    assert project.psy("run").out.startswith("-  t:process")


def test_continue_compares_rows_whole(project: Project) -> None:
    write(project, "Param(x=[1, 2], z=[1, 2])", names="x, z", y="(x, z)")
    assert project.psy("run").code == 0
    write(project, "Param(x=[1, 2]) * Param(z=[1, 2.0, float('nan')])", names="x, z", y="(x, z)")
    assert project.psy("run", "--continue").code == 0
    result = project.result("t")
    assert [repr(y) for y in result["y"]] == [
        *("(1, 1)", "(1, 2.0)", "(1, nan)"),
        *("(2, 1)", "(2, 2)", "(2, nan)"),
    ]
    assert sum(project.counts().values()) == 6
    assert project.psy("run", "-c").out.startswith("-  t:process")


def test_a_parameter_that_is_added_or_removed_makes_new_rows(project: Project) -> None:
    write(project, "Param(x=[1, 2])")
    assert project.psy("run").code == 0
    write(project, "Param(x=[1, 2]) * Param(z=[5])", names="x, z")
    assert project.psy("run", "-c").code == 0
    assert project.result("t") == {"x": [1, 2], "z": [5, 5], "y": [1, 2]}
    write(project, "Param(x=[1, 2])")
    assert project.psy("run", "-c").code == 0
    assert project.result("t") == {"x": [1, 2], "y": [1, 2]}
    assert project.counts() == {"1": 2, "2": 2, "1 5": 1, "2 5": 1}


def test_duplicates_in_a_space_are_rows_of_their_own(project: Project) -> None:
    write(project, "Param(x=[1, 1, 2, 1])")
    assert project.psy("run").code == 0
    assert project.result("t")["x"] == [1, 1, 2, 1]
    write(project, "Param(x=[1, 2, 1, 1, 1])")
    assert project.psy("run", "-c").code == 0
    assert project.counts() == {"1": 4, "2": 1}
    assert project.psy("run").out.startswith("-")


@pytest.mark.parametrize("store", ["npz.NpzStore", "h5.H5Store"])
def test_continue_adds_columns_and_rows_in_every_store(project: Project, store: str) -> None:
    module, name = store.split(".")
    more = f"from psyrun.store.{module} import {name} as S; store = S()"
    write(project, "Param(x=[1, 2])", y="[1.5] * x", more=more)
    assert project.psy("run").code == 0
    write(project, "Param(x=[3, 2])", y="[2.5] * x, 'more': x", more=more)
    assert project.psy("run", "-c").code == 0
    result = project.result("t", f".{module}")
    assert [float(x) for x in result["x"]] == [3, 2]
    assert result["y"][0].tolist() == [2.5] * 3
    assert result["y"][1].tolist()[:2] == [1.5] * 2
    assert float(result["more"][0]) == 3 and str(float(result["more"][1])) == "nan"


def test_overwrite_dirty_off_refuses_to_start_over_and_says_what_to_do(project: Project) -> None:
    write(project, "Param(x=[1, 2])", more="overwrite_dirty = False")
    assert project.psy("run").code == 0
    write(project, "Param(x=[1, 2, 3])", more="overwrite_dirty = False")
    for flags in ([], ["--dry-run"]):
        said = project.psy("run", *flags)
        assert said.code == 2
        assert "overwrite_dirty" in said.err
        assert "--continue" in said.err and "psy clean" in said.err
    assert project.result("t")["x"] == [1, 2]
    assert project.psy("run", "-c").code == 0
    assert project.result("t")["x"] == [1, 2, 3]
    assert project.counts() == Counter("123")


def test_file_dep_counts_by_content(project: Project) -> None:
    (project.tasks / "data.txt").write_text("1")
    write(project, "Param(x=[1])", more="file_dep = ['data.txt']")
    assert project.psy("run").code == 0
    (project.tasks / "data.txt").touch()
    assert project.psy("run").out.startswith("-")
    (project.tasks / "data.txt").write_text("2")
    assert not project.status("t")["up_to_date"]
    said = project.psy("run")
    assert said.code == 0 and "data.txt changed, starting over" in said.out
    (project.tasks / "data.txt").unlink()
    for command in ("run", "status"):
        said = project.psy(command)
        assert said.code == 2 and "data.txt" in said.err and "file_dep" in said.err


def test_a_file_edited_while_jobs_run_is_harmless(project: Project) -> None:
    (project.tasks / "psy-conf.py").write_text("def setup(n):\n    return {'conf': 'old'}\n")
    write(
        project,
        "Param(x=[1, 2, 3, 4])",
        names="x, conf",
        y="wait_for('go') or (conf, __file__, 'old')",
        more="pool_size = 2",
    )
    running = project.start("run")
    until(project.calls, "the first row")
    (project.tasks / "psy-conf.py").write_text("import nothing_like_it\n")
    (project.tasks / "task_t.py").write_text("import nothing_like_it\n")
    project.let("go")
    said = project.end(running)
    (project.tasks / "psy-conf.py").unlink()
    assert said.code == 0, said
    assert project.result("t")["y"] == [("old", str(project.tasks / "task_t.py"), "old")] * 4


def test_a_result_that_was_replaced_by_garbage_is_refused(project: Project) -> None:
    write(project, "Param(x=[1, 2])")
    assert project.psy("run").code == 0
    result = project.work / "t" / "result.pkl"
    result.write_bytes(b"garbage")
    for flags in ([], ["-c"]):
        said = project.psy("run", *flags)
        assert said.code == 2
        assert "result.pkl" in said.err and "move it away" in said.err
    assert result.read_bytes() == b"garbage"
    result.rename(result.with_suffix(".bad"))
    assert project.psy("run").code == 0
    assert project.result("t")["x"] == [1, 2]


def test_a_deleted_result_is_computed_again(project: Project) -> None:
    write(project, "Param(x=[1, 2])")
    assert project.psy("run").code == 0
    (project.work / "t" / "result.pkl").unlink()
    assert project.status("t")["completed"] == 0
    assert project.psy("run").code == 0
    assert project.result("t") == {"x": [1, 2], "y": [1, 2]}


def test_values_of_classes_that_the_task_file_defines_are_recognised(project: Project) -> None:
    text = """
        class Value:
            def __init__(self, x): self.x = x
        pspace = Param(v=[Value(x) for x in {xs}]) * Param(f=[len])
        def execute(v, f):
            note(v.x)
            return {{'y': v}}
        """
    project.task("t", text.format(xs=[1, 2]))
    said = project.psy("run")
    assert said.code == 0, said.err
    assert project.call("run").out.startswith("-  t:process")
    project.task("t", text.format(xs=[3, 2, 1]))
    assert project.call("run", "-c").code == 0
    assert project.counts() == {"1": 1, "2": 1, "3": 1}
    assert [value.x for value in project.result("t")["y"]] == [3, 2, 1]


def test_a_task_edited_while_an_earlier_one_runs_is_run_as_it_was_loaded(project: Project) -> None:
    project.task(
        "a",
        "pspace = Param(x=[1])\ndef execute(x):\n    note(x)\n    wait_for('go')\n    return {}\n",
    )
    write(project, "Param(x=[1, 2])")
    running = project.start("run")
    until(project.calls, "the first task")
    write(project, "Param(x=[1, 2, 3])", y="10 * x")
    project.let("go")
    assert project.end(running).code == 0
    assert project.result("t") == {"x": [1, 2], "y": [1, 2]}
    assert not project.status("t")["up_to_date"]
    assert project.psy("run", "t").code == 0
    assert project.result("t") == {"x": [1, 2, 3], "y": [10, 20, 30]}


def test_a_study_can_be_moved(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, "Param(x=[1, 2])")
    assert project.psy("run", "t").code == 0
    moved = project.root / "moved"
    moved.mkdir()
    for directory in (project.tasks, project.work):
        directory.rename(moved / directory.name)
    monkeypatch.chdir(moved)
    said = project.psy("run", "t")
    assert said.code == 0 and "up to date" in said.out
