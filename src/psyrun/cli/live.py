"""One line that tells how a run is doing while it lasts."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from psyrun import run

_EVERY = 0.5


class _Plain:
    """Where nobody looks on: lines, and no bar."""

    def say(self, line: str) -> None:
        """Print a line; rows are evaluated also if nobody reads it any more."""
        with suppress(BrokenPipeError):
            print(line, flush=True)

    def close(self) -> None:
        """Do nothing."""


class _Bar:
    """On a terminal: a bar below the lines."""

    def __init__(self, started: run.Started) -> None:
        from tqdm import tqdm

        self._started = started
        self._bar: Any = tqdm(
            total=started.brief.todo, unit=" rows", file=sys.stdout, leave=False, dynamic_ncols=True
        )

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.write(line, file=sys.stdout)

    def refresh(self) -> None:
        """Show the present counts."""
        completed, failed = run.progress(self._started)
        self._bar.n = completed + failed
        self._bar.set_postfix_str(f"{failed} failed" if failed else "", refresh=True)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


@contextmanager
def watching(started: run.Started) -> Iterator[_Plain | _Bar]:
    """Show how a plan is getting on, on a terminal, until the block ends."""
    if not (sys.stdout.isatty() and started.brief.batches):
        yield _Plain()
        return
    bar = _Bar(started)
    over = threading.Event()

    def keep_showing() -> None:
        while not over.wait(_EVERY):
            bar.refresh()

    thread = threading.Thread(target=keep_showing, daemon=True)
    thread.start()
    try:
        yield bar
    finally:
        over.set()
        thread.join()
        bar.close()
