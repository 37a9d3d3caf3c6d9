"""What the schedulers of batch queues have in common."""

import os
import shlex
import shutil
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from psyrun.exceptions import SchedulerError, SchedulerUnavailableError
from psyrun.scheduler._commands import call, call_once
from psyrun.scheduler._queue import Entry, Queue
from psyrun.scheduler.base import JobEnd, JobId, JobStatus, Scheduler, resolve

_PATIENCE = 60.0
"""Seconds during which a submission is tried again if the scheduler cannot be reached."""

_AT_ONCE = 500
"""Jobs that are named in one command."""


class Job(NamedTuple):
    """What is to be submitted.

    Attributes
    ----------
    args : sequence of str
        The command and its arguments; of an array, ``%a`` in them stands for the index.
    output : str
        File to append the output to; of an array, ``%a`` in it stands for the index.
    name : str or None
        Name of the job.
    depends_on : sequence of ids
        Jobs that have to end before this one starts.
    values : dict
        Further arguments, without those that are left out.
    n : int or None
        Number of jobs of an array, None for a single job.
    max_running : int or None
        How many jobs of an array may run at a time.
    token : str
        By which the queue can be asked whether it has the job, unique.
    """

    args: Sequence[str]
    output: str
    name: str | None
    depends_on: Sequence[JobId]
    values: dict[str, Any]
    n: int | None
    max_running: int | None
    token: str


class BatchScheduler(Scheduler):
    """A scheduler that is used through its commands; members fill in the methods below.

    What is the same for all is done here: a job is a script that executes the command; the queue is
    asked seldom; a submission whose answer is lost is looked for before it is repeated.
    """

    _COMMANDS: ClassVar[tuple[str, ...]] = ()
    """The commands that are used, the one that submits first."""

    _SITE: ClassVar[tuple[str, ...]] = ()
    """Environment variables that tell one cluster from another."""

    _INDEX: ClassVar[str] = ""
    """The index of an array's job from 0, as the script's shell gets it: within double quotes."""

    _ENDED_MEANWHILE: ClassVar[tuple[str, ...]] = ()
    """What is said of jobs that cannot be killed because they have ended, in lower case."""

    def __init__(self) -> None:
        self._queue = Queue(type(self).__name__.lower(), self._identity, self._list, self._array_of)

    # --- What members fill in ----------------------------------------------------------------

    def _command(self, job: Job) -> list[str]:
        """Return the command that submits a job, whose script it reads from its input."""
        raise NotImplementedError

    def _send(self, job: Job) -> JobId:
        """Submit a job and return its id."""
        return call_once(self._command(job), stdin=self._script(job)).strip()

    def _sent(self, token: str) -> JobId | None:
        """Ask the queue for the job with a token."""
        raise NotImplementedError

    def _list(self) -> dict[JobId, Entry]:
        """Ask for all jobs of the user, those of arrays singly."""
        raise NotImplementedError

    def _kill(self, jobids: Sequence[JobId]) -> None:
        """Kill jobs, with one command."""
        raise NotImplementedError

    def _ends(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        """Ask how jobs have ended of which the queue has not told that."""
        return {}

    def _array_of(self, jobid: JobId) -> JobId:
        """Return the array that a job belongs to, the job itself if to none."""
        return jobid.rpartition("_")[0] or jobid if isinstance(jobid, str) else jobid

    # --- What is the same for all ------------------------------------------------------------

    def submit(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit a job; see `Scheduler.submit`.

        Raises
        ------
        SchedulerError
            If the scheduler refuses, with its words, or cannot be reached for a minute.
        """
        return self._submit(_job(args, output_filename, name, depends_on, scheduler_args))

    def submit_array(
        self,
        n: int,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit a job array; see `Scheduler.submit_array`.

        Raises
        ------
        SchedulerError
            If the scheduler refuses, with its words, or cannot be reached for a minute.
        """
        return self._submit(_job(args, output_filename, name, depends_on, scheduler_args, n))

    def preview(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
        n: int | None = None,
    ) -> str:
        """Return the command and the script that would be submitted; see `Scheduler.preview`."""
        return self._preview(_job(args, output_filename, name, depends_on, scheduler_args, n))

    def _preview(self, job: Job) -> str:
        return f"{shlex.join(self._command(job))} <<'END'\n{self._script(job)}END"

    def kill(self, jobid: JobId) -> None:
        """Kill a job or an array; one that has ended does no harm."""
        self.kill_all([jobid])

    def kill_all(self, jobids: Sequence[JobId]) -> None:
        """Kill several jobs with one command; those that have ended do no harm."""
        try:
            for start in range(0, len(jobids), _AT_ONCE):
                self._kill(jobids[start : start + _AT_ONCE])
        finally:
            self._queue.expire()

    def _kill_by(self, command: Sequence[str], jobids: Sequence[JobId]) -> None:
        """Kill jobs with a command that takes their ids."""
        try:
            call([*command, *map(str, jobids)])
        except SchedulerUnavailableError:
            raise
        except SchedulerError as err:
            if not any(words in str(err).lower() for words in self._ENDED_MEANWHILE):
                raise

    def get_status(self, jobid: JobId) -> JobStatus | None:
        """Return what the queue knows of a job, None if nothing.

        Raises
        ------
        SchedulerError
            If the queue cannot be asked.
        """
        entry = self._queue.find(jobid)
        return None if entry is None else JobStatus(jobid, entry.status, entry.name)

    def get_jobs(self) -> Iterable[JobId]:
        """Return the ids of all queued and running jobs of the user; those of arrays singly."""
        return [jobid for jobid, job in self._queue.jobs().items() if job.status != "D"]

    def ends_of(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        """Return how jobs have ended, of those for which that is known."""
        return self._queue.ends_of(jobids, self._ends)

    def refresh(self) -> None:
        """Forget what the queue has told."""
        self._queue.forget()

    # --- How ---------------------------------------------------------------------------------

    def _script(self, job: Job) -> str:
        """Return the script that is the job."""
        if job.n is None:
            words = shlex.join(job.args)
        else:
            index = f'"{self._INDEX}"'
            pieces = [[piece and shlex.quote(piece) for piece in a.split("%a")] for a in job.args]
            words = " ".join(index.join(each) or "''" for each in pieces)
        return f"#!/bin/sh\nexec {words}\n"

    def _submit(self, job: Job) -> JobId:
        Path(job.output).parent.mkdir(parents=True, exist_ok=True)
        try:
            jobid = self._send_once(job)
        except SchedulerUnavailableError:
            raise
        except SchedulerError:
            unfinished = self._unfinished(job.depends_on) if job.depends_on else []
            if len(unfinished) == len(job.depends_on):
                raise
            # Jobs that the queue does not know any more need not be waited for.
            jobid = self._send_once(job._replace(depends_on=unfinished))
        self._queue.expire()
        return jobid

    def _send_once(self, job: Job) -> JobId:
        """Submit a job exactly once, also if answers get lost."""
        try:
            return self._send(job)
        except SchedulerUnavailableError as err:
            lost = err
        deadline = time.monotonic() + _PATIENCE
        pause = 1.0
        while time.monotonic() + pause < deadline:
            time.sleep(pause)
            pause *= 2
            with suppress(SchedulerUnavailableError):
                found = self._sent(job.token)
                if found is not None:
                    return found
                try:
                    return self._send(job)
                except SchedulerUnavailableError as err:
                    lost = err
        raise lost

    def _unfinished(self, jobids: Sequence[JobId]) -> list[JobId]:
        """Return those jobs and arrays that have not ended."""
        self._queue.forget()
        alive = set(self.get_jobs())
        alive |= {self._array_of(jobid) for jobid in alive}
        return [jobid for jobid in jobids if jobid in alive]

    def _identity(self) -> list[str]:
        """Return what tells the cluster from others that the user has."""
        places = [shutil.which(command) or "" for command in self._COMMANDS]
        site = [os.environ.get(variable, "") for variable in self._SITE]
        return [socket.gethostname(), str(os.getuid()), *places, *site]


def _job(
    args: Sequence[str],
    output: str,
    name: str | None,
    depends_on: Sequence[JobId] | None,
    scheduler_args: Mapping[str, Any] | None,
    n: int | None = None,
) -> Job:
    values = resolve(scheduler_args, name)
    return Job(
        args=args,
        output=output,
        name=values.pop("name", name),
        depends_on=list(depends_on or ()),
        max_running=values.pop("max_running", None),
        values=values,
        n=n,
        token=f"psyrun-{os.urandom(8).hex()}",
    )
