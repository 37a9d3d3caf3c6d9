"""Where a job begins."""

import sys
from pathlib import Path


def main(plan: str, step: str, *rest: str) -> int:
    """Do one step of a plan; return the exit code."""
    head = Path(plan)
    if rest:
        from psyrun.worker.evaluate import evaluate_rows

        return evaluate_rows(head, step, *(int(number) for number in rest))
    if step == "merge":
        from psyrun.worker.merge import merge_rows

        return merge_rows(head)
    from psyrun.worker.supervisor import process_rows

    return process_rows(head, step)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
