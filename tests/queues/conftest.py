"""The schedulers other than Slurm: a real Grid Engine, and stand-ins where there is no package."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from clusters import standins
from clusters.grid_engine import GridEngine, why_not


class Cluster(NamedTuple):
    """What runs jobs, as tests need to know it.

    Attributes
    ----------
    name : str
        The name of the scheduler.
    scheduler : str
        The scheduler as it is written in a task file.
    arguments : dict
        What jobs need to be told.
    refused : dict
        An argument that is refused.
    words : str
        What is said then.
    standin : StandIn or None
        The stand-in, if it is one.
    """

    name: str
    scheduler: str
    arguments: dict[str, Any]
    refused: dict[str, Any]
    words: str
    standin: standins.StandIn | None = None


MODULES = {"Sqsub": "sharcnet", "PBS": "pbs", "LSF": "lsf", "HTCondor": "htcondor"}
NAMES = ["GridEngine", *MODULES, "Slurm"]

SOON = {"timelimit": "soon"}
REFUSED = {
    "GridEngine": 'attribute "h_rt" is not a time value',
    "Sqsub": "sqsub: error: soon is no run time",
    "PBS": "qsub: Illegal attribute or resource value Resource_List.walltime",
    "LSF": "soon: Bad RUNLIMIT specification. Job not submitted.",
    "HTCondor": "ERROR: allowed_execute_duration=soon is invalid, must eval to an integer.",
    "Slurm": "Invalid --time specification",
}


def _use(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def grid_engine_cell() -> Iterator[GridEngine]:
    """Run a Grid Engine."""
    if reason := why_not():
        pytest.skip(reason)
    cell = GridEngine()
    yield cell
    cell.stop()


@pytest.fixture
def grid_engine(
    grid_engine_cell: GridEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GridEngine]:
    """Let psyrun find the Grid Engine; what is left of a test's jobs is killed."""
    _use(
        {k: v for k, v in grid_engine_cell.environment.items() if k.startswith("SGE_")}, monkeypatch
    )
    yield grid_engine_cell
    grid_engine_cell.end_all_jobs()


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], standins.StandIn]]:
    """Return what starts a stand-in for the test."""
    with standins.several() as start:

        def use(module: str) -> standins.StandIn:
            found = start(module)
            monkeypatch.setenv("PATH", str(found.bin), prepend=os.pathsep)
            return found

        yield use


@pytest.fixture
def cluster(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    """Return the scheduler that the test is parametrised with, running."""
    arguments: dict[str, Any] = {"timelimit": "5m", "memory": "1G"}
    scheduler, running = f"{name}()", None
    if name in MODULES:
        running = request.getfixturevalue("standin")(MODULES[name])
    else:
        request.getfixturevalue({"GridEngine": "grid_engine", "Slurm": "slurm"}[name])
        # Memory of a process's addresses on Grid Engine; there is little on this node of Slurm.
        arguments = {"timelimit": "5m", "memory": {"GridEngine": "4G", "Slurm": "50M"}[name]}
    if name == "Sqsub":
        scheduler = f"Sqsub({str(tmp_path / 'sqsub')!r})"
    return Cluster(name, scheduler, arguments, arguments | SOON, REFUSED[name], running)
