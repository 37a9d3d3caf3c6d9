"""The worker of a process job: has rows evaluated by children and looks after them."""

import importlib
import math
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import FrameType

from psyrun.backend.base import Backend, Batch, RowSource
from psyrun.failure import DIED, OUT_OF_MEMORY, TIMED_OUT, Failure
from psyrun.jobstate import BY_FAILURES, BY_SIGNAL, BY_TIME, JobState, read_states
from psyrun.journal import JournalWriter, Kind
from psyrun.plan import Brief, read_brief
from psyrun.processes import WATCH_PARENT
from psyrun.rowlog import mark_row
from psyrun.workdir import PlanDir, Workdir
from psyrun.worker.channel import NOTHING_LEFT, STOP_SIGNALS, Assignment, Doing, Trouble
from psyrun.worker.child import Child
from psyrun.worker.memory import OutOfMemoryKills

_TICK = 0.25
_GRACE = 10.0
"""Seconds that the current row gets when the job is told to stop."""


def process_rows(head: Path, step: str) -> int:
    """Do a process job; return its exit code: 0 if each row that it did was completed."""
    brief, files = read_brief(head)
    if not Workdir.of_plan(files, brief.task).is_newest(files):
        print(f"Plan {brief.plan_id} is not the newest one any more; nothing was evaluated.")
        return 0
    if files.killed.exists():
        print(f"The jobs of plan {brief.plan_id} have been killed; nothing was evaluated.")
        return 0
    return _Supervisor(brief, files, step).run()


class _Supervisor:
    def __init__(self, brief: Brief, files: PlanDir, step: str) -> None:
        self._brief, self._files, self._step = brief, files, step
        self._limits = brief.limits
        self._again = files.job(step).exists()  # the scheduler has started the job once more
        self._source = _open_source(brief, files, step, again=self._again)
        start, stop = _batch(brief, step)
        self._pool_size = max(1, min(brief.pool_size, stop - start))
        self._left_over: deque[Assignment] = deque()
        self._children: list[Child] = []
        self._completed = self._failed = 0  # of children that have ended
        self._state = JobState.beginning(step)
        self._next_beat = 0.0
        self._journal: JournalWriter | None = None
        self._stopping = self._stopped_by = self._trouble = ""
        self._end = _end_of_job(self._limits.time_limit)
        self._kill_at = math.inf
        self._kills = OutOfMemoryKills()
        self._fruitless = 0  # children in a row that died without beginning a row
        self._watched = int(os.environ.pop(WATCH_PARENT, "0"))

    def run(self) -> int:
        wake = self._catch_signals()
        self._state.write(self._files.job(self._step))
        first = self._source.take(1, self._pool_size)
        if first is not None:  # else others have done it all, and there is no need to load the task
            self._left_over.append(Assignment(*first))
            for number in range(self._pool_size):
                self._start_child(number)
        while self._children:
            self._wait(wake)
            self._look_at_limits()
            self._look_after_children()
            self._beat()
        return self._finish()

    def _catch_signals(self) -> socket.socket:
        wake, self._waker = socket.socketpair()
        wake.setblocking(False)
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for signum in STOP_SIGNALS:
            signal.signal(signum, self._on_signal)
        return wake

    def _start_child(self, number: int) -> None:
        log = self._files.child_log(self._step, number)
        child = Child(
            self._files.head,
            self._step,
            number,
            log,
            self._end,
            self._children,
            again=self._again,
        )
        self._children.append(child)

    def _wait(self, wake: socket.socket) -> None:
        by_fd = {c.connection.fileno(): c for c in self._children if not c.disconnected}
        # A child that has closed its end is about to end itself.
        patience = _TICK if len(by_fd) == len(self._children) else 0.002
        ready, _, _ = select.select([wake.fileno(), *by_fd], [], [], patience)
        for source in ready:
            if source == wake.fileno():
                with suppress(BlockingIOError):
                    wake.recv(4096)
            elif (child := by_fd[source]).asks():
                child.assign(self._next_assignment(child))
            else:
                child.disconnected = True

    def _next_assignment(self, child: Child) -> Assignment:
        self._look_at_failures()
        if self._stopping:
            return NOTHING_LEFT
        if self._left_over:
            return self._left_over.popleft()
        wanted = max(1, int(child.rate))  # about a second's worth
        taken = self._source.take(wanted, self._pool_size)
        return NOTHING_LEFT if taken is None else Assignment(*taken)

    def _look_at_failures(self) -> None:
        limit = self._limits.max_failures
        if limit is not None and self._counts()[1] >= limit:
            self._stop(f"{limit} rows have failed (max_failures)", math.inf, BY_FAILURES)

    def _look_at_limits(self) -> None:
        now = time.monotonic()
        if self._watched and os.getppid() != self._watched:
            self._stop("the psy process that had started it is gone", 0)
        if now > self._end - _margin(self._limits.time_limit):
            self._stop("its time is nearly over", self._end - now - 1, BY_TIME)
        for child in self._children:
            if self._limits.timeout is not None and child.page.busy():
                doing = child.page.doing()
                child.overdue = doing if now - doing.since > self._limits.timeout else None
            if child.overdue is not None or now > self._kill_at:
                child.kill()

    def _look_after_children(self) -> None:
        for child in list(self._children):
            code = child.poll(wait=child.killed)
            if code is not None:
                self._children.remove(child)
                self._bury(child, code)

    def _bury(self, child: Child, code: int) -> None:
        """Account for a child that has ended, and replace it if there is more to do."""
        doing, died_in_row = child.page.doing(), child.page.busy()
        done, rest = child.has_nothing_left(), child.rest()
        trouble, why = child.page.trouble(), child.page.why()
        never_asked = child.assigned is None
        child.close()
        self._completed += doing.completed
        self._failed += doing.failed
        if trouble is Trouble.CANNOT_WRITE:
            self._give_up(f"a row could not be written down: {why}")
        elif died_in_row and child.overdue == doing:
            self._account_for(doing, child, self._timed_out(doing), self._limits.retry_timeouts)
        elif died_in_row and not self._stopping:
            if child.overdue is not None:  # that row was done just before the process was killed
                self._left_over.append(
                    Assignment(doing.position, doing.position + 1, doing.attempt)
                )
            else:
                self._account_for(
                    doing, child, self._died(doing, code, why), self._limits.retry_deaths
                )
        if self._stopping or done:
            return
        if trouble is Trouble.CANNOT_BEGIN or never_asked:
            self._give_up(f"the task could not be set up: {why or describe_exit(code)}")
        else:
            self._fruitless = 0 if died_in_row else self._fruitless + 1
            if self._fruitless > 3:
                self._give_up("processes died again and again between rows; see the log")
                return
            if rest is not None:
                self._left_over.append(rest)
            self._start_child(child.number)

    def _account_for(self, doing: Doing, child: Child, failure: Failure, again: bool) -> None:
        """Write down that a row has failed with its process, and try it again if that is due."""
        again = again and doing.attempt <= self._limits.retries and not self._stopping
        mark_row(child.log, doing.row, doing.attempt)
        print(f"Row {doing.row} failed: {failure.message}", file=sys.stderr, flush=True)
        try:
            self._write_down(doing, failure)
        except OSError as err:
            self._give_up(f"a row could not be written down: {err}")
            return
        if again:
            self._left_over.appendleft(
                Assignment(doing.position, doing.position + 1, doing.attempt + 1)
            )
        else:
            self._failed += 1

    def _write_down(self, doing: Doing, failure: Failure) -> None:
        if self._journal is None:
            self._journal = JournalWriter(self._files.new_journal(self._step), self._files.plan_id)
        took = time.monotonic() - doing.since
        self._journal.append(
            doing.row, Kind.FAILED, failure.encode(), doing.attempt, time.time() - took, took
        )

    def _timed_out(self, doing: Doing) -> Failure:
        message = f"timeout: the row took longer than {self._limits.timeout:g} s"
        return self._failure(doing, TIMED_OUT, message)

    def _died(self, doing: Doing, code: int, why: str) -> Failure:
        if code == -signal.SIGKILL and self._kills.one_more():
            return self._failure(doing, OUT_OF_MEMORY, f"{describe_exit(code)}: out of memory")
        return self._failure(doing, DIED, describe_exit(code) + (f": {why}" if why else ""))

    def _failure(self, doing: Doing, kind: str, message: str) -> Failure:
        process = self._state.process
        return Failure(
            type=kind, message=message, seed=doing.seed, host=process.host, pid=process.pid
        )

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again = number == signal.SIGINT and self._stopping
        self._stop(f"got {signal.Signals(number).name}", 0 if again else _GRACE, BY_SIGNAL)

    def _stop(self, why: str, grace: float, by: str = "") -> None:
        if not self._stopping:
            self._stopping, self._stopped_by = why, by
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        for child in self._children:
            child.stop(min(self._kill_at, self._end))

    def _give_up(self, why: str) -> None:
        self._trouble = why
        self._stop(why, _GRACE)

    def _counts(self) -> tuple[int, int]:
        doing = [child.page.doing() for child in self._children]
        completed = self._completed + sum(each.completed for each in doing)
        return completed, self._failed + sum(each.failed for each in doing)

    def _doing(self) -> list[tuple[int, float]]:
        """Return which rows are being evaluated, and since when."""
        doing = [child.page.doing() for child in self._children if child.page.busy()]
        origin = time.time() - time.monotonic()
        return [(each.row, round(origin + each.since, 3)) for each in doing]

    def _beat(self) -> None:
        """Give a sign of life, often at first and less often later."""
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._state = self._state.counting(*self._counts(), self._doing())
        with suppress(OSError):  # counts are for looking at; rows are what matters
            self._state.write(self._files.job(self._step))
        age = time.time() - self._state.begun
        self._next_beat = now + min(max(age / 20, 0.4), 10.0)
        self._look_at_others_failures()

    def _look_at_others_failures(self) -> None:
        limit = self._limits.max_failures
        if limit is None or len(self._brief.batches) == 1 or self._stopping:
            return
        states = read_states(self._files.all_jobs())
        if sum(state.failed for _, state in states) >= limit:
            why = f"{limit} rows of the task have failed (max_failures)"
            self._stop(why, math.inf, BY_FAILURES)

    def _finish(self) -> int:
        if self._journal is not None:
            self._journal.close()
        how = "failed" if self._trouble else "stopped" if self._stopping else "finished"
        self._state = self._state.counting(*self._counts())
        why = self._trouble or self._stopping
        self._state = self._state.ending(how, why, self._stopped_by)
        with suppress(OSError):
            self._state.write(self._files.job(self._step))
        if self._stopping:
            print(f"Stopped: {self._stopping}.", file=sys.stderr)
        return 1 if self._failed or self._stopping or self._trouble else 0


def _batch(brief: Brief, step: str) -> Batch:
    return brief.batches[int(step.rpartition(":")[2])]


def _open_source(brief: Brief, files: PlanDir, step: str, *, again: bool) -> RowSource:
    module, _, name = brief.backend.partition(":")
    backend: type[Backend] = getattr(importlib.import_module(module), name)
    return backend.source(_batch(brief, step), len(brief.batches), files, step, again=again)


def _end_of_job(time_limit: float | None) -> float:
    """Return when the job ends, in seconds of the monotonic clock; infinity if not known."""
    ends = [] if time_limit is None else [time_limit]
    with suppress(KeyError, ValueError):
        ends.append(float(os.environ["SLURM_JOB_END_TIME"]) - time.time())
    with suppress(KeyError, ValueError):
        ends.append(float(os.environ["PBS_WALLTIME"]))  # of Torque, in seconds
    return time.monotonic() + min(ends) if ends else math.inf


def _margin(time_limit: float | None) -> float:
    """Return how long before its end a job takes no more rows, in seconds."""
    return 60.0 if time_limit is None else min(60.0, max(2.0, 0.1 * time_limit))


def describe_exit(code: int) -> str:
    """Say in words how a process ended."""
    if code >= 0:
        return f"process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    return f"process died from signal {-code} ({name})"
