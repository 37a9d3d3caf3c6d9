"""Schedulers run commands."""

from psyrun.scheduler.base import JobStatus, Scheduler
from psyrun.scheduler.dask import Dask
from psyrun.scheduler.grid_engine import GridEngine
from psyrun.scheduler.htcondor import HTCondor
from psyrun.scheduler.immediate import ImmediateRun
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
