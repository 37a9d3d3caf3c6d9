"""Jobs that the scheduler starts again, and jobs that start late."""

import pytest

from psyrun.jobstate import read_states

from .conftest import Project, Queue, until

TASK = """
    import os
    from cluster import restart
    from psyrun import DistributeBackend
    pspace = Param(x=range(8))
    max_jobs = 2
    pool_size = {pool_size}
    backend = {backend}
    def execute(x):
        print('row', x)
        note('row', x)
        if x == 2:
            try:
                os.mkdir('once')
            except FileExistsError:
                pass
            else:
                wait_for('go')
                restart(os.environ['JOB'])
                wait_for('never')
        return {{'y': x}}
    """


@pytest.mark.parametrize("pool_size", [1, 2])
@pytest.mark.parametrize("backend", ["DistributeBackend", "LoadBalancingBackend"])
def test_a_job_that_is_started_again_does_not_repeat_rows(
    project: Project, queue: Queue, backend: str, pool_size: int
) -> None:
    queue.task("a", TASK.format(pool_size=pool_size, backend=backend))
    assert project.psy("run").code == 0
    until(lambda: project.counts()["row 2"], "row 2")
    until(lambda: project.status("a")["completed"] >= 6 - pool_size, "what can be done meanwhile")
    project.let("go")
    queue.wait()
    assert project.result("a")["y"] == list(range(8))
    counts = project.counts()
    assert counts.pop("row 2") == 2
    # A sibling in the pool may have been killed in its row, too.
    assert sum(counts.values()) <= 7 + pool_size - 1
    logs = project.psy("logs", "a").out.splitlines()
    assert logs.count("row 2") == 2  # appended
    assert project.status("a")["up_to_date"]


def test_jobs_that_start_when_all_is_done_do_not_load_the_task(
    project: Project, queue: Queue
) -> None:
    queue.task(
        "a",
        """
        import os
        note('loaded', os.environ.get('JOB'))
        backend = LoadBalancingBackend
        pspace = Param(x=range(9))
        max_jobs = 3
        pool_size = 2
        def execute(x):
            note('row', x, 'in', os.environ['JOB'])
            if x in (4, 8):
                wait_for(f'go-{x}')
            return {'y': x}
        """,
    )
    for i in (1, 2):
        (project.tasks / f"hold-1_{i}").touch()
    assert project.psy("run").code == 0
    until(lambda: project.counts()["row 4 in 1_0"], "row 4, in the first job")
    (project.tasks / "hold-1_1").unlink()  # hours later
    until(lambda: project.counts()["row 8 in 1_0"] + project.counts()["row 8 in 1_1"], "row 8")
    project.let("go-4")
    project.let("go-8")
    (plan,) = (project.work / "a" / "plans").glob("*/")
    paths = [plan / "jobs" / f"process-{i}.json" for i in (0, 1)]
    until(lambda: [state.ended is None for _, state in read_states(paths)] == [False] * 2, "ends")
    (project.tasks / "hold-1_2").unlink()
    queue.wait()
    assert project.counts()["loaded 1_2"] == 0
    assert {line.split()[-1] for line in project.calls() if "row" in line} <= {"1_0", "1_1"}
    assert project.result("a")["y"] == list(range(9))
    assert project.status("a")["up_to_date"]
