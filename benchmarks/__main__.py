"""Speed and memory against peers and bare loops: ``make benchmark`` prints the whole table."""

import append
import commands
import mapping
import on_slurm
import results
import spaces
from timing import report

if __name__ == "__main__":
    parts = (spaces, mapping, append, results, commands, on_slurm)
    raise SystemExit(sum(report(part.run()) for part in parts) > 0)
