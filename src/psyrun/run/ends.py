"""How the jobs of a plan have ended.

Schedulers forget, so what they say is written down with the plan.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from psyrun.exceptions import SchedulerError
from psyrun.files import read_shared, write_whole
from psyrun.jobstate import BY_FAILURES, BY_SIGNAL, BY_TIME, JobState, read_states
from psyrun.plan import MERGE, Brief, steps_of
from psyrun.run.submitted import read_submitted
from psyrun.scheduler import Scheduler
from psyrun.scheduler.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    NODE_FAILED,
    OUT_OF_MEMORY,
    PREEMPTED,
    TIMED_OUT,
    JobEnd,
    JobId,
)
from psyrun.workdir import PlanDir

LOST = "lost"
"""How a job has ended of which nobody knows how."""

STATES = (OUT_OF_MEMORY, TIMED_OUT, PREEMPTED, NODE_FAILED, CANCELLED, FAILED, LOST)
"""How a job can have ended other than in good order, in the order in which this is told."""

_PATIENCE = 600.0
"""Seconds in which a scheduler that does not know yet how a job has ended may come to know."""


class Ends(NamedTuple):
    """How the jobs of a plan have ended.

    Attributes
    ----------
    jobs : dict of str to JobEnd
        The end of each process job that was submitted; it is *lost* if nobody knows.
    note : str
        Why rows were not sent again, if that had to be decided.
    """

    jobs: dict[str, JobEnd]
    note: str = ""

    def counts(self) -> dict[str, int]:
        """Return how many jobs have ended in which state, those in good order left out."""
        counted = Counter(end.state for end in self.jobs.values())
        return {state: counted[state] for state in STATES if counted[state]}

    def in_state(self, state: str) -> list[str]:
        """Return the steps that have ended in a state."""
        return [step for step, end in self.jobs.items() if end.state == state]


class Told(NamedTuple):
    """What is written down of the ends of a plan's jobs, the file ``ends.json``.

    Attributes
    ----------
    jobs : dict of str to JobEnd
        What the scheduler has told.
    first, last : float
        When it was asked for the first and the last time, in seconds since the epoch.
    note : str
        Why rows were not sent again.
    """

    jobs: dict[str, JobEnd]
    first: float = 0.0
    last: float = 0.0
    note: str = ""

    def write(self, files: PlanDir) -> None:
        """Write this down."""
        write_whole(files.ends, json.dumps(self._asdict(), indent=1).encode())


def read_told(files: PlanDir) -> Told:
    """Read what has been told of the ends of a plan's jobs."""
    try:
        content = json.loads(read_shared(files.ends))
        jobs = {step: JobEnd(*end) for step, end in content.pop("jobs").items()}
        return Told(jobs, **content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Told({})


def find_out_ends(brief: Brief, files: PlanDir, find_scheduler: Callable[[], Scheduler]) -> Ends:
    """Find out how the process jobs of a plan have ended, none of which is at work any more.

    Their own records tell of most. The scheduler is asked about the others, and about those that
    were told to end; what it says is written down.

    Parameters
    ----------
    brief, files : Brief, PlanDir
        The plan.
    find_scheduler : callable
        Returns the scheduler that the jobs are on; may raise `SchedulerError`.
    """
    states = {state.step: state for _, state in read_states(files.all_jobs())}
    ids = dict(read_submitted(files).jobs)
    steps = [s for s in steps_of(brief) if s != MERGE and (s in ids or s in states)]
    told = read_told(files)
    unclear = [s for s in steps if s not in told.jobs and not _has_reason(states.get(s))]
    if unclear and not (told.last and told.last - told.first > _PATIENCE):
        told = _ask(told, files, {s: ids[s] for s in unclear if s in ids}, find_scheduler)
    jobs = {step: _judge(states.get(step), told.jobs.get(step)) for step in steps}
    return Ends(jobs, told.note)


def _ask(
    told: Told,
    files: PlanDir,
    ids: dict[str, JobId],
    find_scheduler: Callable[[], Scheduler],
) -> Told:
    """Ask a scheduler how jobs have ended, and write it down."""
    if not ids:
        return told
    now = time.time()
    with suppress(SchedulerError, OSError):
        answers = find_scheduler().ends_of(list(ids.values()))
        ends = {step: answers[jobid] for step, jobid in ids.items() if jobid in answers}
        told = told._replace(jobs=told.jobs | ends, first=told.first or now, last=now)
        told.write(files)
    return told


def _has_reason(state: JobState | None) -> bool:
    """Tell whether a job itself has said why it has ended."""
    return state is not None and state.ended is not None and state.by != BY_SIGNAL


def _judge(state: JobState | None, told: JobEnd | None) -> JobEnd:
    """Return how a job has ended, from what itself and its scheduler say."""
    if state is None or state.ended is None:
        return told or JobEnd(LOST)
    if state.how == "finished":
        return JobEnd(COMPLETED)
    if state.by == BY_FAILURES:
        return JobEnd(COMPLETED, state.why)
    if state.by == BY_TIME:
        return JobEnd(TIMED_OUT, state.why)
    if state.by == BY_SIGNAL:
        knows = told is not None and told.state not in (COMPLETED, FAILED)
        return told if told and knows else JobEnd(CANCELLED, state.why)
    return JobEnd(FAILED, state.why)
