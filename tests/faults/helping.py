"""Lies beside the task files: lets rows leave a trace and wait, and runs jobs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from psyrun import remaining_time
from psyrun.scheduler.base import JobStatus, Scheduler

HERE = Path(__file__).parent


def note(*what):
    """Leave a trace that survives whatever happens next."""
    fd = os.open(HERE / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(fd, (" ".join(map(str, what)) + "\n").encode())
    os.close(fd)


def wait_for(name, seconds=60):
    """Wait until the test lets the row go on."""
    deadline = time.monotonic() + seconds
    while not (HERE / name).exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} has not come")
        time.sleep(0.002)


def wait_for_stop(or_for="never"):
    """Wait until the job is told to stop, which gives it an end."""
    while remaining_time() is None and not (HERE / or_for).exists():
        time.sleep(0.002)


def let(name):
    """Let others go on that wait for this."""
    (HERE / name).touch()


def first_time(name):
    """Tell whether this is called for the first time with this name, in any process."""
    try:
        os.close(os.open(HERE / f"once-{name}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


class Forked(Scheduler):
    """Runs each job at once in a copy of this process: quick."""

    serial = True

    def submit(self, args, output_filename, name=None, depends_on=None, scheduler_args=None):
        from psyrun.worker.__main__ import main

        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            output = os.open(output_filename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            os.dup2(output, 1)
            os.dup2(output, 2)
            code = 1
            try:
                code = main(*args[args.index("psyrun.worker") + 1 :])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.waitpid(pid, 0)
        return pid

    def get_status(self, jobid):
        return None


RUN_WHEN_DUE = """
import os, subprocess, sys, time
job, before, *command = sys.argv[1:]
with open(job + ".runner", "w") as file:
    file.write(str(os.getpid()))
for number in filter(None, before.split(",")):
    while not os.path.exists(f"{os.path.dirname(job)}/{number}.ended"):
        time.sleep(0.005)
process = subprocess.Popen(command)
with open(job + ".pid", "w") as file:
    file.write(str(process.pid))
process.wait()
open(job + ".ended", "w").close()
"""


class Background(Scheduler):
    """Runs jobs in the background, each when those before it have ended."""

    def submit(self, args, output_filename, name=None, depends_on=None, scheduler_args=None):
        jobs = HERE / "jobs"
        jobs.mkdir(exist_ok=True)
        number = len(list(jobs.glob("*.name"))) + 1
        (jobs / f"{number}.name").write_text(name)
        before = ",".join(map(str, depends_on or ()))
        with Path(output_filename).open("ab") as output:
            subprocess.Popen(
                [sys.executable, "-IS", "-c", RUN_WHEN_DUE, str(jobs / str(number)), before, *args],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return number

    def get_status(self, jobid):
        job = HERE / "jobs" / str(jobid)
        if job.with_suffix(".ended").exists() or job.with_suffix(".forgotten").exists():
            return None
        name = job.with_suffix(".name").read_text()
        return JobStatus(jobid, "R" if job.with_suffix(".pid").exists() else "Q", name)

    def get_jobs(self):
        numbers = (int(path.stem) for path in (HERE / "jobs").glob("*.name"))
        return [number for number in numbers if self.get_status(number) is not None]

    def kill(self, jobid):
        job = HERE / "jobs" / str(jobid)
        os.killpg(int(job.with_suffix(".runner").read_text()), signal.SIGTERM)
        job.with_suffix(".ended").touch()
