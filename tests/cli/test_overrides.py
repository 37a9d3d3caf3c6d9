"""What is used in place of what the task file says, what is said once for a site, and setup."""

import json
import sys

import pytest

from .conftest import Project, Queue

TASK = """
    pspace = Param(x=range(4))
    max_jobs = 2
    {more}
    def execute(x):
        wait_for('go')
        return {{'y': x}}
    """


def test_the_command_line_overrides_the_scheduler_and_its_arguments(
    project: Project, queue: Queue
) -> None:
    project.task("a", TASK.format(more="scheduler_args = {'memory': '1G', 'account': 'lab'}"))
    options = ("--scheduler", "cluster.Cluster", "--scheduler-arg", "memory=2G")
    options += ("--scheduler-arg", "n_cpus=4", "--scheduler-arg", "account=None")
    (project.tasks / "hold").touch()
    assert "Cluster" in project.psy("run", "--dry-run", *options).out
    assert queue.log() == []
    assert project.psy("run", *options).code == 0
    given = json.loads(queue.log("array")[0].split(" ", 2)[2])
    assert given == {"memory": "2G", "n_cpus": 4}
    # Other commands go to where the jobs are, also when the task file has been edited.
    assert project.status("a")["queued_jobs"] == 3
    project.task("a", TASK.format(more="max_jobs = 3"))
    assert project.status("a")["queued_jobs"] == 3
    assert "unfinished jobs" in project.psy("run", "a").err
    assert "3 jobs killed" in project.psy("kill", "a").out
    queue.wait()


def test_jobs_are_found_where_they_are_after_the_scheduler_was_changed(
    project: Project, queue: Queue
) -> None:
    queue.task("a", TASK.format(more=""))
    (project.tasks / "hold").touch()
    assert project.psy("run").code == 0
    project.task("a", TASK.format(more=""))
    assert project.status("a")["queued_jobs"] == 3
    assert "3 jobs killed" in project.psy("kill", "a").out
    queue.wait()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scheduler", "slurn"], "psyrun.scheduler.slurn; those of psyrun are"),
        (["--scheduler", "needy.Needy"], "by its name alone"),
        (["--scheduler-arg", "memory"], "'memory' is no argument"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(
    project: Project, options: list[str], message: str
) -> None:
    project.task("a", TASK.format(more=""))
    (project.tasks / "needy.py").write_text(
        "import psyrun\n"
        "class Needy(psyrun.scheduler.Scheduler):\n"
        "    def __init__(self, address): pass\n"
    )
    said = project.psy("run", *options)
    assert said.code == 2 and message in said.err and len(said.err.splitlines()) == 1


def test_arguments_of_a_site_hold_unless_a_task_says_otherwise(
    project: Project, queue: Queue
) -> None:
    (project.tasks / "psy-conf.py").write_text(
        "scheduler_args = {'account': 'lab', 'memory': '1G', 'partition': 'long'}\n"
    )
    more = "scheduler_args = {'memory': '2G', 'partition': None, 'timelimit': '1h'}"
    queue.task("a", TASK.format(more=more))
    project.let("go")
    assert project.psy("run").code == 0
    given = json.loads(queue.log("array")[0].split(" ", 2)[2])
    assert given == {"account": "lab", "memory": "2G", "timelimit": "1h"}
    queue.wait()


def test_setup_commands_come_first_and_end_the_job_if_they_fail(
    project: Project, queue: Queue
) -> None:
    (project.tasks / "psy-conf.py").write_text("setup_commands = ['export COLOUR=\"dark blue\"']\n")
    text = """
        import os
        pspace = Param(x=[1])
        setup_commands = {lines}
        def execute(x):
            return dict(y=os.environ['COLOUR'] + os.environ.get('MORE', ''))
        """
    for place in (project, queue):
        name = "here" if place is project else "there"
        place.task(name, text.replace("        setup_commands = {lines}\n", ""))
        assert project.psy("run", name).code == 0
        lines = ["export COLOUR=red  # no blue", 'MORE="\'s $COLOUR"; export MORE']
        place.task(f"own-{name}", text.format(lines=lines))
        assert project.psy("run", f"own-{name}").code == 0
        lines = ["export COLOUR=red", "module_load nothing"]
        place.task(f"bad-{name}", text.format(lines=lines))
        assert project.psy("run", f"bad-{name}").code == (place is project)
    queue.wait()
    for name in ("here", "there"):
        assert project.result(name)["y"] == ["dark blue"]
        assert project.result(f"own-{name}")["y"] == ["red's red"]
        assert project.status(f"bad-{name}")["pending"] == 1
        log = project.psy("logs", f"bad-{name}").out
        assert "ended by this setup command: module_load nothing" in log


def test_the_interpreter_is_found_before_jobs_are_sent(project: Project, queue: Queue) -> None:
    text = TASK.format(more="python = {python!r}")
    project.let("go")
    (project.tasks / "bin").mkdir()
    python = project.tasks / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    queue.task("a", text.replace("{python!r}", "'bin/python'"))
    said = project.psy("run")
    assert said.code == 0, said.err
    queue.wait()
    assert project.status("a")["up_to_date"]
    for missing in ("bin/pypy", "no-such-python"):
        queue.task("b", text.replace("{python!r}", repr(missing)))
        said = project.psy("run", "b")
        assert said.code == 2 and repr(missing) in said.err and len(said.err.splitlines()) == 1
    assert len(queue.log("array")) == 1


def test_nothing_is_started_while_the_queue_cannot_be_asked(project: Project, queue: Queue) -> None:
    queue.task("a", TASK.format(more=""))
    (project.tasks / "hold").touch()
    assert project.psy("run").code == 0
    (project.tasks / "down").touch()
    shown = project.psy("status", "a")
    assert shown.code == 0 and "0/4" in shown.out
    assert "The queue could not be asked for the jobs of task 'a'" in shown.out
    for command in ("run", "kill", "clean"):
        said = project.psy(command, "-y" if command == "clean" else "a", "a")
        assert said.code == 2 and "could not be asked" in said.err, said
    assert len(queue.log("array")) == 1
    (project.tasks / "down").unlink()
    assert project.status("a")["queued_jobs"] == 3
    project.let("go")
    (project.tasks / "hold").unlink()
    queue.wait()
    assert project.calls() == []
    before = len(queue.log("status"))
    assert project.psy("run", "a").code == 0
    until_done = len(queue.log("status"))
    queue.wait()
    assert project.status("a")["up_to_date"]
    assert project.psy("status").code == 0
    assert len(queue.log("status")) == until_done >= before  # files tell enough


def test_the_queue_is_asked_anew_if_that_is_wanted(project: Project, queue: Queue) -> None:
    queue.task("a", TASK.format(more=""))
    (project.tasks / "hold").touch()
    assert project.psy("run", "--refresh").code == 0
    assert project.psy("status").code == 0
    assert queue.log("refresh") == []
    assert project.psy("status", "--refresh").code == 0
    assert project.psy("kill", "--refresh", "a").code == 0
    assert len(queue.log("refresh")) == 2
    queue.wait()
