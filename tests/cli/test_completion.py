"""Completion, by argcomplete's protocol."""

import os

import pytest

from .conftest import Project


def complete(project: Project, line: str, shell: str = "bash") -> list[str]:
    path = project.root / "completions"
    path.unlink(missing_ok=True)
    project.call(
        env=os.environ
        | {
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_SHELL": shell,
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(path),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line.encode())),
            "COMP_TYPE": "9",
        }
    )
    # zsh gets "word:description".
    return [word.strip().rstrip(":") for word in path.read_text().split("\n") if word.strip()]


def test_commands_are_completed(project: Project) -> None:
    assert {"run", "clean", "kill", "list", "merge", "new-task", "status", "test"} <= set(
        complete(project, "psy ")
    )
    assert complete(project, "psy st") == ["status"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_task_names_are_completed_without_loading_them(project: Project, shell: str) -> None:
    for name in ("circle", "cube", "other"):
        (project.tasks / f"task_{name}.py").write_text("raise SystemExit('not to be loaded')\n")
    assert set(complete(project, "psy run c", shell)) == {"circle", "cube"}
    for command in ("status -v", "show", "export", "watch", "wait --timeout 5"):
        assert complete(project, f"psy {command} ot", shell) == ["other"]


def test_task_names_are_those_of_the_task_directory_on_the_line(project: Project) -> None:
    (project.root / "tasks here").mkdir()
    (project.root / "tasks here" / "task_there.py").touch()
    assert complete(project, "psy run --taskdir 'tasks here' ") == ["there"]
    assert complete(project, "psy run --taskdir nowhere t") == []
    assert any("psy-tasks" in word for word in complete(project, "psy run --taskdir psy"))


def test_options_are_completed(project: Project) -> None:
    assert "--json" in complete(project, "psy status --")
    assert {"--where", "--columns", "--sort", "--csv"} <= set(complete(project, "psy show --"))
    (project.root / "out.csv").touch()
    assert complete(project, "psy export task ou") == ["out.csv"]
