"""The contract of schedulers, on each."""

from collections.abc import Callable
from typing import ClassVar

import pytest

from psyrun import LSF, PBS, GridEngine, HTCondor, Sqsub
from psyrun.scheduler import Scheduler
from psyrun.testing import SchedulerContract


class OnStandIn(SchedulerContract):
    module: ClassVar[str]
    scheduler_args: ClassVar = {"timelimit": "5m", "memory": "1G"}

    @pytest.fixture(autouse=True)
    def _running(self, standin: Callable[[str], object]) -> None:
        standin(self.module)


class TestPBS(OnStandIn):
    module = "pbs"

    def make_scheduler(self) -> Scheduler:
        return PBS()


class TestLSF(OnStandIn):
    module = "lsf"

    def make_scheduler(self) -> Scheduler:
        return LSF()


class TestHTCondor(OnStandIn):
    module = "htcondor"

    def make_scheduler(self) -> Scheduler:
        return HTCondor()


class TestSqsub(OnStandIn):
    module = "sharcnet"

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.directory = tmp_path_factory.mktemp("sqsub")

    def make_scheduler(self) -> Scheduler:
        return Sqsub(self.directory)


@pytest.mark.usefixtures("grid_engine")
class TestGridEngine(SchedulerContract):
    scheduler_args: ClassVar = {"timelimit": "5m", "memory": "1G"}

    def make_scheduler(self) -> Scheduler:
        return GridEngine()
