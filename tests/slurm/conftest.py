"""A real Slurm for each process that runs tests, and what tests need round it."""

import os
from collections.abc import Iterator

import pytest
from clusters.slurm import Slurm, why_not


@pytest.fixture(scope="session")
def cluster() -> Iterator[Slurm]:
    """Run a cluster of one node."""
    if reason := why_not():
        pytest.skip(reason)
    cluster = Slurm()
    yield cluster
    cluster.stop()


@pytest.fixture
def slurm(cluster: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """Let psyrun find the cluster; what is left of a test's jobs is killed."""
    use(cluster, monkeypatch)
    yield cluster
    cluster.run("scancel", "--quiet", "--me")


def use(cluster: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let psyrun find a cluster."""
    for name in os.environ:
        if name.startswith(("SLURM_", "SBATCH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", cluster.environment["PATH"])
    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
