"""Schedulers run commands.

Each is loaded when it is first used: a run needs one of them, and each of its jobs none.
"""

import importlib
from typing import TYPE_CHECKING

from psyrun.scheduler.base import JobStatus, Scheduler
from psyrun.scheduler.immediate import ImmediateRun

if TYPE_CHECKING:
    from psyrun.scheduler.dask import Dask
    from psyrun.scheduler.grid_engine import GridEngine
    from psyrun.scheduler.htcondor import HTCondor
    from psyrun.scheduler.lsf import LSF
    from psyrun.scheduler.pbs import PBS
    from psyrun.scheduler.slurm import Slurm
    from psyrun.scheduler.sqsub import Sqsub

__all__ = [
    "LSF",
    "PBS",
    "Dask",
    "GridEngine",
    "HTCondor",
    "ImmediateRun",
    "JobStatus",
    "Scheduler",
    "Slurm",
    "Sqsub",
]

_HOMES = {
    "Dask": "dask",
    "GridEngine": "grid_engine",
    "HTCondor": "htcondor",
    "LSF": "lsf",
    "PBS": "pbs",
    "Slurm": "slurm",
    "Sqsub": "sqsub",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
