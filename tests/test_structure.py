"""The house stands: imports go downward, and what must be importable is."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import psyrun
from psyrun.cli.commands import COMMANDS, find_command
from psyrun.cli.parser import make_parser

SOURCE = Path(psyrun.__file__).parent

FLOORS = [
    {
        "exceptions",
        "expressions",
        "extras",
        "failure",
        "files",
        "processes",
        "quantities",
        "rowlog",
        "rows",
        "timelimit",
        "utils",
        "values",
    },
    # what a space, a plan, a file is
    {"pspace", "sampling"} | {"jobstate", "journal", "plan", "scheduler", "store", "workdir"},
    # what can be done with one
    {"diagnosis", "mapper"} | {"digest", "evaluation", "merging", "seeding"},
    {"backend"},
    {"tasks"},
    {"results", "run"},
    {"dashboard", "farming", "plotting", "report"} | {"testing", "worker"},
    {"cli"},
    {"__main__", "main"},
]
"""Modules and packages, the lowest floor first."""

FAMILIES = ["backend", "scheduler", "store"]
"""Packages of modules behind one contract, which is in their `base`."""

HEAVY = {
    "cloudpickle",
    "distributed",
    "h5py",
    "hypothesis",
    "joblib",
    "matplotlib",
    "pandas",
    "plotext",
    "plotly",
    "polars",
    "pyarrow",
    "rich",
    "scipy",
    "starlette",
    "tables",
    "uvicorn",
    "xarray",
    "zarr",
}
"""What is imported only where it is used."""


class Import(NamedTuple):
    """An import in a module of psyrun."""

    importer: str
    imported: str
    late: bool
    """Whether this is in a function, or for type checkers only."""


def find_modules() -> dict[str, Path]:
    modules = {}
    for path in sorted(SOURCE.rglob("*.py")):
        *parts, last = path.relative_to(SOURCE.parent).with_suffix("").parts
        modules[".".join(parts if last == "__init__" else [*parts, last])] = path
    return modules


MODULES = find_modules()


def find_imports(module: str) -> Iterator[Import]:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    early = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in full]
        for name in names:
            yield Import(module, name, id(node) not in early)


IMPORTS = [found for module in MODULES for found in find_imports(module)]
INTERNAL = [
    # What psyrun/__init__.py defines itself is there whenever anything of psyrun is.
    found
    for found in IMPORTS
    if found.imported in MODULES and "psyrun" not in (found.imported, found.importer)
]


def part_of(module: str) -> str:
    return module.split(".")[1]


def floor_of(module: str) -> int:
    for number, names in enumerate(FLOORS):
        if part_of(module) in names:
            return number
    raise AssertionError(f"give {part_of(module)!r} a floor in {Path(__file__).name}")


def test_every_module_has_one_floor():
    names = [name for floor in FLOORS for name in floor]
    assert len(names) == len(set(names))
    assert set(names) == {part_of(module) for module in MODULES if module != "psyrun"}


def test_imports_go_downward_only():
    upward = [found for found in INTERNAL if floor_of(found.imported) > floor_of(found.importer)]
    assert upward == []


def test_no_modules_import_each_other():
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in INTERNAL:
        if not found.late:
            graph[found.importer].add(found.imported)
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_no_parts_of_a_floor_import_each_other():
    graph: dict[str, set[str]] = {part_of(module): set() for module in MODULES if "." in module}
    for found in INTERNAL:
        if not found.late and part_of(found.importer) != part_of(found.imported):
            graph[part_of(found.importer)].add(part_of(found.imported))
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("family", FAMILIES)
def test_siblings_do_not_import_each_other(family):
    head = f"psyrun.{family}."
    for importer, imported, _ in INTERNAL:
        if importer.startswith(head) and imported.startswith(f"psyrun.{family}"):
            sibling = imported.removeprefix(head)
            assert sibling == "base" or sibling.startswith("_"), f"{importer} imports {imported}"
            assert importer != f"{head}base"


@pytest.mark.parametrize("family", FAMILIES)
def test_others_know_a_family_by_its_package_or_its_contract(family):
    head = f"psyrun.{family}."
    for importer, imported, _ in INTERNAL:
        if imported.startswith(head) and not importer.startswith(f"psyrun.{family}"):
            assert imported == f"{head}base", f"{importer} imports {imported}"


def test_nothing_heavy_is_imported_early():
    allowed = {"psyrun.testing.stores": {"hypothesis"}}
    allowed |= {module: {"tables"} for module in MODULES if "h5" in module}
    for importer, imported, late in IMPORTS:
        name = imported.split(".")[0]
        if not late and name in HEAVY:
            assert name in allowed.get(importer, ()), f"{importer} imports {imported}"


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print('MODULES', *sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in told.stdout.split("MODULES")[1].split()}


@pytest.mark.parametrize(
    "code",
    [
        "import psyrun",
        "import psyrun; dir(psyrun)",
        "from psyrun.main import psy_main; assert psy_main(['--help']) == 0",
        "from psyrun.main import psy_main; assert psy_main(['run', '--help']) == 0",
    ],
)
def test_importing_psyrun_and_asking_for_help_loads_nothing_heavy(code):
    assert not modules_after(code) & {*HEAVY, "numpy", "tqdm", "argcomplete"}


@pytest.mark.parametrize("code", ["from psyrun import *", "from psyrun import Param, map_pspace"])
def test_using_psyrun_loads_no_companion_of_numpy(code):
    assert not modules_after(code) & HEAVY


def test_each_psy_command_is_there():
    offered = re.findall(r"^    (\S+) ", make_parser().format_help(), re.MULTILINE)
    assert sorted(offered) == sorted(COMMANDS)
    assert all(callable(find_command(name)) for name in offered)


def test_public_names_exist():
    for name in psyrun.__all__:
        assert getattr(psyrun, name) is not None
    assert set(psyrun.__all__) <= set(dir(psyrun))
    with pytest.raises(AttributeError, match="nonsense"):
        psyrun.nonsense  # noqa: B018


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("__main__")])
def test_every_module_can_be_imported_and_has_what_it_says(module):
    imported = importlib.import_module(module)
    for name in getattr(imported, "__all__", ()):
        assert hasattr(imported, name)


@pytest.mark.parametrize(
    "statement",
    [
        "from psyrun import Param, map_pspace, map_pspace_parallel, map_pspace_hdd_backed",
        "from psyrun import DistributeBackend, LoadBalancingBackend",
        "from psyrun import ImmediateRun, Sqsub, Slurm",
        "from psyrun import PickleStore, DefaultStore",
        "from psyrun import map_pspace, pspace; pspace.Param",
        "from psyrun.pspace import Param, missing, dict_concat, AmbiguousOperationError",
        "from psyrun.pspace import ParameterSpace, Product, Sum",
        "from psyrun.utils.example import square; assert square(3) == {'y': 9}",
        "import psyrun; psyrun.store.PickleStore()",
        "import psyrun; psyrun.scheduler.Scheduler; psyrun.backend.Backend",
        "from psyrun.store import AutodetectStore, DefaultStore, PickleStore, Store",
        "from psyrun.store.h5 import H5Store; H5Store(node='/psyrun')",
        "from psyrun.store.npz import NpzStore; NpzStore()",
        "from psyrun.store.pickle import PickleStore; PickleStore(protocol=2)",
        "from psyrun.scheduler import ImmediateRun, JobStatus, Scheduler, Slurm, Sqsub",
        "from psyrun.backend import Backend, DefaultBackend, DistributeBackend",
        "from psyrun.backend.distribute import DistributeBackend",
        "from psyrun.backend.load_balancing import LoadBalancingBackend",
        "from psyrun.tasks import Config, TaskDef, PackageLoader",
        "from psyrun.exceptions import TaskWarning, JobsRunningWarning, TaskWorkdirDirtyWarning",
        "from psyrun.exceptions import IneffectiveExcludeWarning",
        "from psyrun.main import psy_main",
        "from psyrun.mapper import get_result, map_pspace",
        "from psyrun.testing import SchedulerContract, StoreContract",
    ],
)
def test_what_users_of_0_8_and_readers_of_the_guide_import_is_there(statement):
    exec(statement, {})
