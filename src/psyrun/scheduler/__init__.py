"""Schedulers run commands."""

from psyrun.scheduler.base import JobStatus, Scheduler
from psyrun.scheduler.dask import Dask
from psyrun.scheduler.immediate import ImmediateRun
from psyrun.scheduler.slurm import Slurm
from psyrun.scheduler.sqsub import Sqsub

__all__ = ["Dask", "ImmediateRun", "JobStatus", "Scheduler", "Slurm", "Sqsub"]
