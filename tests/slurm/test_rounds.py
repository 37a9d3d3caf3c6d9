"""Rows that are left are sent again by the merge job, from the cluster."""

import pytest

from .conftest import Slurm, Study, until
from .test_psy import jobs_in, status

OVER_TIME = """
import subprocess
from psyrun import remaining_time
pspace = Param(x=range(5))
max_jobs = 2
resubmit = 3
seen = []
def execute(x):
    note(x)
    seen.append(x)
    if len(seen) == 2:
        job = os.environ['SLURM_ARRAY_JOB_ID'] + '_' + os.environ['SLURM_ARRAY_TASK_ID']
        soon = time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(time.time() + 1))
        subprocess.run(['scontrol', 'update', 'JobId=' + job, 'EndTime=' + soon], check=True)
        while remaining_time() > 300:
            time.sleep(0.01)
    return {'y': x}
"""

OVER_MEMORY = """
pspace = Param(x=range(4))
max_jobs = 2
retry_memory_factor = 2
def execute(x):
    note(x, os.environ['SLURM_MEM_PER_NODE'])
    return {'y': len(bytearray(300_000_000 if x == 2 else x))}
"""


def test_a_sweep_goes_on_after_the_time_limit(slurm: Slurm, study: Study) -> None:
    study.task(OVER_TIME)
    assert study.psy("run").code == 0
    until(lambda: not jobs_in(slurm), "the end of all rounds")
    assert study.result()["y"] == list(range(5))
    assert study.notes() == {str(x): 1 for x in range(5)}
    assert status(study)["round"] in (1, 2)


def test_rows_that_need_more_memory_get_it(slurm: Slurm, study: Study) -> None:
    if not slurm.has_cgroups:
        pytest.skip("needs control groups, by which Slurm holds jobs to their memory")
    study.task(OVER_MEMORY)
    assert study.psy("run").code == 0
    until(lambda: not jobs_in(slurm), "the end of all rounds")
    assert study.result()["y"] == [0, 1, 300_000_000, 3]
    assert [note for note in study.notes() if note.startswith("2 ")] == [
        f"2 {memory}" for memory in (100, 200, 400)
    ]
    assert study.notes()["0 100"] == 1
