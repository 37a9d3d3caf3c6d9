"""Showing how runs get on: bars on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from psyrun import run
from psyrun.cli.looks import counts, failure_lines, notes, pace, progress_line
from psyrun.run.following import Follower, Look
from psyrun.tasks import TaskDef

if TYPE_CHECKING:
    from rich.text import Text

_EVERY = 0.5
"""Seconds between two looks at the files of a run on this machine, at least."""
_SHARE = 5.0
"""So many times as long as a look takes, nothing is looked at after it."""
_FIRST_LINE = 30.0
_RARER = 20
"""In a run of an hour, a line may be printed every three minutes."""
_LONGEST_BAR = 40
_NUMBERS = 40
"""Characters that the numbers beside a bar usually take."""


class Lines:
    """Where nobody looks on: lines, the fewer the longer it takes.

    Parameters
    ----------
    every : float
        Seconds between two lines about a task, at least.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._begun = time.monotonic()
        self._due = self._begun + every
        self._looks: dict[str, Look] = {}
        self._said: dict[str, tuple[object, ...]] = {}

    def say(self, line: str) -> None:
        """Print a line; rows are evaluated also if nobody reads it any more."""
        with suppress(BrokenPipeError):
            print(line, flush=True)

    def show(self, looks: Mapping[str, Look]) -> None:
        """Print what has changed, if it is time."""
        for name, look in looks.items():
            if name in self._looks:  # what has failed there has not been told yet
                look.failures[:0] = self._looks[name].failures
            self._looks[name] = look
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + max(self._every, (now - self._begun) / _RARER)
        for name, look in self._looks.items():
            for line in failure_lines(name, look.failures):
                self.say(line)
            state = (counts(look), look.jobs.running, len(look.jobs.queued))
            if state != self._said.get(name):
                self.say(progress_line(name, look))
            self._said[name] = state
        self._looks = {}

    def close(self) -> None:
        """Do nothing."""


class Bars:
    """On a terminal: bars below the lines."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        from rich.text import Text

        self._console.print(Text(line))

    def show(self, looks: Mapping[str, Look]) -> None:
        """Show the present state, and above it what has just failed."""
        from rich.console import Group
        from rich.text import Text

        for name, look in looks.items():
            for line in failure_lines(name, look.failures):
                self._console.print(Text(line), soft_wrap=False, no_wrap=True, overflow="ellipsis")
        width = max((len(name) for name in looks), default=0)
        lines = [line for name, look in looks.items() for line in self._lines(name, look, width)]
        room = max(1, self._console.height - 3)
        if len(lines) > room:
            lines = [*lines[:room], Text(f"... of {len(looks)} tasks", "dim")]
        self._live.update(Group(*lines), refresh=True)

    def _lines(self, name: str, look: Look, name_width: int) -> "list[Text]":
        """Return a bar, and a line below it if there is more to tell."""
        from rich.text import Text

        share = look.done / look.goal if look.goal else 1.0
        numbers = f"{look.done}/{look.goal} rows {share:4.0%}"
        end = ", ".join(filter(None, [numbers, pace(look)]))
        shown = name[:20].ljust(min(name_width, 20))
        # A bar that changed its length with each number would not be calm.
        room = min(self._console.width - len(shown) - max(len(end), _NUMBERS) - 4, _LONGEST_BAR)
        line = Text(shown, no_wrap=True, overflow="ellipsis")
        if room >= 5:
            full, empty = "━─" if (self._console.encoding or "").startswith("utf") else "#-"
            done = int(share * room)
            line.append("  ").append(full * done, "green").append(empty * (room - done), "dim")
        lines = [line.append(f"  {end}")]
        if below := notes(look):
            lines.append(Text(f"  {below}", "dim", no_wrap=True, overflow="ellipsis"))
        return lines

    def close(self) -> None:
        """Take the bars away."""
        self._live.update("", refresh=True)
        self._live.stop()


Screen = Lines | Bars


def open_screen(every: float) -> Screen:
    """Return bars on a terminal, else lines, with so many seconds between them."""
    return Bars() if sys.stdout.isatty() else Lines(every)


@contextmanager
def watching(task: TaskDef, started: run.Started) -> Iterator[Screen]:
    """Show how a plan is getting on until the block ends, if its jobs run at once here."""
    if not (started.brief.batches and task.scheduler.serial):
        yield Lines(_FIRST_LINE)
        return
    screen = open_screen(_FIRST_LINE)
    over = threading.Event()
    thread = threading.Thread(target=_keep_showing, args=(task, screen, over), daemon=True)
    thread.start()
    try:
        yield screen
    finally:
        over.set()
        thread.join()
        screen.close()


def _keep_showing(task: TaskDef, screen: Screen, over: threading.Event) -> None:
    follower = Follower(task, from_start=True)
    pause = _EVERY
    while not over.wait(pause):
        begun = time.monotonic()
        with suppress(Exception):  # rows are what matters
            if (look := follower.look()) is not None:
                screen.show({task.name: look})
        pause = max(_EVERY, _SHARE * (time.monotonic() - begun))
