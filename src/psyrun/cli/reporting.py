"""Pages to look at: psy report, psy dashboard."""

import argparse
from pathlib import Path

from psyrun import run
from psyrun.cli.exits import FINE, WRONG_USE
from psyrun.cli.tasks import Tasks
from psyrun.cli.wording import complain, count
from psyrun.exceptions import PsyrunError, UsageError
from psyrun.extras import ensure


def report(args: argparse.Namespace) -> int:
    """Write a page that shows tasks and their results, also of tasks that are running."""
    from psyrun.report import write_report
    from psyrun.results import load

    ensure("plotly", "report", "psy report")
    if not Path(args.output).absolute().parent.is_dir():
        raise UsageError(f"There is no directory for {args.output!r}.")
    names, code = (args.task, FINE) if args.task else _all_that_were_run(args)
    results = []
    for name in names:
        try:
            results.append(load(name, partial=True, taskdir=args.taskdir))
        except PsyrunError as err:
            complain(err)
            code = WRONG_USE
    if not results:
        complain("nothing written: no task has been run that could be shown")
        return WRONG_USE
    write_report(results, args.output)
    print(f"wrote {args.output}: {count(len(results), 'task')}, to be opened in a browser")
    return code


def dashboard(args: argparse.Namespace) -> int:
    """Show tasks in a browser, live, until interrupted."""
    from psyrun.dashboard import serve

    def tell(address: str) -> None:
        print(f"The tasks in {args.taskdir} are shown at {address}\nCtrl-C ends this.", flush=True)

    serve(args.taskdir, args.port, tell)
    return FINE


def _all_that_were_run(args: argparse.Namespace) -> tuple[list[str], int]:
    tasks = Tasks(args)
    return [task.name for task in tasks if run.workdir_of(task).plan_heads()], tasks.code
