"""A child of a worker, as its supervisor sees it."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from psyrun.worker.channel import NOTHING_LEFT, Assignment, Page, answer

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Child:
    """A process that evaluates rows.

    Parameters
    ----------
    head : Path
        The plan.
    step : str
        The job's step.
    number : int
        Number of the process in its job.
    log : Path
        File for what it prints.
    deadline : float
        When the job ends, in seconds of the monotonic clock.
    n_threads : int or None
        Threads that numerical libraries may use, if the user has not set that.
    """

    def __init__(
        self,
        head: Path,
        step: str,
        number: int,
        log: Path,
        deadline: float,
        n_threads: int | None,
    ) -> None:
        self.number = number
        self.log = log
        self.page = Page.create(deadline)
        self.connection, theirs = socket.socketpair()
        environment = dict(os.environ)
        if n_threads is not None:
            environment = dict.fromkeys(_THREADS, str(n_threads)) | environment
        with theirs, log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - words, not a shell's line
                [
                    *(sys.executable, "-P", "-m", "psyrun.worker", str(head), step),
                    *(str(number), str(theirs.fileno()), str(self.page.fd)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno(), self.page.fd],
                env=environment,
                process_group=0,
            )
        self.assigned: Assignment | None = None
        self.rate = 0.0  # rows a second in its last assignment
        self.overdue = False
        self._asked_at = 0.0

    def asks(self) -> bool:
        """Read what the child has sent; whether it asks for rows."""
        try:
            return self.connection.recv(16) != b""
        except OSError:
            return False

    def assign(self, assignment: Assignment) -> None:
        """Answer a child that has asked."""
        now = time.monotonic()
        if self.assigned is not None:
            n_rows = self.assigned.stop - self.assigned.start
            self.rate = n_rows / max(now - self._asked_at, 1e-4)
        self.assigned, self._asked_at = assignment, now
        with suppress(OSError):  # it may just have died
            answer(self.connection, assignment)

    def has_nothing_left(self) -> bool:
        """Tell whether it was told that nothing is left, and is not in a row."""
        return self.assigned == NOTHING_LEFT and not self.page.busy()

    def rest(self) -> Assignment | None:
        """Return which of the rows that it got it has not begun, None if there are none."""
        if self.assigned is None or self.assigned == NOTHING_LEFT:
            return None
        position = self.page.doing().position
        start, stop, attempt = self.assigned
        if not start <= position < stop:
            return self.assigned
        return Assignment(position + 1, stop) if position + 1 < stop else None

    def stop(self, deadline: float) -> None:
        """Ask it to take no further row, and tell it until when the present one may take."""
        self.page.set_deadline(deadline)
        self.page.ask_to_stop()

    def kill(self) -> None:
        """End it at once, with all processes that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self.process.kill()

    def close(self) -> None:
        """Give back what was shared with it."""
        self.connection.close()
        self.page.close()
