"""Why rows have failed, and what the failing assignments have in common."""

from psyrun.diagnosis.groups import FailureGroup, diagnose, group_failures
from psyrun.diagnosis.regions import region_of

__all__ = ["FailureGroup", "diagnose", "group_failures", "region_of"]
