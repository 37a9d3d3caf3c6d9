"""Tests that third parties can run on their own stores and schedulers.

They need pytest and hypothesis.
"""

from psyrun.testing.schedulers import SchedulerContract
from psyrun.testing.stores import StoreContract

__all__ = ["SchedulerContract", "StoreContract"]
