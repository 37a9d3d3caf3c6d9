"""A small batch system that truly runs jobs, to which the stand-ins' commands speak.

A server process runs the jobs of one directory. Commands send it one line of JSON through the
directory's socket and get one back. Only what starts quickly is imported.
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

GRACE = 2.0
"""Seconds between the signal that asks a job to end and the one that ends it."""


class Batch:
    """The jobs of a server; each element of an array is a job of its own."""

    def __init__(self, directory, slots):
        self.directory = directory
        self.slots = slots
        self.jobs = []
        self.processes = {}
        self.last = 10

    def submit(self, job, n=None, first=0, throttle=None):
        """Queue a job, or *n* whose indices begin with *first*."""
        self.last += 1
        for index in [None] if n is None else range(first, first + n):
            self.jobs.append(
                {
                    **{"after": [], "limit": None, "output": None, "append": True, "held": False},
                    **job,
                    **{"number": self.last, "index": index, "throttle": throttle, "why": ""},
                    **{"state": "queued", "submitted": time.time(), "code": None},
                    "is_history": False,
                }
            )
        return self.last

    def list(self):
        """Return all jobs there have been and that are not forgotten."""
        return self.jobs

    def forget(self, number):
        """Leave a job that has ended to the history."""
        for job in self.jobs:
            if job["number"] == number:
                job["is_history"] = True

    def end(self, number, index=None, why="killed", code=None):
        """End a job or a whole array for a reason; return how many there were to end.

        With *code* as the exit code that is told, else with that which the job leaves.
        """
        ended = 0
        for job in self.jobs:
            if job["number"] == number and index in (None, job["index"]):
                ended += job["state"] != "ended"
                self._stop(job, why, code)
        return ended

    def _stop(self, job, why, code=None):
        if job["state"] == "running" and not job["why"]:
            job["why"], job["told"], job["stopped"] = why, code, time.monotonic()
            self._signal(job, signal.SIGTERM)
        elif job["state"] in ("queued", "waiting"):
            job.update(state="ended", why=why, code=code, ended=time.time())

    def _signal(self, job, number):
        with suppress(ProcessLookupError):
            os.killpg(job["pid"], number)

    def step(self):
        """Collect jobs that have ended, and start those that can run."""
        for job in [job for job in self.jobs if job["state"] == "running"]:
            self._collect(job)
        running = [job["number"] for job in self.jobs if job["state"] == "running"]
        unfinished = [job for job in self.jobs if job["state"] != "ended"]
        for job in self.jobs:
            if job["state"] in ("queued", "waiting"):
                waits = any(_is_one_of(other, job["after"]) for other in unfinished)
                job["state"] = "waiting" if waits else "queued"
                throttled = running.count(job["number"]) >= (job["throttle"] or self.slots)
                if not (waits or throttled or job["held"] or len(running) >= self.slots):
                    self._start(job)
                    running.append(job["number"])

    def _start(self, job):
        output = job["output"] or os.devnull
        try:
            with open(output, "ab" if job["append"] else "wb") as stream:
                process = subprocess.Popen(
                    [str(job["index"]) if word == "@INDEX@" else word for word in job["command"]],
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env={**job["environment"], **_index_variables(job)},
                    cwd=job["directory"],
                    start_new_session=True,
                )
        except OSError as err:
            job.update(state="ended", why=f"start: {err}", code=127, ended=time.time())
            return
        self.processes[process.pid] = process
        job.update(state="running", pid=process.pid, started=time.time())

    def _collect(self, job):
        process = self.processes[job["pid"]]
        if process.poll() is None:
            limit, now = job["limit"], time.time()
            if limit is not None and now > job["started"] + limit:
                self._stop(job, "time")
            if job["why"] and time.monotonic() > job["stopped"] + GRACE:
                self._signal(job, signal.SIGKILL)
            return
        self._signal(job, signal.SIGKILL)  # what the job has left behind
        del self.processes[job["pid"]]
        code = process.returncode if job.get("told") is None else job["told"]
        job.update(state="ended", code=code, ended=time.time())

    def stop(self):
        """End all jobs."""
        for job in self.jobs:
            if job["state"] == "running":
                self._signal(job, signal.SIGKILL)


def _is_one_of(job, wanted):
    return any(job["number"] == n and index in (None, job["index"]) for n, index in wanted)


def _index_variables(job):
    """Write the job's number and index where its environment asks for them."""
    known = {"@NUMBER@": str(job["number"]), "@INDEX@": str(job["index"])}
    return {name: known[value] for name, value in job["environment"].items() if value in known}


def serve(directory, slots):
    """Run jobs until this process is told to end."""
    batch = Batch(directory, slots)

    def leave(*_):
        batch.stop()
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(f"{directory}/new-socket")
        listener.listen(64)
        os.rename(f"{directory}/new-socket", f"{directory}/socket")
        selector.register(listener, selectors.EVENT_READ)
        while True:
            if selector.select(0.02 if batch.processes else None):
                connection, _ = listener.accept()
                with connection, suppress(ValueError, OSError):  # the command may be killed
                    answer(batch, connection)
            batch.step()
            if os.getppid() == 1:  # the tests have been killed
                leave()


def answer(batch, connection):
    """Do what a command asks for."""
    with connection.makefile("rw") as stream:
        what, arguments = json.loads(stream.readline())
        told = getattr(batch, what)(**arguments)
        batch.step()
        stream.write(json.dumps(told))


def ask(directory, what, **arguments):
    """Let the server do something; return its answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"{directory}/socket")
        with connection.makefile("rw") as stream:
            stream.write(json.dumps([what, arguments]) + "\n")
            stream.flush()
            return json.loads(stream.read())


def spool(directory, text):
    """Keep a job's script until it runs; return its path."""
    path = f"{directory}/{os.urandom(6).hex()}.sh"
    with open(path, "w") as file:
        file.write(text)
    return path


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
