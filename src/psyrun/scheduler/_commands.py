"""Calling a scheduler's commands."""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from psyrun.exceptions import SchedulerError, SchedulerUnavailableError

T = TypeVar("T")

TIME_LIMIT = 60.0
"""Seconds after which a command that has not answered is given up."""

_PASSING = re.compile(
    r"timed? ?out|unable to contact|can ?not contact|can't contact|temporarily unavailable"
    r"|connection (refused|reset|failure)|connect failure|cannot connect to server"
    r"|failed to connect|unable to (send|connect)|communication error|transport error"
    r"|is not responding|not responding|try again|please retry|retrying|daemon not running"
    r"|commlib error|error communicating|in standby mode|zero bytes were transmitted"
    r"|try later|lsf is down|lim is down|failed to fetch ads|can't find address of",
    re.IGNORECASE,
)
"""What schedulers say when the next attempt may succeed."""

_OF_A_JOB = re.compile(
    r"(SLURM|SBATCH|SALLOC|SRUN|SQUEUE|SCANCEL|SACCT|PBS|PMI|PMIX|PALS|LSB|LS|OMPI|PRTE)_"
    r"|SLURMD_|SGE_(TASK|O|JOB|STD|CWD|BINDING|ACCOUNT|CKPT)"
    r"|(JOB_ID|JOB_NAME|JOB_SCRIPT|NSLOTS|NQUEUES|NHOSTS|QUEUE|REQUEST|RESTARTED|PE|PE_HOSTFILE"
    r"|TASK_ID|ARC|ENVIRONMENT)$"
    r"|_CONDOR_(SCRATCH|SLOT|JOB|MACHINE_AD|CHIRP|WRAPPER|REMOTE|CREDS|BIN|ASSIGNED|ANCESTOR)"
    r"|BATCH_SYSTEM$"
)
_OF_A_SITE = re.compile(
    r"SLURM_(CONF|CLUSTERS|JWT)|PBS_(CONF_FILE|EXEC|HOME|SERVER|DEFAULT|PRIMARY|SECONDARY)"
    r"|LSB_(CONFDIR|SHAREDIR|DEFAULT)"
)


def environment(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without what a job has in its own.

    Whoever submits from within a job would otherwise hand that job's number, nodes and limits on
    to the new one. Where a scheduler is found stays.

    Examples
    --------
    >>> environment({"SLURM_CONF": "/etc/s.conf", "SLURM_JOB_ID": "7", "JOB_ID": "7", "PATH": "/"})
    {'SLURM_CONF': '/etc/s.conf', 'PATH': '/'}
    """
    return {
        name: value
        for name, value in variables.items()
        if not _OF_A_JOB.match(name) or _OF_A_SITE.match(name)
    }


def call_once(
    command: Sequence[str], *, stdin: str | None = None, fine: Sequence[int] = (0,)
) -> str:
    """Run a scheduler's command and return its output.

    Parameters
    ----------
    command : sequence of str
        Command and arguments; no shell is involved.
    stdin : str, optional
        Input.
    fine : sequence of int, optional
        Exit codes that are no failure.

    Raises
    ------
    SchedulerUnavailableError
        If the scheduler does not answer, or says that it cannot at the moment. It may have done
        what it was asked for nevertheless.
    SchedulerError
        If the command is missing or the scheduler refuses; with its own words.
    """
    shown = shlex.join(command)
    try:
        done = subprocess.run(  # noqa: S603 - words, not a shell's line
            command,
            input="" if stdin is None else stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=environment(),
            timeout=TIME_LIMIT,
            check=False,
        )
    except FileNotFoundError as err:
        raise SchedulerError(
            f"There is no command {command[0]!r} on this machine, so the scheduler cannot be used."
        ) from err
    except OSError as err:
        raise SchedulerError(f"The scheduler's command could not be run: {err}") from err
    except subprocess.TimeoutExpired as err:
        raise SchedulerUnavailableError(
            f"The scheduler did not answer within {TIME_LIMIT:.0f} seconds (command: {shown})"
        ) from err
    if done.returncode in fine:
        return done.stdout
    words = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
    if _PASSING.search(words):
        raise SchedulerUnavailableError(
            f"The scheduler cannot be reached: {words} (command: {shown})"
        )
    raise SchedulerError(f"The scheduler refused: {words} (command: {shown})")


def call(command: Sequence[str], *, fine: Sequence[int] = (0,), patience: float = 15.0) -> str:
    """Run a command that may be repeated, and return its output.

    Parameters
    ----------
    command : sequence of str
        Command and arguments.
    fine : sequence of int, optional
        Exit codes that are no failure.
    patience : float, optional
        Seconds during which to try again if the scheduler cannot be reached.

    Raises
    ------
    SchedulerError
        See `call_once`.
    """
    return persistently(lambda: call_once(command, fine=fine), patience)


def persistently(act: Callable[[], T], patience: float) -> T:
    """Do something again and again until the scheduler can be reached or patience runs out.

    Raises
    ------
    SchedulerUnavailableError
        If it could not be reached in time.
    """
    deadline = time.monotonic() + patience
    pause = 0.5
    while True:
        try:
            return act()
        except SchedulerUnavailableError:
            if time.monotonic() + pause >= deadline:
                raise
        time.sleep(pause)
        pause *= 2
