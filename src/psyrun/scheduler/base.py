"""Running commands somewhere: the contract of schedulers."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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
            try:
                self.kill(jobid)
            except Exception:
                self.refresh()
                status = self.get_status(jobid)
                if status is not None and status.status != "D":
                    raise

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


def resolve(scheduler_args: Mapping[str, Any] | None, name: str | None) -> dict[str, Any]:
    """Call those values that are functions with the job's name; leave out None and False."""
    values = {k: v(name) if callable(v) else v for k, v in (scheduler_args or {}).items()}
    return {k: v for k, v in values.items() if v is not None and v is not False}
