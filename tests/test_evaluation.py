"""Evaluating a row gives a result that can be stored, or says why not."""

import functools
import math
import pickle
import random
import threading
import warnings

import numpy as np
import pytest

from psyrun import Param, PickleStore
from psyrun.evaluation import Evaluator
from psyrun.exceptions import IneffectiveExcludeWarning, ResultTypeError, StoreTypeError
from psyrun.failure import Failure, shorten, show_assignment
from psyrun.pspace import is_missing
from psyrun.store import Store
from psyrun.store.npz import NpzStore


def evaluator(execute, names=("x",), **options):
    return Evaluator(execute, names, store=options.pop("store", PickleStore()), **options)


def test_a_function_gets_the_assignment_and_its_result_comes_back():
    def execute(x, y):
        return {"sum": x + y, "x": -x}

    assert evaluator(execute, ["x", "y"]).result({"x": 1, "y": 2}, 0) == {"sum": 3, "x": -1}


def test_a_payload_is_the_pickled_result():
    payload = evaluator(lambda x: {"y": np.arange(x)}).payload({"x": 3}, 0)
    assert pickle.loads(payload)["y"].tolist() == [0, 1, 2]


def test_any_mapping_with_text_as_keys_is_a_result():
    class Name(str):
        pass

    result = evaluator(lambda x: {Name("y"): x}).result({"x": 1}, 0)
    assert [type(key) for key in result] == [str]
    mapping = type("M", (dict,), {})(y=1)
    assert type(evaluator(lambda x: mapping).result({"x": 1}, 0)) is dict


# --- Random numbers -----------------------------------------------------------------------------


def draw(x, rng):
    return {"y": rng.random()}


def test_a_function_may_ask_for_a_random_generator():
    result = evaluator(draw).result({"x": 1}, 5)
    assert result == {"y": np.random.Generator(np.random.PCG64(5)).random()}
    assert evaluator(draw).result({"x": 2}, 5) == result
    assert evaluator(draw).result({"x": 1}, 6) != result


def test_a_generator_may_be_asked_for_by_keyword_or_with_a_default():
    def by_keyword(x, *, rng):
        return draw(x, rng)

    def with_default(x, rng=None):
        return draw(x, rng)

    class Model:
        def execute(self, x, rng):
            return draw(x, rng)

    for execute in (by_keyword, with_default, Model().execute, functools.partial(draw)):
        assert evaluator(execute).result({"x": 1}, 5) == evaluator(draw).result({"x": 1}, 5)


def test_no_generator_is_given_to_those_who_do_not_ask_by_name():
    assert evaluator(lambda **kw: {"names": sorted(kw)}).result({"x": 1}, 5) == {"names": ["x"]}
    assert evaluator(dict).result({"x": 1}, 5) == {"x": 1}


def test_a_parameter_or_an_extra_argument_named_rng_is_what_it_says():
    def execute(rng):
        return {"y": rng}

    assert evaluator(execute, ["rng"]).result({"rng": 7}, 5) == {"y": 7}
    assert evaluator(execute, [], extra={"rng": 8}).result({}, 5) == {"y": 8}


def test_the_global_states_are_those_of_the_row():
    def execute(x):
        return {"y": [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn()]}

    one = evaluator(execute)
    first = one.result({"x": 1}, 5)
    random.gauss(0, 1)  # this leaves a second number for the next call
    np.random.randn()
    assert one.result({"x": 1}, 5) == first
    assert one.result({"x": 1}, 6) != first


def test_the_global_states_may_be_left_as_they_are():
    one = evaluator(lambda x: {"y": (random.random(), np.random.rand())})
    first = one.result({"x": 1}, 5, seed_global=False)
    assert one.result({"x": 1}, 5, seed_global=False) != first


# --- Arguments ----------------------------------------------------------------------------------


def test_what_setup_has_returned_is_passed_on():
    def execute(x, model, rng):
        return {"y": model * x}

    assert evaluator(execute, extra={"model": 3}).result({"x": 2}, 0) == {"y": 6}


def test_what_setup_has_returned_is_not_in_the_result_and_not_changed():
    extra = {"model": [1]}
    one = evaluator(lambda x, model: {"y": x}, extra=extra)
    assert one.result({"x": 2}, 0) == {"y": 2}
    assert extra == {"model": [1]}


def test_parameters_that_are_missing_are_nan():
    space = Param(a=[1]) + Param(b=[2])
    result = evaluator(lambda a, b: {"y": math.isnan(b)}, ["a", "b"]).result(space[0], 0)
    assert result == {"y": True}


def test_parameters_that_are_missing_may_be_left_out_so_that_defaults_apply():
    space = Param(a=[1]) + Param(b=[2]) + Param(a=[math.nan], b=[4])
    assert is_missing(space[0]["b"])

    def execute(a=10, b=20):
        return {"y": (a, b)}

    one = evaluator(execute, ["a", "b"], omit_missing=True)
    assert [one.result(space[i], 0)["y"] for i in range(2)] == [(1, 20), (10, 2)]
    a, b = one.result(space[2], 0)["y"]  # a nan that was put in is passed on
    assert math.isnan(a)
    assert b == 4


# --- What can be wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("returned", [None, 3, [1], "y", {"y"}])
def test_a_result_that_is_no_dictionary_is_refused(returned):
    with pytest.raises(ResultTypeError, match=rf"returned .* of type {type(returned).__name__}"):
        evaluator(lambda x: returned).result({"x": 1}, 0)


@pytest.mark.parametrize("exclude", [[], ["z"]])
def test_a_key_that_is_no_text_is_refused_and_named(exclude):
    one = evaluator(lambda x: {"y": 1, 3: 2}, exclude=exclude)
    with pytest.raises(ResultTypeError, match=r"3 is of type int"):
        one.result({"x": 1}, 0)


class OldStore(Store):
    """As one wrote it for psyrun 0.8: it checks nothing."""


@pytest.mark.parametrize("store", [PickleStore(), OldStore()])
def test_what_cannot_be_pickled_is_named(store):
    def execute(x):
        return {"y": 1, "lock": threading.Lock()}

    with pytest.raises((StoreTypeError, pickle.PicklingError), match=r"'lock'.* of type lock"):
        evaluator(execute, store=store).payload({"x": 1}, 0)
    fine = evaluator(execute, store=store, exclude=["lock"]).payload({"x": 1}, 0)
    assert pickle.loads(fine) == {"y": 1}


def test_what_the_store_cannot_hold_is_refused():
    one = evaluator(lambda x: {"y": 1, "bad": object()}, store=NpzStore())
    with pytest.raises(StoreTypeError, match="bad"):
        one.result({"x": 1}, 0)
    fine = evaluator(lambda x: {"y": 1, "bad": object()}, store=NpzStore(), exclude=["bad"])
    assert fine.result({"x": 1}, 0) == {"y": 1}


def test_exceptions_of_the_function_come_through():
    def execute(x):
        raise SystemExit(x)

    with pytest.raises(SystemExit):
        evaluator(execute).result({"x": 1}, 0)


# --- Excluding ----------------------------------------------------------------------------------


def test_excluded_names_are_left_out():
    one = evaluator(lambda x: {"x": 1, "y": 2, "z": 3}, exclude=["y", "x"])
    assert one.result({"x": 1}, 0) == {"z": 3}


def test_excluding_what_is_not_there_is_warned_about_once():
    one = evaluator(lambda x: {"y": 1}, exclude=["nonsense", "y"])
    with pytest.warns(IneffectiveExcludeWarning, match="'nonsense'") as caught:
        one.result({"x": 1}, 0)
    assert len(caught) == 1
    assert caught[0].message.key == "nonsense"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert one.result({"x": 2}, 0) == {}


def test_excluding_a_parameter_is_no_mistake():
    assert evaluator(lambda x: {"y": 1}, exclude=["x"]).result({"x": 1}, 0) == {"y": 1}


# --- Failures -----------------------------------------------------------------------------------


class Broken:
    def __repr__(self):
        raise RuntimeError

    __str__ = __repr__


class BrokenError(Exception):
    def __str__(self):
        raise RuntimeError


def failure_of(execute, assignment):
    try:
        evaluator(execute, assignment).payload(assignment, 7)
    except BaseException as err:
        return Failure.of_exception(err, assignment, 7)
    raise AssertionError("this was to fail")


def test_a_failure_says_what_happened_and_where():
    def execute(x):
        return {"y": 1 / x}

    failure = failure_of(execute, {"x": 0})
    assert (failure.type, failure.message) == ("ZeroDivisionError", "division by zero")
    assert failure.where.startswith(f"{__file__}:")
    assert failure.where.endswith("in execute")
    assert (failure.assignment, failure.seed) == ("x=0", 7)
    assert "1 / x" in failure.traceback
    assert "psyrun/evaluation.py" not in failure.traceback
    assert Failure.decode(failure.encode()) == failure


def test_a_failure_tells_its_cause_and_its_notes():
    def execute(x):
        try:
            x["a"]
        except KeyError as err:
            error = ValueError("no a")
            error.add_note("look again")
            raise error from err

    text = failure_of(execute, {"x": {}}).traceback
    assert text.index("KeyError") < text.index("direct cause") < text.index("no a")
    assert "look again" in text


@pytest.mark.parametrize(
    "error", [BrokenError(), ValueError("\ud800"), SystemExit(3), KeyboardInterrupt(), ValueError()]
)
def test_any_failure_can_be_written_down(error):
    def execute(**assignment):
        raise error

    failure = failure_of(execute, {"x": Broken(), "long": "y" * 1000})
    assert failure.type == type(error).__name__
    decoded = Failure.decode(failure.encode())
    assert decoded.type == failure.type
    assert len(failure.assignment) < 300


def test_a_failure_without_a_traceback_can_be_written_down():
    failure = Failure.of_exception(ValueError("x"), {}, 0)
    assert failure.where == ""
    assert Failure.decode(failure.encode()) == failure


def test_values_are_shown_shortened_whatever_they_are():
    shown = show_assignment({"a": 1, "b": "x" * 1000, "c": Broken(), "d": np.arange(10**5)})
    assert shown.startswith("a=1, b='xxx")
    assert len(shown) < 400
    assert "Broken" in shorten(Broken())
