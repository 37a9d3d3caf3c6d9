"""psy failures, logs, debug, and running only some rows."""

import json

from .conftest import Project

FAILING = """
    import numpy as np
    pspace = Param(n=range(0, 100, 5)) * Param(solver=['lu', 'qr'])
    def solve(n):
        print(f'solving {n}')
        if n >= 70:
            raise np.linalg.LinAlgError(f'singular at {n}')
    def execute(n, solver):
        note((n, solver))
        solve(n)
        return {'y': n}
    """


def test_failures_are_grouped_and_what_they_have_in_common_is_told(project: Project) -> None:
    project.task("t", FAILING)
    said = project.psy("run")
    assert said.code == 1
    assert said.out.splitlines()[-1] == ("t: 28 of 40 rows completed, 12 failed: psy failures t")
    said = project.psy("failures", "t")
    assert said.code == 0
    assert "12 x LinAlgError in solve() (task_t.py:" in said.out
    assert "all with n >= 70" in said.out
    assert "Traceback (most recent" not in said.out
    assert "Traceback (most recent" in project.psy("failures", "-v", "t").out


def test_failures_for_programs(project: Project) -> None:
    project.task("t", FAILING)
    project.psy("run")
    told = json.loads(project.psy("failures", "t", "--json").out)
    assert (told["task"], told["failed"]) == ("t", 12)
    (group,) = told["groups"]
    assert group["type"] == "LinAlgError" and group["count"] == 12
    assert group["rows"] == list(range(28, 40)) and group["region"] == "n >= 70"
    assert group["where"].endswith(" in solve") and "LinAlgError" in group["cause"]
    assert group["example"]["row"] == 28
    assert group["example"]["assignment"] == {"n": 70, "solver": "lu"}
    assert "singular at 70" in group["example"]["traceback"]


def test_the_output_of_a_row_is_told_from_that_of_others(project: Project) -> None:
    project.task("t", FAILING)
    project.psy("run", "-j", 2)
    said = project.psy("logs", "t", 4)
    assert "solving 10" in said.out and "solving 15" not in said.out
    said = project.psy("logs", "t", 30)
    assert "solving 75" in said.out and "singular at 75" in said.out
    assert said.out.count("singular at 75") == 1
    everything = project.psy("logs", "t").out
    assert everything.count("solving") == 40
    assert project.psy("logs", "t", 40).code == 2


def test_a_row_is_debugged_with_the_seed_that_it_has_failed_with(project: Project) -> None:
    project.task(
        "t",
        """
        import random
        pspace = Param(x=[1, 2, 3])
        def execute(x, rng):
            raise ValueError(f'{rng.random()} and {random.random()}')
        """,
    )
    for flags in ([], ["--rows", "0"]):  # the second run has random numbers of its own
        assert project.psy("run", *flags).code == 1
    (group,) = json.loads(project.psy("failures", "t", "--json").out)["groups"]
    assert group["count"] == 3
    shown = project.psy("logs", "t", 0).out
    said = project.psy("debug", "t", 0, "--no-pdb")
    assert said.code == 1
    numbers = said.err.split("ValueError: ")[1].strip()
    assert numbers in shown


def test_a_row_that_completes_is_shown_by_debug(project: Project) -> None:
    project.task("t", FAILING)
    said = project.psy("debug", "t", 1, "--no-pdb")
    assert said.code == 0 and "y: 0" in said.out
    assert not project.work.exists()


def test_only_some_rows_are_run(project: Project) -> None:
    project.task("t", FAILING)
    assert project.psy("run", "t", "--rows", "3,5-7").code == 1
    assert len(project.calls()) == 4
    assert project.psy("run", "t", "--where", "n < 10 and solver == 'lu'").code == 1
    assert len(project.calls()) == 6
    assert project.status("t")["completed"] == 6
    assert project.psy("run", "t").code == 1
    assert len(project.calls()) == 40
    assert project.psy("run", "t", "--failed").code == 1
    assert len(project.calls()) == 52
    assert "nothing to do" in project.psy("run", "t", "--rows", "0-3").out


def test_rows_that_do_not_exist_are_refused(project: Project) -> None:
    project.task("t", FAILING)
    for flags in (
        ["--rows", "40"],
        ["--rows", "1;2"],
        ["--rows", "5-3"],
        ["--where", "m > 3"],
        ["--where", "n >"],
        ["--where", "n + solver"],
    ):
        said = project.psy("run", "t", *flags)
        assert said.code == 2 and len(said.err.splitlines()) == 1, said
    assert not project.work.exists()


def test_some_rows_of_a_changed_task_are_refused(project: Project) -> None:
    project.task("t", FAILING)
    project.psy("run")
    project.task("t", FAILING.replace("n >= 70", "n >= 90"))
    said = project.psy("run", "t", "--failed")
    assert said.code == 2 and "--continue" in said.err
    assert project.psy("run", "t", "--failed", "-c").code == 1
    assert project.status("t")["completed"] == 36


def test_the_first_failure_ends_a_run_that_is_to_fail_fast(project: Project) -> None:
    project.task("t", FAILING)
    said = project.psy("run", "--fail-fast")
    assert said.code == 1 and "max_failures" in said.err
    status = project.status("t")
    assert (status["completed"], status["failed"], status["pending"]) == (28, 1, 11)
