"""psy on each scheduler, from the command line."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from .conftest import NAMES, Cluster, Study, until

DOCS = Path(__file__).parent.parent.parent / "docs" / "schedulers"

pytestmark = pytest.mark.parametrize("name", NAMES)

BODY = """
pspace = Param(x=range(9))
max_jobs = 3

def execute(x):
    note(x)
    wait_for("go")
    if x == 4 and not (HERE / "mended").exists():
        raise ValueError("as it happens")
    return {"y": 2 * x}
"""


def test_a_task_is_run_told_about_and_completed(cluster: Cluster, study: Study) -> None:
    study.task("a", BODY)
    assert study.psy("run").code == 0  # returns though rows wait
    assert not study.result_file("a").exists()
    until(lambda: study.notes(), "the first row")
    meanwhile = study.status("a")
    assert (meanwhile["completed"], meanwhile["failed"]) == (0, 0)
    again = study.psy("run")
    assert "unfinished jobs" in again.err
    study.let("go")

    until(study.result_file("a").exists, "the merge")
    assert study.status("a")["failed"] == 1
    assert "as it happens" in study.psy("failures", "a").out
    table = study.result("a")
    assert sorted(table["x"]) == [x for x in range(9) if x != 4]
    assert study.notes() == {str(x): 1 for x in range(9)}

    study.let("mended")
    until(lambda: "unfinished jobs" not in study.psy("run").err, "the end of the merge job")
    until(lambda: len(study.result("a")["x"]) == 9, "the second merge")
    assert study.result("a") == {"x": list(range(9)), "y": [2 * x for x in range(9)]}
    assert study.notes() == {str(x): 1 + (x == 4) for x in range(9)}
    until(lambda: "up to date" in study.psy("run").out, "the end of the merge job")


def test_a_task_is_killed_and_no_other(cluster: Cluster, study: Study) -> None:
    study.task("a", BODY)
    study.task("ab", "backend = LoadBalancingBackend\n" + BODY.replace("note(x)", "note('ab', x)"))
    assert study.psy("run").code == 0
    until(lambda: study.notes().total() >= 6, "the first row of each job")
    said = study.psy("kill", "a")
    assert said.code == 0, said
    until(lambda: _unfinished(study.status("a")) == 0, "the end of what is killed")
    assert _unfinished(study.status("ab")) > 0
    study.let("mended")
    study.let("go")
    until(study.result_file("ab").exists, "the other task's result")
    assert len(study.result("ab")["x"]) == 9
    assert not study.result_file("a").exists()
    assert study.psy("run", "a").code == 0
    until(study.result_file("a").exists, "the killed task's result")
    assert len(study.result("a")["x"]) == 9


def _unfinished(status: dict[str, Any]) -> int:
    return int(status["running_jobs"] + status["queued_jobs"])


def test_what_the_scheduler_refuses_is_told_in_its_own_words(
    cluster: Cluster, study: Study
) -> None:
    study.task("a", f"scheduler_args = {cluster.arguments | {'timelimit': 'soon'}!r}\n" + BODY)
    said = study.psy("run")
    assert said.code != 0
    assert cluster.words in said.err
    assert cluster.command in said.err
    assert "Traceback" not in said.err
    assert _unfinished(study.status("a")) == 0


def test_a_new_task_runs_when_its_blanks_are_filled_in(cluster: Cluster, study: Study) -> None:
    assert study.psy("new-task", "new", "-s", cluster.name).code == 0
    path = study.tasks / "task_new.py"
    text = path.read_text()
    assert "scheduler_args = {\n" in text
    path.write_text(text.replace(f"{cluster.name}()", cluster.scheduler))
    assert study.psy("run", "new").code == 0
    until(study.result_file("new").exists, "the merge")
    assert sorted(study.result("new")["sum"]) == [2, 3, 3, 4]


def test_what_would_be_submitted_is_shown(cluster: Cluster, study: Study) -> None:
    study.task("a", BODY)
    said = study.psy("run", "--dry-run")
    assert said.code == 0
    assert f"{cluster.command} " in said.out
    assert "psyrun.worker" in said.out
    assert study.status("a")["queued_jobs"] == 0


def test_the_task_file_of_the_documentation_works_as_it_stands(
    cluster: Cluster, study: Study
) -> None:
    page = DOCS / {"GridEngine": "grid-engine"}.get(cluster.name, cluster.name.lower())
    blocks = page.with_suffix(".rst").read_text().split(".. code-block:: python\n\n")
    code = textwrap.dedent(blocks[1].split("\n\n``psy run``")[0])
    assert code.startswith("# psy-tasks/task_pi.py\n")
    (study.tasks / "task_pi.py").write_text(code)
    assert study.psy("run").code == 0
    until(study.result_file("pi").exists, "the merge")
    table = study.result("pi")
    assert len(table["pi"]) == 60
    assert 2 < min(table["pi"]) < 3.14 < max(table["pi"]) < 4


def test_rows_for_which_the_time_was_short_are_sent_again_from_the_merge_job(
    cluster: Cluster, study: Study
) -> None:
    study.task(
        "a",
        """
scheduler_args["timelimit"] = "8s"
resubmit = 5
max_jobs = 1
pspace = Param(x=range(6))

def execute(x):
    note(x)
    time.sleep(2)
    return {"y": 2 * x}
""",
    )
    assert study.psy("run").code == 0
    until(study.result_file("a").exists, "the first merge")
    until(lambda: len(study.result("a")["x"]) == 6, "the last round")
    assert study.status("a")["round"] > 0
