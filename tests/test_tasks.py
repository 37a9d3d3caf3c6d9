"""Task files are loaded, and what is wrong with them is said in one sentence."""

import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from psyrun import DistributeBackend, ImmediateRun, LoadBalancingBackend, Param, PickleStore, Sqsub
from psyrun.exceptions import TaskLoadError, TaskWarning, UnknownTaskError, UsageError
from psyrun.store.npz import NpzStore
from psyrun.tasks import Config, PackageLoader, TaskDef

MINIMAL = """
from psyrun import Param
pspace = Param(x=[1, 2])
def execute(x):
    return {'y': x}
"""


@pytest.fixture
def taskdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "psy-tasks").mkdir()
    yield Path("psy-tasks")
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def load(taskdir):
    """A function that writes a task file, with the minimal task before its text, and loads it."""

    def load(text="", name="a", head=MINIMAL):
        path = taskdir / f"task_{name}.py"
        path.write_text(head + text)
        return TaskDef(path)

    return load


def test_a_minimal_task_has_the_defaults(load):
    task = load()
    assert task.name == "a"
    assert task.path == Path.cwd() / "psy-tasks" / "task_a.py"
    assert task.execute(3) == {"y": 3}
    assert task.pspace.build() == {"x": [1, 2]}
    assert task.backend is DistributeBackend
    assert isinstance(task.store, PickleStore)
    assert isinstance(task.scheduler, ImmediateRun)
    defaults = {
        "exclude_from_result": [],
        "file_dep": [],
        "max_jobs": 100,
        "min_items": 1,
        "overwrite_dirty": True,
        "pool_size": 1,
        "python": sys.executable,
        "resultfile": None,
        "scheduler_args": {},
        "setup": None,
        "workdir": "psy-work",
    }
    assert {name: getattr(task, name) for name in defaults} == defaults


def test_defaults_are_not_shared(load):
    one, other = load(name="one"), load(name="other")
    assert one.scheduler is not other.scheduler
    assert one.scheduler_args is not other.scheduler_args
    assert one.file_dep is not other.file_dep


def test_all_variables_can_be_set(load):
    task = load("""
from psyrun import LoadBalancingBackend, Sqsub
from psyrun.store.npz import NpzStore
from pathlib import Path
backend = LoadBalancingBackend
exclude_from_result = ('x',)
file_dep = ['data.csv', Path('more.csv')]
max_jobs = 5
min_items = 2
overwrite_dirty = False
pool_size = 3
python = '/usr/bin/python3'
resultfile = Path('out.npz')
scheduler = Sqsub('/work')
scheduler_args = {'timelimit': '1h', 'memory': lambda name: '1G'}
seed = 2**70
def setup(number):
    return {'number': number}
store = NpzStore()
workdir = Path('elsewhere')
name = 'b'
""")
    assert task.name == "b"
    assert task.backend is LoadBalancingBackend
    assert isinstance(task.scheduler, Sqsub)
    assert isinstance(task.store, NpzStore)
    assert (task.max_jobs, task.min_items, task.pool_size) == (5, 2, 3)
    assert task.setup(4) == {"number": 4}
    assert task.seed == 2**70


@pytest.mark.parametrize("name", ["path", "load_from_file", "apply_as_default"])
def test_other_variables_of_the_file_change_nothing(load, name):
    task = load(f"{name} = 'nonsense'\ndata = [1]\n")
    plain = load(name="plain")
    assert task.path == Path.cwd() / "psy-tasks" / "task_a.py"
    assert callable(task.load_from_file)
    assert callable(task.apply_as_default)
    assert vars(task).keys() == vars(plain).keys()


# --- What can be wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["pspace", "execute"])
def test_a_variable_that_is_missing_is_named(load, variable):
    with pytest.raises(TaskLoadError, match=rf"task_a\.py: .*define '{variable}'"):
        load(f"del {variable}\n")
    with pytest.raises(TaskLoadError, match=rf"task_a\.py: .*define '{variable}'"):
        load(f"{variable} = None\n")


def test_an_exception_is_told_with_file_and_line(load):
    with pytest.raises(TaskLoadError, match=r"task_a\.py, line 8: ZeroDivisionError: division"):
        load("def fail():\n    1 / 0\nfail()\n", head="\n\n\n\n\n\n")


def test_an_exception_in_an_imported_module_is_told_with_the_line_of_the_import(load, taskdir):
    (taskdir / "broken_helper.py").write_text("\n\n\nnonsense\n")
    with pytest.raises(TaskLoadError, match=r"task_a\.py, line 2: NameError: .*nonsense"):
        load("import broken_helper\n", head="\n")


def test_a_module_that_is_missing_is_named(load):
    with pytest.raises(TaskLoadError, match=r"line 2: ModuleNotFoundError: .*no_such_module"):
        load("import no_such_module\n", head="\n")


@pytest.mark.parametrize("text", ["def f(:\n", "if True:\nx = 1\n", "x = 'abc\n", "\tx\n y\n"])
def test_a_syntax_error_is_told_with_file_and_line(load, text):
    with pytest.raises(TaskLoadError, match=r"psy-tasks/task_a\.py, line [3-5]: \w+Error: "):
        load(text, head="\n\n")


@pytest.mark.parametrize("content", [b"x = '\xff'\n", b"x = 1\0\n", b"# coding: nonsense\n"])
def test_a_file_that_is_no_python_is_named(taskdir, content):
    (taskdir / "task_a.py").write_bytes(content)
    with pytest.raises(TaskLoadError, match=r"task_a\.py"):
        TaskDef(taskdir / "task_a.py")


def test_a_file_that_is_not_there_is_named(taskdir):
    with pytest.raises(TaskLoadError, match=r"There is no file psy-tasks/task_nope\.py"):
        TaskDef(taskdir / "task_nope.py")
    with pytest.raises(TaskLoadError, match=r"There is no file"):
        TaskDef(str((taskdir / "task_nope.py").absolute()))


def test_a_directory_in_place_of_a_file_is_named(taskdir):
    (taskdir / "task_a.py").mkdir()
    with pytest.raises(TaskLoadError, match=r"task_a\.py"):
        TaskDef(taskdir / "task_a.py")


def test_a_task_that_exits_is_an_error_and_not_an_exit(load):
    with pytest.raises(TaskLoadError, match=r"line 2: SystemExit: 3"):
        load("raise SystemExit(3)\n", head="\n")


def test_an_interrupt_comes_through(load):
    with pytest.raises(KeyboardInterrupt):
        load("raise KeyboardInterrupt\n")


def test_a_failed_load_leaves_no_module_behind(load):
    with pytest.raises(TaskLoadError):
        load("1 / 0\n")
    assert "task_a" not in sys.modules
    load()
    first = sys.modules["task_a"]
    with pytest.raises(TaskLoadError):
        load("1 / 0\n")
    assert sys.modules["task_a"] is first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pspace = [1]", r"'pspace' has to be a parameter space, .*not \[1\]"),
        ("pspace = Param", r"'pspace' has to be a parameter space"),
        ("execute = 3", r"'execute' has to be a function"),
        ("store = 'x.pkl'", r"'store' has to be a store, .*not 'x\.pkl'"),
        ("store = int", r"'store' has to be a store"),
        ("scheduler = 'slurm'", r"'scheduler' has to be a scheduler, .*not 'slurm'"),
        ("backend = 'x'", r"'backend' has to be a class such as LoadBalancingBackend, not 'x'"),
        ("backend = int", r"'backend' has to be a class"),
        ("max_jobs = 0", r"'max_jobs' has to be a whole number from 1 on, not 0"),
        ("max_jobs = '8'", r"'max_jobs' has to be a whole number from 1 on, not '8'"),
        ("min_items = 2.5", r"'min_items' has to be a whole number from 1 on, not 2\.5"),
        ("pool_size = None", r"'pool_size' has to be a whole number from 1 on, not None"),
        ("retries = -1", r"'retries' has to be a whole number from 0 on, not -1"),
        ("timeout = 0", r"'timeout' has to be a number above 0 or None, not 0"),
        ("timeout = float('nan')", r"'timeout' has to be a number above 0 or None, not nan"),
        ("max_failures = '1'", r"'max_failures' has to be a whole number from 1 on or None"),
        ("max_failures = 0", r"'max_failures' has to be a whole number from 1 on or None, not 0"),
        ("retry_on = 'all'", r"'retry_on' has to be a tuple of exception types or None"),
        ("retry_on = 3", r"'retry_on' has to be a tuple of exception types or None"),
        ("seed = -1", r"'seed' has to be a whole number from 0 on or None, not -1"),
        ("seed = 'x'", r"'seed' has to be a whole number"),
        ("exclude_from_result = 'x'", r"'exclude_from_result' has to be a list of strings"),
        ("exclude_from_result = [1]", r"'exclude_from_result' has to be a list of strings"),
        ("file_dep = 'x'", r"'file_dep' has to be a list of strings, not 'x'"),
        ("file_dep = 3", r"'file_dep' has to be a list of strings, not 3"),
        ("scheduler_args = ['a']", r"'scheduler_args' has to be a dict"),
        ("setup = 3", r"'setup' has to be a function"),
        ("on_finish = 3", r"'on_finish' has to be a function"),
        ("units = 64", r"'units' has to be a dict of names and units .*not 64"),
        ("units = {'x': 1}", r"'units' has to be a dict of names and units"),
        ("workdir = 3", r"'workdir' has to be a path, not 3"),
        ("resultfile = 3", r"'resultfile' has to be a path or None, not 3"),
        ("python = None", r"'python' has to be a path, not None"),
        ("name = ''", r"'' cannot be the name of a task"),
        ("name = 'a/b'", r"'a/b' cannot be the name of a task"),
        ("name = '..'", r"'\.\.' cannot be the name of a task"),
        ("name = 3", r"name of a task has to be a string, not 3"),
    ],
)
def test_a_variable_of_a_wrong_type_is_named(load, text, message):
    with pytest.raises(TaskLoadError, match=rf"^psy-tasks/task_a\.py: .*{message}"):
        load(text + "\n")


def test_a_class_that_needs_arguments_is_named(load):
    with pytest.raises(TaskLoadError, match=r"task_a\.py: 'store' .*Mine"):
        load("""
from psyrun.store import Store
class Mine(Store):
    def __init__(self, level):
        pass
store = Mine
""")


def test_classes_may_stand_for_instances(load):
    task = load("from psyrun import PickleStore, Sqsub\nstore = PickleStore\nscheduler = Sqsub\n")
    assert type(task.store) is PickleStore
    assert type(task.scheduler) is Sqsub


def test_numbers_of_numpy_are_numbers(load):
    task = load("import numpy as np\nmax_jobs = np.int64(7)\nseed = np.uint8(3)\n")
    assert (task.max_jobs, task.seed) == (7, 3)
    assert type(task.max_jobs) is type(task.seed) is int


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_job", "max_jobs"),
        ("pspaces", "pspace"),
        ("min_item", "min_items"),
        ("resultfiles", "resultfile"),
        ("schedular_args", "scheduler_args"),
        ("exclude_from_results", "exclude_from_result"),
    ],
)
def test_a_near_miss_is_warned_about(load, name, meant):
    with pytest.warns(TaskWarning, match=rf"task_a\.py sets '{name}'.*mean '{meant}'"):
        load(f"{name} = 3\n")


@pytest.mark.parametrize("name", ["data", "x", "n_jobs", "np", "results", "_max_job", "main"])
def test_variables_of_the_file_itself_are_no_matter(load, name):
    load(f"{name} = 3\n")


def test_a_near_miss_in_the_configuration_is_warned_about_too(load, taskdir):
    (taskdir / "psy-conf.py").write_text("max_job = 3\n")
    with pytest.warns(TaskWarning, match=r"psy-conf\.py.*'max_job'.*mean 'max_jobs'"):
        load()


# --- Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two words", "-v", "--help", "ünïcødé", "a.b", "a\nb", "1", " "])
def test_odd_names_are_fine(load, taskdir, name):
    assert load(name=name).name == name
    (task,) = PackageLoader(taskdir).load_task_defs([name])
    assert task.name == name


def test_a_file_with_another_name_is_a_task_of_its_name(taskdir):
    (taskdir / "other.py").write_text(MINIMAL)
    assert TaskDef(taskdir / "other.py").name == "other"
    assert TaskDef(str(taskdir / "other.py")).path.is_absolute()


def test_a_file_name_that_is_no_text_is_an_error(taskdir):
    (taskdir / os.fsdecode(b"task_\xff.py")).write_text(MINIMAL)
    loader = PackageLoader(taskdir)
    assert loader.load_task_defs() == []
    assert len(loader.errors) == 1


# --- Configuration ------------------------------------------------------------------------------


def test_a_configuration_gives_defaults(load, taskdir):
    (taskdir / "psy-conf.py").write_text("max_jobs = 7\npool_size = 2\nnonsense = 1\n")
    task = load("max_jobs = 3\n")
    assert (task.max_jobs, task.pool_size) == (3, 2)
    assert not hasattr(task, "nonsense")


def test_a_configuration_may_give_the_space_but_neither_function_nor_name(taskdir):
    (taskdir / "psy-conf.py").write_text(MINIMAL + "name = 'all'\n")
    (taskdir / "task_a.py").write_text("def execute(x):\n    return {'y': -x}\n")
    task = TaskDef(taskdir / "task_a.py")
    assert task.pspace.build() == {"x": [1, 2]}
    assert task.execute(3) == {"y": -3}
    assert task.name == "a"


def test_what_is_wrong_in_a_configuration_is_said_of_it(load, taskdir):
    (taskdir / "psy-conf.py").write_text("\n1 / 0\n")
    with pytest.raises(TaskLoadError, match=r"psy-conf\.py, line 2: ZeroDivisionError"):
        load()
    with pytest.raises(TaskLoadError, match=r"psy-conf\.py, line 2: ZeroDivisionError"):
        PackageLoader(taskdir).load_task_defs()


def test_a_configuration_is_loaded_from_a_file(tmp_path):
    (tmp_path / "conf.py").write_text("workdir = 'w'\nother = 1\n")
    conf = Config.load_from_file(str(tmp_path / "conf.py"))
    assert (conf.workdir, conf.max_jobs) == ("w", 100)
    assert not hasattr(conf, "other")


def test_a_configuration_is_applied_to_what_is_not_set():
    conf = Config()
    conf.workdir = "w"
    task = SimpleNamespace(max_jobs=3)
    conf.apply_as_default(task)
    assert (task.max_jobs, task.workdir, task.pool_size) == (3, "w", 1)


def test_a_configuration_may_be_given(taskdir):
    (taskdir / "psy-conf.py").write_text("max_jobs = 7\n")
    (taskdir / "task_a.py").write_text(MINIMAL)
    conf = Config()
    conf.pool_size = 5
    task = TaskDef(taskdir / "task_a.py", conf)
    assert (task.max_jobs, task.pool_size) == (100, 5)


# --- The file as a program ----------------------------------------------------------------------


def test_modules_beside_the_task_file_can_be_imported(load, taskdir):
    (taskdir / "neighbour_of_task.py").write_text("VALUES = [5, 6]\n")
    task = load("from neighbour_of_task import VALUES\npspace = Param(x=VALUES)\n")
    assert task.pspace.build() == {"x": [5, 6]}


def test_the_file_knows_its_name(load):
    task = load("from pathlib import Path\nfile_dep = [Path(__file__).name, __name__]\n")
    assert task.file_dep == ["task_a.py", "task_a"]


def test_a_task_with_a_main_block_does_not_run_it(load):
    load("if __name__ == '__main__':\n    raise ValueError\n")


def test_classes_of_the_file_can_be_looked_up_in_its_module(load):
    task = load("""
from dataclasses import dataclass
@dataclass
class Point:
    x: 'int'
pspace = Param(x=[Point(1)])
""")
    point = task.pspace[0]["x"]
    assert pickle.loads(pickle.dumps(point)) == point


def test_a_copy_is_read_as_if_it_were_the_file(load, taskdir, tmp_path):
    load()
    copy = tmp_path / "copy.py"
    copy.write_text(MINIMAL + "file_dep = [__file__]\n")
    task = TaskDef(taskdir / "task_a.py", source=copy)
    assert task.file_dep == [str(Path.cwd() / "psy-tasks" / "task_a.py")]
    assert task.name == "a"
    copy.write_text("\n\n1 / 0\n")
    with pytest.raises(TaskLoadError, match=r"task_a\.py, line 3"):
        TaskDef(taskdir / "task_a.py", source=copy)


# --- A directory of tasks -----------------------------------------------------------------------


def write_tasks(taskdir, **texts):
    for name, text in texts.items():
        (taskdir / f"task_{name}.py").write_text(MINIMAL + text)


def names_of(tasks):
    return [task.name for task in tasks]


def test_all_tasks_are_loaded_in_the_order_of_their_names(taskdir):
    write_tasks(taskdir, b="", a="", c="")
    for other in ("helper.py", "task.py", "task_x.txt", "my_task_y.py", ".task_z.py"):
        (taskdir / other).write_text("raise ValueError")
    loader = PackageLoader(str(taskdir))
    assert names_of(loader.load_task_defs()) == ["a", "b", "c"]
    assert loader.errors == {}


def test_wanted_tasks_are_loaded_in_the_order_wanted(taskdir):
    write_tasks(taskdir, a="", b="", c="1 / 0")
    loader = PackageLoader(taskdir)
    assert names_of(loader.load_task_defs(["b", "a", "b"])) == ["b", "a"]
    assert loader.errors == {}


def test_a_file_that_does_not_load_leaves_the_others_usable(taskdir):
    write_tasks(taskdir, a="", b="1 / 0", c="")
    loader = PackageLoader(taskdir)
    assert names_of(loader.load_task_defs()) == ["a", "c"]
    assert [path.name for path in loader.errors] == ["task_b.py"]
    loader = PackageLoader(taskdir)
    assert loader.load_task_defs(["b"]) == []
    assert [path.name for path in loader.errors] == ["task_b.py"]


def test_two_files_with_one_name_are_told(taskdir):
    write_tasks(taskdir, a="", b="name = 'a'\n")
    loader = PackageLoader(taskdir)
    assert names_of(loader.load_task_defs()) == ["a"]
    (error,) = loader.errors.values()
    assert str(error).startswith("psy-tasks/task_b.py: psy-tasks/task_a.py is a task named 'a'")


def test_a_task_is_found_by_the_name_it_gives_itself(taskdir):
    write_tasks(taskdir, a="name = 'z'\n", b="")
    loader = PackageLoader(taskdir)
    assert names_of(loader.load_task_defs(["z"])) == ["z"]
    assert loader.errors == {}
    with pytest.raises(UnknownTaskError):
        PackageLoader(taskdir).load_task_defs(["a"])


def test_an_unknown_name_is_told_with_close_ones(taskdir):
    write_tasks(taskdir, monte_carlo="", other="")
    with pytest.raises(UnknownTaskError, match=r"no task 'monte_carol' .*mean 'monte_carlo'"):
        PackageLoader(taskdir).load_task_defs(["monte_carol"])
    with pytest.raises(UnknownTaskError, match=r"the tasks are 'monte_carlo', 'other'"):
        PackageLoader(taskdir).load_task_defs(["x"])


def test_an_unknown_name_among_no_tasks_tells_how_to_make_one(taskdir):
    with pytest.raises(UnknownTaskError, match=r"psy new-task"):
        PackageLoader(taskdir).load_task_defs(["x"])


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no task directory .*nowhere"):
        PackageLoader(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"no task directory"):
        PackageLoader(tmp_path / "file")


def test_a_task_warns_once(load):
    with pytest.warns(TaskWarning) as caught:
        load("max_job = 3\n")
    assert len(caught) == 1
    assert caught[0].message.task_name == "a"


def test_a_space_may_be_a_difference(load):
    task = load("pspace = Param(x=range(10)) - Param(x=[3])\n")
    assert len(task.pspace) == 9
    assert isinstance(Param(x=np.arange(3))[0]["x"], np.integer)
