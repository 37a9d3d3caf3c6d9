"""Telling whether a process that a file speaks of is still alive."""

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

WATCH_PARENT = "PSYRUN_WATCH_PARENT"
"""Environment variable that tells a worker to end with the process of this number."""


class ProcessId(NamedTuple):
    """A process, told apart from all others, also from later ones with the same number.

    Attributes
    ----------
    host : str
        Name of the machine, for people.
    machine : str
        The running system that the number belongs to; differs after a reboot and in containers.
    pid : int
        Number of the process.
    born : str
        When it was started, in the system's own reckoning, which clock changes do not touch.
    """

    host: str
    machine: str
    pid: int
    born: str

    @classmethod
    def current(cls) -> "ProcessId":
        """Return the calling process."""
        pid = os.getpid()
        return cls(os.uname().nodename, _machine(), pid, _born(pid) or "")

    def alive(self) -> bool | None:
        """Tell whether the process lives; None if it is, or was, on another machine."""
        if self.machine == _machine():
            return self.born == _born(self.pid)
        if self.host == os.uname().nodename and self._rebooted():
            return False
        return None

    def _rebooted(self) -> bool:
        here, there = _machine().split("/"), self.machine.split("/")
        return len(here) == len(there) == 2 and here[0] != there[0] and here[1] == there[1]


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return os.uname().nodename


def _born(pid: int) -> str | None:
    """Return when a process of this machine was started; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _born_by_ps(pid)
    except ProcessLookupError:
        return None
    # The name in brackets may hold blanks and brackets; the state and 19 numbers follow it.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


def _born_by_ps(pid: int) -> str | None:
    import subprocess  # where there is no /proc

    answer = subprocess.run(  # noqa: S603 - a number is the only argument
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607 - where ps is differs
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, born = answer.stdout.strip().partition(" ")
    return None if not born or state.startswith("Z") else born.strip()
