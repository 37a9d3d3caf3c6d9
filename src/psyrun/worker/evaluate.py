"""A child of a worker: evaluates rows and writes each into its journal at once."""

import errno
import faulthandler
import math
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from psyrun.evaluation import Evaluator
from psyrun.failure import Failure, message_of
from psyrun.journal import JournalWriter, Kind
from psyrun.journal.reader import Journal
from psyrun.merging.provenance import write_environment
from psyrun.plan import Limits, Plan, read_brief, read_plan
from psyrun.rowlog import RowLog
from psyrun.rows import RowSet
from psyrun.seeding import row_seeds
from psyrun.tasks import load_snapshot
from psyrun.timelimit import use_deadline
from psyrun.workdir import PlanDir
from psyrun.worker.channel import STOP_SIGNALS, Assignment, Doing, Page, Trouble, ask

_BLOCK = 4096
"""Rows whose assignments are made at a time."""

_SLOW = 1e-4
"""Seconds a row from which on seeding the global random states for each costs nothing to speak of.

Where rows are quicker and the task sets no seed, those states just go on from row to row.
"""

_SYNC_EVERY = 5.0
"""Seconds of work that a power cut may cost; the death of a process costs the current row."""


def evaluate_rows(
    head: Path,
    step: str,
    number: int,
    connection: socket.socket,
    page: Page,
    *,
    again: bool = False,
) -> int:
    """Evaluate rows until the supervisor has no more; return the exit code.

    Parameters
    ----------
    head : Path
        The plan.
    step : str
        The job's step.
    number : int
        Number of this process in its job.
    connection : socket
        To the supervisor.
    page : Page
        Shared with the supervisor.
    again : bool, optional
        Whether the job has been started before; rows that it had completed are left out.
    """
    _let_signals_end_it_in_good_order(page)
    _die_with_parent()
    use_deadline(page.deadline)
    faulthandler.enable()  # a crash leaves a traceback in the log
    brief, files = read_brief(head)
    try:
        os.chdir(brief.task_dir)
        task = load_snapshot(brief, files)
        plan = read_plan(files)  # which may refer to the task's classes
        if number == 0:
            write_environment(files.environment)
        evaluator = task.make_evaluator(number)
        done = _completed_before(files, step) if again else RowSet()
        retries = _Retries(brief.limits, task.retry_on)
        rows = _Rows(plan, evaluator, page, files, step, retries, done)
    except BaseException as err:
        traceback.print_exc()
        page.give_up(Trouble.CANNOT_BEGIN, f"{type(err).__qualname__}: {message_of(err)}")
        return 1
    try:
        while (assignment := ask(connection)) is not None and not page.asked_to_stop():
            rows.evaluate(assignment)
        rows.close()
    except OSError as err:
        if err.errno == errno.EBADF:
            raise  # the function has closed the journal: a fault of its row
        page.give_up(Trouble.CANNOT_WRITE, message_of(err))
        return 1
    if number == 0:
        write_environment(files.environment)
    return 0


def _completed_before(files: PlanDir, step: str) -> RowSet:
    """Return the rows that the job has completed before it was started again."""
    done = RowSet()
    for path in files.journals_of(step):
        frames = Journal(path, files.plan_id).frames
        done |= RowSet(frames["row"][frames["kind"] == Kind.COMPLETED])
    return done


def evaluate_spawned(
    head: Path, step: str, number: int, socket_fd: int, page_fd: int, again: int
) -> int:
    """Evaluate rows in a process that was started for it; return the exit code."""
    connection = socket.socket(fileno=socket_fd)
    connection.set_inheritable(False)
    os.set_inheritable(page_fd, False)
    return evaluate_rows(head, step, number, connection, Page(page_fd), again=bool(again))


class _Retries:
    """Whether a row is worth another attempt."""

    def __init__(self, limits: Limits, retry_on: tuple[type[BaseException], ...] | None) -> None:
        self._retries = limits.retries
        self._types = (BaseException,) if retry_on is None else retry_on
        self.max_failures = math.inf if limits.max_failures is None else limits.max_failures

    def again(self, err: BaseException, attempt: int) -> bool:
        return attempt <= self._retries and isinstance(err, self._types)


class _Rows:
    """The loop over rows, kept tight: what it does for each costs microseconds."""

    def __init__(
        self,
        plan: Plan,
        evaluator: Evaluator,
        page: Page,
        files: PlanDir,
        step: str,
        retries: _Retries,
        done: RowSet,
    ) -> None:
        self._retries = retries
        self._done = done
        self._log = RowLog()
        self._plan = plan
        self._evaluator = evaluator
        self._reproducible = plan.reproducible
        self._page = page
        self._journal = JournalWriter(files.new_journal(step), files.plan_id)
        self._completed = self._failed = 0
        self._parent = os.getppid()
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        self._duration = math.inf
        self._synced = time.monotonic()
        self._is_copy = self._has_moved = False
        os.register_at_fork(after_in_child=self._on_fork)
        sys.addaudithook(self._on_audit_event)

    def _on_fork(self) -> None:
        self._is_copy = True

    def _on_audit_event(self, event: str, args: object) -> None:
        if event == "os.chdir":
            self._has_moved = True

    def evaluate(self, assignment: Assignment) -> None:
        """Evaluate rows, unless asked to stop."""
        start, stop, attempt = assignment
        for first in range(start, stop, _BLOCK):
            if os.getppid() != self._parent:
                return
            for position, row, seed, values in self._block(first, min(first + _BLOCK, stop)):
                if self._page.asked_to_stop() or self._failed >= self._retries.max_failures:
                    self._tell_counts(position - 1)
                    return
                while not self._evaluate_one(position, row, seed, values, attempt):
                    attempt += 1
                attempt = 1
        self._tell_counts(stop - 1)

    def _tell_counts(self, position: int) -> None:
        """Include the row at *position* in the counts, which otherwise the next row does."""
        now = time.monotonic()
        self._page.begin(Doing(position, -1, now, 0, 0, self._completed, self._failed))
        self._page.end()

    def _block(self, first: int, last: int) -> Iterator[tuple[int, int, int, dict[str, Any]]]:
        space = self._plan.space
        rows = self._plan.todo.slice(first, last)
        positions: Sequence[int] = range(first, last)
        if self._done:
            left = np.flatnonzero(~self._done.has(rows))
            rows, positions = rows[left], [first + i for i in left.tolist()]
        columns = space[rows].build()
        seeds = row_seeds(space, rows, columns, self._plan.entropy)
        names = list(columns)
        for position, row, seed, values in zip(
            positions,
            rows.tolist(),
            seeds.tolist(),
            zip(*columns.values(), strict=True),
            strict=True,
        ):
            yield position, row, seed, dict(zip(names, values, strict=True))

    def _evaluate_one(
        self, position: int, row: int, seed: int, assignment: dict[str, Any], attempt: int
    ) -> bool:
        """Make an attempt at a row; return whether it was the last one."""
        began = time.time()
        clock = time.monotonic()
        doing = Doing(position, row, clock, attempt, seed, self._completed, self._failed)
        self._page.begin(doing)
        again = False
        try:
            payload = self._evaluator.payload(
                assignment, seed, seed_global=self._reproducible or self._duration > _SLOW
            )
            kind = Kind.COMPLETED
        except BaseException as err:  # sys.exit() and the like must not end the others
            failure = Failure.of_exception(err, assignment, seed)
            payload = failure.encode()
            kind = Kind.FAILED
            again = self._retries.again(err, attempt) and not self._page.asked_to_stop()
            _print(failure.traceback)
        self._duration = time.monotonic() - clock
        if self._is_copy:
            os._exit(0)  # the function has forked, and this is the copy
        self._journal.append(row, kind, payload, attempt, began, self._duration)
        if kind is Kind.COMPLETED:
            self._completed += 1
        elif not again:
            self._failed += 1
        self._end_output(row, attempt)
        self._page.end()
        if clock + self._duration - self._synced > _SYNC_EVERY:
            self._journal.sync()
            self._synced = time.monotonic()
        if self._has_moved:
            os.fchdir(self._home)
            self._has_moved = False
        return not again

    def _end_output(self, row: int, attempt: int) -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            self._log.end_row(row, attempt)
        except Exception:
            _reopen_output()

    def close(self) -> None:
        """Flush the journal to the disk."""
        self._journal.close()


def _print(text: str) -> None:
    with suppress(Exception):  # the function has closed its output, or the disk is full
        print(text, file=sys.stderr)


def _reopen_output() -> None:
    """Let the next row print if this one has closed the output."""
    with suppress(Exception):
        if sys.stdout.closed:
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - stays open
        if sys.stderr.closed:
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _let_signals_end_it_in_good_order(page: Page) -> None:
    def stop(signum: int, frame: FrameType | None) -> None:
        page.ask_to_stop()

    for number in STOP_SIGNALS:
        signal.signal(number, stop)


def _die_with_parent() -> None:
    """Ask Linux to kill this process if the supervisor dies; elsewhere the loop looks itself."""
    if sys.platform != "linux":
        return
    import ctypes

    parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)
