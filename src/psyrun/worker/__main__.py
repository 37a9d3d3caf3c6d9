"""Where a job begins."""

import os
import sys
from pathlib import Path


def main(plan: str, step: str, *rest: str) -> int:
    """Do one step of a plan; return the exit code."""
    head = Path(plan)
    if not head.exists():
        print(f"There is no plan {head} any more; nothing was done.", file=sys.stderr)
        return 1
    from psyrun.plan import normal_step

    step = normal_step(step)
    if rest:
        from psyrun.worker.evaluate import evaluate_spawned

        return evaluate_spawned(head, step, *(int(number) for number in rest))
    if step == "merge":
        from psyrun.run.merge_job import merge_as_job

        return merge_as_job(head)
    from psyrun.worker.threads import limit_threads

    limit_threads(head)  # before NumPy is loaded
    from psyrun.worker.supervisor import process_rows

    return process_rows(head, step)


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # tearing the interpreter down takes longer than many a job
