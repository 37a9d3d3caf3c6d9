"""What psy shows on a terminal and through a pipe."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

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


def test_on_a_terminal_there_is_one_live_line(project: Project) -> None:
    project.task("slow", TASK)
    shown = on_a_terminal(project, "run")
    assert re.search(r"\d+/40", shown)
    assert re.search(r"\d+<\d+:\d+", shown) or "<" in shown  # passed<remaining
    assert re.search(r"row", shown) and "1 failed" in shown
    assert "\x1b[31m" not in shown
    for line in re.split(r"[\r\n]", shown):
        if "psy-work" not in line and "/" not in line.split("40")[0]:
            assert len(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)) <= 80
    last = shown.replace("\r\n", "\n").rstrip("\n").split("\n")[-1]
    assert "39 of 40 rows completed, 1 failed" in last


def test_a_table_fits_on_the_terminal_and_says_what_it_leaves_out(project: Project) -> None:
    names = [f"output_{i:02}" for i in range(30)]
    project.task(
        "wide", f"pspace = Param(x=[1])\ndef execute(x): return dict.fromkeys({names}, x)\n"
    )
    assert project.psy("run").code == 0
    lines = on_a_terminal(project, "show", "wide").splitlines()
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert lines[0] != plain[0] and "24 more columns (--columns): output_06, output_07" in plain[2]
    assert all(len(line) <= 80 for line in plain)
    assert project.call("show", "wide").out.splitlines()[0].split() == ["row", "x", *names]


def on_a_terminal(project: Project, *args: str) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = project.start(*args, stdout=theirs, stderr=theirs)
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
