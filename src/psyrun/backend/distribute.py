"""Equal batches, decided beforehand."""

from itertools import pairwise

from psyrun.backend.base import Backend, Batch, RowSource
from psyrun.workdir import PlanDir


class DistributeBackend(Backend):
    """Give each job a batch of equal size.

    Right where rows take about the same time. The jobs need nothing of each other.

    Examples
    --------
    >>> DistributeBackend.batches(10, 3)
    [(0, 4), (4, 7), (7, 10)]
    """

    @staticmethod
    def batches(n_rows: int, n_jobs: int) -> list[Batch]:  # noqa: D102 - see the contract
        size, larger = divmod(n_rows, n_jobs) if n_jobs else (0, 0)
        bounds = [i * size + min(i, larger) for i in range(n_jobs + 1)]
        return list(pairwise(bounds))

    @staticmethod
    def source(  # noqa: D102
        batch: Batch, n_jobs: int, files: PlanDir, step: str = "", *, again: bool = False
    ) -> RowSource:
        return _BatchSource(*batch)


class _BatchSource:
    def __init__(self, start: int, stop: int) -> None:
        self._next, self._stop = start, stop

    def take(self, wanted: int, takers: int) -> Batch | None:
        left = self._stop - self._next
        if left == 0:
            return None
        # Shrinking shares let the processes of a pool finish at about the same time.
        size = left if takers == 1 else max(1, min(wanted, left // (2 * takers)))
        taken = (self._next, self._next + size)
        self._next += size
        return taken
