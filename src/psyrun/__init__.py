"""Evaluate a function over a space of parameters and get back one table.

The names below are loaded when they are first used, so that ``import psyrun`` and ``psy --help``
take no longer than Python itself.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psyrun.backend import DistributeBackend as DistributeBackend
    from psyrun.backend import LoadBalancingBackend as LoadBalancingBackend
    from psyrun.farming import Farm as Farm
    from psyrun.farming import attach as attach
    from psyrun.farming import farm as farm
    from psyrun.mapper import map_pspace as map_pspace
    from psyrun.mapper import map_pspace_hdd_backed as map_pspace_hdd_backed
    from psyrun.mapper import map_pspace_parallel as map_pspace_parallel
    from psyrun.merging.timings import load_timings as load_timings
    from psyrun.plotting import plot as plot
    from psyrun.pspace import Param as Param
    from psyrun.results import Result as Result
    from psyrun.results import load as load
    from psyrun.scheduler import LSF as LSF
    from psyrun.scheduler import PBS as PBS
    from psyrun.scheduler import GridEngine as GridEngine
    from psyrun.scheduler import HTCondor as HTCondor
    from psyrun.scheduler import ImmediateRun as ImmediateRun
    from psyrun.scheduler import Slurm as Slurm
    from psyrun.scheduler import Sqsub as Sqsub
    from psyrun.store import DefaultStore as DefaultStore
    from psyrun.store import PickleStore as PickleStore
    from psyrun.timelimit import remaining_time as remaining_time

__version__ = "1.0.0.dev0"

_HOMES = {
    "DefaultStore": "store",
    "DistributeBackend": "backend",
    "Farm": "farming",
    "GridEngine": "scheduler",
    "HTCondor": "scheduler",
    "ImmediateRun": "scheduler",
    "LSF": "scheduler",
    "LoadBalancingBackend": "backend",
    "PBS": "scheduler",
    "Param": "pspace",
    "PickleStore": "store",
    "Result": "results",
    "Slurm": "scheduler",
    "Sqsub": "scheduler",
    "attach": "farming",
    "farm": "farming",
    "load": "results",
    "load_timings": "merging.timings",
    "map_pspace": "mapper",
    "map_pspace_hdd_backed": "mapper",
    "map_pspace_parallel": "mapper",
    "plot": "plotting",
    "remaining_time": "timelimit",
}

_MODULES = (
    *("backend", "exceptions", "mapper", "pspace", "results", "sampling", "scheduler", "store"),
    "tasks",
)

__all__ = [*_HOMES, *_MODULES, "__version__"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"psyrun.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"psyrun.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
