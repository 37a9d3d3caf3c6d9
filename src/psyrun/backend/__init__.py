"""Backends hand rows out to jobs."""

from psyrun.backend.base import Backend
from psyrun.backend.distribute import DistributeBackend
from psyrun.backend.load_balancing import LoadBalancingBackend

DefaultBackend = DistributeBackend

__all__ = ["Backend", "DefaultBackend", "DistributeBackend", "LoadBalancingBackend"]
