"""psyrun on a real Slurm: against plain job arrays, and how often it calls Slurm's commands."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from timing import report

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from clusters.slurm import Slurm, why_not

PSY = [sys.executable, "-m", "psyrun"]
JOBS, ROWS = 2, 1000

TASK = """
import time
from psyrun import DistributeBackend, LoadBalancingBackend, Param, Slurm
scheduler = Slurm()
scheduler_args = {{'timelimit': '10m', 'memory': '20M'}}
max_jobs = {jobs}
backend = {backend}Backend
pspace = Param(x=range({rows}))
def execute(x):
    time.sleep({seconds})
    return {{'y': x ** 2}}
"""

WORK = """
import csv, sys, time
import numpy as np
job, jobs, rows = map(int, sys.argv[1:])
with open(f"part-{job}.csv", "w", newline="") as file:
    writer = csv.writer(file)
    for x in np.array_split(np.arange(rows), jobs)[job].tolist():
        time.sleep(0.01)
        writer.writerow([x, x ** 2])
"""

COLLECT = """
import csv, pickle, sys
import numpy as np
rows = []
for job in range(int(sys.argv[1])):
    with open(f"part-{job}.csv", newline="") as file:
        rows += [tuple(map(int, row)) for row in csv.reader(file)]
with open("result.pkl", "wb") as file:
    pickle.dump(dict(zip("xy", np.array(rows).T)), file)
"""


@contextmanager
def directory(cluster):
    """Provide a directory; leave it when no job is there any more."""
    path = Path(tempfile.mkdtemp(prefix="psyrun-benchmark-"))
    yield path
    while cluster.run("squeue", "-h"):
        time.sleep(0.1)
    shutil.rmtree(path)


def wait_for(path):
    deadline = time.monotonic() + 120
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.01)


def psy(cluster, path, *args):
    subprocess.run(
        [*PSY, *args], cwd=path, env=cluster.environment, check=True, stdout=subprocess.DEVNULL
    )


def by_psyrun(cluster, jobs=JOBS, backend="Distribute", rows=ROWS, seconds="0.01"):
    """Return the seconds until the table is there."""
    with directory(cluster) as path:
        (path / "psy-tasks").mkdir()
        task = TASK.format(jobs=jobs, backend=backend, rows=rows, seconds=seconds)
        (path / "psy-tasks" / "task_t.py").write_text(task)
        start = time.perf_counter()
        psy(cluster, path, "run")
        wait_for(path / "psy-work" / "t" / "result.pkl")
        return time.perf_counter() - start


def by_hand(cluster, jobs=JOBS, rows=ROWS):
    """Return the seconds until the table is there, from a script and another that collects."""
    with directory(cluster) as path:
        (path / "work.py").write_text(WORK)
        (path / "collect.py").write_text(COLLECT)
        sbatch = ["sbatch", "--parsable", "--mem=20M", f"--chdir={path}", "--output=%A-%a.log"]
        start = time.perf_counter()
        work = f"exec {sys.executable} work.py $SLURM_ARRAY_TASK_ID {jobs} {rows}"
        array = cluster.run(*sbatch, f"--array=0-{jobs - 1}", "--wrap", work).strip()
        collect = f"exec {sys.executable} collect.py {jobs}"
        cluster.run(*sbatch, f"--dependency=afterok:{array}", "--wrap", collect)
        wait_for(path / "result.pkl")
        return time.perf_counter() - start


def quickest_ratio(ours, theirs, rounds=5):
    """Compare the quickest runs: Slurm looks at its queue once a second, which adds chance."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    quickest = [min(times) for times in zip(*pairs, strict=True)]
    print(f"({quickest[0]:.2f} s and {quickest[1]:.2f} s)", flush=True)
    return quickest[0] / quickest[1]


def submission(cluster, jobs=1000):
    """Return the seconds that psy run takes for so many jobs."""
    with directory(cluster) as path:
        (path / "psy-tasks").mkdir()
        task = TASK.format(jobs=jobs, backend="Distribute", rows=jobs, seconds="1000")
        (path / "psy-tasks" / "task_t.py").write_text(task)
        start = time.perf_counter()
        psy(cluster, path, "run")
        took = time.perf_counter() - start
        psy(cluster, path, "kill", "t")
        return took


def calls(cluster):
    """Return how many of Slurm's commands psy run and a minute of psy watch call."""
    with directory(cluster) as path:
        (path / "bin").mkdir()
        for name in ("sbatch", "squeue", "scancel", "scontrol", "sacct"):
            real = shutil.which(name, path=cluster.environment["PATH"])
            script = path / "bin" / name
            script.write_text(f'#!/bin/sh\necho {name} >>"{path}/calls"\nexec {real} "$@"\n')
            script.chmod(0o755)
        environment = dict(cluster.environment, XDG_CACHE_HOME=str(path / "cache"))
        environment["PATH"] = f"{path}/bin{os.pathsep}{environment['PATH']}"
        (path / "psy-tasks").mkdir()
        task = TASK.format(jobs=100, backend="Distribute", rows=100, seconds="1000")
        (path / "psy-tasks" / "task_t.py").write_text(task)

        def take():
            found = Counter((path / "calls").read_text().split())
            (path / "calls").write_text("")
            print(dict(found))
            return found.total()

        options = {"cwd": path, "env": environment, "stdout": subprocess.DEVNULL}
        subprocess.run([*PSY, "run"], check=True, **options)
        for_run = take()
        watch = subprocess.Popen([*PSY, "watch", "t"], **options)
        time.sleep(60)
        watch.terminate()
        watch.wait()
        for_watch = take()
        subprocess.run([*PSY, "kill", "t"], check=True, **options)
        return for_run, for_watch


def run():
    if reason := why_not():
        print(f"no Slurm: {reason}")
        return []
    cluster = Slurm()
    try:
        uneven = "0.0055 if x < 1000 else 0.0005"  # 1 ms on average; the slow ones come first
        many = {"jobs": 8, "rows": 10_000, "seconds": uneven}
        balanced = quickest_ratio(
            lambda: by_psyrun(cluster, backend="LoadBalancing", **many),
            lambda: by_psyrun(cluster, backend="Distribute", **many),
            rounds=3,
        )
        plain = quickest_ratio(lambda: by_psyrun(cluster), lambda: by_hand(cluster))
        for_run, for_watch = calls(cluster)
        return [
            ("1000 rows of 10 ms / sbatch --array and a collector", plain, 1.2),
            ("10^4 uneven rows of 1 ms, LoadBalancing / Distribute", balanced, 0.9),
            ("psy run of 1000 jobs, seconds", submission(cluster), 5.0),
            ("scheduler commands for psy run of 100 jobs", for_run, 3),
            ("scheduler commands in a minute of psy watch", for_watch, 3),
        ]
    finally:
        cluster.stop()


if __name__ == "__main__":
    raise SystemExit(report(run()) > 0)
