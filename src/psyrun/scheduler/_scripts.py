"""Jobs that write into their own output file, for queues that do not append to one."""

import os
import shlex
from pathlib import Path

from psyrun.scheduler._batch import BatchScheduler, Job


class WritesItself(BatchScheduler):
    """A scheduler whose jobs open their output themselves, in the directory they come from.

    Queues hold the output back until the job has ended, overwrite the file, give characters in its
    name a meaning of their own, or stop a job for ever if it cannot be opened. A job's script does
    none of this.
    """

    def _script(self, job: Job) -> str:
        first, _, rest = super()._script(job).partition("\n")
        path = os.path.abspath(job.output)  # noqa: PTH100 - resolves no links
        pieces = [path] if job.n is None else path.split("%a")
        output = f'"{self._INDEX}"'.join(map(shlex.quote, pieces))
        start = f"exec >>{output} 2>&1\ncd {shlex.quote(str(Path.cwd()))} || exit\n"
        return _without_directives(f"{first}\n{start}{rest}")


def _without_directives(script: str) -> str:
    r"""Keep lines of arguments from being read as a queue's directives, such as ``#$ -q x``.

    An argument's lines are within single quotes.

    Examples
    --------
    >>> _without_directives("exec echo 'a\n#BSUB -q x'")
    "exec echo 'a\n''#BSUB -q x'"
    """
    return script.replace("\n#", "\n''#")
