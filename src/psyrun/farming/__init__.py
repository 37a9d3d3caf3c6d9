"""Functions on schedulers without a task file, from notebooks and scripts."""

from psyrun.farming.handle import Farm, FarmStatus, attach
from psyrun.farming.starting import farm

__all__ = ["Farm", "FarmStatus", "attach", "farm"]
