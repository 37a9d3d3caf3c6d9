"""Tasks on a Dask cluster, from psy run to the result, and what becomes of jobs that go astray."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from psyrun import Param, map_pspace_parallel
from psyrun.exceptions import SchedulerError
from psyrun.scheduler import Dask
from psyrun.scheduler.base import CANCELLED, COMPLETED, FAILED, NODE_FAILED
from psyrun.store import PickleStore
from psyrun.utils.example import square

from .conftest import PATIENCE, Cluster

T = TypeVar("T")

TASK = """
import os, pathlib, time
from psyrun import DistributeBackend, LoadBalancingBackend, Param
from psyrun.scheduler import Dask

HERE = pathlib.Path(__file__).parent
pspace = Param(x=range(6))
scheduler = Dask({scheduler_file!r})
backend = {backend}
max_jobs = 3

def execute(x):
    with open(HERE / "{name}.calls", "a") as file:
        file.write(f"{{x}} ")
    deadline = time.monotonic() + 60
    while x >= 4 and not (HERE / "go-on").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if x == 1 and not (HERE / "mended").exists():
        raise ValueError("one")
    return {{"y": x * x}}
"""


def until(condition: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)
    return value


class Project:
    """A directory with tasks for the cluster."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        self.root, self.tasks = root, root / "psy-tasks"
        self.scheduler_file = str(cluster.scheduler_file)
        self.tasks.mkdir()

    def task(self, name: str, backend: str = "DistributeBackend") -> None:
        values = {"name": name, "backend": backend, "scheduler_file": self.scheduler_file}
        (self.tasks / f"task_{name}.py").write_text(TASK.format(**values))

    def psy(self, *args: str, code: int = 0) -> str:
        said = subprocess.run(
            [sys.executable, "-m", "psyrun", *args], cwd=self.root, capture_output=True, text=True
        )
        assert (said.returncode, said.stderr) == (code, ""), said
        return said.stdout

    def status(self, name: str) -> dict[str, int]:
        (status,) = json.loads(self.psy("status", "--json", name))["tasks"]
        return dict(status)

    def jobs(self, name: str) -> int:
        status = self.status(name)
        return status["running_jobs"] + status["queued_jobs"]

    def is_merged(self, name: str) -> bool:
        plans = self.root / "psy-work" / name / "plans"
        newest = max(plans.glob("*.json"))
        (states,) = plans.glob(f"{newest.stem}-*/jobs")
        state = states / "merge.json"
        return state.exists() and json.loads(state.read_text())["ended"] is not None

    def calls(self, name: str) -> Counter[str]:
        path = self.tasks / f"{name}.calls"
        return Counter(path.read_text().split() if path.exists() else ())

    def result(self, name: str) -> dict[str, list[int]]:
        loaded = PickleStore().load(str(self.root / "psy-work" / name / "result.pkl"))
        return {key: list(column) for key, column in loaded.items()}


@pytest.fixture
def project(tmp_path: Path, dask_cluster: Cluster) -> Project:
    return Project(tmp_path, dask_cluster)


@pytest.mark.parametrize("backend", ["DistributeBackend", "LoadBalancingBackend"])
def test_a_task_runs_in_the_background_and_only_what_is_missing_is_sent_again(project, backend):
    project.task("a", backend)
    assert "3 process jobs and a merge submitted" in project.psy("run")
    until(lambda: {"0", "1", "2", "3"} <= set(project.calls("a")))
    status = until(lambda: (s := project.status("a"))["completed"] == 3 and s)
    assert (status["failed"], status["pending"]) == (1, 2)
    (project.tasks / "go-on").touch()
    until(lambda: project.is_merged("a"))
    assert project.result("a") == {"x": [0, 2, 3, 4, 5], "y": [0, 4, 9, 16, 25]}
    (project.tasks / "mended").touch()
    project.psy("run")
    until(lambda: project.is_merged("a"))
    assert project.result("a")["y"] == [0, 1, 4, 9, 16, 25]
    assert project.calls("a") == {"0": 1, "1": 2, "2": 1, "3": 1, "4": 1, "5": 1}
    assert "up to date" in project.psy("run")


def test_psy_kill_ends_the_jobs_of_its_task_only(project):
    for name in ("a", "ab"):
        project.task(name)
        project.psy("run", name)
    until(lambda: "4" in project.calls("a").keys() & project.calls("ab").keys())
    project.psy("kill", "a")
    until(lambda: not project.jobs("a"))
    assert project.status("a")["pending"] == 2
    assert project.jobs("ab") == 2
    (project.tasks / "go-on").touch()
    until(lambda: project.is_merged("ab"))
    assert len(project.result("ab")["x"]) == 5


def submit(scheduler: Dask, tmp_path: Path, code: str, **options: object) -> str:
    output = str(tmp_path / "log")
    args = [sys.executable, "-c", textwrap.dedent(code)]
    return str(scheduler.submit(args, output, "a:process:0", **options))  # type: ignore[arg-type]


def end_of(scheduler: Dask, jobid: str) -> object:
    def told() -> object:
        scheduler.refresh()
        return scheduler.ends_of([jobid]).get(jobid)

    return until(told)


FORKS = """
    import os, pathlib, sys, time
    if os.fork() == 0:
        time.sleep(300)
    pathlib.Path({path!r}).write_text(str(os.getpgid(0)))
    time.sleep(300)
"""


def test_killing_a_job_ends_its_process_group_and_is_told(tmp_path, dask_cluster):
    scheduler, path = Dask(dask_cluster.address), tmp_path / "group"
    jobid = submit(scheduler, tmp_path, FORKS.format(path=str(path)))
    group = int(until(lambda: path.exists() and path.read_text()))
    scheduler.kill(jobid)
    end = end_of(scheduler, jobid)
    assert end.state == CANCELLED
    until(lambda: not is_group_alive(group))
    scheduler.kill(jobid)  # does no harm


def is_group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    # Whoever has been left by its parent may stay dead but unburied where nobody buries.
    stats = (path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists())
    fields = (stat.rpartition(")")[2].split() for stat in stats)
    return any(int(field[2]) == group and field[0] != "Z" for field in fields)


def test_the_exit_code_is_told(tmp_path, dask_cluster):
    scheduler = Dask(dask_cluster.scheduler_file)
    fine, bad = (submit(scheduler, tmp_path, f"import sys; sys.exit({code})") for code in (0, 3))
    assert end_of(scheduler, fine).state == COMPLETED
    assert end_of(scheduler, bad) == (FAILED, "exit code 3")


def submit_to_the_doomed(scheduler: Dask, tmp_path: Path) -> tuple[str, str]:
    """Submit a job for workers that are going to die, and one that waits for it."""
    code = f"""
        import os, pathlib, time
        with open({str(tmp_path / "began")!r}, "a") as file:
            file.write("began ")
        while not pathlib.Path({str(tmp_path / "go-on")!r}).exists() and os.getppid() != 1:
            time.sleep(0.01)
    """
    options = {"resources": {"special": 1}, "memory": "1G"}
    job = submit(scheduler, tmp_path, code, scheduler_args=options)
    return job, submit(scheduler, tmp_path, "print('after')", depends_on=[job])


def die_at(worker: "subprocess.Popen[bytes]", path: Path, times: int) -> None:
    """Let a worker die when a job has begun for so many times."""
    until(lambda: path.exists() and path.read_text() == "began " * times)
    worker.send_signal(signal.SIGKILL)
    worker.wait()


def test_a_job_whose_worker_dies_is_run_again_and_what_waits_for_it_goes_on(tmp_path, dask_cluster):
    worker = dask_cluster.start_worker("doomed", "special=1")
    scheduler = Dask(dask_cluster.scheduler_file)
    job, after = submit_to_the_doomed(scheduler, tmp_path)
    die_at(worker, tmp_path / "began", 1)
    heir = dask_cluster.start_worker("its heir", "special=1")
    until(lambda: (tmp_path / "began").read_text() == "began began ")
    scheduler.refresh()
    assert scheduler.get_status(after).status == "*Q"
    assert scheduler.get_status(job).name == "a:process:0"
    (tmp_path / "go-on").touch()
    assert end_of(scheduler, after).state == COMPLETED
    heir.terminate()
    heir.wait()


def test_what_waits_for_a_job_goes_on_when_dask_gives_that_up(tmp_path, dask_cluster):
    scheduler = Dask(dask_cluster.scheduler_file)
    job, after = submit_to_the_doomed(scheduler, tmp_path)
    for times in (1, 2):
        die_at(dask_cluster.start_worker(f"doomed {times}", "special=1"), tmp_path / "began", times)
    assert end_of(scheduler, job).state == NODE_FAILED
    assert end_of(scheduler, after).state == COMPLETED


def test_jobs_that_wait_take_no_resources(tmp_path, dask_cluster):
    scheduler = Dask(dask_cluster.scheduler_file)
    options = {"scheduler_args": {"resources": {"slot": 1}}}
    jobs = [submit(scheduler, tmp_path, "pass", **options) for _ in range(3)]
    waiting = [submit(scheduler, tmp_path, "pass", depends_on=jobs, **options) for _ in range(9)]
    for job in waiting:
        assert end_of(scheduler, job).state == COMPLETED


def test_what_dask_does_not_know_is_refused_in_a_sentence(tmp_path, dask_cluster):
    scheduler = Dask(dask_cluster.scheduler_file)
    with pytest.raises(SchedulerError, match="'constraint'; scheduler_args may have"):
        submit(scheduler, tmp_path, "pass", scheduler_args={"constraint": "skylake"})
    shown = scheduler.preview(["psy", "a b"], "log", scheduler_args={"priority": 3}, n=4)
    assert shown == "psy 'a b'  (4 tasks in Dask, priority=3)"


def test_a_cluster_that_is_not_there_is_told_in_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(SchedulerError, match="cannot be reached; is it running"):
        Dask("tcp://127.0.0.1:9").get_jobs()
    with pytest.raises(SchedulerError, match=r"neither an address .* nor the scheduler file"):
        Dask(tmp_path / "nothing.json").get_jobs()
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(SchedulerError, match=r"set DASK_SCHEDULER_ADDRESS"):
        Dask().get_jobs()


def test_the_environment_names_the_cluster(project, dask_cluster):
    code = "from psyrun.scheduler import Dask; print(Dask().get_jobs())"
    environment = os.environ | {"DASK_SCHEDULER_ADDRESS": dask_cluster.address}
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True
    )
    assert (told.stdout.startswith("["), told.stderr) == (True, "")
    project.psy("new-task", "-s", "Dask", "fresh")
    assert "scheduler = Dask()" in (project.tasks / "task_fresh.py").read_text()


def test_map_functions_use_a_cluster_as_an_executor(dask_cluster):
    from distributed import Client

    with Client(dask_cluster.address, set_as_default=False) as client:
        table = map_pspace_parallel(square, Param(x=range(20)), executor=client.get_executor())
        there = map_pspace_parallel(
            lambda x: {"pid": os.getpid()}, Param(x=range(40)), executor=client.get_executor()
        )
    assert table == {"x": list(range(20)), "y": [x * x for x in range(20)]}
    assert os.getpid() not in there["pid"]
