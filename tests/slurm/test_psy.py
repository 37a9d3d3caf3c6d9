"""psy on a real Slurm, from the command line."""

import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Calls, Slurm, Study, until

ROWS = """
backend = {backend}Backend
max_jobs = 4
pspace = Param(x=range(12))
def execute(x):
    note(x)
    wait_for('go')
    return {{'y': 10 * x}}
"""
RESULT = {"x": list(range(12)), "y": list(range(0, 120, 10))}


def jobs_in(slurm: Slurm) -> dict[str, str]:
    """Return the jobs in the queue and their names."""
    lines = slurm.run("squeue", "-h", "-r", "-o", "%i|%j").splitlines()
    return dict(line.split("|") for line in lines)


def status(study: Study, *args: str) -> dict[str, Any]:
    """Return what ``psy status`` says of a task."""
    said = study.psy("status", "--json", *args)
    (task,) = json.loads(said.out)["tasks"]
    return task


@pytest.mark.parametrize("backend", ["Distribute", "LoadBalancing"])
def test_a_task_runs_and_is_merged_on_the_cluster_with_few_questions_to_slurm(
    slurm: Slurm, study: Study, calls: Calls, backend: str
) -> None:
    study.task(ROWS.format(backend=backend))
    said = study.psy("run")
    assert (said.code, said.err) == (0, "")
    assert calls.take() == {"sbatch": 2, "scontrol": 1}
    queued = jobs_in(slurm)
    assert len(queued) == 5
    found = status(study)
    assert (found["completed"], found["running_jobs"] + found["queued_jobs"]) == (0, 5)

    said = study.psy("run")
    assert (said.code, "unfinished jobs" in said.err) == (0, True)
    assert jobs_in(slurm) == queued
    until(lambda: study.has_noted(4), "the start of four jobs")
    assert calls.take()["squeue"] <= 2 + 2  # one a command; `queued` is the test's own
    found = status(study)
    assert (found["running_jobs"], found["queued_jobs"]) == (4, 1)
    assert calls.take()["squeue"] <= 1

    study.let("go")
    assert study.result() == RESULT
    assert study.notes() == {str(x): 1 for x in range(12)}
    until(lambda: not jobs_in(slurm), "the end of the merge")
    calls.take()
    assert "up to date" in study.psy("run").out
    assert calls.take() == {}


def test_jobs_are_killed_and_no_others(slurm: Slurm, study: Study, calls: Calls) -> None:
    for name in ("a", "ab", "two words"):
        study.task(ROWS.format(backend="Distribute"), name)
    assert study.psy("run").code == 0
    assert len(jobs_in(slurm)) == 15
    calls.take()
    assert "5 jobs killed" in study.psy("kill", "a").out
    assert calls.take()["scancel"] == 1
    until(lambda: len(jobs_in(slurm)) == 10, "the end of the jobs")
    assert not any(name.startswith("a:") for name in jobs_in(slurm).values())
    study.let("go")
    assert study.result("ab") == study.result("two words") == RESULT
    said = study.psy("run", "a")
    assert "submitted" in said.out, said
    assert study.result("a") == RESULT


def test_after_failures_only_what_is_missing_is_sent_again(slurm: Slurm, study: Study) -> None:
    study.task(
        """
        max_jobs = 3
        pspace = Param(x=range(9))
        def execute(x):
            note(x)
            if x % 4 == 0 and not (HERE / 'repaired').exists():
                raise ValueError('broken')
            return {'y': x}
        """
    )
    assert study.psy("run").code == 0
    study.result()
    until(lambda: not jobs_in(slurm), "the end of the merge")
    assert status(study)["failed"] == 3
    study.let("repaired")
    said = study.psy("run")
    assert "3 failed before" in said.out, said
    until(lambda: status(study)["completed"] == 9, "the second merge")
    assert study.notes() == {str(x): 1 + (x % 4 == 0) for x in range(9)}


def test_arrays_are_sent_in_pieces_where_the_site_limits_them(
    own_slurm: Callable[..., Slurm], study: Study
) -> None:
    slurm = own_slurm(max_array_size=5)
    study.task(ROWS.format(backend="Distribute").replace("max_jobs = 4", "max_jobs = 12"))
    assert study.psy("run").code == 0
    arrays = {jobid.split("_")[0] for jobid in jobs_in(slurm) if "_" in jobid}
    assert (len(arrays), len(jobs_in(slurm))) == (3, 13)
    study.let("go")
    assert study.result() == RESULT


def test_a_directory_that_looks_like_an_index_is_none(
    slurm: Slurm, tmp_path: Path, study: Study
) -> None:
    study = Study(tmp_path / "with %a %A 'quotes'")
    study.task(ROWS.format(backend="Distribute"))
    study.let("go")
    assert study.psy("run").code == 0
    assert study.result() == RESULT


def test_what_is_refused_is_told_in_slurms_words_and_the_rest_is_killed(
    slurm: Slurm, study: Study
) -> None:
    study.task(
        ROWS.format(backend="Distribute")
        + "scheduler_args['partition'] = lambda name: 'nowhere' if 'merge' in name else None\n"
    )
    said = study.psy("run")
    assert said.code != 0
    assert "invalid partition specified: nowhere" in said.err
    assert "sbatch" in said.err and "--partition=nowhere" in said.err
    assert "Traceback" not in said.err
    until(lambda: not jobs_in(slurm), "the end of what had been submitted")
    study.task(ROWS.format(backend="Distribute"))
    study.let("go")
    assert study.psy("run").code == 0
    assert study.result() == RESULT


def test_nothing_of_the_submitting_job_reaches_the_jobs(
    slurm: Slurm, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaked = ["SLURM_NTASKS", "SLURM_JOB_NAME", "SBATCH_TIMELIMIT", "PBS_JOBID", "LSB_JOBID"]
    for name in leaked:
        monkeypatch.setenv(name, "of-the-shell")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "31")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1")
    monkeypatch.setenv("SBATCH_EXPORT", "NONE")
    monkeypatch.setenv("MINE", "kept")
    study.task(
        """
        pspace = Param(x=range(3))
        def execute(x):
            bad = sum(value == 'of-the-shell' for value in os.environ.values())
            cpus = os.environ.get('SLURM_CPUS_PER_TASK', '')
            return {'bad': bad, 'cpus': cpus, 'mine': os.environ['MINE']}
        """
    )
    assert study.psy("run").code == 0
    result = study.result()
    assert (result["bad"], result["cpus"], result["mine"]) == ([0] * 3, [""] * 3, ["kept"] * 3)


def test_what_is_set_for_a_job_arrives(slurm: Slurm, study: Study) -> None:
    study.task(
        """
        scheduler_args |= {
            'timelimit': lambda name: '2h30m' if 'merge' in name else '90m',
            'memory': '0.5GB', 'n_cpus': 3, 'n_nodes': 1, 'queue': 'main', 'max_running': 2,
            'comment': 'a comment', 'nice': 5, 'requeue': True, 'exclusive': False, 'A': None,
        }
        max_jobs = 4
        pspace = Param(x=range(4))
        def execute(x):
            wait_for('go')
            return {'cpus': os.environ['SLURM_CPUS_PER_TASK']}
        """
    )
    assert study.psy("run").code == 0
    rows = slurm.run("squeue", "-h", "-o", "%j|%l|%m|%C|%P|%k|%i").splitlines()
    told = {row.split("|")[0]: row.split("|")[1:] for row in rows}
    assert told["a:merge"][:4] == ["2:30:00", "512M", "3", "main"]
    assert told["a:process"][:4] == ["1:30:00", "512M", "3", "main"]
    assert told["a:process"][4].startswith("a comment psyrun-")
    running = ["squeue", "-h", "-r", "-t", "running", "-o", "%i"]
    until(lambda: slurm.run(*running), "the start of jobs")
    assert len(slurm.run(*running).split()) <= 2
    study.let("go")
    assert study.result()["cpus"] == ["3"] * 4


def test_the_task_file_of_the_documentation_works_as_it_stands(slurm: Slurm, study: Study) -> None:
    page = (Path(__file__).parents[2] / "docs" / "schedulers" / "slurm.rst").read_text()
    name, code = re.findall(r"   # psy-tasks/task_(\w+)\.py\n((?:   .*\n|\n)+)", page)[0]
    (study.tasks / f"task_{name}.py").write_text(textwrap.dedent(code))
    assert study.psy("run").code == 0
    assert len(study.result(name)["magnetisation"]) == 1000
