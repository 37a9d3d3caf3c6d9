"""Functions of notebooks and scripts as tasks, in processes of their own as kernels are."""

import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import psyrun
from psyrun import Param
from psyrun.exceptions import TaskWarning, UsageError
from psyrun.main import psy_main
from psyrun.store.npz import NpzStore
from psyrun.tasks.fingerprint import Fingerprint

CLUSTER = Path(__file__).parent / "cli" / "cluster.py"

AS_A_KERNEL = """
import os, sys, time
from pathlib import Path
source = sys.stdin.read()
name = f"/tmp/ipykernel_{os.getpid()}/1.py"
exec(compile(source, name, "exec"), vars(sys.modules["__main__"]))
"""

HEAD = """
import time
import psyrun
from psyrun import Param
from pathlib import Path

def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""


class Desk:
    """A directory with notebooks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def kernel(self, source: str, *, code: int = 0) -> str:
        """Execute a notebook in a new kernel; return what it has printed."""
        source = HEAD + textwrap.dedent(source)
        environment = os.environ | {"PYTHONHASHSEED": str(len(source))}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", AS_A_KERNEL],
            **{"input": "\n" * (os.getpid() % 7) + source, "env": environment, "cwd": self.root},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + (done.stderr if code else "")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    shutil.copy(CLUSTER, tmp_path)
    return Desk(tmp_path)


NOTEBOOK = """
import math
from dataclasses import dataclass
import helping

@dataclass(frozen=True)
class Shape:
    sides: int
    size: float = 1.0
    def area(self):
        return self.size * twice(self.sides)

def twice(x):
    return 2 * x

def make(offset):
    def evaluate(shape, x):
        with open("calls", "a") as file:
            file.write(".")
        kinds = {"a", "b", "c", "d"}
        again = Shape(shape.sides + 1)
        return {"y": offset + shape.area() + x, "z": helping.half(x), "again": again,
                "known": "a" in kinds and math.pi in {1, math.pi, 3}}
    return evaluate

space = Param(shape=[Shape(3), Shape(4)]) * Param(x=[0, 1])
shapes = psyrun.farm(make(offset=100), space, name="shapes")
"""


def test_a_notebook_is_executed_again_in_a_new_kernel_and_finds_its_rows(desk):
    (desk.root / "helping.py").write_text("def half(x):\n    return x / 2\n")
    show = """
        r = shapes.result()
        print(r["y"].tolist(), r["z"].tolist(), [s.sides for s in r["again"]], all(r["known"]))
        print(len(Path("calls").read_text()), shapes.status())
        print(all(isinstance(s, Shape) for s in r["again"]))
    """
    told = desk.kernel(NOTEBOOK + textwrap.dedent(show))
    assert told.splitlines() == [
        "[106.0, 107.0, 108.0, 109.0] [0.0, 0.5, 0.0, 0.5] [4, 4, 5, 5] True",
        "4 FarmStatus(total=4, completed=4, failed=0, pending=0, running=0, queued=0)",
        "True",
    ]
    edited = NOTEBOOK.replace("def twice", "# only a comment\ndef twice")
    assert desk.kernel(edited + textwrap.dedent(show)) == told
    elsewhere = """
        result = psyrun.attach("shapes").result()
        print(result["y"].tolist(), [s.sides for s in result["again"]])
        print(psyrun.load("psy-work/shapes").pending, psyrun.load("psy-work/shapes")["y"].sum())
    """
    assert desk.kernel(elsewhere).splitlines()[0] == "[106.0, 107.0, 108.0, 109.0] [4, 4, 5, 5]"


BACKGROUND = """
from cluster import Cluster

def execute(x):
    with open("calls", "a") as file:
        file.write(f"{x} ")
    until(lambda: x < 3 or Path("go-on").exists())
    return {"y": x * x}

def start(n=6, **more):
    return psyrun.farm(execute, Param(x=range(n)), Cluster(), max_jobs=3, **more)
"""


def test_a_farm_goes_on_without_its_kernel_and_is_found_by_name(desk):
    told = desk.kernel(BACKGROUND + "print(start().wait(timeout=0.01))")
    assert told == "False\n"
    assert desk.kernel(
        """
        farm = psyrun.attach("execute")
        until(lambda: farm.status().completed == 3)
        print(farm.status().at_work, len(farm.result(partial=True)))
        """
    ).splitlines() == ["True 3"]
    # The same call in a new kernel attaches.
    told = desk.kernel(
        BACKGROUND
        + textwrap.dedent(
            """
            farm = start()
            Path("go-on").touch()
            print(farm.wait(), farm.wait(), farm.result()["y"].tolist(), farm.failures())
            """
        )
    )
    assert told.splitlines() == ["True True [0, 1, 4, 9, 16, 25] []"]
    assert sorted((desk.root / "calls").read_text().split()) == list("012345")


def test_a_killed_farm_keeps_its_rows_and_continues_in_a_larger_space(desk):
    told = desk.kernel(
        BACKGROUND
        + textwrap.dedent(
            """
            farm = start()
            until(lambda: farm.status().completed == 3)
            print(len(farm.kill()) > 0, farm.wait(), farm.status()[:4], farm.status().at_work)
            try:
                start(8)
            except psyrun.exceptions.UsageError as err:
                print(err)
            Path("go-on").touch()
            print(start(8, keep=True).result()["y"].tolist())
            """
        )
    )
    assert told.splitlines() == [
        "True False (6, 3, 0, 3) False",
        (
            "The parameter space of 'execute' changed since 3 rows were computed; say keep=True to "
            "keep those that are in the space, or keep=False to start over."
        ),
        "[0, 1, 4, 9, 16, 25, 36, 49]",
    ]
    assert (desk.root / "calls").read_text().split().count("0") == 1


def test_failed_rows_are_left_out_with_a_warning_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def invert(x):
        if x == 0 and not Path("mended").exists():
            raise ZeroDivisionError(x)
        return {"y": 1 / (x or 1)}

    def start(**variables):
        return psyrun.farm(invert, Param(x=[0, 1, 2]), progress=True, retries=1, **variables)

    with pytest.warns(TaskWarning, match="1 of 3 rows have failed; see failures"):
        farm = start()
    with pytest.warns(TaskWarning, match="1 of 3 rows have failed"):
        assert farm.result()["y"].tolist() == [1.0, 0.5]
    (group,) = farm.failures()
    assert (group.type, list(group.rows)) == ("ZeroDivisionError", [0])
    assert repr(farm) == "<Farm 'invert': 2 of 3 rows completed, 1 failed>"
    Path("mended").touch()
    assert start(max_jobs=7).result()["y"].tolist() == [1.0, 1.0, 0.5]
    assert not farm.status().at_work


def test_a_function_that_has_changed_starts_over_only_if_told_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start(factor, **variables):
        return psyrun.farm(lambda x: {"y": factor * x}, Param(x=[1, 2]), name="f", **variables)

    start(1)
    with pytest.raises(UsageError, match="The function of 'f' changed since 2 rows were computed"):
        start(10)
    assert start(10, keep=True).result()["y"].tolist() == [1, 2]
    assert start(100, keep=False).result()["y"].tolist() == [100, 200]
    assert start(100).result()["y"].tolist() == [100, 200]


def test_variables_of_tasks_are_arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    farm = psyrun.farm(
        lambda x, number, rng: {"y": x + number, "r": rng.random()},
        Param(x=[1, 2]),
        name="some task",
        setup=lambda process: {"number": 10},
        seed=1,
        store=NpzStore(),
        resultfile="out/result.npz",
        exclude_from_result=["x"],
        workdir="work",
        on_finish=lambda summary: Path("finished").write_text(summary["resultfile"]),
    )
    assert Path("finished").read_text() == str(tmp_path / "out" / "result.npz")
    assert list(farm.result()) == ["y", "r"]
    assert farm.directory == tmp_path / "work" / "some task"
    monkeypatch.chdir("out")
    assert psyrun.attach("some task", workdir="../work").result()["y"].tolist() == [11, 12]


async def waits(x):
    return {"y": x}


def yields(x):
    yield {"y": x}


def locking():
    lock = threading.Lock()
    return lambda x: {"y": lock.locked()}


@pytest.mark.parametrize(
    ("function", "variables", "message"),
    [
        (lambda x: {}, {}, r"has no name; give the task one, with name='\.\.\.'"),
        (lambda x: {}, {"name": "a/b"}, "'a/b' cannot be the name of a task"),
        (lambda x: {}, {"name": "f", "max_job": 3}, "no variable 'max_job'; it has backend,"),
        (lambda x: {}, {"name": "f", "max_jobs": 0}, "'max_jobs' has to be a whole number"),
        (waits, {}, "Function 'waits' is a coroutine function"),
        (yields, {}, "Function 'yields' is a generator function"),
        (
            locking(),
            {"name": "f"},
            "Function '<lambda>' cannot be sent to jobs: .*; make it within",
        ),
        (lambda x: {}, {"name": "f", "setup": locking()}, "'setup' cannot be sent"),
        (3, {"name": "f"}, "'execute' has to be a function"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused_in_a_sentence(
    tmp_path, monkeypatch, function, variables, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        psyrun.farm(function, Param(x=["1"]), **variables)
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_taken_or_unknown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="No task 'f' has been started in 'psy-work'; there are"):
        psyrun.attach("f")
    Path("psy-tasks").mkdir()
    Path("psy-tasks/task_f.py").write_text(
        "from psyrun import Param\npspace = Param(x=[3])\ndef execute(x):\n    return {'y': x}\n"
    )
    assert psy_main(["run"]) == 0
    assert psyrun.attach("f").result()["y"].tolist() == [3]
    with pytest.raises(UsageError, match=r"'f' in .* is the task of .*task_f.py; give this one"):
        psyrun.farm(lambda x: {}, Param(x=[1]), name="f")
    with pytest.raises(UsageError, match="the tasks there are f"):
        psyrun.attach("g")


def test_what_keeps_jobs_from_beginning_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def fail(process):
        raise OSError("no data here")

    with pytest.warns(TaskWarning) as told:
        psyrun.farm(lambda x: {}, Param(x=[1]), name="f", setup=fail)
    assert [str(each.message) for each in told] == [
        "f: 1 of 1 rows have not been evaluated.",
        "f: job process:0 failed: 'the task could not be set up: OSError: no data here'.",
    ]


def fingerprint(source: str) -> bytes:
    module = {"__name__": "__main__"}
    exec(textwrap.dedent(source), module)
    return Fingerprint().of(module["f"])


SOURCE = """
    import math
    SCALE = [1, {"a": 2}]
    class Model:
        rate = 1
        def step(self, x):
            return self.rate * x
    def helper(x, *, by=1):
        return [i for i in range(x + by)]
    def f(x):
        return {"y": math.sqrt(x) + len(helper(x)) + Model().step(x) + len(SCALE)}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("math.sqrt", "math.sin"),
        ("rate = 1", "rate = 2"),
        ("by=1", "by=2"),
        ("x + by", "x - by"),
        ('{"a": 2}', '{"a": 3}'),
        ("self.rate *", "self.rate +"),
    ],
)
def test_a_function_has_changed_if_anything_that_it_uses_has(old, new):
    assert fingerprint(SOURCE) != fingerprint(SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [("import math", "# a comment\n\n    import math"), ("SCALE", "LIST = 3\n    SCALE")],
)
def test_a_function_is_the_same_whatever_is_beside_it(old, new):
    assert fingerprint(SOURCE) == fingerprint(SOURCE.replace(old, new, 1))
