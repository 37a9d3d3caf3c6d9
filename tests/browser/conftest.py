"""A real browser, and pages in it."""

import base64
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which something that has to happen is taken to have failed."""

SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"
"""Where pictures of pages are left, for people to look at."""


def until(condition: Callable[[], T], what: str) -> T:
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen in {PATIENCE} seconds")
        time.sleep(0.05)
    return value


def psy(directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "psyrun", *args]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True)


class Page:
    """What tests see of a page, and do with it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get_log("browser")
        self.driver.get(url)

    def do(self, script: str, *args: object) -> Any:
        """Run a script in the page, and return what it returns."""
        return self.driver.execute_script(script, *args)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def text(self, selector: str) -> str:
        """Return the text of what is visible."""
        text: str = self.one(selector).text
        return text.replace("\u202f", "")

    def until_text(self, selector: str, wanted: str) -> None:
        until(lambda: wanted in self.text(selector), f"{wanted!r} in {selector}")

    def until_drawn(self) -> None:
        """Wait until the plots show the present selection."""
        drawn = "return document.querySelectorAll('#scatter .points path').length"
        until(lambda: self.do(drawn), "drawing")

    def column(self, name: str) -> list[str]:
        """Return what is shown in a column of the table."""
        names = [node.text for node in self.all("#table th")]
        labels = [name.partition(" (")[0] for name in names]
        cells = self.all(f"#table tbody tr:not([hidden]) td:nth-child({labels.index(name) + 1})")
        return [cell.text for cell in cells]

    def filter(self, name: str, text: str) -> None:
        box = self.one(f"#table input[aria-label='Filter {name}']")
        box.clear()
        box.send_keys(text)

    def drag(self, selector: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag over an element, from and to a place in shares of its size."""
        from selenium.webdriver import ActionChains

        node = self.one(selector)
        self.do("arguments[0].scrollIntoView({block: 'center'})", node)
        width, height = node.size["width"], node.size["height"]
        x, y = ((begin[0] - 0.5) * width, (begin[1] - 0.5) * height)
        dx, dy = ((end[0] - begin[0]) * width, (end[1] - begin[1]) * height)
        actions = ActionChains(self.driver).move_to_element_with_offset(node, int(x), int(y))
        actions.click_and_hold()
        for _ in range(4):
            actions.move_by_offset(int(dx / 4), int(dy / 4))
        actions.release().perform()

    def look(self, width: int, scheme: str) -> None:
        """Set the width of the window, and the colour scheme of the system."""
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def overflow(self) -> int:
        """Return by how much the page is wider than the window."""
        overflow: int = self.do("return document.documentElement.scrollWidth - innerWidth")
        return overflow

    def photograph(self, name: str) -> None:
        """Keep a picture of the whole page."""
        width, height = self.do("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        SCREENSHOTS.mkdir(exist_ok=True)
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))

    def complaints(self) -> list[str]:
        """Return what the browser has complained of since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    browser, service = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or service is None:
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--hide-scrollbars",
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
    driver.set_page_load_timeout(2 * PATIENCE)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: Any) -> Page:
    page = Page(driver)
    page.look(1280, "light")
    return page
