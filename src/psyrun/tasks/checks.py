"""Checking what task files set."""

import operator
import types
from collections.abc import Iterable, Mapping
from itertools import chain
from numbers import Real
from os import PathLike
from typing import Any

from psyrun.backend import Backend
from psyrun.exceptions import UsageError
from psyrun.pspace import ParameterSpace
from psyrun.quantities import parse_memory
from psyrun.scheduler import Scheduler
from psyrun.store import AutodetectStore, Store
from psyrun.store.base import registered_extension
from psyrun.tasks.config import Config


def check_variables(task: Config) -> None:
    """Check the variables of a task, and make instances where there are classes.

    Raises
    ------
    UsageError
        If one is missing or set to nonsense.
    """
    for required in ("pspace", "execute"):
        if getattr(task, required, None) is None:
            raise UsageError(f"the task file has to define {required!r}, but does not.")
    check_type(task, "pspace", ParameterSpace, "a parameter space, such as Param(x=[1, 2])")
    if not callable(getattr(task, "execute", None)):
        raise UsageError("'execute' has to be a function.")
    for name in ("store", "scheduler"):
        _make_instance(task, name)
    check_type(task, "store", Store, "a store, such as PickleStore()")
    check_type(task, "scheduler", Scheduler, "a scheduler, such as ImmediateRun()")
    if not (isinstance(task.backend, type) and issubclass(task.backend, Backend)):
        raise UsageError(
            f"'backend' has to be a class such as LoadBalancingBackend, not {task.backend!r}."
        )
    for name in ("max_jobs", "min_items", "pool_size"):
        _check_whole_number(task, name, 1)
    for name in ("resubmit", "retries"):
        _check_whole_number(task, name, 0)
    _check_memory(task)
    if task.seed is not None:
        _check_whole_number(task, "seed", 0, " or None")
    if task.max_failures is not None:
        _check_whole_number(task, "max_failures", 1, " or None")
    if task.timeout is not None and not (isinstance(task.timeout, Real) and task.timeout > 0):
        raise UsageError(f"'timeout' has to be a number above 0 or None, not {task.timeout!r}.")
    _check_retry_on(task)
    for name in ("exclude_from_result", "file_dep", "setup_commands"):
        _check_strings(task, name)
    for name in ("workdir", "python"):
        check_type(task, name, str | PathLike, "a path")
    if task.resultfile is not None:
        check_type(task, "resultfile", str | PathLike, "a path or None")
    check_type(task, "scheduler_args", Mapping, "a dict")
    _check_units(task)
    for name, argument in (("setup", "the process number"), ("on_finish", "the result's summary")):
        if getattr(task, name) is not None and not callable(getattr(task, name)):
            raise UsageError(f"{name!r} has to be a function of {argument}, or None.")


def choose_store(task: Config, *, explicit: bool) -> None:
    """Let the extension of the result file decide on the store, unless the task names one."""
    if task.resultfile is None or isinstance(task.store, AutodetectStore):
        return
    ext = registered_extension(task.resultfile)
    if ext is None or ext == task.store.ext:
        return
    if explicit:
        raise UsageError(
            f"'resultfile' ends in {ext!r}, but 'store' is {task.store!r}, whose files end in "
            f"{task.store.ext!r}; change one of them, or leave 'store' out."
        )
    task.store = AutodetectStore.get_concrete_store(task.resultfile)
    if ext != task.store.ext:
        raise UsageError(
            f"'resultfile' ends in {ext!r}, but {task.store!r} writes files that end in "
            f"{task.store.ext!r}; name it so."
        )


def _make_instance(task: Config, name: str) -> None:
    value = getattr(task, name)
    if isinstance(value, type):
        try:
            setattr(task, name, value())
        except TypeError as err:
            raise UsageError(f"{name!r} is the class {value.__qualname__}: {err}.") from None


def _check_whole_number(task: Config, name: str, least: int, or_none: str = "") -> None:
    value = getattr(task, name)
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise UsageError(
            f"{name!r} has to be a whole number from {least} on{or_none}, not {value!r}."
        )
    setattr(task, name, number)


def _check_strings(task: Config, name: str) -> None:
    value = getattr(task, name)
    items = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [None]
    if not all(isinstance(item, str | PathLike) for item in items):
        raise UsageError(f"{name!r} has to be a list of strings, not {value!r}.")
    setattr(task, name, items)


def _check_units(task: Config) -> None:
    units: Any = task.units
    texts = chain.from_iterable(units.items()) if isinstance(units, Mapping) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(
            f"'units' has to be a dict of names and units such as {{'radius': 'm'}}, not {units!r}."
        )


def _check_memory(task: Config) -> None:
    factor, limit = task.retry_memory_factor, task.retry_memory_limit
    if factor is not None and not (isinstance(factor, Real) and factor > 1):
        raise UsageError(
            f"'retry_memory_factor' has to be a number above 1 or None, not {factor!r}."
        )
    if limit is not None and parse_memory(limit) is None:
        raise UsageError(
            f"'retry_memory_limit' has to be an amount of memory such as '64G', not {limit!r}."
        )


def _check_retry_on(task: Config) -> None:
    value: Any = task.retry_on
    if value is None:
        return
    types = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in types):
        raise UsageError(f"'retry_on' has to be a tuple of exception types or None, not {value!r}.")
    task.retry_on = types


def check_type(task: Config, name: str, expected: type | types.UnionType, wanted: str) -> None:
    """Check that a variable is of a type; *wanted* says in words what it has to be."""
    value = getattr(task, name)
    if not isinstance(value, expected):
        raise UsageError(f"{name!r} has to be {wanted}, not {value!r}.")
