"""psy dashboard, in a browser."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import Page, psy, until

SLOW = """
import pathlib
import time
from psyrun import Param

pspace = Param(x=range(60))

def execute(x):
    print("row", x, flush=True)
    gate = pathlib.Path(__file__).with_name(f"gate{x // 20}")
    while not gate.exists():
        time.sleep(0.02)
    if x % 10 == 9:
        raise ValueError("<script>document.evil = 1</script>")
    return {"y": x * x}
"""
QUICK = """
from psyrun import Param
pspace = Param(a=range(30)) * Param(b=[0.5, 1.5])
def execute(a, b):
    return {"product": a * b, "sum": a + b}
"""


class Dashboard(NamedTuple):
    """A directory with tasks, and psy dashboard at work on it."""

    directory: Path
    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    def task(self, name: str, text: str) -> None:
        (self.directory / "psy-tasks" / f"task_{name}.py").write_text(text)

    def answer_to(self, path: str, host: str | None = None) -> int:
        """Return the status of the answer to a request."""
        request = urllib.request.Request(self.url.partition("/?")[0] + path)
        if host is not None:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    (tmp_path / "psy-tasks").mkdir()
    command = [sys.executable, "-m", "psyrun", "dashboard", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as process:
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S{20,}", line)
        assert found, line + process.stderr.read()
        yield Dashboard(tmp_path, process, found.group())
        process.kill()


def test_a_page_follows_what_happens_without_being_loaded_again(
    dashboard: Dashboard, page: Page
) -> None:
    dashboard.task("slow", SLOW)
    page.open(dashboard.url)
    page.until_text("#counts", "0 of 60 rows completed (0 %), 60 pending")
    page.do("window.never_loaded_again = true")

    command = [sys.executable, "-m", "psyrun", "run", "slow"]
    with subprocess.Popen(command, cwd=dashboard.directory, stdout=subprocess.DEVNULL) as run:
        page.until_text("#jobs", "1 job running (process:0)")
        page.until_text("#log", "row 0")
        page.until_text("#doing", "row 0 (x=0), for ")
        (dashboard.directory / "psy-tasks" / "gate0").touch()
        page.until_text("#counts", "18 of 60 rows completed (30 %), 2 failed, 40 pending; ")
        page.until_text("#counts", " left")
        page.until_text("#failures", "2 × ValueError in execute()")
        page.until_text("#selected", "20 of 20 rows")
        page.filter("x", "..4")
        page.until_text("#selected", "5 of 20 rows")

        said = psy(dashboard.directory, "report", "slow")
        assert said.returncode == 0
        assert '"pending": 40' in (dashboard.directory / "report.html").read_text()

        (dashboard.directory / "psy-tasks" / "gate1").touch()
        page.until_text("#selected", "5 of 40 rows")  # what is filtered stays so
        assert page.one("input[aria-label='Filter x']").get_attribute("value") == "..4"
        page.photograph("dashboard-running")
        (dashboard.directory / "psy-tasks" / "gate2").touch()
        page.until_text("#counts", "54 of 60 rows completed (90 %), 6 failed")
        assert run.wait() == 1
    page.until_text("#jobs", "No job is at work.")
    assert page.do("return window.never_loaded_again") is True
    assert page.do("return document.evil") is None
    assert page.complaints() == []


def test_tasks_come_and_go_and_may_be_broken(dashboard: Dashboard, page: Page) -> None:
    page.open(dashboard.url)
    page.until_text("h2", "no tasks")
    dashboard.task("quick", QUICK)
    page.until_text("#counts", "60 pending")
    assert psy(dashboard.directory, "run").returncode == 0
    page.until_text("#counts", "60 of 60 rows completed (100 %)")
    dashboard.task("broken", "pspace = <script>")
    page.until_text("#tasks", "broken")
    page.one("#tasks button[data-key='broken']").click()
    page.until_text("h2", "broken")
    page.until_text("#trouble", "task_broken.py, line 1: SyntaxError")
    page.photograph("dashboard-broken")
    dashboard.task("broken", QUICK.replace("a=range(30)", "a=range(3)"))
    page.until_text("#counts", "6 pending")
    assert page.text("#trouble") == ""
    (dashboard.directory / "psy-tasks" / "task_broken.py").unlink()
    page.until_text("h2", "quick")
    page.until_text("#selected", "60 of 60 rows")
    for scheme, width in (("dark", 1280), ("light", 400)):
        page.look(width, scheme)
        until(lambda: page.overflow() <= 0, "fitting into the window")
        page.photograph(f"dashboard-{scheme}-{width}")
    assert psy(dashboard.directory, "clean", "-y", "quick").returncode == 0
    page.until_text("#counts", "0 of 60 rows completed (0 %), 60 pending")
    shutil.rmtree(dashboard.directory / "psy-tasks")
    page.until_text("h2", "no tasks")

    dashboard.process.send_signal(signal.SIGINT)
    page.until_text("#when", "disconnected")
    assert dashboard.process.wait(30) == 130
    assert dashboard.process.stderr.read() == ""
    assert dashboard.process.stdout.read() == "Ctrl-C ends this.\n"


def test_a_page_that_stays_open_does_not_grow(dashboard: Dashboard, page: Page) -> None:
    dashboard.task("quick", QUICK.replace("range(30)", "range(1000)"))
    assert psy(dashboard.directory, "run").returncode == 0
    page.open(dashboard.url)
    page.until_text("#selected", "2000 of 2000 rows")
    page.until_drawn()
    page.driver.set_script_timeout(300)

    def used_after(updates: int) -> tuple[int, int]:
        """Show everything anew so many times; return the bytes and nodes that are in use then."""
        problem = page.driver.execute_async_script(
            """
            const [updates, done] = arguments;
            (async () => {
              for (let i = 0; i < updates; i++) {
                live.version = null;
                shown.data = {};
                selection.sort(i % 2 ? "product" : "sum", i % 3 === 0);
                await follow(await ask("state", "quick"));
                drawResults();
              }
            })().then(() => done(""), (error) => done(String(error)));
            """,
            updates,
        )
        assert problem == ""
        page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        metrics = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        values = {metric["name"]: metric["value"] for metric in metrics}
        return values["JSHeapUsedSize"], values["Nodes"]

    page.driver.execute_cdp_cmd("Performance.enable", {})
    used_after(5)
    bytes_before, nodes_before = used_after(5)
    bytes_after, nodes_after = used_after(25)
    # One update takes 200 kilobytes and a thousand nodes, for as long as it is shown.
    assert bytes_after < bytes_before + 3e6
    assert nodes_after < nodes_before + 1000
    assert page.complaints() == []


def test_only_who_knows_the_token_is_let_in(dashboard: Dashboard) -> None:
    token = dashboard.url.partition("token=")[2]
    for path in ("/", "/state", "/task?task=x", "/scripts/page.js", "/nonsense"):
        join = "&" if "?" in path else "?"
        assert dashboard.answer_to(path) == 403
        assert dashboard.answer_to(f"{path}{join}token=") == 403
        assert dashboard.answer_to(f"{path}{join}token={token[:-1]}") == 403
        assert dashboard.answer_to(f"{path}{join}token=wrong&token={token}") == 403
        allowed = dashboard.answer_to(f"{path}{join}token={token}")
        assert allowed == (404 if path == "/nonsense" else 200)
    for host, status in (
        *((f"localhost:{dashboard.port}", 200), ("localhost:9999", 200), ("[::1]:1", 200)),
        *(("evil.example", 403), ("127.0.0.1.evil.example", 403), ("[bad", 403), ("", 403)),
    ):
        assert dashboard.answer_to(f"/?token={token}", host) == status, host
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.2", 0))
        assert elsewhere.connect_ex(("127.0.0.2", dashboard.port)) != 0  # on one address only


def test_a_port_in_use_is_said_in_a_sentence(dashboard: Dashboard) -> None:
    for port, why in ((dashboard.port, "in use"), (99999, "0-65535")):
        said = psy(dashboard.directory, "dashboard", "--port", str(port))
        assert said.returncode == 2 and said.stdout == ""
        assert said.stderr.startswith(f"psy: Port {port} cannot be used (")
        assert why in said.stderr and len(said.stderr.splitlines()) == 1
    said = psy(dashboard.directory.parent, "dashboard")
    assert said.returncode == 2 and "no task directory" in said.stderr
