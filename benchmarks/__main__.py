"""Speed and memory against peers and bare loops: ``make benchmark`` prints the whole table."""

import append
import commands
import mapping
import results
import spaces
from timing import report

if __name__ == "__main__":
    raise SystemExit(
        sum(report(part.run()) for part in (spaces, mapping, append, results, commands)) > 0
    )
