"""psy plot."""

import os
import pty
import subprocess
import sys

import pytest

from .conftest import Project, until

TASK = """
    import numpy as np

    SHAPES = Param(shape=["disc", "square"])
    pspace = Param(radius=[0.5, 1.0, 2.0, 4.0]) * SHAPES * Param(trial=range(3))
    units = {"radius": "m", "area": "m²"}

    def execute(radius, shape, trial):
        if trial == 2 and radius == 4.0:
            raise ValueError("too large")
        area = radius**2 * (np.pi if shape == "disc" else 4)
        return {"area": area + trial / 100, "round": shape == "disc", "what": shape,
                "image": np.zeros((2, 2, 2))}
"""


@pytest.fixture
def shapes(project: Project) -> Project:
    project.task("shapes", TASK)
    assert project.psy("run", "shapes").code == 1  # two rows fail
    return project


def test_a_file_is_written_and_what_it_shows_is_said(shapes: Project) -> None:
    for name in ("areas.png", "areas.svg", "areas.pdf"):
        said = shapes.psy("plot", "shapes", "radius", "area", "--color", "shape", "-o", name)
        assert said.err == ""
        assert said.code == 0
        assert said.out == (
            f"wrote {name}\nshapes: mean and standard error over trial (3); 2 of 24 rows failed\n"
        )
        assert (shapes.root / name).stat().st_size > 5000


def test_the_terminal_shows_it_in_80_columns_and_plainly_when_piped(shapes: Project) -> None:
    piped = shapes.call("plot", "shapes", "area").out
    assert "\x1b" not in piped
    assert max(map(len, piped.splitlines())) <= 80
    assert "area [m²]" in piped
    assert "radius [m]" in piped
    assert "shape:  o disc  + square\n" in piped
    assert piped.endswith("shapes: mean over trial (3); 2 of 24 rows failed\n")
    assert shapes.call("plot", "shapes", "area", env=os.environ | {"LANG": "C"}).code == 0
    plain = shapes.call("plot", "shapes", "area", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert plain.out.isascii()
    assert "+---" in plain.out


def show_on_a_terminal(project: Project, *args: str, **environment: str) -> str:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "psyrun", *args],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=project.root,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment},
    ) as process:
        os.close(slave)
        shown = b""
        try:
            while block := os.read(master, 4096):
                shown += block
        except OSError:  # how Linux says that the other end has been closed
            pass
    os.close(master)
    assert process.returncode == 0
    return shown.decode()


def test_colours_are_for_terminals_only_and_not_against_the_users_will(shapes: Project) -> None:
    for form in ("lines", "heatmap", "bars"):
        command = ("plot", "shapes", "area", "--form", form)
        assert "\x1b[" in show_on_a_terminal(shapes, *command)
        shown = show_on_a_terminal(shapes, *command, NO_COLOR="1")
        assert "\x1b[3" not in shown and "\x1b[4" not in shown


def test_rows_can_be_chosen_and_the_axes_of_a_heat_map(shapes: Project) -> None:
    said = shapes.psy("plot", "shapes", "shape,radius", "area", "--where", "trial < 1")
    assert said.code == 0
    assert said.out.startswith("radius [m]\n")
    assert said.out.endswith("shapes; only trial < 1\n")
    said = shapes.psy("plot", "shapes", "radius", "area", "--facet", "shape,trial")
    assert [line for line in said.out.splitlines() if "shape =" in line][:2] == [
        "shape = disc, trial = 0",
        "shape = disc, trial = 1",
    ]


def test_what_has_been_computed_so_far_can_be_drawn(project: Project) -> None:
    project.task(
        "slow",
        """
        pspace = Param(x=range(6))

        def execute(x):
            if x == 4:
                wait_for("go")
            return {"y": x}
        """,
    )
    process = project.start("run", "slow")
    until(
        lambda: project.psy("plot", "slow", "y", "--partial").out.endswith(
            "slow: 2 of 6 rows pending\n"
        ),
        "four rows",
    )
    assert project.psy("plot", "slow", "y").code == 2
    project.let("go")
    assert project.end(process).code == 0
    assert project.psy("plot", "slow", "y").out.endswith("slow\n")


def test_errors_are_one_sentence(shapes: Project) -> None:
    for args, message in (
        (["shapes", "aera"], "There is no column 'aera'; did you mean 'area'?"),
        (["shapes", "what"], "'what' holds categories, and a picture needs numbers."),
        (["shapes", "image"], "'image' holds values that are neither"),
        (["shapes", "radius", "shape", "area"], "are written as radius,shape."),
        (["shapes", "a,b,c", "area"], "A picture has two axes, not 3"),
        (["shapes", "area", "--where", "radius > 99"], "No row of 'shapes' is completed"),
        (["shapes", "area", "--where", "radius >"], "radius >"),
        (["shapes", "area", "-o", "areas.jpeg2"], "choose one of .png, .svg, .pdf"),
        (["nothing", "area"], "There is no task 'nothing'"),
    ):
        said = shapes.psy("plot", *args)
        assert said.code == 2
        assert said.out == ""
        assert said.err.startswith("psy: ") and said.err.count("\n") == 1
        assert message in said.err


def test_without_matplotlib_it_is_said_how_to_get_it(shapes: Project) -> None:
    hidden = shapes.root / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import sys\nsys.modules['matplotlib'] = sys.modules['plotext'] = None\n"
    )
    env = os.environ | {"PYTHONPATH": str(hidden)}
    for more in ([], ["-o", "areas.png"]):
        said = shapes.call("plot", "shapes", "area", *more, env=env)
        assert said.code == 2
        assert "install it with: pip install 'psyrun[plot]'" in said.err
        assert said.err.count("\n") == 1
