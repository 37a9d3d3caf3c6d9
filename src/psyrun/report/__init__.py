"""Reports: what has been run and what came out, as one page of HTML to look at."""

from psyrun.report.writing import make_report, write_report

__all__ = ["make_report", "write_report"]
