"""Speed and memory of the psy command, relative to plain Python and to joblib."""

import json
import shutil
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path

from timing import ratio, report

PSY = [sys.executable, "-m", "psyrun"]

TASK = """
from psyrun import Param
{imports}
pspace = {space}
{settings}

def execute(x, y):
    return {{'z': x * y}}
"""

JOBLIB = """
import joblib

def execute(x, y):
    return {'z': x * y}

if __name__ == '__main__':
    results = joblib.Parallel(2)(
        joblib.delayed(execute)(x=x, y=y) for x in range(1000) for y in range(1000)
    )
"""

LOAD = """
import sys
from psyrun.store import AutodetectStore
columns = {name: list(column) for name, column in AutodetectStore().load(sys.argv[1]).items()}
"""

PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


class Project:
    """A directory with one task."""

    def __init__(self, space, settings="", imports=""):
        self.path = Path(tempfile.mkdtemp(prefix="psyrun-benchmark-"))
        (self.path / "psy-tasks").mkdir()
        task = TASK.format(space=space, settings=settings, imports=imports)
        (self.path / "psy-tasks" / "task_t.py").write_text(task)

    def psy(self, *args):
        subprocess.run([*PSY, *args], cwd=self.path, check=True, stdout=subprocess.DEVNULL)

    def run_afresh(self, *args):
        shutil.rmtree(self.path / "psy-work", ignore_errors=True)
        self.psy("run", *args)

    def remove(self):
        shutil.rmtree(self.path)


def python(code):
    subprocess.run([sys.executable, "-c", code], check=True)


def peak_of_children(command, cwd):
    """Return the peak memory of the largest process that a command is or starts, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *command], cwd=cwd, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def quick_rows():
    project = Project("Param(x=range(40)) * Param(y=range(25))", "max_jobs = 100")
    import_numpy = "import numpy"
    cases = [
        (
            "psy run of 1000 trivial rows, vs importing numpy",
            ratio(project.run_afresh, lambda: python(import_numpy)),
            5,
        ),
        (
            "psy run, up to date, vs importing numpy",
            ratio(lambda: project.psy("run"), lambda: python(import_numpy)),
            2,
        ),
        (
            "psy status, vs importing numpy",
            ratio(lambda: project.psy("status"), lambda: python(import_numpy)),
            2,
        ),
        (
            "psy --help, vs python -c pass",
            ratio(lambda: project.psy("--help"), lambda: python("pass")),
            5,
        ),
    ]
    project.remove()
    return cases


def million_rows():
    script = Path(tempfile.mkdtemp(prefix="psyrun-benchmark-")) / "by_joblib.py"
    script.write_text(JOBLIB)
    cases = []
    for name, settings, imports in (
        ("PickleStore", "", ""),
        ("H5Store", "store = H5Store()", "from psyrun.store.h5 import H5Store"),
    ):
        project = Project("Param(x=range(1000)) * Param(y=range(1000))", settings, imports)
        cases.append(
            (
                f"psy run of 10^6 trivial rows, {name}, vs joblib",
                ratio(
                    lambda project=project: project.run_afresh("-j", "2"),
                    lambda: subprocess.run([sys.executable, str(script)], check=True),
                    rounds=3,
                ),
                2,
            )
        )
        cases.append((f"memory of its merge, {name}, vs the result", merge_memory(project), 2))
        project.remove()
    shutil.rmtree(script.parent)
    return cases


def merge_memory(project):
    """Return the peak memory of the largest process of a run by that of loading the result."""
    shutil.rmtree(project.path / "psy-work")
    run = peak_of_children([*PSY, "run", "-j", "2"], project.path)
    (result,) = (project.path / "psy-work" / "t").glob("result.[ph]*[l5]")
    return run / peak_of_children([sys.executable, "-c", LOAD, str(result)], project.path)


def huge_space():
    project = Project("Param(x=range(10**4)) * Param(y=range(10**4))")
    cases = [
        (
            f"psy {' '.join(args)} of a task of 10^8 rows, in 200 MB",
            peak_of_children([*PSY, *args], project.path) / 200,
            1,
        )
        for args in (["status"], ["run", "--dry-run"])
    ]
    project.remove()
    return cases


def overhead():
    """Compare what a row costs beside its evaluation with the 20 microseconds that it may cost."""
    took = []
    for n_rows in (1, 300):
        project = Project(f"Param(x=range({n_rows})) * Param(y=range(1000))", "seed = 1")
        project.psy("run")
        (job,) = (project.path / "psy-work" / "t" / "plans").glob("*/jobs/process-0.json")
        state = json.loads(job.read_text())
        took.append(state["ended"] - state["begun"])
        project.remove()
    n_rows = 299_000
    loop = timeit.timeit(
        "execute(x=3, y=4)", "def execute(x, y): return {'z': x * y}", number=n_rows
    )
    per_row = (took[1] - took[0] - loop) / n_rows
    return [("overhead of a seeded row in one process, in 20 microseconds", per_row / 20e-6, 1)]


def run():
    return [*quick_rows(), *overhead(), *huge_space(), *million_rows()]


if __name__ == "__main__":
    raise SystemExit(report(run()))
