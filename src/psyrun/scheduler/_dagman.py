"""Dependencies on HTCondor, which `condor_submit` knows none of.

A job that waits for others is the only node of a graph of DAGMan, which is part of every HTCondor
and runs on the submitting machine. Before the node, a script there waits until the other jobs have
left the queue, however they have ended. So nothing has to be known of the jobs that come later when
the first are submitted, and removing DAGMan's job removes the one that waits.
"""

import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from psyrun.scheduler._queue import cache_directory
from psyrun.scheduler.base import JobId

_KEPT = 90 * 86400
"""Seconds for which the files of a graph are kept."""

_WAIT = """\
#!/bin/sh
# Returns when none of these jobs is in the queue any more, asked twice: of an array of which few
# jobs may run at a time, none may be there for a moment.
pause=1
gone=0
until [ $gone = 2 ]; do
    sleep $pause
    if left=$({condor_q} {jobs} -af ClusterId) && [ -z "$left" ]; then
        gone=$((gone + 1))
    else
        gone=0
        [ $pause -ge 30 ] || pause=$((2 * pause))
    fi
done
"""


def graph_file(token: str) -> Path:
    """Return the file for the graph of a job.

    It is not beside the job's output, which may be deleted when the job has ended: DAGMan goes on
    to write beside the graph.
    """
    return cache_directory() / "htcondor" / token / "job.dag"


def files_of(description: str, depends_on: Sequence[JobId]) -> dict[str, str]:
    """Return the contents of a graph's files by their names."""
    condor_q = shlex.quote(shutil.which("condor_q") or "condor_q")
    return {
        "job.dag": "JOB job job.sub\nSCRIPT PRE job /bin/sh wait.sh\n",
        "job.sub": description,
        "wait.sh": _WAIT.format(condor_q=condor_q, jobs=" ".join(map(str, depends_on))),
    }


def write_files(graph: Path, files: dict[str, str]) -> None:
    """Write a graph's files, and delete those of graphs of long ago."""
    graph.parent.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = graph.with_name(name)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    for other in graph.parent.parent.iterdir():
        if time.time() - other.stat().st_mtime > _KEPT:
            shutil.rmtree(other, ignore_errors=True)
