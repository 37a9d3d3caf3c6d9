"""Writing reports."""

import time
from collections.abc import Iterable
from os import PathLike

from psyrun.exceptions import UsageError
from psyrun.files import replacing
from psyrun.report.content import describe_task
from psyrun.report.page import make_page
from psyrun.results import Result


def make_report(results: Iterable[Result]) -> str:
    """Make a page that shows results; see `write_report`."""
    tasks = [describe_task(result) for result in results]
    if not tasks:
        raise UsageError("A report needs a result at least.")
    title = "psyrun report" if len(tasks) > 1 else f"{tasks[0]['name']} - psyrun report"
    written = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return make_page(title, {"written": written, "tasks": tasks})


def write_report(results: Iterable[Result], filename: str | PathLike[str]) -> None:
    """Write a page of HTML that shows results.

    All that it needs is in it; it can be sent to others and looked at without a network.

    Parameters
    ----------
    results : iterable of Result
        What to show; see `psyrun.load`.
    filename : path-like
        File to write.

    Raises
    ------
    MissingExtraError
        If plotly is not installed.
    UsageError
        If there are no results.

    Examples
    --------
    >>> import psyrun
    >>> from psyrun.report import write_report
    >>> write_report([psyrun.load("psy-work/example")], "report.html")  # doctest: +SKIP
    """
    page = make_report(results)
    with replacing(filename, durable=False) as temporary:
        temporary.write_text(page, encoding="utf-8")
