"""How rows are handed out to jobs: the contract of backends."""

from typing import Protocol

from psyrun.workdir import PlanDir

Batch = tuple[int, int]
"""Positions among the rows to do, from the first up to, not including, the last."""


class RowSource(Protocol):
    """From which the worker of a job takes rows."""

    def take(self, wanted: int, takers: int) -> Batch | None:
        """Take the next rows, for this worker alone.

        Parameters
        ----------
        wanted : int
            About how many rows; fewer may come.
        takers : int
            How many processes of this job share the source.

        Returns
        -------
        (int, int) or None
            Positions among the rows to do, or None if nothing is left.
        """


class Backend:
    """Hand rows out to jobs; knows nothing of schedulers, spaces or results."""

    @staticmethod
    def batches(n_rows: int, n_jobs: int) -> list[Batch]:
        """Decide with which rows each job is concerned.

        Parameters
        ----------
        n_rows : int
            Number of rows to do.
        n_jobs : int
            Number of jobs, at most *n_rows*.

        Returns
        -------
        list of (int, int), length n_jobs
        """
        raise NotImplementedError

    @staticmethod
    def source(
        batch: Batch, n_jobs: int, files: PlanDir, step: str = "", *, again: bool = False
    ) -> RowSource:
        """Open the source of rows of one job, in its worker.

        Parameters
        ----------
        batch : (int, int)
            The job's item of `batches`.
        n_jobs : int
            Number of jobs of the plan.
        files : PlanDir
            Where the jobs of the plan may leave files for each other.
        step : str
            The job's step.
        again : bool, optional
            Whether the job has been started before. Rows that it had taken then come again; the
            worker leaves out those that it had completed.
        """
        raise NotImplementedError


def number_of_jobs(n_rows: int, max_jobs: int, min_items: int) -> int:
    """Return how many jobs to use so that each has at least *min_items* rows, if possible."""
    return max(1, min(n_rows // max(min_items, 1), max_jobs)) if n_rows else 0
