"""Calling a function for assignments, here or in other processes."""

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from itertools import islice
from operator import itemgetter
from types import FunctionType
from typing import Any, TypeVar

from psyrun.failure import message_of, show_assignment
from psyrun.mapper.bars import make_bar
from psyrun.mapper.results import as_result

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


def positional_order(function: Callable[..., Any], names: Sequence[str]) -> list[str] | None:
    """Find in which order a function takes some keyword arguments as positional ones.

    Returns
    -------
    list of str, or None
        The names in this order; None where keywords are needed, or may be.
    """
    if not isinstance(function, FunctionType) or function.__code__.co_posonlyargcount:
        return None
    accepted = function.__code__.co_varnames[: function.__code__.co_argcount]
    first = list(accepted[: len(names)])
    return first if set(first) == set(names) else None


class Call:
    """Calls a function with an assignment, in a process from which exceptions have to come back.

    Parameters
    ----------
    function : callable
        Function to call.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, assignment: Assignment) -> dict[str, Any]:
        """Call the function, and return a copy of what it returned.

        Raises
        ------
        ResultTypeError
            If that is no dictionary with strings as keys.
        Exception
            Whatever the function raises; a `RuntimeError` that describes it where it cannot be
            sent to another process.
        """
        try:
            returned = self._function(**assignment)
        except Exception as err:
            name_assignment(err, assignment)
            try:
                copy.copy(err)  # fails like unpickling would
            except Exception:
                described = RuntimeError(f"{type(err).__qualname__}: {message_of(err)}")
                name_assignment(described, assignment)
                raise described from None
            raise
        return as_result(returned, assignment)

    def each(self, rows: Sequence[tuple[int, Assignment]]) -> list[tuple[int, dict[str, Any]]]:
        """Call the function for some rows; return the rows with what it returned."""
        return [(row, self(assignment)) for row, assignment in rows]


def as_completed(
    executor: Executor,
    call: Call,
    rows: Iterable[tuple[int, Assignment]],
    chunk_size: int = 1,
    cancel: bool = True,
) -> Iterator[tuple[int, dict[str, Any]]]:
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
    cancel : bool
        Whether to cancel what has been handed over, should the iteration be given up.

    Yields
    ------
    (int, dict)
        A row and what the function returned, in the order of completion.

    Raises
    ------
    Exception
        That of the first row that raised one; what had been started was completed before.
    """
    chunks = enumerate(_chunks(rows, chunk_size))
    ahead = 2 * getattr(executor, "_max_workers", os.cpu_count() or 1)
    running: dict[Future[list[tuple[int, dict[str, Any]]]], int] = {}
    errors: list[tuple[int, BaseException]] = []
    try:
        while True:
            for number, chunk in islice(chunks, 0 if errors else ahead - len(running)):
                running[executor.submit(call.each, chunk)] = number
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, error = running.pop(future), future.exception()
                if error is None:
                    yield from future.result()
                else:
                    errors.append((number, error))
    finally:
        if cancel:
            for future in running:
                future.cancel()
    if errors:
        raise min(errors, key=itemgetter(0))[1]


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])


def shown(items: Iterable[T], progress: bool, total: int, done: int = 0) -> Iterable[T]:
    """Iterate over items, with a progress bar if this is wanted and can be shown.

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
    bar: Iterable[T] = make_bar(iterable=items, total=total, initial=done)
    return bar
