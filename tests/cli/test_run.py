"""psy run: rows, and what is printed and exited with."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from .conftest import Project

BACKENDS = ["DistributeBackend", "LoadBalancingBackend"]
STORES = ["psyrun.store.npz.NpzStore", "psyrun.store.h5.H5Store", "psyrun.store.PickleStore"]

SQUARES = """
    pspace = Param(x=range(6))
    def execute(x):
        note(x)
        return {'y': x ** 2}
    """


def test_a_first_run_computes_and_a_second_one_does_not(project: Project) -> None:
    project.task("squares", SQUARES)

    first = project.psy("run")
    assert first.code == 0
    assert first.err == ""
    assert [line[:3] for line in first.out.splitlines()[1:3]] == [".  ", ".  "]
    assert first.out.splitlines()[1:3] == [".  squares:process:0", ".  squares:merge"]
    assert "6 rows, 0 reused, 6 new, 0 failed before" in first.out
    with (project.work / "squares" / "result.pkl").open("rb") as file:
        assert pickle.load(file) == {"x": list(range(6)), "y": [0, 1, 4, 9, 16, 25]}

    (project.tasks / "task_squares.py").touch()
    second = project.psy("run", "squares")
    assert second.code == 0
    assert second.out.splitlines()[:2] == ["-  squares:process", "-  squares:merge"]
    assert project.counts() == {str(x): 1 for x in range(6)}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_failing_row_costs_only_itself(project: Project, backend: str, pool_size: int) -> None:
    project.task(
        "bad",
        f"""
        import os, signal, sys
        from psyrun import {backend}
        backend = {backend}
        pool_size = {pool_size}
        max_jobs = 3
        def raise_(err): raise err
        class Nasty(Exception):
            def __str__(self): raise RuntimeError('no message')
        BAD = {{
            'exception': lambda: 1 / 0,
            'exit': sys.exit,
            '_exit': lambda: os._exit(0),
            'signal': lambda: os.kill(os.getpid(), signal.SIGSEGV),
            'no dict': lambda: 3,
            'none': lambda: None,
            'keys': lambda: {{1: 2}},
            'unpicklable': lambda: {{'y': lambda: 0}},
            'interrupt': lambda: raise_(KeyboardInterrupt),
            'generator exit': lambda: raise_(GeneratorExit),
            'nasty': lambda: raise_(Nasty()),
            'recursion': lambda: execute('recursion'),
            'surrogate': lambda: raise_(ValueError('\\udcff')),
        }}
        ODD = {{'fork': os.fork, 'chdir': lambda: os.chdir('/'), 'print': lambda: print('x' * 10)}}
        pspace = Param(kind=[k for bad in [*BAD, *ODD] for k in (bad, 'good')])
        def execute(kind):
            with open('calls.py'):  # the working directory is the task's
                pass
            if kind in BAD:
                return BAD[kind]()
            if kind in ODD:
                ODD[kind]()
            return {{'y': kind}}
        """,
    )
    said = project.psy("run")
    assert said.code == 1
    assert "Traceback" in said.err and "13 failed" in said.out
    good = ["good"] * 13 + ["fork", "good", "chdir", "good", "print", "good"]
    assert project.result("bad")["y"] == good
    status = project.status("bad")
    assert (status["completed"], status["failed"], status["pending"]) == (19, 13, 0)
    assert not status["up_to_date"]

    shown = project.psy("status", "-v", "bad").out
    assert "ZeroDivisionError: division by zero" in shown
    assert "signal 11 (SIGSEGV)" in shown
    assert "exit code 0" in shown
    assert "has to return a dictionary" in shown
    assert "'y'" in shown and "cannot be pickled" in shown


def test_failed_rows_are_tried_again_and_others_are_not(project: Project) -> None:
    project.task(
        "flaky",
        """
        from calls import HERE
        pspace = Param(x=range(5))
        def execute(x):
            note(x)
            if x == 3 and not (HERE / 'repaired').exists():
                raise ValueError('not yet')
            return {'y': x}
        """,
    )
    assert project.psy("run").code == 1
    again = project.psy("run")
    assert again.code == 1
    assert "5 rows, 4 reused, 0 new, 1 failed before" in again.out
    project.let("repaired")
    assert project.psy("run").code == 0
    assert project.result("flaky")["y"] == list(range(5))
    assert project.counts() == {"0": 1, "1": 1, "2": 1, "3": 3, "4": 1}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_space_and_a_single_row_have_results(project: Project, store: str, n: int) -> None:
    module, _, name = store.rpartition(".")
    project.task(
        "small",
        f"""
        from {module} import {name}
        store = {name}()
        pspace = Param(x=[1.5] * {n}) * Param(z=[2])
        def execute(x, z):
            return {{'y': x}}
        """,
    )
    assert project.psy("run").code == 0
    status = project.status("small")
    assert status["total"] == n and status["up_to_date"]
    result = project.result("small", Path(status["resultfile"]).suffix)
    assert [len(column) for column in result.values()] == [n] * len(result)
    assert {"x", "z"} <= set(result)
    assert project.psy("run").out.startswith("-  small:process")


@pytest.mark.parametrize("store", STORES)
def test_many_rows_with_arrays_arrive_in_every_store(project: Project, store: str) -> None:
    module, _, name = store.rpartition(".")
    n = 3000
    project.task(
        "many",
        f"""
        import numpy as np
        from psyrun import LoadBalancingBackend
        from {module} import {name}
        store = {name}()
        backend = LoadBalancingBackend
        pool_size = 2
        pspace = Param(x=range({n}))
        def execute(x):
            return {{'y': float(x), 'grown': np.arange(x % 3), 'fixed': np.full((2, 2), x)}}
        """,
    )
    assert project.psy("run").code == 0
    result = project.result("many", Path(project.status("many")["resultfile"]).suffix)
    assert [int(x) for x in result["x"]] == list(range(n))
    assert [float(y) for y in result["y"]] == [float(x) for x in range(n)]
    assert np.shape(result["fixed"]) == (n, 2, 2)
    assert np.nansum(np.asarray(result["grown"][2], dtype=float)) == 1


def test_a_hundred_thousand_rows_take_one_run(project: Project) -> None:
    project.task(
        "many",
        """
        pspace = Param(x=range(100)) * Param(z=range(1000))
        def execute(x, z):
            return {'y': x * z}
        """,
    )
    assert project.psy("run", "-j", 2).code == 0
    result = project.result("many")
    assert result["y"] == [x * z for x in range(100) for z in range(1000)]
    assert project.psy("run").out.startswith("-")


def test_tasks_run_with_their_own_directory_and_neighbours(project: Project) -> None:
    (project.tasks / "neighbour.py").write_text("def twice(x):\n    return 2 * x\n")
    project.task(
        "paths",
        """
        import os
        from dataclasses import dataclass
        from neighbour import twice
        @dataclass
        class Point:
            x: int
        class Value:
            def __init__(self, x): self.x = x
            def __eq__(self, other): return self.x == other.x
            def __hash__(self): return hash(self.x)
        pspace = Param(p=[Value(1), Value(2)])
        def execute(p):
            import neighbour
            return {'y': twice(p.x), 'file': __file__, 'cwd': os.getcwd(), 'point': Point(p.x)}
        """,
    )
    assert project.psy("run").code == 0
    result = project.result("paths")
    assert result["y"] == [2, 4]
    assert result["file"] == [str(project.tasks / "task_paths.py")] * 2
    assert result["cwd"] == [str(project.tasks)] * 2
    assert [point.x for point in result["point"]] == [1, 2]
    assert project.call("run").out.startswith("-  paths:process")


def test_setup_is_called_in_each_process_and_may_give_arguments(project: Project) -> None:
    project.task(
        "setup",
        """
        import os
        pool_size = 2
        pspace = Param(x=range(8))
        def setup(proc_id):
            note('setup', proc_id)
            return {'resource': (os.getpid(), proc_id)}
        def execute(x, resource):
            wait_for('go') if x == 0 else open(os.path.dirname(__file__) + '/go', 'w').close()
            return {'same': resource[0] == os.getpid(), 'proc': resource[1]}
        """,
    )
    assert project.psy("run").code == 0
    assert project.counts() == {"setup 0": 1, "setup 1": 1}
    result = project.result("setup")
    assert all(result["same"]) and set(result["proc"]) == {0, 1}


def test_absent_parameters_are_omitted_and_columns_excluded_on_demand(project: Project) -> None:
    project.task(
        "absent",
        """
        omit_missing = True
        exclude_from_result = ['big', 'x']
        pspace = Param(x=[1, 2]) + Param(x=[3], y=[float('nan')])
        def execute(x, y='default'):
            return {'got': repr(y), 'big': lambda: 0, 'z': x}
        """,
    )
    said = project.psy("run")
    assert said.code == 0, said
    result = project.result("absent")
    assert result["got"] == ["'default'", "'default'", "nan"]
    assert "big" not in result and "x" not in result
    assert project.psy("run").out.startswith("-  absent:process")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_seed_makes_random_numbers_reproducible(project: Project, backend: str) -> None:
    for name, seed in [("seeded", "seed = 7"), ("free", "")]:
        project.task(
            name,
            f"""
            import random
            import numpy as np
            from psyrun import {backend}
            backend = {backend}
            {seed}
            pspace = Param(x=[1, 2, 3, 4, 4]) * Param(z=range(20))
            def execute(x, z, rng):
                return {{'a': rng.random(), 'b': random.random(), 'c': np.random.rand(),
                        'd': random.gauss(0, 1)}}
            """,
        )
    assert project.psy("run", "-j", 1).code == 0
    first = project.result("seeded"), project.result("free")
    assert project.psy("clean", "seeded", "free").code == 0
    assert project.psy("run", "-j", 2).code == 0
    second = project.result("seeded"), project.result("free")
    assert second[0] == first[0]
    for result in (*first, *second):
        for column in "abcd":
            assert len(set(result[column])) == 100
    assert not set(first[1]["a"]) & set(second[1]["a"])


def test_names_may_have_blanks_and_dashes(project: Project) -> None:
    for name in ("with blanks", "-dash", "größe", "a'b"):
        project.task(name, SQUARES)
    (project.tasks / "psy-conf.py").write_text("workdir = 'work with blanks'\n")
    said = project.psy("run", "with blanks", "größe", "a'b")
    assert said.code == 0 and ".  with blanks:process:0" in said.out
    assert project.psy("run", "--", "-dash").code == 0
    assert (project.root / "work with blanks" / "-dash" / "result.pkl").exists()
    assert project.psy("status", "--", "-dash").out.splitlines()[1].split()[:2] == ["-dash", "6/6"]
    assert project.psy("clean", "--", "-dash").code == 0
    assert project.psy("list").out.splitlines() == ["-dash", "a'b", "größe", "with blanks"]


def test_the_result_may_be_kept_elsewhere(project: Project) -> None:
    project.task("away", "resultfile = 'results dir/away.npz'\n" + SQUARES_NPZ)
    assert project.psy("run").code == 0
    path = project.root / "results dir" / "away.npz"
    with np.load(path) as data:
        assert data["y"].tolist() == [0, 1, 4]
    assert project.psy("run").out.startswith("-")
    (path.parent / "mine.txt").touch()
    assert project.psy("clean", "away").code == 0
    assert [p.name for p in path.parent.iterdir()] == ["mine.txt"]


SQUARES_NPZ = """
from psyrun.store.npz import NpzStore
store = NpzStore()
pspace = Param(x=range(3))
def execute(x):
    return {'y': x ** 2}
"""


def test_a_dry_run_tells_and_does_nothing(project: Project) -> None:
    project.task("squares", SQUARES)
    said = project.psy("run", "--dry-run")
    assert said.code == 0 and "6 new" in said.out
    assert project.calls() == [] and not project.work.exists()


def test_one_task_does_not_stop_another(project: Project) -> None:
    project.task("a_fails", "pspace = Param(x=[1])\ndef execute(x):\n    raise ValueError('no')\n")
    project.task("b_broken", "pspace = Param(x=[1]\n")
    project.task("c_fine", SQUARES)
    said = project.psy("run")
    assert said.code == 2
    assert project.result("c_fine")["x"] == list(range(6))
    assert project.result("a_fails")["x"] == []
    assert "task_b_broken.py, line 3: SyntaxError" in said.err
    assert "ValueError: no" in said.err


def test_defaults_for_all_tasks_come_from_the_conf_file(project: Project) -> None:
    (project.tasks / "psy-conf.py").write_text(
        "from psyrun.store.npz import NpzStore\nstore = NpzStore()\nworkdir = 'elsewhere'\n"
        "def setup(proc_id):\n    return {'z': 5}\n"
    )
    project.task("conf", "pspace = Param(x=[1])\ndef execute(x, z):\n    return {'y': x + z}\n")
    assert project.psy("run").code == 0
    with np.load(project.root / "elsewhere" / "conf" / "result.npz") as data:
        assert data["y"].tolist() == [6]


def test_what_rows_print_goes_to_the_log_and_not_to_the_screen(project: Project) -> None:
    project.task(
        "loud",
        """
        print('while loading')
        pspace = Param(x=[1])
        def execute(x):
            print('to be found', 'in the log')
            return {'y': x}
        """,
    )
    said = project.psy("run")
    assert "to be found" not in said.out + said.err
    logs = list(project.work.glob("loud/plans/*/logs/*.log"))
    assert any("to be found in the log" in log.read_text() for log in logs)
    project.psy("status", "--json")
