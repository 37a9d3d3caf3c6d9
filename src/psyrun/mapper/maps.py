"""Evaluating a function on a parameter space, in this process or in several on this machine.

All functions return one table: a dictionary with a list for each parameter and for each result, in
the order of the space. A result that has the name of a parameter takes its place. Where an
evaluation does not return something that others do, the list has None.

An exception that the function raises comes through as it is, with a note that names the assignment.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from psyrun.exceptions import ResultTypeError
from psyrun.mapper.calls import Call, as_completed, name_assignment, naming, positional_order, shown
from psyrun.mapper.results import Table, as_result, names_of, warn_of_ineffective
from psyrun.mapper.stored import find_stored
from psyrun.pspace import ParameterSpace
from psyrun.pspace.columns import Rows
from psyrun.store.base import Store

__all__ = ["get_result", "map_pspace", "map_pspace_hdd_backed", "map_pspace_parallel"]

_CHUNK = 1024  # rows whose parameters are held in memory at a time

Function = Callable[..., Mapping[str, Any]]


def get_result(
    fn: Function, params: Mapping[str, Any], exclude: Collection[str] | None = None
) -> dict[str, Any]:
    """Evaluate a function for one assignment.

    Parameters
    ----------
    fn : callable
        Function to evaluate. Has to return a dictionary.
    params : mapping
        The assignment, passed to *fn* as keyword arguments.
    exclude : collection of str, optional
        Keys to leave out of what is returned.

    Returns
    -------
    dict
        The assignment, updated with what the function returned.

    Raises
    ------
    ResultTypeError
        If the function does not return a dictionary with strings as keys.

    Warns
    -----
    IneffectiveExcludeWarning
        If a key to exclude is not there.

    Examples
    --------
    >>> def fn(x, is_result):
    ...     return {'y': x * x, 'is_result': 1}
    >>>
    >>> get_result(fn, {'x': 4, 'is_result': 0})
    {'x': 4, 'is_result': 1, 'y': 16}
    """
    with naming(params):
        returned = fn(**params)
    result = {**params, **as_result(returned, params)}
    excluded = names_of(exclude)
    warn_of_ineffective(excluded - result.keys())
    return {name: value for name, value in result.items() if name not in excluded}


def map_pspace(
    fn: Function,
    pspace: ParameterSpace,
    exclude: Collection[str] | None = None,
    progress: bool = False,
) -> dict[str, list[Any]]:
    """Evaluate a function on a parameter space, one row after the other.

    Parameters
    ----------
    fn : callable
        Function to evaluate. It is given the parameters as keyword arguments, and has to return a
        dictionary.
    pspace : ParameterSpace
        Parameter space.
    exclude : collection of str, optional
        Keys to leave out of what is returned.
    progress : bool, optional
        Whether to show a progress bar; it is shown on a terminal and in a notebook only.

    Returns
    -------
    dict of str to list
        For each parameter and each result the values of all rows.

    Raises
    ------
    ResultTypeError
        If the function does not return a dictionary with strings as keys.
    Exception
        Whatever *fn* raises, with a note that names the assignment.

    Warns
    -----
    IneffectiveExcludeWarning
        If a key to exclude is not there.

    Examples
    --------
    >>> from psyrun import Param, map_pspace
    >>> def fn(x):
    ...     return {'y': x * x}
    >>>
    >>> map_pspace(fn, Param(x=[1, 2]))
    {'x': [1, 2], 'y': [1, 4]}
    """
    table = Table(pspace)
    try:
        if progress or (order := positional_order(fn, pspace.keys())) is None:
            for assignment in shown(pspace.iterate(), progress, len(pspace)):
                table.extend([fn(**assignment)])
        else:
            _map_quickly(fn, pspace, order, table)
    except ResultTypeError:  # names the assignment itself
        raise
    except Exception as err:
        name_assignment(err, pspace[len(table)])
        raise
    return table.finish(exclude)


def _map_quickly(fn: Function, pspace: ParameterSpace, order: list[str], table: Table) -> None:
    """Evaluate a function with positional arguments, for which no dictionaries are made."""
    while (start := len(table)) < len(pspace):
        stop = min(start + _CHUNK, len(pspace))
        columns = pspace[start:stop].build()
        table.extend(map(fn, *(columns[name] for name in order)))
        if len(table) < stop:  # StopIteration ended the map silently, but comes out of a call
            table.extend([fn(**pspace[len(table)])])


def map_pspace_parallel(
    fn: Function,
    pspace: ParameterSpace,
    n_jobs: int = -1,
    backend: str = "loky",
    exclude: Collection[str] | None = None,
    executor: Executor | None = None,
    progress: bool = False,
) -> dict[str, list[Any]]:
    """Evaluate a function on a parameter space, in several processes.

    Parameters
    ----------
    fn : callable
        Function to evaluate. It is given the parameters as keyword arguments, and has to return a
        dictionary. With the default backend it may be defined anywhere, also in a notebook; with
        others it may have to be importable.
    pspace : ParameterSpace
        Parameter space.
    n_jobs : int, optional
        Number of processes, -1 for one per CPU.
    backend : str, optional
        What runs the processes or threads, by a name known to `joblib.Parallel`.
    exclude : collection of str, optional
        Keys to leave out of what is returned.
    executor : concurrent.futures.Executor, optional
        Use this, and neither *backend* nor *n_jobs*; for example ``client.get_executor()`` of a
        Dask client. It is not shut down.
    progress : bool, optional
        Whether to show a progress bar; it is shown on a terminal and in a notebook only.

    Returns
    -------
    dict of str to list
        For each parameter and each result the values of all rows, in the order of the space.

    Raises
    ------
    ResultTypeError
        If the function does not return a dictionary with strings as keys.
    Exception
        Whatever *fn* raises, with a note that names the assignment.

    Warns
    -----
    IneffectiveExcludeWarning
        If a key to exclude is not there.

    Examples
    --------
    >>> from psyrun import Param, map_pspace_parallel
    >>> from psyrun.utils.example import square
    >>>
    >>> map_pspace_parallel(square, Param(x=[1, 2]))
    {'x': [1, 2], 'y': [1, 4]}
    """
    n, call = len(pspace), Call(fn)
    if executor is not None:
        results: Any = [None] * n
        chunk_size = max(1, min(256, n // (32 * (os.cpu_count() or 1))))
        completed = as_completed(executor, call, enumerate(pspace.iterate()), chunk_size)
        for row, returned in shown(completed, progress, n):
            results[row] = returned
    else:
        import joblib

        parallel = _parallel(n_jobs, backend, progress)
        completed = parallel(map(joblib.delayed(call), pspace.iterate()))
        results = shown(completed, progress, n)
    table = Table(pspace)
    table.extend(results)
    return table.finish(exclude)


def _parallel(n_jobs: int, backend: str, progress: bool) -> Any:
    import joblib

    if progress:
        with suppress(ValueError):  # some backends cannot hand out results one by one
            return joblib.Parallel(n_jobs, backend, return_as="generator")
    return joblib.Parallel(n_jobs, backend)


def map_pspace_hdd_backed(
    fn: Function,
    pspace: ParameterSpace,
    filename: str | os.PathLike[str],
    store: Store,
    return_data: bool = True,
    pool_size: int = 1,
    exclude: Collection[str] | None = None,
    progress: bool = False,
) -> dict[str, Any] | None:
    """Evaluate a function on a parameter space, and write each row to a file once it is done.

    Rows which the file holds already are not evaluated again. So after an interruption, or after
    the space has changed, the same call continues. A row counts as done if its parameters are
    found in the file.

    Parameters
    ----------
    fn : callable
        Function to evaluate. It is given the parameters as keyword arguments, and has to return a
        dictionary.
    pspace : ParameterSpace
        Parameter space.
    filename : path-like
        File to write to, and to continue from if it exists.
    store : Store
        Store that reads and writes the file.
    return_data : bool, optional
        Whether to return the data, for which all has to be read from the file.
    pool_size : int, optional
        Number of processes; with 1 the function is evaluated in this process.
    exclude : collection of str, optional
        Keys not to write to the file. Without all parameters the file cannot be continued from.
    progress : bool, optional
        Whether to show a progress bar; it is shown on a terminal and in a notebook only.

    Returns
    -------
    dict of str to sequence, or None
        For each parameter and each result the values of all rows, in the order of the space.

    Raises
    ------
    AmbiguousOperationError
        If the file exists, but lacks a parameter of the space.
    ResultTypeError
        If the function does not return a dictionary with strings as keys.
    Exception
        Whatever *fn* raises, with a note that names the assignment. The rows done before are in
        the file.

    Warns
    -----
    IneffectiveExcludeWarning
        If a key to exclude is not there.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from psyrun import Param, PickleStore, map_pspace_hdd_backed
    >>> from psyrun.utils.example import square
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     filename = Path(directory, "squares.pkl")
    ...     first = map_pspace_hdd_backed(square, Param(x=[1, 2]), filename, PickleStore())
    ...     map_pspace_hdd_backed(square, Param(x=[3, 2, 1]), filename, PickleStore())
    {'x': [3, 2, 1], 'y': [9, 4, 1]}
    """
    stored = store.load(filename) if Path(filename).exists() else {}
    lines = np.full(len(pspace), -1, dtype=np.int64)
    rows, at = find_stored(pspace, stored, os.fspath(filename))
    lines[rows] = at
    todo = np.flatnonzero(lines < 0)
    n_lines = max(map(len, stored.values()), default=0)
    del stored
    excluded, effective = names_of(exclude), set[str]()
    completed = _evaluated(fn, pspace, todo, pool_size)
    for row, returned in shown(completed, progress, len(pspace), len(rows)):
        assignment = pspace[row]
        result = {**assignment, **as_result(returned, assignment)}
        effective |= excluded & result.keys()
        with naming(assignment):
            store.append(filename, {k: [v] for k, v in result.items() if k not in excluded})
        lines[row] = n_lines
        n_lines += 1
    if len(todo):
        warn_of_ineffective(excluded - effective)
    elif not Path(filename).exists():
        store.save(filename, {})
    if not return_data:
        return None
    return {name: _take(column, lines) for name, column in store.load(filename).items()}


def _evaluated(
    fn: Function, pspace: ParameterSpace, rows: Rows, pool_size: int
) -> Iterator[tuple[int, Any]]:
    """Evaluate rows; yield each with what the function returned, in any order."""
    assignments = zip(rows.tolist(), pspace[rows].iterate(), strict=True)
    if pool_size > 1:
        from joblib.externals.loky import ProcessPoolExecutor

        executor = ProcessPoolExecutor(pool_size)
        try:
            yield from as_completed(executor, Call(fn), assignments, cancel=False)
        finally:
            executor.shutdown(kill_workers=True)
        return
    for row, assignment in assignments:
        with naming(assignment):
            returned = fn(**assignment)
        yield row, returned


def _take(column: Sequence[Any], lines: Rows) -> Sequence[Any]:
    if np.array_equal(lines, np.arange(len(column))):
        return column
    if isinstance(column, np.ndarray):
        return column[lines]
    return [column[line] for line in lines.tolist()]
