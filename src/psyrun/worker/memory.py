"""Whether the system has killed a process because its job had no memory left."""

from pathlib import Path

_OWN = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


class OutOfMemoryKills:
    """Counts the processes that Linux has killed for lack of memory in this process's own group.

    Where it does not tell, the count stays zero.

    Parameters
    ----------
    own, root : Path, optional
        The file that names the group, and where groups are mounted.
    """

    def __init__(self, own: Path = _OWN, root: Path = _ROOT) -> None:
        self._file = _find_counter(own, root)
        self._known = self._count()

    def one_more(self) -> bool:
        """Tell whether there has been a kill that this has not told of before."""
        if self._count() <= self._known:
            return False
        self._known += 1
        return True

    def _count(self) -> int:
        try:
            lines = self._file.read_text().splitlines() if self._file is not None else []
            return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        except (OSError, ValueError, IndexError):
            return 0


def _find_counter(own: Path, root: Path) -> Path | None:
    """Return the file with the count of kills, of either version of control groups."""
    try:
        groups = [line.split(":", 2)[1:] for line in own.read_text().splitlines()]
    except OSError:
        return None
    candidates = []
    for controllers, path in groups:
        name = path.lstrip("/")
        if controllers == "":
            candidates += [root / name / "memory.events", root / "unified" / name / "memory.events"]
        elif "memory" in controllers.split(","):
            candidates.insert(0, root / controllers / name / "memory.oom_control")
    return next((file for file in candidates if file.exists()), None)
