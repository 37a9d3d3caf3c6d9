"""Wrong use, broken tasks, and what is said about them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Project

FINE = "pspace = Param(x=[1, 2])\ndef execute(x):\n    return {'y': x}\n"


def test_an_unknown_task_lists_the_close_ones(project: Project) -> None:
    for name in ("circle", "circus", "other"):
        project.task(name, FINE)
    for command in ("run", "status", "clean", "kill", "test"):
        said = project.psy(command, "cirlce")
        assert said.code == 2
        assert "'cirlce'" in said.err and "'circle'" in said.err and "'other'" not in said.err
    assert not project.work.exists()
    assert "the tasks are 'circle', 'circus', 'other'" in project.psy("run", "xyz").err


def test_a_missing_task_directory_is_named(project: Project) -> None:
    for command in ("run", "status", "list", "test"):
        said = project.psy(command, "--taskdir", "nowhere")
        assert said.code == 2
        assert "'nowhere'" in said.err and "new-task" in said.err
        assert len(said.err.splitlines()) == 1


def test_an_empty_task_directory_is_fine(project: Project) -> None:
    for command in ("run", "status", "list", "test"):
        assert project.psy(command) == (0, "", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def execute(x):\n    return {}\n", "'pspace'"),
        ("pspace = Param(x=[1])\n", "'execute'"),
        ("raise ValueError('oh no')\n", "line 3: ValueError: oh no"),
        ("import no_such_module\n", "no_such_module"),
        ("import sys; sys.exit(3)\n", "SystemExit"),
        ("this is no Python\n", "line 3: SyntaxError"),
        ("\0", "null bytes"),
        ("pspace = [1]\ndef execute(x): pass\n", "'pspace'"),
        (FINE + "max_jobs = 0\n", "'max_jobs'"),
        (FINE + "pool_size = 'x'\n", "'pool_size'"),
        (FINE + "store = 3\n", "'store'"),
        (FINE + "scheduler = 3\n", "'scheduler'"),
        (FINE + "backend = 3\n", "'backend'"),
        (FINE + "file_dep = 'data.txt'\n", "'file_dep'"),
        (FINE + "setup = 3\n", "'setup'"),
        (FINE + "seed = -1\n", "'seed'"),
        (FINE + "workdir = 3\n", "'workdir'"),
        (FINE + "resultfile = 3\n", "'resultfile'"),
        (FINE + "python = 3\n", "'python'"),
        (FINE + "name = 'a/b'\n", "'a/b'"),
        (FINE + "name = 3\n", "name"),
        (FINE + "name = 'fine'\n", "'fine'"),
    ],
)
def test_a_broken_task_is_named_and_leaves_the_others_usable(
    project: Project, text: str, message: str
) -> None:
    project.task("fine", FINE)
    project.task("broken", text)
    said = project.psy("list")
    assert said.code == 2
    # Of two tasks with one name, the first one's stands.
    assert "fine" in said.out.splitlines()
    assert message in said.err and "broken.py" in said.err
    assert len(said.err.splitlines()) == 1
    if "name = 'fine'" not in text:
        assert project.psy("status", "fine").code == 0
        assert project.psy("status", "broken").code == 2


def test_near_misses_of_variables_are_warned_about(project: Project) -> None:
    project.task("near", FINE + "max_job = 3\nschedular_args = {}\nMAX = 1\nspace = 2\n")
    said = project.call("status")
    assert said.code == 0
    assert "'max_job'" in said.err and "'max_jobs'" in said.err
    assert "'schedular_args'" in said.err
    assert len(said.err.splitlines()) == 2
    project.task("near", "pspaces = Param(x=[1])\ndef execute(x): pass\n")
    said = project.call("status")
    assert said.code == 2 and "did you mean 'pspace'" in said.err


@pytest.mark.parametrize("n", ["0", "-1", "two", "1.5", ""])
def test_wrong_numbers_of_parallel_rows_are_refused(project: Project, n: str) -> None:
    project.task("fine", FINE)
    said = project.psy("run", f"-j{n}" if n else "-j")
    assert said.code == 2 and "-j" in said.err
    assert not project.work.exists()


def test_wrong_commands_exit_with_2(project: Project) -> None:
    assert project.psy().code == 2
    assert project.psy("walk").code == 2
    assert project.psy("run", "--wrong").code == 2
    assert project.psy("logs").code == 2


def test_clean_and_kill_without_a_name_do_nothing(project: Project) -> None:
    project.task("fine", FINE)
    assert project.psy("run").code == 0
    for command in ("clean", "kill"):
        said = project.psy(command)
        assert said.code == 0 and "nothing done" in said.out
    assert project.status("fine")["up_to_date"]


def test_help_fits_80_columns_and_names_every_option(project: Project) -> None:
    said = project.psy("--help")
    assert said.code == 0
    assert project.psy("-h") == said
    commands = ["run", "clean", "kill", "list", "merge", "new-task", "status", "test"]
    for command in commands:
        assert command in said.out
        help_ = project.psy(command, "--help")
        assert help_.code == 0
        assert "--taskdir" in help_.out or command == "merge"
        said = said._replace(out=said.out + help_.out)
    assert max(map(len, said.out.splitlines())) < 80


def test_the_version_is_told(project: Project) -> None:
    from psyrun import __version__

    assert project.psy("--version") == (0, f"psyrun {__version__}\n", "")


def test_a_work_directory_that_cannot_be_written_stops_only_its_task(project: Project) -> None:
    (project.root / "file").touch()
    project.task("a", "workdir = 'file'\n" + FINE)
    project.task("b", FINE)
    said = project.psy("run")
    assert said.code == 2
    assert "'a'" in said.err and str(project.root / "file") in said.err
    assert len(said.err.splitlines()) == 1
    assert project.result("b")["y"] == [1, 2]


def test_a_task_that_loads_only_here_says_why_its_job_could_not(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "import os\nif os.environ['HERE'] != str(os.getpid()):\n    raise RuntimeError('not here')"
    )
    project.task("env", f"{text}\n{FINE}")
    monkeypatch.setenv("HERE", str(os.getpid()))
    said = project.psy("run")
    assert said.code == 1
    assert "RuntimeError: not here" in said.err and "process-0" in said.err
    assert "Traceback" not in said.err.splitlines()[0]
    assert len(said.err.splitlines()) < 20


def test_a_setup_that_fails_is_told(project: Project) -> None:
    project.task("s", FINE + "def setup(n):\n    raise ValueError('no licence')\n")
    said = project.psy("run")
    assert said.code == 1
    assert "ValueError: no licence" in said.err
    assert project.status("s")["pending"] == 2


@pytest.mark.parametrize(
    "values", ["[1, 'one']", "[1, 'a', {'a': 1}]", "[1.5, b'x']", "['a', [1, 2]]"]
)
def test_rows_that_a_store_cannot_hold_are_told_with_their_column(
    project: Project, values: str
) -> None:
    project.task(
        "mixed",
        f"""
        from psyrun.store.npz import NpzStore
        store = NpzStore()
        values = {values}
        pspace = Param(x=range(len(values)))
        def execute(x):
            note(x)
            return {{'mixed_column': values[x]}}
        """,
    )
    said = project.psy("run")
    assert said.code == 1
    assert "mixed_column" in said.err
    again = project.psy("run")
    assert again.code == 1
    assert "mixed_column" in again.err
    assert project.counts()["0"] == project.counts()["1"] == 1


def test_psy_test_shows_a_result_or_what_is_wrong_and_keeps_nothing(project: Project) -> None:
    project.task("fine", FINE)
    project.task("bad", FINE.replace("'y': x", "'y': x / 0"))
    project.task(
        "unfit",
        "from psyrun.store.npz import NpzStore\nstore = NpzStore()\n"
        + FINE.replace("'y': x", "'y': object()"),
    )
    project.task("empty", FINE.replace("[1, 2]", "[]"))
    said = project.psy("test", "fine")
    assert said.code == 0 and "y: 1" in said.out
    bad = project.psy("test", "bad")
    assert bad.code == 1 and "ZeroDivisionError" in bad.err and "x=1" in bad.err
    unfit = project.psy("test", "unfit")
    assert unfit.code == 1 and "'y'" in unfit.err and "object" in unfit.err
    assert "empty" in project.psy("test", "empty").err
    assert not project.work.exists()


def test_what_task_files_print_does_not_spoil_the_output(project: Project) -> None:
    project.task("loud", "print('loading')\n" + FINE)
    assert project.status("loud")["total"] == 2
    assert project.psy("list").out == "loud\n"


def test_a_name_that_is_no_text_spoils_nothing(project: Project) -> None:
    project.task("fine", FINE)
    path = os.fsencode(project.tasks) + b"/task_\xff.py"
    try:
        Path(os.fsdecode(path)).write_text("from psyrun import Param\n" + FINE)
    except OSError:  # a file system that knows text only
        return
    assert project.call("list").out.splitlines()[0] == "fine"
    assert project.call("run", "fine").code == 0


def test_output_that_nobody_reads_is_no_error(project: Project) -> None:
    project.task("fine", FINE)
    command = f"{sys.executable} -m psyrun run | true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=project.root, stderr=subprocess.PIPE, check=False
    )
    assert done.stderr == b""
    assert project.psy("run").code == 0


def test_parameters_that_cannot_be_pickled_are_named(project: Project) -> None:
    project.task(
        "lambdas", "pspace = Param(x=[1, 2], f=[lambda: 0, lambda: 1])\ndef execute(x, f): pass\n"
    )
    said = project.psy("run")
    assert said.code == 2
    assert "lambdas" in said.err and "pickle" in said.err
    assert len(said.err.splitlines()) == 1


def test_an_interpreter_that_is_not_there_is_named(project: Project) -> None:
    project.task("py", FINE + "python = '/no/such/python'\n")
    said = project.psy("run")
    assert said.code == 2 and "/no/such/python" in said.err
    project.task("py", FINE)
    assert project.psy("run").code == 0
