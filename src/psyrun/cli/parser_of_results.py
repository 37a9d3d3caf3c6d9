"""What can be typed behind the commands that show results."""

import argparse
from typing import Any

from psyrun.cli.arguments import add_command, add_task, add_tasks, count

FORMS = ("lines", "heatmap", "strips", "bars", "scatter", "histogram")
SPREADS = ("sem", "std", "quartiles", "range", "each")
"""What psyrun.plotting can draw, which takes too long to be asked."""


def add_plot(commands: Any) -> None:
    """Add psy plot."""
    plot = add_command(
        commands,
        "plot",
        "draw an output against parameters",
        "Draw an output of a task against its parameters, into a file or, without one, in the "
        "terminal. What is not said is chosen: one numeric parameter makes lines, two make a heat "
        "map, categories make strips of points or bars; further ones get colours and panels; over "
        "the rest rows are averaged.",
    )
    plot.usage = "psy plot [option ...] task [X] Y"
    add_task(plot)
    plot.add_argument(
        "columns",
        nargs="+",
        metavar="X Y",
        help="what to draw (Y), and along which axis; 'A,B' for the two axes of a heat map, or "
        "for several outputs",
    )
    plot.add_argument("--color", metavar="C", help="column to tell by colour")
    plot.add_argument("--style", metavar="S", help="column to tell by the style of lines or points")
    plot.add_argument("--facet", metavar="F", help="column with a panel for each value, or two")
    plot.add_argument("--error", metavar="E", help="output that is the error of Y")
    plot.add_argument("--form", choices=FORMS, help="what to draw, if not what suits the columns")
    plot.add_argument(
        "--spread",
        choices=SPREADS,
        default=SPREADS[0],
        help="what is shown of rows that are not told apart (default: %(default)s, the mean with "
        "its standard error)",
    )
    plot.add_argument(
        "--log", choices=("x", "y", "xy", "none"), help="logarithmic axes, if not those that suit"
    )
    plot.add_argument("-o", "--output", metavar="FILE", help="file to write: .png, .svg or .pdf")
    plot.add_argument(
        "--partial", action="store_true", help="draw also what has not been merged yet"
    )
    plot.add_argument(
        "--where", metavar="EXPR", help="only rows for which an expression over the columns holds"
    )


def add_report(commands: Any) -> None:
    """Add psy report and psy dashboard."""
    report = add_command(
        commands,
        "report",
        "write a page that shows tasks and their results",
        "Write a page for a browser that shows all tasks that have been run, or those given: what "
        "was run, progress, failures, run times, and the rows as linked plots and a table. It is a "
        "single file that needs no network. Tasks may be running.",
    )
    add_tasks(report)
    report.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="report.html",
        help="file to write (default: %(default)s)",
    )

    dashboard = add_command(
        commands,
        "dashboard",
        "show tasks in a browser, live",
        "Show all tasks in a browser on this machine, live, until Ctrl-C. Nobody is let in without "
        "the token in the address that is printed.",
    )
    dashboard.add_argument(
        "--port",
        metavar="N",
        type=int,
        default=8779,
        help="port to listen on, 0 for any that is free (default: %(default)s)",
    )


def add_showing(commands: Any) -> None:
    """Add psy show and psy export."""
    show = add_command(
        commands,
        "show",
        "show the table of a task",
        "Show the parameters and outputs of the rows of a task that are completed, as far as they "
        "have been computed; it may be running. The task may also be given as its directory in the "
        "work directory, or as a result file.",
    )
    add_task(show)
    _add_choice(show)
    show.add_argument(
        "--sort",
        metavar="COLUMNS",
        help="columns to sort by, as in n,error; with a minus from the largest on (--sort=-error)",
    )
    show.add_argument(
        "-n",
        type=count,
        metavar="N",
        help="show N rows, 0 for all (default: 20 in a table, else all)",
    )
    form = show.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help="for programs"
        )

    export = add_command(
        commands,
        "export",
        "write the result of a task for other programs",
        "Write the result of a task to a file, whose extension decides on the format: .csv, "
        ".parquet, .npz, .h5, .pkl for the table of the completed rows; .nc, .zarr, .zarr.zip for "
        "arrays with a dimension for each parameter.",
    )
    add_task(export)
    export.add_argument("file", help="file to write")
    _add_choice(export)
    export.add_argument(
        "--partial", action="store_true", help="write also what has not been merged yet"
    )


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--where", metavar="EXPR", help="only rows for which an expression over the columns holds"
    )
    parser.add_argument("--columns", metavar="NAMES", help="only these columns, as in n,error")
