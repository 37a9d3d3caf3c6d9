"""A Dask cluster of this machine's own processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PATIENCE = 60.0


class Cluster(NamedTuple):
    """A running cluster.

    Attributes
    ----------
    directory : Path
        Where it keeps what it needs.
    scheduler_file : Path
        Tells its address.
    processes : list of Popen
        The scheduler and the workers.
    """

    directory: Path
    scheduler_file: Path
    processes: list["subprocess.Popen[bytes]"]

    @property
    def address(self) -> str:
        return str(json.loads(self.scheduler_file.read_text())["address"])

    def start(self, *args: str) -> "subprocess.Popen[bytes]":
        """Start a scheduler or a worker."""
        log = self.directory / f"{args[0]}-{len(self.processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + args[0], *args[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self.directory,
                env=os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"},
            )
        self.processes.append(process)
        return process

    def start_worker(self, name: str, resources: str = "slot=1") -> "subprocess.Popen[bytes]":
        return self.start(
            *("worker", "--scheduler-file", str(self.scheduler_file), "--name", name),
            *("--nthreads", "4", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"),
            *("--local-directory", str(self.directory / name), "--resources", resources),
        )

    def stop(self) -> None:
        """End the workers, and then the scheduler; together they may wait for each other."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with a scheduler and two workers, each with four threads."""
    directory = tmp_path_factory.mktemp("dask")
    cluster = Cluster(directory, directory / "scheduler.json", [])
    try:
        cluster.start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--scheduler-file", str(cluster.scheduler_file)),
        )
        deadline = time.monotonic() + PATIENCE
        while not cluster.scheduler_file.exists():
            assert time.monotonic() < deadline, "Dask's scheduler did not come up"
            time.sleep(0.02)
        for name in ("one", "two"):
            cluster.start_worker(name)
        yield cluster
    finally:
        cluster.stop()
