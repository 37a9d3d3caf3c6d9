"""Dask does what a scheduler has to do."""

import pytest

from psyrun.scheduler import Dask, Scheduler
from psyrun.testing import SchedulerContract

from .conftest import Cluster


class TestDask(SchedulerContract):
    @pytest.fixture(autouse=True)
    def use(self, dask_cluster: Cluster) -> None:
        self.scheduler_file = dask_cluster.scheduler_file

    def make_scheduler(self) -> Scheduler:
        return Dask(self.scheduler_file)
