"""Schedulers run commands."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from psyrun import ImmediateRun, Slurm, Sqsub
from psyrun.exceptions import SchedulerError
from psyrun.main import psy_main
from psyrun.scheduler import JobStatus, Scheduler
from psyrun.scheduler._commands import call
from psyrun.scheduler._options import build_options
from psyrun.store import PickleStore
from psyrun.testing import SchedulerContract

NOTHING = [sys.executable, "-c", ""]


def write_program(path, code):
    path.write_text(code)
    path.chmod(0o755)


@pytest.fixture
def bin_directory(tmp_path, monkeypatch):
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path), prepend=os.pathsep)
    return path


class TestImmediateRun(SchedulerContract):
    def make_scheduler(self):
        return ImmediateRun()


RUN_WHEN_DUE = """
import os, signal, subprocess, sys, time
job, output, before, *command = sys.argv[1:]
directory = os.path.dirname(job)
while not all(os.path.exists(f"{directory}/{number}.ended") for number in before.split()):
    time.sleep(0.01)
open(job + ".running", "w").close()
with open(output, "a") as f:
    subprocess.call(command, stdout=f, stderr=subprocess.STDOUT)
open(job + ".ended", "w").close()
"""


class WrittenFor08(Scheduler):
    """A scheduler as one wrote it for psyrun 0.8: what that asked for and no more."""

    def __init__(self, directory, processes):
        self.directory = directory
        self.processes = processes

    def file(self, jobid, ext):
        return self.directory / f"{jobid}{ext}"

    def submit(self, args, output_filename, name=None, depends_on=None, scheduler_args=None):
        jobid = len(list(self.directory.glob("*.name"))) + 1
        before = " ".join(str(x) for x in depends_on or [])
        job = str(self.file(jobid, ""))
        command = [sys.executable, "-c", RUN_WHEN_DUE, job, output_filename, before, *args]
        process = subprocess.Popen(command, start_new_session=True)
        self.processes.append(process)
        self.file(jobid, ".pid").write_text(str(process.pid))
        self.file(jobid, ".name").write_text(str(name))
        return jobid

    def submit_array(
        self, n, args, output_filename, name=None, depends_on=None, scheduler_args=None
    ):
        raise NotImplementedError("Job arrays not supported.")

    def kill(self, jobid):
        os.killpg(int(self.file(jobid, ".pid").read_text()), signal.SIGKILL)
        self.file(jobid, ".ended").touch()

    def get_status(self, jobid):
        if not self.file(jobid, ".name").exists() or self.file(jobid, ".ended").exists():
            return None
        status = "R" if self.file(jobid, ".running").exists() else "Q"
        return JobStatus(jobid, status, self.file(jobid, ".name").read_text())

    def get_jobs(self):
        numbers = [int(x.stem) for x in self.directory.glob("*.name")]
        return [x for x in numbers if not self.file(x, ".ended").exists()]


class TestSchedulerWrittenFor08(SchedulerContract):
    makes_directories = False

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path_factory):
        self.directory = tmp_path_factory.mktemp("jobs")
        self.processes = []
        yield
        for process in self.processes:
            process.wait()

    def make_scheduler(self):
        return WrittenFor08(self.directory, self.processes)


# --- ImmediateRun -------------------------------------------------------------------------------


def test_a_job_that_fails_does_not_keep_others_from_being_run(tmp_path):
    scheduler = ImmediateRun()
    log = str(tmp_path / "log")
    first = scheduler.submit([sys.executable, "-c", "import sys; sys.exit('no')"], log)
    scheduler.submit([sys.executable, "-c", "print('yes')"], log, "b", [first], {})
    assert Path(log).read_text().split() == ["no", "yes"]


def test_schedulers_share_nothing(tmp_path):
    one, other = ImmediateRun(), ImmediateRun()
    args = [sys.executable, "-c", ""], str(tmp_path / "log")
    assert [one.submit(*args), one.submit(*args), other.submit(*args)] == [1, 2, 1]
    assert not vars(ImmediateRun).keys() & vars(one).keys()


def test_a_command_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(OSError, match="no-such-program"):
        ImmediateRun().submit(["no-such-program"], str(tmp_path / "log"))


def test_a_job_has_no_input(tmp_path):
    log = tmp_path / "log"
    ImmediateRun().submit([sys.executable, "-c", "print(repr(input()))"], str(log))
    assert "EOFError" in log.read_text()


# --- All ----------------------------------------------------------------------------------------


def test_making_a_scheduler_needs_no_directory(monkeypatch):
    monkeypatch.delenv("USER", raising=False)
    assert isinstance(Sqsub(), Scheduler)
    assert isinstance(Slurm(), Scheduler)
    assert isinstance(Slurm("/no/such/directory"), Scheduler)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_value_is_one_word_of_the_command(value):
    assert build_options({}, {"long": value, "s": value}) == [f"--long={value}", "-s", value]


def test_a_command_that_does_not_answer_is_an_error(monkeypatch):
    def never(*args, **kwargs):
        raise subprocess.TimeoutExpired(args[0], kwargs["timeout"])

    monkeypatch.setattr(subprocess, "run", never)
    with pytest.raises(SchedulerError, match="squeue -h"):
        call(["squeue", "-h"])


# --- Slurm: the rest needs a Slurm --------------------------------------------------------------

SBATCH = """#!PYTHON
import json, sys
from pathlib import Path
told = {"argv": sys.argv[1:], "stdin": sys.stdin.read()}
Path(__file__).with_name("told.json").write_text(json.dumps(told))
print("123;cluster")
"""


@pytest.fixture
def told_sbatch(bin_directory):
    write_program(bin_directory / "sbatch", SBATCH.replace("PYTHON", sys.executable))
    return lambda: json.loads((bin_directory / "told.json").read_text())


def test_sbatch_is_given_what_the_job_needs(told_sbatch):
    jobid = Slurm().submit(
        ["echo", "two words", "it's"],
        "/logs/a b.log",
        "two words:merge",
        ["7", "8"],
        {"timelimit": "1:00", "memory": "1G", "n_cpus": lambda name: len(name)},
    )
    assert jobid == "123"
    told = told_sbatch()
    assert "--job-name=two words:merge" in told["argv"]
    assert "--dependency=afterany:7:8" in told["argv"]
    assert {"--time=1:00", "--mem=1G", "--cpus-per-task=15"} <= set(told["argv"])
    ran = subprocess.run(["/bin/sh"], input=told["stdin"], capture_output=True, text=True)
    assert ran.stdout == "two words it's\n"


def test_unknown_arguments_of_sbatch_are_passed_on(told_sbatch):
    arguments = {"partition": "gpu", "requeue": True, "A": "group", "exclusive": False, "qos": None}
    Slurm().submit(["true"], "log", None, None, arguments)
    argv = told_sbatch()["argv"]
    assert {"--partition=gpu", "--requeue", "-A", "group"} <= set(argv)
    assert not any("exclusive" in word or "qos" in word or "job-name" in word for word in argv)


def test_an_array_gets_its_index_from_slurm(told_sbatch):
    words = ["%a", "x%ay %a", "it's", "$HOME", "%b"]
    Slurm().submit_array(4, ["printf", r"<%s>\n", *words], "/logs/%a.log", "a:process")
    told = told_sbatch()
    assert "--array=0-3" in told["argv"]
    assert "--output=/logs/%a.log" in told["argv"]
    ran = subprocess.run(
        ["/bin/sh"],
        input=told["stdin"],
        capture_output=True,
        text=True,
        env=os.environ | {"SLURM_ARRAY_TASK_ID": "3"},
    )
    expected = [word.replace("%a", "3") for word in words]
    assert ran.stdout == "".join(f"<{word}>\n" for word in expected)


# --- A scheduler of the user's own --------------------------------------------------------------

TASK = """
import pickle
import subprocess
from pathlib import Path

from psyrun import Param
from psyrun.scheduler import JobStatus, Scheduler


class Batch(Scheduler):
    '''As one wrote it for psyrun 0.8.'''

    def __init__(self, datafile):
        self.datafile = Path(datafile)

    @property
    def jobs(self):
        return pickle.loads(self.datafile.read_bytes()) if self.datafile.exists() else []

    @jobs.setter
    def jobs(self, jobs):
        self.datafile.write_bytes(pickle.dumps(jobs))

    def submit(
            self, args, output_filename, name=None, depends_on=None,
            scheduler_args=None):
        if depends_on is None:
            depends_on = []
        jobs = self.jobs
        jobs.append({
            'id': len(jobs), 'args': args, 'output_filename': output_filename, 'name': name,
            'depends_on': depends_on, 'scheduler_args': scheduler_args,
            'status': '*Q' if len(depends_on) > 0 else 'Q'})
        self.jobs = jobs
        return len(jobs) - 1

    def submit_array(
            self, n, args, output_filename, name=None, depends_on=None,
            scheduler_args=None):
        raise NotImplementedError()

    def kill(self, jobid):
        self.jobs = [job for job in self.jobs if job['id'] != jobid]

    def get_status(self, jobid):
        for job in self.jobs:
            if job['id'] == jobid:
                return JobStatus(job['id'], job['status'], job['name'])
        return None

    def get_jobs(self):
        return [job['id'] for job in self.jobs]

    def consume(self):
        for job in self.jobs:
            with open(job['output_filename'], 'a') as f:
                subprocess.check_call(job['args'], stdout=f, stderr=subprocess.STDOUT)
        self.jobs = []


scheduler = Batch('jobfile')
scheduler_args = {'queue': 'long', 'memory': '1G'}
pspace = Param(x=range(4))
max_jobs = 2


def execute(x):
    return {'y': x ** 2}
"""


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "psy-tasks").mkdir()
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("task_")]:
        del sys.modules[name]


def load_scheduler():
    from psyrun.tasks import TaskDef

    return TaskDef("psy-tasks/task_a.py").scheduler


@pytest.mark.parametrize("with_array", [True, False])
def test_a_scheduler_written_for_psyrun_0_8_works_unchanged(in_tmp, capsys, with_array):
    code = TASK
    if not with_array:  # the base class knows what to do
        start, stop = code.index("    def submit_array"), code.index("    def kill")
        code = code[:start] + code[stop:]
    (in_tmp / "psy-tasks" / "task_a.py").write_text(code)
    assert psy_main(["run"]) == 0
    jobs = load_scheduler().jobs
    assert [job["name"] for job in jobs] == ["a:process:0", "a:process:1", "a:merge"]
    assert [job["depends_on"] for job in jobs] == [[], [], [0, 1]]
    assert jobs[0]["scheduler_args"] == {"queue": "long", "memory": "1G"}

    capsys.readouterr()
    assert psy_main(["run"]) == 0  # the jobs are queued, so there is nothing to do
    assert "unfinished jobs" in capsys.readouterr().err
    assert psy_main(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[5] == "3"  # queued
    assert len(load_scheduler().jobs) == 3

    load_scheduler().consume()
    result = PickleStore().load("psy-work/a/result.pkl")
    assert result == {"x": [0, 1, 2, 3], "y": [0, 1, 4, 9]}
    capsys.readouterr()
    assert psy_main(["run"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_killing_a_task_leaves_the_jobs_of_others_alone(in_tmp):
    for name in ("a", "ab"):
        (in_tmp / "psy-tasks" / f"task_{name}.py").write_text(TASK)
    assert psy_main(["run"]) == 0
    foreign = load_scheduler().submit(["true"], "log", "a:process:0")
    assert psy_main(["kill", "a"]) == 0
    left = [(job["name"], job["id"]) for job in load_scheduler().jobs]
    assert [name for name, _ in left] == ["ab:process:0", "ab:process:1", "ab:merge", "a:process:0"]
    assert left[-1][1] == foreign


def test_a_status_is_a_tuple():
    assert JobStatus(1, "R", "a") == (1, "R", "a")
