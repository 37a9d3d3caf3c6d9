"""Rows on demand, shared through a directory without locks.

Claims form a chain. Each is a file that is named after its first position and holds the position
behind its last, so the next claim's name is known, and the job that has made it. A worker walks to
the end of the chain and creates the next file; exclusive creation lets exactly one of several
workers succeed.
"""

import time
from collections import deque

from psyrun.backend.base import Backend, Batch, RowSource
from psyrun.files import create_exclusively, read_shared
from psyrun.workdir import PlanDir

_PATIENCE = 60.0
"""Seconds for which a claim may stay unreadable; clients of NFS can take half of that."""


class LoadBalancingBackend(Backend):
    """Let each job fetch rows until all are done.

    Right where rows take very different times. A claim covers about a second's worth of rows, so
    quick rows do not cost a file each.
    """

    @staticmethod
    def batches(n_rows: int, n_jobs: int) -> list[Batch]:  # noqa: D102 - see the contract
        return [(0, n_rows)] * n_jobs

    @staticmethod
    def source(  # noqa: D102
        batch: Batch, n_jobs: int, files: PlanDir, step: str = "", *, again: bool = False
    ) -> RowSource:
        return _ChainSource(batch[1], n_jobs, files, step, again=again)


class _ChainSource:
    def __init__(self, stop: int, n_jobs: int, files: PlanDir, step: str, *, again: bool) -> None:
        self._next, self._stop = 0, stop
        self._n_jobs = n_jobs
        self._files = files
        self._step = step
        self._again = again
        self._former: deque[Batch] = deque()  # what this job had taken before it was started again

    def take(self, wanted: int, takers: int) -> Batch | None:
        while True:
            self._walk()
            if self._former:
                return self._former.popleft()
            left = self._stop - self._next
            if left <= 0:
                return None
            size = max(1, min(wanted, left // (2 * takers * self._n_jobs)))
            first, behind = self._next, self._next + size
            claim = f"{behind} {self._step}"
            if create_exclusively(self._files.claim(first), claim.encode()):
                self._next = behind
                return first, behind
            if not self._follow(first):
                # Whoever made the claim has died before writing it. All who come here take one
                # row, and go on behind it; that row is done more than once, which does no harm.
                self._next = first + 1
                return first, first + 1

    def _walk(self) -> None:
        """Go to the end of the chain, as far as it can be seen."""
        while self._next < self._stop:
            try:
                content = read_shared(self._files.claim(self._next))
            except FileNotFoundError:
                return
            if not content:
                return  # made without a link, and not yet written
            behind, _, owner = content.decode().partition(" ")
            if self._again and owner == self._step:
                self._former.append((self._next, int(behind)))
            self._next = int(behind)

    def _follow(self, first: int) -> bool:
        """Read a claim that somebody else was quicker with; tell whether it holds anything.

        A client of a shared file system may go on for a while to believe that the file is not
        there; reading the directory makes it look again.
        """
        pause, waited = 0.001, 0.0
        while True:
            there = str(first) in {path.name for path in self._files.claims.iterdir()}
            self._walk()
            if self._next != first:
                return True
            if there and waited > _PATIENCE:
                return False
            time.sleep(pause)
            waited += pause
            pause = min(2 * pause, 1.0)
