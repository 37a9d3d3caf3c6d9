"""Running commands somewhere: the contract of schedulers."""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from psyrun.exceptions import SchedulerError

JobId = Any
"""What a scheduler calls a job: a number or a string."""


class JobStatus(NamedTuple):
    """What a scheduler says of a job.

    Attributes
    ----------
    id : int or str
        The job.
    status : str
        ``'Q'`` queued, ``'*Q'`` waiting for another job, ``'R'`` running, ``'Z'`` asleep, ``'D'``
        done.
    name : str
        Its name.
    """

    id: JobId
    status: str
    name: str


class JobEnd(NamedTuple):
    """How a job has ended, as its scheduler knows it.

    Attributes
    ----------
    state : str
        One of the states below.
    words : str
        The scheduler's own words.
    """

    state: str
    words: str = ""


COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
TIMED_OUT, OUT_OF_MEMORY = "timed out", "out of memory"
PREEMPTED, NODE_FAILED = "preempted", "node failed"
"""The states in which a job can have ended."""


class Scheduler:
    """Runs commands; knows nothing of spaces.

    A scheduler of your own derives from this class and implements `submit`, `kill`, `get_status`
    and `get_jobs`. The other methods have defaults that are right, if not the best, everywhere.
    """

    USER_DEFAULT_ARGS: Mapping[str, Any] = {}
    """What ``psy new-task -s`` writes as *scheduler_args*."""

    serial = False
    """Whether `submit` returns only when the job has ended, so that more jobs gain nothing."""

    def submit(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit a job.

        Parameters
        ----------
        args : sequence of str
            The command and its arguments.
        output_filename : str
            File to append the job's output to.
        name : str, optional
            Name of the job.
        depends_on : sequence of ids, optional
            Jobs that have to end before this one starts.
        scheduler_args : mapping, optional
            Further arguments; a value may be a function of the job's name.

        Returns
        -------
        int or str
            The job's id.
        """
        raise NotImplementedError

    def submit_array(
        self,
        n: int,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
    ) -> JobId:
        """Submit *n* jobs at once, in whose arguments ``%a`` stands for the index from 0.

        Parameters
        ----------
        n : int
            Number of jobs.
        args, output_filename, name, depends_on, scheduler_args
            As for `submit`.

        Returns
        -------
        int or str
            The array's id.

        Raises
        ------
        NotImplementedError
            If the scheduler has no job arrays; single jobs are submitted then.
        """
        raise NotImplementedError

    def kill(self, jobid: JobId) -> None:
        """Kill a job."""
        raise NotImplementedError

    def get_status(self, jobid: JobId) -> JobStatus | None:
        """Return what is known of a job, None if nothing is."""
        raise NotImplementedError

    def get_jobs(self) -> Iterable[JobId]:
        """Return the ids of all queued and running jobs of the user."""
        raise NotImplementedError

    def array_limit(self) -> int | None:
        """Return the most jobs that an array may have, None if there is no limit."""
        return None

    def member(self, array: JobId, index: int) -> JobId:
        """Return the id of one of an array's jobs, by its index from 0."""
        return f"{array}_{index}"

    def kill_all(self, jobids: Sequence[JobId]) -> None:
        """Kill several jobs; those that have ended do no harm."""
        for jobid in jobids:
            self.kill(jobid)

    def ends_of(self, jobids: Sequence[JobId]) -> dict[JobId, JobEnd]:
        """Return how jobs have ended, of those for which that is known."""
        return {}

    def refresh(self) -> None:
        """Forget answers that are kept so as not to ask again, before the next question."""

    def preview(
        self,
        args: Sequence[str],
        output_filename: str,
        name: str | None = None,
        depends_on: Sequence[JobId] | None = None,
        scheduler_args: Mapping[str, Any] | None = None,
        n: int | None = None,
    ) -> str:
        """Return what would be submitted, for people to read; nothing is submitted.

        Parameters
        ----------
        args, output_filename, name, depends_on, scheduler_args
            As for `submit`.
        n : int, optional
            Number of jobs, if it is to be an array.
        """
        return shlex.join(args)


class Option(NamedTuple):
    """How an argument is written on a scheduler's command line.

    Attributes
    ----------
    flag : str
        Option, such as ``-r`` or ``--mpp``.
    convert : callable
        Makes a string of the value.
    """

    flag: str
    convert: Callable[[Any], str] = str

    def build(self, value: object) -> list[str]:
        """Return the option as words of a command line, none if the value is None."""
        if value is None:
            return []
        text = self.convert(value)
        return [f"{self.flag}={text}"] if self.flag.startswith("--") else [self.flag, text]


def build_options(known: Mapping[str, Option], values: Mapping[str, Any]) -> list[str]:
    """Write arguments as options; names that are not known are passed on as they are.

    Examples
    --------
    >>> build_options({"memory": Option("--mpp")}, {"memory": "1G", "test": True, "p": 2})
    ['--mpp=1G', '--test', '-p', '2']
    """
    words = []
    for name, value in values.items():
        if name in known:
            words += known[name].build(value)
        elif value is True:
            words.append(_flag(name))
        elif value is not None and value is not False:
            words += Option(_flag(name)).build(value)
    return words


def _flag(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"


def resolve(scheduler_args: Mapping[str, Any] | None, name: str | None) -> dict[str, Any]:
    """Call those values that are functions with the job's name."""
    return {k: v(name) if callable(v) else v for k, v in (scheduler_args or {}).items()}


class Listing:
    """The jobs as a scheduler lists them, asked for at most once a second.

    Parameters
    ----------
    ask : callable
        Asks the scheduler; returns the status of each job by its id.
    """

    def __init__(self, ask: Callable[[], dict[JobId, JobStatus]]) -> None:
        self._ask = ask
        self._jobs: dict[JobId, JobStatus] = {}
        self._expires = 0.0

    def jobs(self) -> dict[JobId, JobStatus]:
        """Return the jobs; what is added to them is forgotten with the next question."""
        if time.monotonic() >= self._expires:
            self._jobs = self._ask()
            self._expires = time.monotonic() + 1.0
        return self._jobs

    def expire(self) -> None:
        """Ask again when next needed: something has been submitted or killed."""
        self._expires = 0.0


def call(command: Sequence[str], *, fine: Sequence[int] = (0,), stdin: str | None = None) -> str:
    """Run a scheduler's command and return its output.

    Parameters
    ----------
    command : sequence of str
        Command and arguments; no shell is involved.
    fine : sequence of int, optional
        Exit codes that are no failure.
    stdin : str, optional
        Input.

    Raises
    ------
    SchedulerError
        If the command is missing, fails or does not answer within a minute; with its own words.
    """
    shown = subprocess.list2cmdline(command)
    try:
        done = subprocess.run(  # noqa: S603 - words, not a shell's line
            command, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError as err:
        raise SchedulerError(
            f"There is no command {command[0]!r} on this machine, so the scheduler cannot be used."
        ) from err
    except subprocess.TimeoutExpired as err:
        raise SchedulerError(f"The scheduler did not answer within a minute: {shown}") from err
    if done.returncode not in fine:
        words = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise SchedulerError(f"The scheduler refused: {words} (command: {shown})")
    return done.stdout
