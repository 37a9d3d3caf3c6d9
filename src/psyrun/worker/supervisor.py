"""The worker of a process job: has rows evaluated by children and looks after them."""

import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import FrameType

from psyrun.backend.base import Backend, Batch, RowSource
from psyrun.failure import Failure
from psyrun.jobstate import JobState
from psyrun.journal import JournalWriter, Kind
from psyrun.plan import Brief, read_brief
from psyrun.scheduler.immediate import WATCH_PARENT
from psyrun.workdir import PlanDir
from psyrun.worker.channel import NOTHING_LEFT, Page, Trouble, answer

_TICK = 0.25
_GRACE = 10.0
"""Seconds that the current row gets when the job is told to stop."""


def process_rows(head: Path, step: str) -> int:
    """Do a process job; return its exit code: 0 if each row that it did was completed."""
    brief, files = read_brief(head)
    return _Supervisor(brief, files, step).run()


class _Child:
    """A process that evaluates rows."""

    def __init__(self, files: PlanDir, step: str, number: int) -> None:
        self.number = number
        self.page = Page.create()
        self.connection, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - words, not a shell's line
                [
                    *(sys.executable, "-P", "-m", "psyrun.worker", str(files.head), step),
                    *(str(number), str(theirs.fileno()), str(self.page.fd)),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), self.page.fd],
                process_group=0,
            )
        self.assigned: Batch | None = None
        self.asked_at = 0.0
        self.rate = 0.0  # rows a second in its last assignment

    def asks(self) -> bool:
        """Read what the child has sent; whether it asks for rows."""
        try:
            return self.connection.recv(16) != b""
        except OSError:
            return False

    def assign(self, batch: Batch) -> None:
        now = time.monotonic()
        self._measure(now)
        self.assigned, self.asked_at = batch, now
        with suppress(OSError):  # it may just have died
            answer(self.connection, batch)

    def _measure(self, now: float) -> None:
        if self.assigned is not None:
            start, stop = self.assigned
            self.rate = (stop - start) / max(now - self.asked_at, 1e-4)

    def close(self) -> None:
        self.connection.close()
        self.page.close()


class _Supervisor:
    def __init__(self, brief: Brief, files: PlanDir, step: str) -> None:
        self._brief, self._files, self._step = brief, files, step
        index = int(step.rpartition(":")[2])
        self._source = _open_source(brief, files, index)
        start, stop = brief.batches[index]
        self._pool_size = max(1, min(brief.pool_size, stop - start))
        self._left_over: deque[Batch] = deque()
        self._children: list[_Child] = []
        self._completed = self._failed = 0
        self._state = JobState(step)
        self._next_beat = 0.0
        self._journal: JournalWriter | None = None
        self._stopping: str = ""
        self._deadline = float("inf")
        self._trouble: str = ""
        self._fruitless = 0  # children in a row that died without beginning a row
        self._watched = int(os.environ.pop(WATCH_PARENT, "0"))

    def run(self) -> int:
        wake, waker = socket.socketpair()
        waker.setblocking(False)
        wake.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(signum, self._on_signal)
        self._state.write(self._files.job(self._step))
        for number in range(self._pool_size):
            self._children.append(_Child(self._files, self._step, number))
        while self._children:
            self._wait(wake)
            self._look_after_children()
            self._beat()
        return self._finish()

    def _wait(self, wake: socket.socket) -> None:
        by_fd = {child.connection.fileno(): child for child in self._children}
        ready, _, _ = select.select([wake.fileno(), *by_fd], [], [], _TICK)
        for source in ready:
            if source == wake.fileno():
                with suppress(BlockingIOError):
                    wake.recv(4096)
            elif (child := by_fd[source]).asks():
                child.assign(self._next_batch(child))
            else:
                # The end of the connection: the child has ended or is about to.
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(timeout=1)

    def _next_batch(self, child: _Child) -> Batch:
        if self._stopping:
            return NOTHING_LEFT
        if self._left_over:
            return self._left_over.popleft()
        wanted = max(1, int(child.rate))  # about a second's worth
        return self._source.take(wanted, self._pool_size) or NOTHING_LEFT

    def _look_after_children(self) -> None:
        if self._watched and os.getppid() != self._watched:
            self._stop("the psy process that had started it is gone", grace=0)
        overdue = time.monotonic() > self._deadline
        for child in list(self._children):
            if overdue:
                child.process.kill()
            code = child.process.wait() if overdue else child.process.poll()
            if code is not None:
                self._children.remove(child)
                self._bury(child, code)

    def _bury(self, child: _Child, code: int) -> None:
        """Account for a child that has ended, and replace it if there is more to do."""
        doing, died_in_row, trouble = child.page.doing(), child.page.busy(), child.page.trouble()
        assigned = child.assigned
        child.close()
        self._completed += doing.completed
        self._failed += doing.failed
        if self._stopping or (assigned == NOTHING_LEFT and not died_in_row):
            return
        if trouble is Trouble.CANNOT_WRITE:
            self._give_up("a row could not be written down; see the log")
            return
        if trouble is Trouble.CANNOT_BEGIN or assigned is None:
            self._give_up("the task could not be set up; see the log")
            return
        if died_in_row:
            self._journal_death(doing.row, doing.since, code)
            self._fruitless = 0
        else:
            self._fruitless += 1
        begun = assigned[0] <= doing.position < assigned[1]
        rest = (doing.position + 1 if begun else assigned[0], assigned[1])
        if rest[0] < rest[1]:
            self._left_over.append(rest)
        if self._fruitless > 3:
            self._give_up("processes died again and again between rows; see the log")
            return
        self._children.append(_Child(self._files, self._step, child.number))

    def _journal_death(self, row: int, since: float, code: int) -> None:
        cause = describe_exit(code)
        print(f"Row {row} failed: {cause}", file=sys.stderr, flush=True)
        if self._journal is None:
            self._journal = JournalWriter(self._files.new_journal(self._step), self._files.plan_id)
        failure = Failure(
            type="ProcessDied",
            message=cause,
            host=self._state.process.host,
            pid=self._state.process.pid,
        )
        self._journal.append(
            row, Kind.FAILED, failure.encode(), start=since, duration=time.time() - since
        )
        self._failed += 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again = number == signal.SIGINT and self._stopping
        self._stop(f"got {signal.Signals(number).name}", grace=0 if again else _GRACE)

    def _stop(self, why: str, grace: float) -> None:
        self._stopping = self._stopping or why
        self._deadline = min(self._deadline, time.monotonic() + grace)
        for child in self._children:
            child.page.ask_to_stop()

    def _give_up(self, why: str) -> None:
        self._trouble = why
        self._stop(why, grace=_GRACE)

    def _counts(self) -> tuple[int, int]:
        doing = [child.page.doing() for child in self._children]
        completed = self._completed + sum(each.completed for each in doing)
        return completed, self._failed + sum(each.failed for each in doing)

    def _beat(self) -> None:
        """Give a sign of life, often at first and less often later."""
        now = time.monotonic()
        if now >= self._next_beat:
            self._state = self._state.counting(*self._counts())
            with suppress(OSError):  # counts are for looking at; rows are what matters
                self._state.write(self._files.job(self._step))
            age = time.time() - self._state.begun
            self._next_beat = now + min(max(age / 20, 0.4), 10.0)

    def _finish(self) -> int:
        if self._journal is not None:
            self._journal.close()
        how = "failed" if self._trouble else "stopped" if self._stopping else "finished"
        self._state = self._state.counting(*self._counts())
        self._state = self._state.ending(how, self._trouble or self._stopping)
        with suppress(OSError):
            self._state.write(self._files.job(self._step))
        if self._stopping:
            print(f"Stopped: {self._stopping}.", file=sys.stderr)
        return 1 if self._failed or self._stopping or self._trouble else 0


def _open_source(brief: Brief, files: PlanDir, index: int) -> RowSource:
    module, _, name = brief.backend.partition(":")
    backend: type[Backend] = getattr(importlib.import_module(module), name)
    return backend.source(brief.batches[index], len(brief.batches), files)


def describe_exit(code: int) -> str:
    """Say in words how a process ended."""
    if code >= 0:
        return f"process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    return f"process died from signal {-code} ({name})"
