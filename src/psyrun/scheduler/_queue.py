"""What a queue holds, asked for seldom: all commands of a user share the answers.

Answers lie in a file for each cluster. A stamp beside it is touched with each submission and kill;
an answer that was asked for before that counts no more. Both times are those of the file system.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from psyrun.exceptions import SchedulerUnavailableError
from psyrun.files import replacing
from psyrun.scheduler.base import JobEnd, JobId

T = TypeVar("T")

FRESH = 30.0
"""Seconds for which an answer serves."""

_JUST_NOW = 0.25
_REMEMBERED = 20_000


class Entry(NamedTuple):
    """A job as a queue lists it.

    Attributes
    ----------
    status : str
        As in `JobStatus`.
    name : str
        Its name.
    end : JobEnd or None
        How it has ended, if the queue tells.
    """

    status: str
    name: str
    end: JobEnd | None = None


class Answer(NamedTuple):
    """What is known of a queue.

    Attributes
    ----------
    asked : int
        When the queue was asked, in nanoseconds of some clock.
    jobs : dict
        The jobs that it lists.
    seen : dict
        Jobs and arrays that it has listed, or that have been looked for; an ordered set.
    ends : dict
        How jobs have ended.
    unknown : set
        Jobs of which the scheduler could not say how they have ended.
    """

    asked: int
    jobs: dict[JobId, Entry]
    seen: dict[JobId, None]
    ends: dict[JobId, JobEnd]
    unknown: set[JobId]

    def followed_by(self, asked: int, jobs: dict[JobId, Entry], seen: Iterable[JobId]) -> "Answer":
        """Return what is known when the queue has been asked again."""
        ends = self.ends | {jobid: job.end for jobid, job in jobs.items() if job.end is not None}
        # A job that has been sent to the queue again has not ended.
        ends = {i: end for i, end in ends.items() if i not in jobs or jobs[i].end == end}
        return Answer(asked, jobs, _latest(self.seen | dict.fromkeys(seen)), _latest(ends), set())

    def to_json(self) -> bytes:
        """Return this as the content of a file."""
        content = {
            "jobs": [[jobid, *job] for jobid, job in self.jobs.items()],
            "seen": list(self.seen),
            "ends": [[jobid, *end] for jobid, end in self.ends.items()],
            "unknown": list(self.unknown),
        }
        return json.dumps(content).encode()

    @classmethod
    def from_json(cls, asked: int, text: bytes) -> "Answer":
        """Read what `to_json` has written.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it has not.
        """
        content: Mapping[str, Any] = json.loads(text)
        return cls(
            asked,
            {
                jobid: Entry(status, name, None if end is None else JobEnd(*end))
                for jobid, status, name, end in content["jobs"]
            },
            dict.fromkeys(content["seen"]),
            {jobid: JobEnd(*end) for jobid, *end in content["ends"]},
            set(content["unknown"]),
        )


NOTHING = Answer(0, {}, {}, {}, set())


def _latest(items: dict[JobId, T]) -> dict[JobId, T]:
    return dict(list(items.items())[-_REMEMBERED:])


def cache_directory() -> Path:
    """Return the directory for what psyrun keeps for a user."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "psyrun"


class Memory:
    """Where answers are kept if they cannot be shared."""

    def __init__(self) -> None:
        self._answer = NOTHING
        self._changed = 0

    def now(self) -> int:
        """Return the time in nanoseconds."""
        return time.monotonic_ns()

    def changed(self) -> int:
        """Return when something was submitted or killed."""
        return self._changed

    def touch(self) -> None:
        """Note that something was submitted or killed."""
        self._changed = self.now()

    def read(self) -> Answer:
        """Return the last answer."""
        return self._answer

    def write(self, answer: Answer) -> None:
        """Keep an answer."""
        self._answer = answer


class Disk:
    """Answers in the user's cache directory, shared by all commands.

    Parameters
    ----------
    name : str
        The scheduler.
    identity : sequence of str
        What tells the cluster from others that this user has.

    Raises
    ------
    OSError
        If there is no such directory and none can be made, from any method.
    """

    def __init__(self, name: str, identity: Sequence[str]) -> None:
        digest = hashlib.sha256("\0".join(identity).encode("utf-8", "surrogateescape"))
        directory = cache_directory()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._answer = directory / f"{name}-{digest.hexdigest()[:16]}.json"
        self._stamp = self._answer.with_suffix(".changed")
        if not self._stamp.exists():
            self._stamp.touch()

    def now(self) -> int:
        """Return the time of the file system in nanoseconds."""
        probe = self._answer.with_name(f".now-{os.getpid()}-{os.urandom(4).hex()}")
        try:
            probe.touch()
            return probe.stat().st_mtime_ns
        finally:
            probe.unlink(missing_ok=True)

    def changed(self) -> int:
        """Return when something was submitted or killed."""
        with self._stamp.open("rb") as file:  # opening asks a file server for the present state
            return os.fstat(file.fileno()).st_mtime_ns

    def touch(self) -> None:
        """Note that something was submitted or killed."""
        self._stamp.touch()

    def read(self) -> Answer:
        """Return the last answer, an empty one if there is none that can be read."""
        try:
            with self._answer.open("rb") as file:
                asked = os.fstat(file.fileno()).st_mtime_ns
                return Answer.from_json(asked, file.read())
        except (OSError, ValueError, TypeError, KeyError):
            return NOTHING

    def write(self, answer: Answer) -> None:
        """Keep an answer; the time of the file says when it was asked for."""
        with replacing(self._answer, durable=False) as temporary:
            temporary.write_bytes(answer.to_json())
            os.utime(temporary, ns=(answer.asked, answer.asked))


class Queue:
    """The jobs as a scheduler lists them, asked for at most every `FRESH` seconds.

    Parameters
    ----------
    name : str
        The scheduler.
    identity : callable
        Returns what tells the cluster from others that this user has.
    ask : callable
        Asks the scheduler for the jobs.
    array_of : callable
        Returns the array that a job belongs to, the job itself if to none.
    """

    def __init__(
        self,
        name: str,
        identity: Callable[[], Sequence[str]],
        ask: Callable[[], dict[JobId, Entry]],
        array_of: Callable[[JobId], JobId],
    ) -> None:
        self._name = name
        self._identity = identity
        self._ask = ask
        self._array_of = array_of
        self._shelf: Disk | Memory | None = None
        self._answer = NOTHING
        self._looked = self._asked = -FRESH  # on the monotonic clock
        self._due = False
        self._failed: tuple[float, SchedulerUnavailableError] | None = None

    def jobs(self) -> dict[JobId, Entry]:
        """Return the jobs that the queue lists."""
        return self._current().jobs

    def find(self, jobid: JobId) -> Entry | None:
        """Return a job, None if the queue does not list it.

        One that the queue has never listed may be younger than the answer, wherever it has been
        submitted, so the queue is asked anew before it is said to be gone.
        """
        array = self._array_of(jobid)
        answer = self._current()
        if array not in answer.seen:
            if time.monotonic() - self._asked >= _JUST_NOW:
                self._due = True
                answer = self._current()
            if array not in answer.seen:
                answer.seen[array] = None
                self._on_shelf(lambda shelf: shelf.write(answer))
        return answer.jobs.get(jobid)

    def ends_of(
        self,
        jobids: Sequence[JobId],
        ask: Callable[[Sequence[JobId]], dict[JobId, JobEnd]],
    ) -> dict[JobId, JobEnd]:
        """Return how jobs have ended; what the queue has not told is asked for elsewhere."""
        answer = self._current()
        missing = [
            jobid
            for jobid in jobids
            if jobid not in answer.ends
            and jobid not in answer.unknown
            and (jobid not in answer.jobs or answer.jobs[jobid].status == "D")
        ]
        if missing:
            answer.ends.update(ask(missing))
            answer.unknown.update(jobid for jobid in missing if jobid not in answer.ends)
            self._on_shelf(lambda shelf: shelf.write(answer))
        return {jobid: answer.ends[jobid] for jobid in jobids if jobid in answer.ends}

    def expire(self) -> None:
        """Ask again when next needed: something has been submitted or killed."""
        self.forget()
        self._on_shelf(lambda shelf: shelf.touch())

    def forget(self) -> None:
        """Ask again when next needed."""
        self._due = True
        self._failed = None

    def _current(self) -> Answer:
        if not self._due and time.monotonic() - self._looked < _JUST_NOW:
            return self._answer
        answer = self._on_shelf(self._good_answer)
        if answer is None:
            answer = self._new_answer()
        self._answer, self._looked, self._due = answer, time.monotonic(), False
        return answer

    def _good_answer(self, shelf: "Disk | Memory") -> Answer | None:
        self._answer = shelf.read()
        age = shelf.now() - self._answer.asked
        if self._due or self._answer.asked <= shelf.changed() or not 0 <= age < FRESH * 10**9:
            return None
        return self._answer

    def _new_answer(self) -> Answer:
        if self._failed is not None and time.monotonic() - self._failed[0] < FRESH:
            raise self._failed[1]
        asked = self._on_shelf(lambda shelf: shelf.now())
        try:
            jobs = self._ask()
        except SchedulerUnavailableError as err:
            self._failed = time.monotonic(), err
            raise
        self._asked = time.monotonic()
        answer = self._answer.followed_by(asked, jobs, map(self._array_of, jobs))
        self._on_shelf(lambda shelf: shelf.write(answer))
        return answer

    def _on_shelf(self, act: "Callable[[Disk | Memory], T]") -> T:
        """Do something with the answers on the disk, or in memory if that does not work."""
        try:
            if self._shelf is None:
                self._shelf = Disk(self._name, self._identity())
            return act(self._shelf)
        except OSError:
            self._shelf = Memory()
            return act(self._shelf)
