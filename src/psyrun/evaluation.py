"""Evaluating one row: an assignment in, a result that can be stored out."""

import inspect
import pickle
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from psyrun.exceptions import IneffectiveExcludeWarning, ResultTypeError
from psyrun.failure import message_of, shorten
from psyrun.seeding import seed_global_states
from psyrun.store.base import Store
from psyrun.values import is_missing


class Evaluator:
    """Evaluate rows of a task.

    Parameters
    ----------
    execute : callable
        The user's function.
    names : iterable of str
        Names of the parameters.
    store : Store
        Store that has to be able to hold the results.
    exclude : iterable of str, optional
        Names to leave out of the results.
    omit_missing : bool, optional
        Whether parameters that a summand of the space lacks are left out of the call.
    extra : mapping, optional
        Further arguments for each call, as `setup` returned them.
    """

    def __init__(
        self,
        execute: Callable[..., Any],
        names: Iterable[str],
        *,
        store: Store,
        exclude: Iterable[str] = (),
        omit_missing: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if extra is not None and not isinstance(extra, Mapping):
            raise ResultTypeError(
                f"'setup' has to return a dictionary of further arguments, or None, but it "
                f"returned {shorten(extra)} of type {type(extra).__qualname__}."
            )
        self._execute = execute
        self._extra = dict(extra or {})
        self._names = list(names)
        self._check = None if type(store).check is Store.check else store.check
        self._exclude = list(exclude)
        self._warned = False
        self._omit_missing = omit_missing
        self._takes_rng = (
            _takes_argument(execute, "rng")
            and "rng" not in self._extra
            and "rng" not in self._names
        )

    def result(
        self, assignment: Mapping[str, Any], seed: int, *, seed_global: bool = True
    ) -> dict[str, Any]:
        """Evaluate the function for one assignment.

        Parameters
        ----------
        assignment : mapping
            The parameters' values.
        seed : int
            Seed of the row.
        seed_global : bool, optional
            Whether to seed the global random states, which takes 5 microseconds.

        Returns
        -------
        dict
            What the function returned, without the excluded names.

        Raises
        ------
        ResultTypeError
            If the function does not return a dictionary with strings as keys.
        StoreTypeError
            If the store cannot hold it.
        BaseException
            Whatever the function raises.
        """
        arguments: Mapping[str, Any] = assignment
        if self._omit_missing:
            arguments = {k: v for k, v in assignment.items() if not is_missing(v)}
        if seed_global:
            seed_global_states(seed)
        if self._takes_rng:
            result = self._execute(
                **arguments, **self._extra, rng=np.random.Generator(np.random.PCG64(seed))
            )
        else:
            result = self._execute(**arguments, **self._extra)
        checked = self._checked(assignment, result)
        if self._check is not None:
            self._check(checked)
        return checked

    def payload(
        self, assignment: Mapping[str, Any], seed: int, *, seed_global: bool = True
    ) -> bytes:
        """Evaluate the function and pickle its result, for a journal.

        Raises
        ------
        pickle.PicklingError
            If a part of the result cannot be pickled.
        BaseException
            As for `result`.
        """
        result = self.result(assignment, seed, seed_global=seed_global)
        try:
            return pickle.dumps(result, protocol=5)
        except Exception as err:
            raise pickle.PicklingError(_why_not_pickled(result)) from err

    def _checked(self, assignment: Mapping[str, Any], result: object) -> dict[str, Any]:
        if type(result) is dict and not self._exclude:
            for key in result:
                if type(key) is not str:
                    break
            else:
                return result  # as nearly always
        if not isinstance(result, Mapping):
            raise ResultTypeError(
                f"The function has to return a dictionary, such as {{'y': value}}, "
                f"but it returned {shorten(result)} of type {type(result).__qualname__}."
            )
        for key in result:
            if not isinstance(key, str):
                raise ResultTypeError(
                    f"The keys of the returned dictionary have to be strings, "
                    f"but {shorten(key)} is of type {type(key).__qualname__}."
                )
        if not self._warned:
            self._warned = True
            for name in self._exclude:
                if name not in result and name not in assignment:
                    warnings.warn(IneffectiveExcludeWarning(name), stacklevel=2)
        return {str(k): v for k, v in result.items() if k not in self._exclude}


def _takes_argument(function: Callable[..., Any], name: str) -> bool:
    try:
        parameter = inspect.signature(function).parameters.get(name)
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )


def _why_not_pickled(result: Mapping[str, object]) -> str:
    for name, value in result.items():
        try:
            pickle.dumps(value, protocol=5)
        except Exception as err:
            return (
                f"{name!r} of the result, of type {type(value).__qualname__}, cannot be pickled "
                f"({message_of(err)}); return plain data or list it in exclude_from_result."
            )
    return "The result cannot be pickled."
