"""psy clean and psy kill."""

from pathlib import Path

from .conftest import Project, until

QUICK = """
    pspace = Param(x=[1, 2])
    {more}
    def execute(x):
        return {{'y': x}}
    """

SLOW = """
    pspace = Param(x=range(4))
    {more}
    def execute(x):
        note('{name}', x)
        if x == 2:
            wait_for('go')
        return {{'y': x}}
    """

SCHEDULER = '''\
"""A scheduler that runs jobs in the background, written for psyrun 0.8."""
import os
import signal
import subprocess
from psyrun.scheduler import JobStatus, Scheduler

def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

class Background(Scheduler):
    USER_DEFAULT_ARGS = {}

    def submit(self, args, output_filename, name=None, depends_on=None, scheduler_args=None):
        wait = [f"while kill -0 {pid} 2>/dev/null; do sleep 0.02; done" for pid in depends_on or []]
        with open(output_filename, "ab") as output:
            line = ["bash", "-c", "; ".join([*wait, 'exec "$@"']), "job", *args]
            # An intermediate process lets the job be nobody's child.
            shell = ["bash", "-c", '"$@" & echo $!', "sh", *line]
            done = subprocess.Popen(
                shell, stdout=subprocess.PIPE, stderr=output, stdin=subprocess.DEVNULL,
                start_new_session=True, text=True,
            )
            pid = int(done.stdout.readline())
            done.stdout.close()
            done.wait()
            return pid

    def submit_array(self, *args, **kwargs):
        raise NotImplementedError

    def get_status(self, jobid):
        return JobStatus(jobid, "R", "x") if alive(jobid) else None

    def get_jobs(self):
        return []

    def kill(self, jobid):
        os.kill(jobid, signal.SIGTERM)
'''


def test_clean_deletes_what_was_generated_and_nothing_else(project: Project) -> None:
    for name in ("a", "ab"):
        project.task(name, QUICK.format(more=f"resultfile = 'out/{name}.pkl'"))
    assert project.psy("run").code == 0
    said = project.psy("clean", "a")
    assert said.code == 0
    assert [path.name for path in project.work.iterdir()] == ["ab"]
    assert [path.name for path in (project.root / "out").iterdir()] == ["ab.pkl"]
    assert project.status("ab")["up_to_date"]
    assert (project.tasks / "task_a.py").exists()
    assert project.psy("clean", "a").code == 0
    assert project.psy("clean", "a", "ab").code == 0
    assert list((project.root / "out").iterdir()) == []


def test_clean_spares_a_result_that_psyrun_did_not_write(project: Project) -> None:
    project.task("a", QUICK.format(more="resultfile = 'mine.pkl'"))
    (project.root / "mine.pkl").write_bytes(b"precious")
    assert project.psy("clean", "a").code == 0
    assert (project.root / "mine.pkl").read_bytes() == b"precious"


def test_clean_refuses_while_the_task_runs(project: Project) -> None:
    project.task("slow", SLOW.format(name="slow", more=""))
    running = project.start("run")
    until(lambda: project.counts()["slow 2"], "row 2")
    said = project.psy("clean", "slow")
    assert said.code == 2 and "psy kill slow" in said.err
    assert project.status("slow")["completed"] == 2
    project.let("go")
    assert project.end(running).code == 0
    assert project.psy("clean", "slow").code == 0
    assert not list(project.work.iterdir())


def test_kill_ends_only_the_runs_of_its_task(project: Project) -> None:
    for name in ("a", "ab"):
        project.task(name, SLOW.format(name=name, more="pool_size = 2"))
    running = {name: project.start("run", name) for name in ("a", "ab")}
    for name in running:
        until(lambda name=name: project.counts()[f"{name} 2"], f"row 2 of {name}")
        until(lambda name=name: project.counts()[f"{name} 3"], f"row 3 of {name}")
    pid = project.worker("a")
    said = project.psy("kill", "a")
    assert said.code == 0 and "process:0" in said.out
    project.let("go")
    assert project.end(running["a"]).code != 0
    until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the worker")
    assert project.end(running["ab"]).code == 0
    assert project.result("ab")["y"] == [0, 1, 2, 3]
    again = project.psy("run", "a")
    assert again.code == 0
    assert project.result("a")["y"] == [0, 1, 2, 3]
    assert project.counts()["a 0"] == project.counts()["a 1"] == project.counts()["a 3"] == 1
    assert "0 jobs" in project.psy("kill", "a").out


def test_jobs_in_the_background_are_watched_killed_and_gone_on_from(project: Project) -> None:
    (project.tasks / "background.py").write_text(SCHEDULER)
    more = """
    from background import Background
    from psyrun import LoadBalancingBackend
    scheduler = Background()
    backend = LoadBalancingBackend
    max_jobs = 3
    """
    for name in ("a", "ab"):
        project.task(name, SLOW.format(name=name, more=more))
    said = project.call("run")
    assert said.code == 0, said
    assert [line for line in said.out.splitlines() if line.startswith(".  ab:")] == [
        *(".  ab:process:0", ".  ab:process:1", ".  ab:process:2", ".  ab:merge")
    ]
    until(lambda: len(project.calls()) == 8, "all rows of both")
    until(lambda: project.status("a")["completed"] == 3, "three rows of a")
    status = project.status("a")
    assert status["running_jobs"] >= 2  # one that waits for 'go', and the merge that waits for it
    busy = project.psy("run", "a")
    assert busy.code == 0 and "unfinished jobs" in busy.err and len(project.calls()) == 8

    assert project.psy("kill", "a").code == 0
    project.let("go")
    until(lambda: not project.status("a")["running_jobs"], "the end of a's jobs")
    until(lambda: project.status("ab")["up_to_date"], "the result of ab")
    assert project.result("ab") == {"x": [0, 1, 2, 3], "y": [0, 1, 2, 3]}
    assert project.call("run", "a").code == 0
    until(lambda: project.status("a")["up_to_date"], "the result of a")
    assert project.result("a") == {"x": [0, 1, 2, 3], "y": [0, 1, 2, 3]}
    assert project.psy("run", "-j", 2, "a").code == 2
    assert project.psy("run").out.count("-  ") == 4


def test_kill_and_clean_of_a_task_that_never_ran_do_nothing(project: Project) -> None:
    project.task("a", QUICK.format(more=""))
    assert project.psy("kill", "a").code == 0
    assert project.psy("clean", "a").code == 0
