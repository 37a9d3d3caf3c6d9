"""What of psyrun is at work inside a Dask cluster: on its scheduler, and in its workers."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from psyrun.processes import WATCH_PARENT

PREFIX = "psyrun-"
"""With this the keys of jobs begin."""

TOPIC = "psyrun-jobs"
"""Under this workers tell Dask's scheduler how jobs have ended; it keeps the latest of this."""

_KEEPER = "fire-and-forget"
"""Dask's name for whoever wants tasks that no client waits for."""

_AFTER = "psyrun_after"
_ALIVE = ("waiting", "no-worker", "queued", "processing")
"""The states of tasks that have not ended."""

_PATIENCE = 30.0
"""Seconds in which Dask's scheduler answers its workers."""

_GRACE = 15.0
"""Seconds that a job gets to end when it is killed; a worker of psyrun takes up to ten."""


def members_of(jobid: str) -> list[str]:
    """Return the keys of a job, or of all jobs of an array.

    Examples
    --------
    >>> members_of("psyrun-sweep:merge-2f")
    ['psyrun-sweep:merge-2f']
    >>> members_of("psyrun-sweep:process-2f[2]")
    ['psyrun-sweep:process-2f[2]_0', 'psyrun-sweep:process-2f[2]_1']
    """
    array = re.search(r"\[(\d+)\]$", jobid)
    return [f"{jobid}_{i}" for i in range(int(array[1]))] if array else [jobid]


class Spec(NamedTuple):
    """A job.

    Attributes
    ----------
    key : str
        Its key.
    args : list of str
        The command.
    output : str
        File to append the output to.
    after : list of str
        Keys of the jobs that have to end before.
    """

    key: str
    args: list[str]
    output: str
    after: list[str]


# On the scheduler. Each of these is called there in one go, so that nothing changes meanwhile.


def adopt(keys: Collection[str], after: Sequence[str], dask_scheduler: Any = None) -> bool:
    """Let jobs outlive the client that has submitted them; whether all have arrived yet."""
    if not all(key in dask_scheduler.tasks for key in keys):
        return False
    dask_scheduler.client_desires_keys(keys=list(keys), client=_KEEPER)
    for key in keys:
        task = dask_scheduler.tasks[key]
        task.annotations = {**(task.annotations or {}), _AFTER: list(after)}
    ended = [key for key in keys if dask_scheduler.tasks[key].state in ("memory", "erred")]
    dask_scheduler.client_releases_keys(keys=ended, client=_KEEPER)
    return True


def release(keys: Collection[str], dask_scheduler: Any = None) -> None:
    """Forget jobs that have not begun."""
    dask_scheduler.client_releases_keys(keys=list(keys), client=_KEEPER)


def locate(keys: Collection[str], dask_scheduler: Any = None) -> dict[str, str | None]:
    """Return for each job that has not ended the worker that has got it, None if none has."""
    tasks = {key: dask_scheduler.tasks[key] for key in keys if _is_alive(dask_scheduler, key)}
    workers = {key: task.processing_on for key, task in tasks.items()}
    return {key: None if w is None else w.address for key, w in workers.items()}


def count_alive(keys: Collection[str], dask_scheduler: Any = None) -> int:
    """Return how many jobs have not ended."""
    return sum(_is_alive(dask_scheduler, key) for key in keys)


def list_alive(dask_scheduler: Any = None) -> dict[str, str]:
    """Return the status of all jobs that have not ended."""
    keeper = dask_scheduler.clients.get(_KEEPER)
    wanted = () if keeper is None else keeper.wants_what
    keys = [task.key for task in wanted if str(task.key).startswith(PREFIX)]
    return {key: _status(dask_scheduler, key) for key in keys if _is_alive(dask_scheduler, key)}


def list_failed(keys: Collection[str], dask_scheduler: Any = None) -> dict[str, str]:
    """Return how jobs have failed in Dask, in its words; empty where their workers have died."""
    erred = getattr(dask_scheduler, "erred_tasks", ())
    return {task.key: task.exception_text for task in erred if task.key in keys}


def _is_alive(scheduler: Any, key: str) -> bool:
    task = scheduler.tasks.get(key)
    return task is not None and task.state in _ALIVE


def _status(scheduler: Any, key: str) -> str:
    task = scheduler.tasks[key]
    if count_alive((task.annotations or {}).get(_AFTER, ()), scheduler):
        return "*Q"
    if task.state != "processing":
        return "Q"
    # Dask hands tasks to workers before these have a thread for them.
    ahead = sorted(task.processing_on.processing, key=lambda other: other.priority)
    ahead = [other for other in ahead if other not in task.processing_on.long_running]
    running = task not in ahead or ahead.index(task) < task.processing_on.nthreads
    return "R" if running else "Q"


# In a worker.

_running: dict[str, bool] = {}
"""The jobs that have processes, and whether these have to end."""


def end_jobs(keys: Collection[str]) -> list[str]:
    """Let the processes of jobs end; return the keys of those that have one."""
    found = [key for key in keys if key in _running]
    _running.update(dict.fromkeys(found, True))
    return found


class JobFailedError(RuntimeError):
    """A job has ended with an exit code other than 0; this shows it as failed in Dask."""


def run_job(spec: Spec) -> None:
    """Run a job in a process of its own, in a thread of a Dask worker.

    Raises
    ------
    JobFailedError
        If it fails.
    """
    if spec.after and not _wait_for(spec):
        return
    environment = os.environ | {WATCH_PARENT: str(os.getpid())}
    _running[spec.key] = False
    try:
        os.makedirs(os.path.dirname(spec.output), exist_ok=True)  # noqa: PTH103, PTH120 - a str
        with open(spec.output, "ab") as output:  # noqa: PTH123 - as other schedulers do
            process = subprocess.Popen(  # noqa: S603 - words, not a shell's line
                spec.args,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        while not _running[spec.key] and process.poll() is None and _is_wanted(spec.key):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
        killed = process.poll() is None
        _end(process)
    finally:
        del _running[spec.key]
    _tell_end(spec.key, None if killed else process.returncode)
    if process.returncode and not killed:
        raise JobFailedError(f"exit code {process.returncode}; see {spec.output}")


def _tell_end(key: str, code: int | None) -> None:
    from distributed import get_worker

    get_worker().log_event(TOPIC, {"job": key, "code": code})


def _wait_for(spec: Spec) -> bool:
    """Wait beside the worker's threads until other jobs have ended; whether to go on then."""
    from distributed import rejoin, secede

    secede()
    began = time.monotonic()
    while _is_wanted(spec.key):
        if not _still_alive(spec.after):
            rejoin()
            break
        time.sleep(min(0.1 + (time.monotonic() - began) / 50, 5.0))
    return _is_wanted(spec.key)


def _still_alive(keys: list[str]) -> bool:
    """Ask Dask's scheduler, by the worker's own connection, whether one of some jobs is alive."""
    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()
    try:
        states = sync(
            worker.loop, worker.scheduler.get_task_status, keys=keys, callback_timeout=_PATIENCE
        )
    except OSError:  # which ends the worker if it lasts
        return True
    return any(state in _ALIVE for state in states.values())


def _is_wanted(key: str) -> bool:
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks.get(key)
    at_work = task is not None and task.state in ("executing", "long-running")
    return at_work and worker.status.name not in ("closing", "closed", "failed")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a job that is still running, with all of its process group."""
    for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
