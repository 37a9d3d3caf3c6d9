"""Every example in the README and the documentation runs, and the documentation builds.

A Python block whose first line is a comment like ``# psy-tasks/task_x.py`` becomes that file; any
other is executed. In a ``console`` block, lines after ``$`` are run by bash and their output is
compared; ``...`` stands for anything. Each document has a directory of its own.
"""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from joblib.externals.loky import get_reusable_executor
from sybil import Example, Sybil
from sybil.evaluators.doctest import OutputChecker
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers import markdown, rest
from sybil.parsers.abstract.codeblock import PythonDocTestOrCodeBlockParser
from test_structure import FLOORS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.rst"))]
GUIDE = ROOT.parent / "shared" / "guide.rst"

run_python = PythonEvaluator()


def write_or_run(example: Example) -> None:
    if named := re.match(r"# (\S+\.py)\n", example.parsed):
        path = Path(named[1])
        path.parent.mkdir(exist_ok=True)
        path.write_text(example.parsed)
    else:
        run_python(example)


def run_console(example: Example) -> str | None:
    for step in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
        command, _, wanted = step.partition("\n")
        got = subprocess.run(
            ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ).stdout
        if not OutputChecker().check_output(wanted.rstrip(), got.rstrip(), doctest.ELLIPSIS):
            return f"$ {command}\nExpected:\n{wanted}Got:\n{got}"
    return None


class MarkdownPython(PythonDocTestOrCodeBlockParser):
    """Doctests in Python blocks of Markdown, and blocks that are run or written."""

    def __init__(self) -> None:
        super().__init__(doctest_optionflags=doctest.ELLIPSIS)
        self.codeblock_parser = markdown.CodeBlockParser("python", write_or_run)

    codeblock_parser_class = markdown.CodeBlockParser


PARSERS = {
    ".md": [MarkdownPython(), markdown.CodeBlockParser("console", run_console)],
    ".rst": [
        rest.DocTestParser(doctest.ELLIPSIS),
        rest.CodeBlockParser("python", write_or_run),
        rest.CodeBlockParser("console", run_console),
    ],
}


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty working directory, from which modules are imported, with psy on the path."""
    known = set(sys.modules)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    with mock.patch.dict(os.environ):
        yield tmp_path
    get_reusable_executor().shutdown()  # joblib's processes would go on to import from here
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_example_of_a_document_runs(path, directory):
    for example in Sybil(PARSERS[path.suffix]).parse(path).examples():
        example.evaluate()


def test_the_documentation_builds_without_warnings(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", tmp_path / "trees"]
    built = subprocess.run(
        [*command, ROOT / "docs", tmp_path / "html"], stderr=subprocess.PIPE, text=True
    )
    assert built.returncode == 0, built.stderr


def test_the_floors_in_the_design_are_those_that_are_tested():
    tested = {name: number for number, names in enumerate(FLOORS) for name in names}
    table = (ROOT / "docs" / "design.md").read_text().split("## The floors")[1].split("```")[1]
    number = -1
    for line in table.splitlines()[1:]:
        number = int(line[0]) if line[0] != " " else number
        for name in line[3:35].split():
            assert tested[name] == number, line


if GUIDE.exists():  # it is the users' own specification, and not part of this repository

    def test_every_example_of_the_shared_guide_runs(directory):
        from psyrun import PickleStore

        Path("path/to").mkdir(parents=True)
        PickleStore().save("path/to/datafile.pkl", {"a": [1, 2], "b": [0.5, 0.25]})
        document = Sybil(PARSERS[".rst"]).parse(GUIDE)
        for example in document.examples():
            example.evaluate()
        assert document.namespace["df"].to_dict("list") == {"a": [1, 2], "b": [0.5, 0.25]}

    def test_the_task_file_of_the_shared_guide_loads_as_written(directory):
        from psyrun.tasks import TaskDef

        written = re.search(r"might look like::\n\n(.*?)\n\n\n\.\. _", GUIDE.read_text(), re.DOTALL)
        path = directory / "task_circle.py"
        path.write_text(re.sub(r"^    ", "", written[1], flags=re.MULTILINE))
        task = TaskDef(path)
        assert (task.name, len(task.pspace), task.min_items) == ("circle", 5000, 10)
        assert task.scheduler_args == {"timelimit": "15m", "memory": "1G"}
        assert set(task.execute(**task.pspace[7])) == {"a_frac", "x"}
