"""Where a result comes from: the versions, the code and the run that made it."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psyrun import __version__
from psyrun.files import write_whole

if TYPE_CHECKING:
    from psyrun.merging.ledger import Ledger
    from psyrun.merging.timings import Timings
    from psyrun.plan import Brief, Plan

_GIT_PATIENCE = 10.0


def git_state(directory: Path) -> dict[str, Any] | None:
    """Return the commit that a directory is at and whether files were changed since.

    Returns
    -------
    dict or None
        *commit* and *dirty*; None outside of a git checkout, or without git.
    """
    if not any((parent / ".git").exists() for parent in (directory, *directory.parents)):
        return None
    try:
        commit = _git(directory, "rev-parse", "HEAD")
        dirty = _git(directory, "status", "--porcelain", "--untracked-files=no") != ""
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty}


def _git(directory: Path, *args: str) -> str:
    done = subprocess.run(  # noqa: S603 - words, not a shell's line
        ["git", "-C", str(directory), *args],  # noqa: S607 - where git is differs
        capture_output=True,
        text=True,
        timeout=_GIT_PATIENCE,
        check=True,
    )
    return done.stdout.strip()


def versions_of_modules() -> dict[str, str]:
    """Return the versions of the packages that are loaded in this process, by module name."""
    versions = {}
    for name, module in sorted(sys.modules.items()):
        if "." not in name and name not in sys.stdlib_module_names:
            version = getattr(module, "__version__", None)
            if isinstance(version, str):
                versions[name] = version
    return versions


def write_environment(path: Path) -> None:
    """Write down what a process that evaluates rows has loaded."""
    content = {"python": platform.python_version(), "packages": versions_of_modules()}
    write_whole(path, json.dumps(content, indent=1).encode(), durable=False)


def _read_environment(path: Path) -> dict[str, Any]:
    try:
        environment: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        environment = {"python": platform.python_version(), "packages": {}}
    return environment


def provenance(
    brief: "Brief", plan: "Plan", ledger: "Ledger", timings: "Timings", environment: Path
) -> dict[str, Any]:
    """Describe where the result of a plan comes from.

    Parameters
    ----------
    brief, plan : Brief, Plan
        The plan.
    ledger : Ledger
        The rows.
    timings : Timings
        Their run times.
    environment : Path
        What `write_environment` has written.

    Returns
    -------
    dict
        Ready for JSON. Times are local with the offset from UTC, durations in seconds.
    """
    completed, failed = len(ledger.completed), len(ledger.failed)
    loaded = _read_environment(environment)
    start, end = timings.span()
    return {
        "task": brief.task,
        "result": str(plan.resultfile),
        "rows": {
            "total": brief.total,
            "completed": completed,
            "failed": failed,
            "pending": brief.total - completed - failed,
        },
        "start": _local(start if start is not None else brief.created),
        "end": _local(end if end is not None else time.time()),
        "evaluation_seconds": timings.total(),
        "hosts": timings.hosts,
        "psyrun": __version__,
        "python": loaded["python"],
        "packages": loaded["packages"],
        "task_file": {"path": brief.task_file, "hash": plan.digest.task, "git": brief.git},
        "file_dep": plan.digest.file_dep,
        "space": {"hash": plan.digest.space},
        "units": dict(plan.units),
        "seed": plan.entropy if plan.reproducible else None,
        "entropy": plan.entropy,
        "plan": brief.plan_id,
        "merged": {"time": _local(time.time()), "host": os.uname().nodename},
    }


def plan_described_by(path: Path) -> str | None:
    """Return the plan whose result a file tells of; None if it tells of none."""
    try:
        plan = json.loads(path.read_bytes())["plan"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return str(plan)


def _local(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
