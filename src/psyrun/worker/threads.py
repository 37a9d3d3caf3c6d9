"""Keeping the processes of a job from using more threads than there are processors."""

import os
from pathlib import Path

from psyrun.plan import read_brief

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def limit_threads(head: Path) -> None:
    """Share the processors among a plan's processes, unless the user has decided otherwise."""
    brief, _ = read_brief(head)
    if brief.pool_size > 1:
        share = max(1, (os.cpu_count() or 1) // brief.pool_size)
        for variable in _VARIABLES:
            os.environ.setdefault(variable, str(share))
