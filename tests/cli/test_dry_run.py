"""psy run --dry-run."""

from .conftest import Project, Queue

TASK = """
    {scheduler}
    pspace = Param(x=range(100))
    max_jobs = 10
    scheduler_args = {{'timelimit': '{limit}', 'n_cpus': 2}}
    def execute(x):
        time = __import__('time')
        time.sleep(0.01)
        return {{'y': x}}
    """


def test_what_would_be_submitted_is_shown_and_what_it_would_take(
    project: Project, queue: Queue
) -> None:
    text = TASK.format(scheduler="scheduler = Cluster(limit=7)", limit="2h")
    queue.task("a", text)
    said = project.psy("run", "--dry-run")
    assert said.code == 0 and queue.log() == [] and not project.work.exists()
    assert "10 process jobs of 1 process each, and a merge, with Cluster" in said.out
    assert "job array of 5 process jobs, the first of 2:" in said.out
    assert "0001.json process:%a" in " ".join(said.out.replace(" \\\n", "").split())
    assert "the merge, after these:" in said.out
    assert "expected" not in said.out and "time limit" not in said.out
    assert project.psy("run", "--rows", "0-9", "--scheduler", "immediaterun").code == 1
    said = project.psy("run", "--dry-run")
    assert "expected: less than 0.01 core hours for 90 rows of 0.0" in said.out
    assert "time limit 2 h: fits" in said.out
    queue.task("a", text.replace("range(100)", "range(10**6)"))
    said = project.psy("run", "--dry-run", "--continue")
    assert "core hours for 999990 rows of 0.0" in said.out
    said = project.psy("run", "--dry-run", "--continue", "--scheduler-arg", "timelimit=10m")
    assert "time limit 10 min: too long; use more max_jobs, or resubmit" in said.out


def test_a_dry_run_here_shows_the_command(project: Project) -> None:
    project.task("a", TASK.format(scheduler="", limit="1h"))
    said = project.psy("run", "--dry-run")
    assert "  process job:\n" in said.out and "process:0" in said.out
    assert "the merge, after" not in said.out
