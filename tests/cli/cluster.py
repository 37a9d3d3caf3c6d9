"""Lies beside the task files: a cluster that runs its jobs in the background, and may fail."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from psyrun.exceptions import SchedulerError
from psyrun.scheduler.base import CANCELLED, COMPLETED, FAILED, JobEnd, JobStatus, Scheduler

HERE = Path(__file__).parent
JOBS = HERE / "jobs"

RUN_WHEN_DUE = """
import glob, os, signal, subprocess, sys, time
job, before, *command = sys.argv[1:]
home = os.path.dirname(job)
signal.signal(signal.SIGTERM, lambda *args: None)
with open(job + ".runner", "w") as file:
    file.write(str(os.getpid()))
def ended(number):
    jobs = [f"{home}/{number}.name"] if os.path.exists(f"{home}/{number}.name") else []
    jobs += glob.glob(f"{home}/{number}_*.name")
    return all(os.path.exists(name.replace(".name", ".ended")) for name in jobs)
with open(job + ".name") as file:
    name = file.read()
while not os.path.exists(job + ".end"):
    held = any(map(os.path.exists, (f"{home}/../hold", f"{home}/../hold-{os.path.basename(job)}")))
    if all(map(ended, filter(None, before.split(",")))) and not held:
        break
    time.sleep(0.005)
code = 1
while not os.path.exists(job + ".end"):
    process = subprocess.Popen(command)
    with open(job + ".pid", "w") as file:
        file.write(str(process.pid))
    code = process.wait()
    if not os.path.exists(job + ".requeue"):
        break
    os.remove(job + ".requeue")
with open(job + ".new", "w") as file:
    file.write(str(code))
os.rename(job + ".new", job + ".ended")
"""


class Cluster(Scheduler):
    """Runs jobs in the background, each when those before it have ended."""

    def __init__(self, limit=None):
        self.limit = limit

    def submit(self, args, output_filename, name=None, depends_on=None, scheduler_args=None):
        jobid = self._new_id("submit", name, scheduler_args)
        self._start(jobid, args, output_filename, name, depends_on, scheduler_args)
        return jobid

    def submit_array(self, n, args, output_filename, name=None, depends_on=None, arguments=None):
        jobid = self._new_id("array", name, arguments)
        for i in range(n):
            words = [word.replace("%a", str(i)) for word in args]
            log = output_filename.replace("%a", str(i))
            self._start(f"{jobid}_{i}", words, log, name, depends_on, arguments)
        return jobid

    def array_limit(self):
        return self.limit

    def _new_id(self, kind, name, scheduler_args):
        if (HERE / "refuse-merge").exists() and name.endswith("merge"):
            raise SchedulerError("The scheduler refused: no more jobs")
        JOBS.mkdir(exist_ok=True)
        number = 1
        while True:
            try:
                os.close(os.open(JOBS / str(number), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                number += 1
                continue
            self._note(kind, name, json.dumps(scheduler_args))
            return str(number)

    def _start(self, jobid, args, output_filename, name, depends_on, arguments):
        (JOBS / f"{jobid}.name").write_text(name)
        before = ",".join(depends_on or ())
        with Path(output_filename).open("ab") as output:
            runner = [sys.executable, "-IS", "-c", RUN_WHEN_DUE, str(JOBS / jobid), before, *args]
            subprocess.run(  # a shell in between lets the job be nobody's child
                ["/bin/sh", "-c", '"$@" &', "sh", *runner],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | {"JOB": jobid, "MEMORY": (arguments or {}).get("memory", "")},
                check=True,
            )

    def _note(self, *what):
        with (HERE / "queue.log").open("a") as file:
            file.write(" ".join(map(str, what)) + "\n")
        if (HERE / "down").exists():
            raise SchedulerError("The scheduler did not answer within a minute")

    def get_status(self, jobid):
        self._note("status", jobid)
        job = JOBS / jobid
        if job.with_suffix(".ended").exists():
            return None
        status = "R" if job.with_suffix(".pid").exists() else "Q"
        return JobStatus(jobid, status, job.with_suffix(".name").read_text())

    def get_jobs(self):
        numbers = [path.stem for path in JOBS.glob("*.name")]
        return [number for number in numbers if self.get_status(number) is not None]

    def kill(self, jobid):
        raise AssertionError("kill_all is there")

    def kill_all(self, jobids):
        self._note("kill", *jobids)
        for jobid in jobids:
            for job in [JOBS / jobid, *JOBS.glob(f"{jobid}_*.name")]:
                end(job.stem, CANCELLED, signal.SIGTERM)

    def ends_of(self, jobids):
        self._note("ends", *jobids)
        ends = {}
        for jobid in jobids:
            job = JOBS / jobid
            if job.with_suffix(".end").exists():
                ends[jobid] = JobEnd(job.with_suffix(".end").read_text(), "as it says")
            elif job.with_suffix(".ended").exists():
                code = job.with_suffix(".ended").read_text()
                ends[jobid] = JobEnd(COMPLETED if code == "0" else FAILED, f"exit code {code}")
        return ends

    def refresh(self):
        self._note("refresh")


def end(jobid, state, number=signal.SIGKILL):
    """End a job, as a cluster does."""
    job = JOBS / jobid
    if not job.with_suffix(".name").exists() or job.with_suffix(".ended").exists():
        return
    job.with_suffix(".end").write_text(state)
    if job.with_suffix(".pid").exists():
        os.kill(int(job.with_suffix(".pid").read_text()), number)


def restart(jobid):
    """End a job and start it again, as after a failure of its node."""
    (JOBS / f"{jobid}.requeue").touch()
    os.kill(int((JOBS / f"{jobid}.pid").read_text()), signal.SIGKILL)
