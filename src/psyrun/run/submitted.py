"""The jobs of a plan as the scheduler knows them: the file ``submitted.json``."""

import json
from typing import NamedTuple

from psyrun.files import read_shared, write_whole
from psyrun.scheduler.base import JobId
from psyrun.workdir import PlanDir


class Submitted(NamedTuple):
    """The jobs of a plan as the scheduler knows them, and whether these are all."""

    jobs: list[tuple[str, JobId]]
    complete: bool

    def write(self, files: PlanDir) -> None:
        """Write this down."""
        content = {"jobs": self.jobs, "complete": self.complete}
        write_whole(files.submitted, json.dumps(content).encode())


def read_submitted(files: PlanDir) -> Submitted:
    """Read which jobs of a plan have been submitted so far."""
    try:
        content = json.loads(read_shared(files.submitted))
        return Submitted([(step, jobid) for step, jobid in content["jobs"]], content["complete"])
    except (OSError, ValueError, KeyError):
        return Submitted([], complete=False)
