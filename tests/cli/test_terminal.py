"""What psy shows on a terminal and through a pipe."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from typing import Any

from .conftest import PATIENCE, Project

TASK = """
    import time
    pspace = Param(x=range(40))
    def execute(x):
        time.sleep(0.05)
        if x == 3:
            raise ValueError('three')
        return {'y': x}
    """


def test_through_a_pipe_there_are_plain_lines(project: Project) -> None:
    project.task("slow", TASK.replace("0.05", "0.0"))
    said = project.call("run")
    assert said.code == 1
    assert re.fullmatch(r"[\x20-\x7e\n]*", said.out + said.err)
    assert len(said.out.splitlines()) == 4


def test_on_a_terminal_there_is_a_live_bar(project: Project) -> None:
    project.task("slow", TASK)
    shown = on_a_terminal(project, "run")
    assert re.search(r"slow .* \d+/40 rows +\d+%, [\d.]+/s, \d+ s left", plain(shown))
    assert "slow: row 3 failed: ValueError: three (x=3)" in shown and "1 failed" in shown
    for line in re.split(r"[\r\n]+", plain(shown)):
        assert len(line) <= 80 or "psy-work" in line or line.lstrip().startswith("File")
    last = shown.replace("\r\n", "\n").rstrip("\n").split("\n")[-1]
    assert "39 of 40 rows completed, 1 failed" in last


def test_without_colours_done_and_open_differ_all_the_same(project: Project) -> None:
    project.task("slow", TASK)
    shown = on_a_terminal(project, "run", env=os.environ | {"NO_COLOR": "1"})
    assert re.search("━+─+", plain(shown))
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown)


def test_a_table_fits_on_the_terminal_and_says_what_it_leaves_out(project: Project) -> None:
    names = [f"output_{i:02}" for i in range(30)]
    project.task(
        "wide", f"pspace = Param(x=[1])\ndef execute(x): return dict.fromkeys({names}, x)\n"
    )
    assert project.psy("run").code == 0
    lines = on_a_terminal(project, "show", "wide").splitlines()
    bare = list(map(plain, lines))
    assert lines[0] != bare[0] and "24 more columns (--columns): output_06, output_07" in bare[2]
    assert all(len(line) <= 80 for line in bare)
    assert project.call("show", "wide").out.splitlines()[0].split() == ["row", "x", *names]


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def on_a_terminal(project: Project, *args: str, **options: Any) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = project.start(*args, stdout=theirs, stderr=theirs, **options)
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                read = os.read(ours, 65536)
            except OSError:  # the other end was closed
                break
            if not read:
                break
            shown += read
    os.close(ours)
    process.wait(PATIENCE)
    return shown.decode()
