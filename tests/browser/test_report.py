"""psy report, in a browser."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from psyrun import Param
from psyrun.merging.timings import Timings
from psyrun.report import write_report
from psyrun.results import Result
from psyrun.rows import RowSet

from .conftest import Page, psy, until

EVIL = "<script>document.evil = 1</script>"
IMAGE = "<img src=x onerror='document.evil = 1'>"

STUDY = f"""
import datetime
import math
from psyrun import Param

name = {IMAGE!r}
pspace = (
    Param(rate=[0.2, 0.4, 0.6, 0.8])
    * Param(time=range(10))
    * Param(method=["euler", {EVIL!r}, "rk4"])
    * Param(**{{"<b>trial</b>": range(10)}})
)
units = {{"time": "s", "amount": "<i>mol</i>"}}

def execute(rate, time, method, **trial):
    if method.startswith("<") and rate > 0.7:
        raise ValueError({EVIL!r} + " does not converge")
    return {{
        "amount": math.exp(-rate * time),
        "wave": complex(rate, time),
        "series": [rate, time],
        "when": datetime.datetime(2026, 1, 1 + time),
        "size": 10.0**time,
        "note": {EVIL!r},
        "huge": 10**50 + time,
        "perhaps": math.inf if time == 1 else math.nan if time == 2 else 1.5,
    }}
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of 1200 rows, a hundred of which have failed."""
    directory = tmp_path_factory.mktemp("study")
    (directory / "psy-tasks").mkdir()
    (directory / "psy-tasks" / "task_study.py").write_text(STUDY)
    assert psy(directory, "run").returncode == 1
    (directory / "psy-tasks" / "task_never_run.py").write_text(STUDY.replace("img", "never"))
    said = psy(directory, "report")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == "wrote report.html: 1 task, to be opened in a browser\n"
    return (directory / "report.html").as_uri()


@pytest.fixture
def opened(page: Page, report: str) -> Page:
    page.open(report)
    page.until_drawn()
    return page


def test_a_report_opens_shows_all_and_asks_nobody(opened: Page) -> None:
    assert opened.complaints() == []
    assert opened.do("return performance.getEntriesByType('resource').length") == 0
    assert opened.text("#counts") == "1100 of 1200 rows completed (92 %), 100 failed"
    assert "100 × ValueError in execute() (task_study.py:" in opened.text("#failures")
    assert "all with rate == 0.8 and method == '<script>" in opened.text("#failures")
    assert "1100 rows took" in opened.text("#times-text")
    assert "Param(time=range(0, 10))" in opened.text("#space")
    assert "10 values, 0 to 9" in opened.text("#parameters")
    assert "task_study.py" in opened.text("#provenance")
    assert opened.text("#selected") == "1200 of 1200 rows"
    for plot in ("histogram", "course", "overview", "parallel", "scatter"):
        assert opened.all(f"#{plot} .main-svg"), plot


def test_text_of_users_stays_text(opened: Page) -> None:
    (summary, *_) = opened.all("#failures summary")
    summary.click()
    opened.all("#failures summary")[1].click()
    assert opened.text("h2") == IMAGE
    for place in ("#failures .group", "#failures table", "#failures pre", "#space", "#table"):
        assert EVIL in opened.text(place), place
    assert "<b>trial</b>" in opened.text("#table thead")
    assert "amount (<i>mol</i>)" in opened.text("#scatter")
    opened.filter("method", "=" + EVIL)
    opened.until_text("#selected", "400 of 1200 rows")
    assert EVIL in opened.text("#chips")
    assert opened.do("return document.evil") is None
    assert opened.all("main script, main img, main b, main i") == []
    # What no test sees is refused by the browser itself.
    opened.do("document.body.append(document.createElement('script'))")
    opened.do("document.querySelector('body > script:last-child').textContent = 'document.evil=2'")
    assert opened.do("return document.evil") is None


def test_odd_values_are_told_apart(opened: Page) -> None:
    opened.filter("perhaps", "none")
    opened.until_text("#selected", "100 of 1200 rows")  # those that have failed
    assert set(opened.column("state")) == {"failed"} and set(opened.column("perhaps")) == {"–"}
    for typed, value in (("nan", "NaN"), (">5", "∞"), ("1.5", "1.5")):
        opened.filter("perhaps", typed)
        until(lambda value=value: set(opened.column("perhaps")) == {value}, f"only {value}")
    opened.one("#reset").click()
    opened.filter("time", "3")
    until(lambda: opened.column("huge")[:1] == [str(10**50 + 3)], "huge numbers")
    assert opened.column("wave")[0] == "(0.2+3j)"
    assert opened.column("series")[0] == "[0.2, 3]"
    assert opened.column("when")[0] == "2026-01-04"
    assert opened.column("size")[0] == "1000"


def test_filtering_changes_the_table_and_the_plots(opened: Page) -> None:
    before = opened.do("return document.querySelector('#parallel .scatterlayer').innerHTML")
    opened.filter("rate", ">0.5")
    opened.until_text("#selected", "600 of 1200 rows")
    assert set(opened.column("rate")) == {"0.6"}
    changed = "return document.querySelector('#parallel .scatterlayer').innerHTML !== arguments[0]"
    until(lambda: opened.do(changed, before), "drawing")
    opened.filter("method", "rk")
    opened.until_text("#selected", "200 of 1200 rows")
    opened.filter("time", "nonsense")
    assert opened.one("input[aria-label='Filter time']").get_attribute("aria-invalid") == "true"
    assert opened.text("#selected") == "200 of 1200 rows"
    opened.one("#chips button").click()
    opened.until_text("#selected", "400 of 1200 rows")
    opened.one("#reset").click()
    opened.until_text("#selected", "1200 of 1200 rows")
    assert opened.one("input[aria-label='Filter method']").get_attribute("value") == ""
    opened.one("#last").click()
    opened.until_text("#page-number", "1176 to 1200 of 1200")


def test_brushing_one_view_filters_the_others(opened: Page) -> None:
    lines = "return document.querySelectorAll('#parallel .js-line').length"
    before = opened.do(lines)
    opened.drag("#scatter .nsewdrag", (0.6, 0.02), (0.99, 0.98))
    opened.until_text("#selected", " of 1200 rows")
    until(lambda: opened.text("#selected") != "1200 of 1200 rows", "a selection")
    selected = opened.text("#selected")
    assert selected == "500 of 1200 rows"  # 600 of the upper rates, 100 of which have failed
    assert opened.column("rate")[0] == "0.6"
    until(lambda: opened.do(lines) != before, "other lines")
    assert "rate: " in opened.text("#chips") and "amount: " in opened.text("#chips")
    axis, first = opened.do("""
        const { xaxis, yaxis } = document.getElementById("parallel")._fullLayout;
        return [xaxis.l2p(2) / xaxis._length, yaxis.l2p(0) / yaxis._length];
    """)  # where the axis of the methods is, and where on it the first of them
    opened.drag("#parallel .nsewdrag", (axis - 0.03, first - 0.2), (axis + 0.03, first + 0.05))
    opened.until_text("#selected", "200 of 1200 rows")
    assert set(opened.column("method")) == {"euler"}
    opened.photograph("report-brushed")
    opened.one("#reset").click()
    opened.until_text("#selected", "1200 of 1200 rows")
    assert opened.complaints() == []


def test_everything_can_be_done_by_keyboard(opened: Page) -> None:
    from selenium.webdriver import Keys

    def press(*keys: str) -> Any:
        for key in keys:
            opened.driver.switch_to.active_element.send_keys(key)
        return opened.driver.switch_to.active_element

    opened.do("document.getElementById('axes-choice').open = true")
    reached = []
    for _ in range(60):
        node = press(Keys.TAB)
        reached.append(node.get_attribute("id") or node.get_attribute("aria-label") or node.text)
        if reached[-1] == "Filter time":
            break
    assert {"theme", "colour", "horizontal", "vertical", "Parallel axes", "rate"} <= set(reached)
    press("7..8")
    opened.until_text("#selected", "240 of 1200 rows")
    head = opened.one("#table th:nth-child(4)")
    assert head.get_attribute("aria-sort") == "none"
    opened.do("arguments[0].focus()", head.find_element("css selector", "button"))
    press(Keys.ENTER)
    until(lambda: head.get_attribute("aria-sort") == "ascending", "sorting")
    press(Keys.ENTER)
    until(lambda: head.get_attribute("aria-sort") == "descending", "sorting")
    assert set(opened.column("time")) == {"8"}
    for box in opened.all("#table input, #explore select, #axes input"):
        assert box.accessible_name


def test_it_is_light_and_dark_wide_and_narrow(opened: Page) -> None:
    ink = "return getComputedStyle(document.querySelector('#scatter .xtitle')).fill"
    paper = "return getComputedStyle(document.body).backgroundColor"
    fits = """
        const fits = (svg) => svg.clientWidth <= svg.closest(".wide, main").scrollWidth;
        return [...document.querySelectorAll(".plot .main-svg")].every(fits);
    """
    colours = {}
    for scheme in ("light", "dark"):
        for width in (1280, 400):
            opened.look(width, scheme)
            until(lambda: opened.do(fits) and opened.overflow() <= 0, "fitting into the window")
            if scheme == "dark":
                until(lambda: opened.do(ink) != colours["light"][0], "drawing for the dark")
            opened.photograph(f"report-{scheme}-{width}")
        colours[scheme] = (opened.do(ink), opened.do(paper))
    assert colours["light"][1] != colours["dark"][1]
    opened.one("#theme option[value='light']").click()
    until(lambda: (opened.do(ink), opened.do(paper)) == colours["light"], "the switch to light")


def test_a_hundred_thousand_rows_can_be_used(page: Page, tmp_path: Path) -> None:
    rng, n = np.random.default_rng(0), 250_000
    space = Param(x=np.linspace(0, 1, 500)) * Param(k=range(500))
    columns = {name: np.array(values) for name, values in space.build().items()}
    columns |= {
        "y": rng.random(n),
        "z": rng.lognormal(size=n),
        "s": np.array(["u", "v"] * (n // 2)),
    }
    done = RowSet.span(0, n)
    seconds = rng.lognormal(size=n).astype(np.float32)
    timings = Timings(done.to_array(), np.arange(float(n)), seconds, np.ones(n, np.uint8),
                      np.zeros(n, np.int32), ["host"])  # fmt: skip
    result = Result("large", space, ["x", "k"], ["y", "z", "s"], columns, done,
                    scope=done, total=n, read_timings=lambda: timings)  # fmt: skip
    write_report([result], tmp_path / "large.html")
    assert (tmp_path / "large.html").stat().st_size < 20e6
    page.open((tmp_path / "large.html").as_uri())
    page.until_drawn()
    assert page.text("#selected") == "100000 of 100000 rows"
    assert "random sample of the 250000 rows" in page.text("#sample")
    assert "a random sample of the 100000 selected rows" in page.text("#drawn")
    page.filter("y", "..0.25")
    until(lambda: page.text("#selected") != "100000 of 100000 rows", "filtering")
    assert 24_000 < int(page.text("#selected").split()[0]) < 26_000
    page.one("#table th:nth-child(5) button").click()
    until(lambda: page.one("#table th:nth-child(5)").get_attribute("aria-sort") != "none", "order")
    shown = [float(text) for text in page.column("z")]
    assert shown == sorted(shown) and shown[0] < 0.05
    assert page.complaints() == []


def test_nothing_in_data_ends_the_script_that_it_is_in(report: str) -> None:
    text = Path(report.removeprefix("file://")).read_text()
    data = text.partition('id="content">')[2].partition("</script>")[0]
    assert "<" not in data
    (task,) = json.loads(data)["tasks"]
    assert task["name"] == IMAGE
