"""Children that are started anew, as where a worker cannot be copied."""

import subprocess
import sys
from pathlib import Path

from psyrun.store import PickleStore

WORK = """
import sys
from psyrun import run
from psyrun.run.merge_step import merge_rows
from psyrun.tasks import TaskDef
from psyrun.worker import child
from psyrun.worker.supervisor import process_rows

child.CAN_FORK = False
started = run.make_plan(run.decide(TaskDef(sys.argv[1])))
code = process_rows(started.files.head, "process:0")

merge_rows(started.files.head)
sys.exit(code)
"""

TASK = """
import os, signal
from psyrun import Param

pspace = Param(x=range(6))
pool_size = 2

def execute(x):
    if x == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if x == 4:
        raise ValueError(x)
    print(f"row {x}")
    return {"y": x * x}
"""


def test_they_evaluate_rows_and_cost_only_their_own(tmp_path: Path) -> None:
    (tmp_path / "task_t.py").write_text(TASK)
    command = [sys.executable, "-c", WORK, str(tmp_path / "task_t.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "SIGSEGV" in done.stderr
    result = PickleStore().load(tmp_path / "psy-work" / "t" / "result.pkl")
    assert result == {"x": [0, 1, 3, 5], "y": [0, 1, 9, 25]}
