"""A child of a worker, as its supervisor sees it."""

import atexit
import os
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from psyrun.failure import message_of
from psyrun.worker.channel import NOTHING_LEFT, Assignment, Doing, Page, Trouble, answer
from psyrun.worker.evaluate import evaluate_rows

CAN_FORK = sys.platform == "linux"
"""Whether a process that has loaded NumPy, but no code of the user, may be copied.

Elsewhere system libraries do not stand that, and each child is started anew, which takes longer.
"""


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
    siblings : iterable of Child, optional
        Children that there are already.
    again : bool, optional
        Whether the job has been started before, so that rows may be in its former journals.
    """

    def __init__(
        self,
        head: Path,
        step: str,
        number: int,
        log: Path,
        deadline: float,
        siblings: Iterable["Child"] = (),
        *,
        again: bool = False,
    ) -> None:
        self.number = number
        self.log = log
        self.page = Page.create(deadline)
        self.connection, theirs = socket.socketpair()
        self.assigned: Assignment | None = None
        self.rate = 0.0  # rows a second in its last assignment
        self._done = 0
        self.killed = self.disconnected = False
        self.overdue: Doing | None = None  # what takes too long
        self._asked_at = 0.0
        with theirs, log.open("a+b") as output:
            if CAN_FORK:
                self.pid = _fork()
                if self.pid == 0:
                    for each in (self, *siblings):
                        each.connection.close()
                    _become(output.fileno(), head, step, number, theirs, self.page, again)
            else:
                self.pid = _spawn(output.fileno(), head, step, number, theirs, self.page, again)

    def asks(self) -> bool:
        """Read what the child has sent; whether it asks for rows."""
        try:
            return self.connection.recv(16) != b""
        except OSError:
            return False

    def assign(self, assignment: Assignment) -> None:
        """Answer a child that has asked."""
        now = time.monotonic()
        doing = self.page.doing()
        done = doing.completed + doing.failed - self._done
        if self.assigned is not None and done:
            self.rate = done / max(now - self._asked_at, 1e-4)
            self._done += done
        self.assigned, self._asked_at = assignment, now
        with suppress(OSError):  # it may just have died
            answer(self.connection, assignment)

    def has_nothing_left(self) -> bool:
        """Tell whether it was told that nothing is left, and is not in a row."""
        return self.assigned == NOTHING_LEFT and not self.page.busy()

    def rest(self) -> Assignment | None:
        """Return which of the rows that it got it has not begun, None if there are none."""
        given = self.assigned
        if given is None or given == NOTHING_LEFT:
            return None
        position = self.page.doing().position
        if not given.start <= position < given.stop:
            return given
        return Assignment(position + 1, given.stop) if position + 1 < given.stop else None

    def stop(self, deadline: float) -> None:
        """Ask it to take no further row, and tell it until when the present one may take."""
        self.page.set_deadline(deadline)
        self.page.ask_to_stop()

    def poll(self, *, wait: bool = False) -> int | None:
        """Return its exit code, below 0 the signal that ended it; None if it has not ended."""
        pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def kill(self) -> None:
        """End it at once, with all processes that it has started."""
        self.killed = True
        for end in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                end(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Give back what was shared with it."""
        self.connection.close()
        self.page.close()


def _fork() -> int:
    with warnings.catch_warnings():
        # NumPy's linear algebra has threads, but stands being copied.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _become(
    output: int,
    head: Path,
    step: str,
    number: int,
    connection: socket.socket,
    page: Page,
    again: bool,
) -> NoReturn:
    """Go on as a child, and end as a process of its own would."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        _redirect(output)
        code = evaluate_rows(head, step, number, connection, page, again=again)
    except BaseException as err:
        page.give_up(Trouble.NONE, f"{type(err).__qualname__}: {message_of(err)}")
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            atexit._run_exitfuncs()
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _redirect(output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _spawn(
    output: int,
    head: Path,
    step: str,
    number: int,
    connection: socket.socket,
    page: Page,
    again: bool,
) -> int:
    connection.set_inheritable(True)
    os.set_inheritable(page.fd, True)
    try:
        return os.posix_spawn(
            sys.executable,
            [
                *(sys.executable, "-P", "-m", "psyrun.worker", str(head), step),
                *(str(number), str(connection.fileno()), str(page.fd), str(int(again))),
            ],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setpgroup=0,
        )
    finally:
        os.set_inheritable(page.fd, False)
