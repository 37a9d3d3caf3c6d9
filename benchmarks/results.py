"""Results of 10^6 rows as frames and labelled arrays, relative to pandas alone and to xyzpy.

The rows are those of a task that has been run: two integer parameters, a float and an integer as
outputs. What is compared:

- loading: `psyrun.load` of the task's directory and making a frame (labelled arrays), against
  loading the result file with its store and making a frame of that. psyrun reads its record of the
  result as well, and takes the parameters from the space. Both begin anew each time, with the file
  in the system's cache.
- labelling: the frame, or labelled arrays, from a result that is loaded already, against a frame
  from the loaded table, or xyzpy's data set from the results that its runs leave in memory.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from timing import ratio, report
from xyzpy.gen.combo_runner import results_to_ds

import psyrun
from psyrun.store import PickleStore, Store
from psyrun.store.h5 import H5Store
from psyrun.store.npz import NpzStore

N = 1000
TASK = f"""
from psyrun import Param, PickleStore
from psyrun.store.h5 import H5Store
from psyrun.store.npz import NpzStore

pspace = Param(a=range({N})) * Param(b=range({N}))
store = {{store}}

def execute(a, b):
    return {{{{"product": a * b / 2, "sum": a + b}}}}
"""


def run_task(store: Store) -> Path:
    """Run a task whose result is in a store; return its directory in the work directory."""
    root = Path(tempfile.mkdtemp(prefix="psyrun-benchmark-"))
    (root / "psy-tasks").mkdir()
    (root / "psy-tasks" / "task_t.py").write_text(TASK.format(store=store))
    command = [sys.executable, "-m", "psyrun", "run", "-j", "2"]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    return root / "psy-work" / "t"


def label_by_xyzpy(results):
    """Make the data set of the results as xyzpy has them when all are computed."""
    combos = (("a", range(N)), ("b", range(N)))
    return results_to_ds(results, combos, ("product", "sum"), {"product": (), "sum": ()}, {})


def loading(store: Store) -> list[tuple[str, float, float]]:
    workdir = run_task(store)
    path = workdir / f"result{store.ext}"

    def frame_by_pandas():
        return pd.DataFrame(store.load(path))

    assert psyrun.load(workdir).to_pandas().equals(frame_by_pandas())
    name = type(store).__name__
    cases = [
        (
            f"load and to_pandas of 10^6 rows, {name}, vs pandas",
            ratio(lambda: psyrun.load(workdir).to_pandas(), frame_by_pandas),
            1.5,
        ),
        (
            f"load and to_xarray of 10^6 rows, {name}, vs pandas",
            ratio(lambda: psyrun.load(workdir).to_xarray(), frame_by_pandas),
            1.5,
        ),
    ]
    shutil.rmtree(workdir.parent.parent)
    return cases


def labelling() -> list[tuple[str, float, float]]:
    workdir = run_task(NpzStore())
    table = NpzStore().load(workdir / "result.npz")
    result = psyrun.load(workdir)
    xyz_results = tuple(
        tuple(tuple(evaluate(a, b) for b in range(N)) for a in range(N))
        for evaluate in (lambda a, b: a * b / 2, lambda a, b: a + b)
    )
    ours, theirs = result.to_xarray(), label_by_xyzpy(xyz_results)
    assert ours[["product", "sum"]].drop_attrs().equals(theirs)
    cases = [
        (
            "to_pandas of 10^6 loaded rows, vs pandas",
            ratio(result.to_pandas, lambda: pd.DataFrame(table)),
            1.5,
        ),
        (
            "to_xarray of 10^6 loaded rows, vs xyzpy",
            ratio(result.to_xarray, lambda: label_by_xyzpy(xyz_results)),
            1.0,
        ),
    ]
    shutil.rmtree(workdir.parent.parent)
    return cases


def run():
    stores = (PickleStore(), NpzStore(), H5Store())
    return [*(case for store in stores for case in loading(store)), *labelling()]


if __name__ == "__main__":
    raise SystemExit(report(run()))
