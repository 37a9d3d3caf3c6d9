import concurrent.futures
import functools
import io
import math
import re
import sys
import types

import numpy as np
import pytest

from psyrun.exceptions import (
    AmbiguousOperationError,
    IneffectiveExcludeWarning,
    ResultTypeError,
)
from psyrun.mapper import get_result, map_pspace, map_pspace_hdd_backed, map_pspace_parallel
from psyrun.pspace import Param
from psyrun.store.h5 import H5Store
from psyrun.store.npz import NpzStore
from psyrun.store.pickle import PickleStore

# From Python 3.12 on, joblib's "multiprocessing" is warned about where NumPy has started threads.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

STORES = [PickleStore(), NpzStore(), H5Store()]
SPACE = Param(a=[1, 2, 3]) * Param(b=[10, 20])
TABLE = {
    "a": [1, 1, 2, 2, 3, 3],
    "b": [10, 20, 10, 20, 10, 20],
    "sum": [11, 21, 12, 22, 13, 23],
}


def add(a, b):
    return {"sum": a + b}


def add_reordered(b, a, c=0):
    return {"sum": a + b + c}


def add_by_name(**row):
    return {"sum": row["a"] + row["b"]}


def reuse(a, b, result={}):  # noqa: B006  # it is this that is tested
    result["sum"] = a + b
    return result


class Adder:
    def __call__(self, a, b):
        return {"sum": a + b}

    def method(self, b, a):
        return {"sum": a + b}


def fail_at_2(a, b):
    if a == 2:
        raise ZeroDivisionError("no twos")
    return {"sum": a + b}


class AwkwardError(Exception):
    """Cannot be unpickled, because it passes on less than it is given."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def fail_awkwardly(a, b):
    raise AwkwardError(3, "awkward")


def not_a_dict(a, b):
    return a + b if a == 2 else {"sum": a + b}


def by_processes(fn, space, **kwargs):
    return map_pspace_parallel(fn, space, n_jobs=2, **kwargs)


def by_threads(fn, space, **kwargs):
    return map_pspace_parallel(fn, space, n_jobs=2, backend="threading", **kwargs)


def by_multiprocessing(fn, space, **kwargs):
    return map_pspace_parallel(fn, space, n_jobs=2, backend="multiprocessing", **kwargs)


def by_executor(fn, space, **kwargs):
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        return map_pspace_parallel(fn, space, executor=executor, **kwargs)


def to_disk(fn, space, tmp_path=None, pool_size=1, **kwargs):
    return map_pspace_hdd_backed(
        fn, space, tmp_path / "out.pkl", PickleStore(), pool_size=pool_size, **kwargs
    )


@pytest.fixture(
    params=[map_pspace, by_processes, by_threads, by_multiprocessing, by_executor, to_disk, "pool"]
)
def mapper(request, tmp_path):
    if request.param == "pool":
        return functools.partial(to_disk, tmp_path=tmp_path, pool_size=2)
    if request.param is to_disk:
        return functools.partial(to_disk, tmp_path=tmp_path)
    return request.param


def plain(table):
    return {name: list(column) for name, column in table.items()}


# --- what all functions have in common -----------------------------------------------------------


@pytest.mark.parametrize("fn", [add, add_reordered, add_by_name, Adder(), Adder().method])
def test_the_result_is_a_table_in_the_order_of_the_space(mapper, fn):
    result = mapper(fn, SPACE)
    assert result == TABLE
    assert list(result) == ["a", "b", "sum"]


def test_any_number_of_rows_comes_back_in_order(mapper):
    n = 3000 if "disk" not in repr(mapper) else 100
    space = Param(a=range(n), b=0)
    assert mapper(add, space)["sum"] == list(range(n))


def test_a_function_may_return_the_same_dictionary_each_time(mapper):
    assert mapper(reuse, SPACE)["sum"] == TABLE["sum"]


def test_results_that_are_not_always_there_are_none(mapper):
    result = mapper(sometimes, Param(a=[1, 2, 3, 4]))
    assert result == {
        "a": [1, 2, 3, 4],
        "odd": [1, None, 3, None],
        "even": [None, 2, None, 4],
        "big": [None, None, None, True],
    }


def sometimes(a):
    return {"odd" if a % 2 else "even": a} | ({"big": True} if a > 3 else {})


def test_a_result_takes_the_place_of_the_parameter_of_the_same_name(mapper):
    assert mapper(overwrite, Param(a=[1, 2], b=[3, 4])) == {"a": [1, -2], "b": [3, 4], "x": [0, 0]}


def overwrite(a, b):
    return {"x": 0} | ({"a": -a} if a == 2 else {})


def test_exclude_leaves_out_parameters_and_results(mapper):
    assert mapper(add, SPACE, exclude=["b", "sum"]) == {"a": TABLE["a"]}


def test_a_key_to_exclude_that_is_never_there_is_warned_of_once(mapper):
    with pytest.warns(IneffectiveExcludeWarning) as record:
        assert mapper(add, SPACE, exclude=["nothing"]) == TABLE
    ours = [each.message for each in record if each.category is IneffectiveExcludeWarning]
    assert [message.key for message in ours] == ["nothing"]


def test_a_key_to_exclude_may_be_there_in_some_rows_only(mapper):
    assert mapper(sometimes, Param(a=[1, 4]), exclude=["big", "odd", "even"]) == {"a": [1, 4]}


def test_an_exception_is_itself_and_names_its_assignment(mapper):
    with pytest.raises(ZeroDivisionError, match="no twos") as info:
        mapper(fail_at_2, SPACE)
    first = "10" if mapper in (map_pspace, by_executor) else "[12]0"  # joblib takes any
    notes = [n for n in info.value.__notes__ if re.search(f"for the assignment a=2, b={first}.", n)]
    assert len(notes) == 1


def test_an_exception_that_cannot_be_sent_is_described(mapper):
    with pytest.raises((AwkwardError, RuntimeError), match="awkward") as info:
        mapper(fail_awkwardly, SPACE)
    assert any("for the assignment a=" in note for note in info.value.__notes__)


def test_what_is_not_a_dictionary_is_refused_with_its_assignment(mapper):
    with pytest.raises(ResultTypeError, match=r"for a=2, b=.0 it returned .2 of type int") as info:
        mapper(not_a_dict, SPACE)
    assert isinstance(info.value, TypeError)


def test_the_keys_of_results_are_strings(mapper):
    with pytest.raises(ResultTypeError, match="strings, but for a=1 it has 1 of type int"):
        mapper(number_key, Param(a=[1]))


def number_key(a):
    return {1: a}


def test_a_missing_argument_is_an_error_of_python(mapper):
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
        mapper(add, Param(a=[1, 2]))
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        mapper(add, SPACE * Param(c=[1]))


def test_a_space_without_rows_gives_a_table_without_rows(mapper):
    result = mapper(add, SPACE[:0], exclude=["a"])
    assert result.keys() <= {"b"}
    assert all(len(column) == 0 for column in result.values())


def test_other_mappings_than_dictionaries_are_results(mapper):
    assert mapper(frozen_result, Param(a=[1, 2])) == {"a": [1, 2], "x": [1, 2]}


class FrozenResult(dict):
    pass


def frozen_result(a):
    return FrozenResult(x=a)


def test_progress_shows_nothing_where_there_is_no_terminal(mapper, capfd):
    assert mapper(add, SPACE, progress=True) == TABLE
    assert capfd.readouterr() == ("", "")


def test_progress_shows_a_bar_on_a_terminal(monkeypatch, tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for mapper in (
        map_pspace,
        by_threads,
        by_executor,
        functools.partial(to_disk, tmp_path=tmp_path),
    ):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert mapper(add, SPACE, progress=True) == TABLE
        assert "6/6 [" in terminal.getvalue()
        assert "row/s" in terminal.getvalue()


def test_progress_shows_a_bar_in_a_notebook(monkeypatch, capfd):
    kernel = types.SimpleNamespace(kernel=object())
    notebook = types.SimpleNamespace(get_ipython=lambda: kernel)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    assert map_pspace(add, SPACE, progress=True) == TABLE
    assert "6/6 [" in capfd.readouterr().err


# --- one by one ----------------------------------------------------------------------------------


def test_get_result_gives_a_row():
    assert get_result(lambda x, y: {"y": 1}, {"x": 4, "y": 0}) == {"x": 4, "y": 1}
    assert get_result(lambda x: {"y": 1}, {"x": 4}, exclude=["x"]) == {"y": 1}
    with pytest.warns(IneffectiveExcludeWarning):
        get_result(lambda x: {"y": 1}, {"x": 4}, ["z"])
    with pytest.raises(ResultTypeError, match="for x=4 it returned None"):
        get_result(lambda x: None, {"x": 4})


@pytest.mark.parametrize("progress", [False, True])
def test_stop_iteration_does_not_end_the_mapping_silently(progress):
    def stop(a):
        return {"x": next(iter([a] if a != 1 else []))}

    with pytest.raises(StopIteration) as info:
        map_pspace(stop, Param(a=[0, 1, 2]), progress=progress)
    assert "a=1" in info.value.__notes__[0]


def test_stop_iteration_that_does_not_come_again_loses_no_row():
    calls = []

    def stop_once(a):
        calls.append(a)
        if calls.count(1) == 1 and a == 1:
            raise StopIteration
        return {"x": a}

    assert map_pspace(stop_once, Param(a=[0, 1, 2]))["x"] == [0, 1, 2]


def test_a_function_with_positional_only_parameters_is_called_by_name():
    def fn(a, /, b):
        return {}

    with pytest.raises(TypeError, match="positional-only"):
        map_pspace(fn, SPACE)


def test_functions_defined_in_a_notebook_can_be_mapped_in_parallel(tmp_path):
    factor = 3
    space = Param(a=[1, 2])
    fn = lambda a: {"x": factor * a}  # noqa: E731  # as a user would
    assert by_processes(fn, space)["x"] == [3, 6]
    file = tmp_path / "out.pkl"
    assert map_pspace_hdd_backed(fn, space, file, PickleStore(), pool_size=2)["x"] == [3, 6]


def test_another_executor_can_be_used_and_stays_open():
    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        for _ in range(2):
            assert map_pspace_parallel(add, SPACE, executor=executor) == TABLE


def test_an_executor_is_not_flooded():
    class Counting(concurrent.futures.ThreadPoolExecutor):
        submitted = 0

        def submit(self, *args, **kwargs):
            self.submitted += 1
            return super().submit(*args, **kwargs)

    def fail(a):
        raise ValueError

    with Counting(2) as executor, pytest.raises(ValueError):
        map_pspace_parallel(fail, Param(a=range(10**6)), executor=executor)
    assert executor.submitted < 20


# --- on disk -------------------------------------------------------------------------------------


@pytest.fixture(params=STORES, ids=lambda s: s.ext)
def store(request):
    return request.param


@pytest.fixture
def file(store, tmp_path):
    return tmp_path / f"out{store.ext}"


def map_to(file, store, space, fn=add, **kwargs):
    """Map, and return the data and which rows were evaluated."""
    calls = []

    def counted(**row):
        calls.append(tuple(row.values()))
        return fn(**row)

    result = map_pspace_hdd_backed(counted, space, str(file), store, **kwargs)
    return result, calls


@pytest.mark.parametrize("pool_size", [1, 2])
def test_each_row_is_written_and_the_data_returned(store, file, pool_size):
    result = map_pspace_hdd_backed(add, SPACE, str(file), store, pool_size=pool_size)
    assert plain(result) == TABLE
    loaded = store.load(file)
    rows = sorted(zip(*(loaded[name] for name in TABLE), strict=True))
    assert rows == sorted(zip(*TABLE.values(), strict=True))


def test_what_the_file_holds_is_not_evaluated_again(store, file):
    store.append(file, {"a": [2, 1], "b": [10, 20], "sum": [-1, -2]})
    result, calls = map_to(file, store, SPACE)
    assert calls == [(1, 10), (2, 20), (3, 10), (3, 20)]
    assert plain(result) == TABLE | {"sum": [11, -2, -1, 22, 13, 23]}
    assert map_to(file, store, SPACE)[1] == []


def test_only_the_rows_of_the_space_are_returned(store, file):
    map_to(file, store, SPACE)
    result, calls = map_to(file, store, SPACE[[4, 0]])
    assert calls == []
    assert plain(result) == {"a": [3, 1], "b": [10, 10], "sum": [13, 11]}


def test_data_is_returned_only_if_wanted(store, file):
    assert map_to(file, store, SPACE, return_data=False)[0] is None
    assert len(store.load(file)["a"]) == 6


def test_repeated_rows_are_evaluated_as_often_as_they_are_there(store, file):
    space = Param(a=[1, 1, 1], b=[2, 2, 2])
    assert len(map_to(file, store, space[:2])[1]) == 2
    assert len(map_to(file, store, space)[1]) == 1
    assert len(map_to(file, store, space)[1]) == 0


def test_nan_rows_do_not_run_for_ever(store, file):
    space = Param(a=[1.0, math.nan], b=[math.nan, math.nan])
    assert len(map_to(file, store, space)[1]) == 2
    assert len(map_to(file, store, space)[1]) == 0


@pytest.mark.parametrize(
    "space",
    [
        Param(a=[1, 2]) + Param(b=["x", "y"]),
        Param(a=["", "x"]) + Param(b=["", "y"]),
        Param(a=[1]) + Param(b=[0.5], c=[True]),
        Param(a=[[1, 2], [3, 4]]) + Param(b=[1]),
        Param(a=[[1, 2], [1, 2, 3], [1]], b=["u", "vw", ""]),
        Param(a=[["x", "y"], ["z"]]),
        Param(a=np.arange(6).reshape(3, 2) / 2) * Param(b=["long text", "t"]),
        Param(a=[[[1], [2]], [[1, 2], [3, 4]]]),
    ],
    ids=str,
)
def test_absent_parameters_text_and_arrays_are_recognised_in_the_file(store, file, space):
    def fn(**row):
        return {"y": 1}

    for n in range(1, len(space) + 1):
        result, calls = map_to(file, store, space[:n], fn)
        assert len(calls) == 1
        assert list(result["y"]) == [1] * n
    assert map_to(file, store, space[::-1], fn)[1] == []


def test_an_exception_keeps_what_is_done(store, file):
    with pytest.raises(ZeroDivisionError):
        map_to(file, store, SPACE, fail_at_2)
    assert list(store.load(file)["sum"]) == [11, 21]
    result, calls = map_to(file, store, SPACE)
    assert len(calls) == 4
    assert plain(result) == TABLE


def test_an_exception_in_a_pool_keeps_what_is_done(store, file):
    with pytest.raises(ZeroDivisionError):
        map_pspace_hdd_backed(fail_at_2, SPACE, file, store, pool_size=2)
    assert set(store.load(file)["sum"]) >= {11, 21}


def test_an_interruption_keeps_what_is_done(store, file):
    def interrupted(a, b):
        if a == 3:
            raise KeyboardInterrupt
        return {"sum": a + b}

    with pytest.raises(KeyboardInterrupt):
        map_to(file, store, SPACE, interrupted)
    assert list(store.load(file)["sum"]) == TABLE["sum"][:4]
    assert len(map_to(file, store, SPACE)[1]) == 2


def test_a_file_without_a_parameter_cannot_be_continued(store, file):
    result, _ = map_to(file, store, SPACE, exclude=["a"])
    assert plain(result) == {"b": TABLE["b"], "sum": TABLE["sum"]}
    with pytest.raises(AmbiguousOperationError, match=f"{file.name}' lacks the parameter 'a'"):
        map_to(file, store, SPACE)


def test_without_rows_there_is_a_file_all_the_same(store, file):
    result, calls = map_to(file, store, SPACE[:0])
    assert (result, calls) == ({}, [])
    assert file.exists()
    assert plain(map_to(file, store, SPACE)[0]) == TABLE


def test_what_the_store_cannot_hold_is_refused_with_the_assignment(tmp_path):
    with pytest.raises(TypeError) as info:
        map_pspace_hdd_backed(
            lambda a: {"x": object()}, Param(a=[1]), tmp_path / "out.npz", NpzStore()
        )
    assert "a=1" in info.value.__notes__[0]
