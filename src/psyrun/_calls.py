"""Calling a function for assignments, here or in other processes."""

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from psyrun.failure import message_of, show_assignment

T = TypeVar("T")
Assignment = Mapping[str, Any]


@contextmanager
def naming(assignment: Assignment) -> Iterator[None]:
    """Add a note with the assignment to any exception raised in the block."""
    try:
        yield
    except Exception as err:
        name_assignment(err, assignment)
        raise


def name_assignment(err: Exception, assignment: Assignment) -> None:
    """Add a note with the assignment to an exception."""
    err.add_note(f"This was raised for the assignment {show_assignment(assignment)}.")


class Call:
    """Calls a function with an assignment, in a process from which exceptions have to come back.

    Parameters
    ----------
    function : callable
        Function to call.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, assignment: Assignment) -> Any:
        """Call the function.

        Raises
        ------
        BaseException
            Whatever the function raises; a `RuntimeError` that describes it where it cannot be
            sent to another process.
        """
        try:
            return self._function(**assignment)
        except Exception as err:
            name_assignment(err, assignment)
            try:
                copy.copy(err)  # fails like unpickling would
            except Exception:
                described = RuntimeError(f"{type(err).__qualname__}: {message_of(err)}")
                name_assignment(described, assignment)
                raise described from None
            raise

    def each(self, rows: Sequence[tuple[int, Assignment]]) -> list[tuple[int, Any]]:
        """Call the function for some rows; return the rows with what it returned."""
        return [(row, self(assignment)) for row, assignment in rows]


def as_completed(
    executor: Executor,
    call: Call,
    rows: Iterable[tuple[int, Assignment]],
    chunk_size: int = 1,
    n_running: int | None = None,
) -> Iterator[tuple[int, Any]]:
    """Call a function for rows in an executor.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Executor.
    call : Call
        Call to make.
    rows : iterable of (int, mapping)
        Rows and their assignments; consumed only as far as needed.
    chunk_size : int
        Number of rows to hand over at a time.
    n_running : int, optional
        Number of chunks to hand over ahead; default is enough to keep all workers busy.

    Yields
    ------
    (int, object)
        A row and what the function returned, in the order of completion. After an
        exception, what has been started is still completed and yielded, then it is raised.
    """
    chunks = _chunks(rows, chunk_size)
    ahead = n_running or 4 * getattr(executor, "_max_workers", os.cpu_count() or 1)
    running: set[Future[list[tuple[int, Any]]]] = set()
    error = None
    try:
        while True:
            for chunk in islice(chunks, 0 if error else ahead - len(running)):
                running.add(executor.submit(call.each, chunk))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                if future.exception() is None:
                    yield from future.result()
                else:
                    error = error or future.exception()
    finally:
        for future in running:
            future.cancel()
    if error is not None:
        raise error


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


def shown(items: Iterable[T], progress: bool, total: int, done: int = 0) -> Iterable[T]:
    """Iterate over items, with a progress bar if this is wanted and there is a terminal.

    Parameters
    ----------
    items : iterable
        Items.
    progress : bool
        Whether a bar is wanted.
    total : int
        Number of items, with those done before.
    done : int
        Number of items done before.
    """
    if not progress:
        return items
    from tqdm.auto import tqdm

    bar: Iterable[T] = tqdm(items, total=total, initial=done, unit="row", disable=None)
    return bar
