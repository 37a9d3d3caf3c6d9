"""Starting tasks from Python."""

from collections.abc import Callable
from typing import Any

from psyrun import run
from psyrun.exceptions import TaskBusyError, UsageError
from psyrun.farming.bar import showing
from psyrun.farming.handle import Farm
from psyrun.merging.history import newest_plan
from psyrun.pspace import ParameterSpace
from psyrun.scheduler import ImmediateRun, Scheduler
from psyrun.tasks.function import FunctionTask


def farm(
    function: Callable[..., Any],
    pspace: ParameterSpace,
    scheduler: Scheduler | None = None,
    name: str | None = None,
    keep: bool | None = None,
    progress: bool = False,
    **variables: Any,
) -> Farm:
    """Run a function on a parameter space as a task, without a task file.

    The function, what it refers to, and the classes and functions of the notebook or script that
    it uses go to the jobs as they are now. Modules are imported there; those beside the notebook
    are found. The same call continues: what has been computed is not computed again, and if jobs
    are at work nothing is started.

    Parameters
    ----------
    function : callable
        Function to evaluate. It is given the parameters as keyword arguments, and has to return a
        dictionary.
    pspace : ParameterSpace
        Parameter space.
    scheduler : Scheduler, optional
        What runs the jobs. By default they run here, and the call returns when they have ended;
        with others it returns at once.
    name : str, optional
        Name of the task, by default that of the function.
    keep : bool, optional
        What becomes of computed rows if the function or the space has changed since: True keeps
        those whose assignments are in the space, False starts over. By default this is an error.
    progress : bool, optional
        Whether to show a progress bar while the call waits.
    **variables
        Further variables as in a task file, such as *max_jobs*, *store*, *workdir* or *setup*.

    Returns
    -------
    Farm
        To look after the task.

    Raises
    ------
    UsageError
        If the function cannot be sent to jobs, an argument is wrong, or the function or the space
        has changed and *keep* does not say what to do.
    TaskBusyError
        If jobs are at work on the task as it was before it changed.

    Warns
    -----
    TaskWarning
        If rows are not completed although all jobs have ended.

    Examples
    --------
    >>> import psyrun, tempfile
    >>> from psyrun import Param
    >>> with tempfile.TemporaryDirectory() as workdir:
    ...     squares = psyrun.farm(
    ...         lambda x: {'y': x**2}, Param(x=range(4)), name='squares', workdir=workdir
    ...     )
    ...     print(squares)
    ...     squares.result()['y']
    <Farm 'squares': 4 of 4 rows completed>
    array([0, 1, 4, 9])
    """
    variables["scheduler"] = ImmediateRun() if scheduler is None else scheduler
    task = FunctionTask(function, pspace, _name_of(function, name), variables)
    _refuse_tasks_with_files(task)
    handle = Farm(task)
    decision = run.decide(task, keep=bool(keep))
    changes = decision.survey.changes
    if run.jobs_of(task):
        if changes:
            raise TaskBusyError(
                f"Jobs are at work on {task.name!r} as it was before {_shown(changes)} changed; "
                f"wait for them with attach({task.name!r}).wait(), or end them with kill()."
            )
        return handle
    if decision.nothing_to_do:
        return handle
    if decision.dropped and keep is None:
        raise UsageError(
            f"{_shown(changes).capitalize()} of {task.name!r} changed since "
            f"{decision.dropped} rows were computed; say keep=True to keep those that are in the "
            f"space, or keep=False to start over."
        )
    started = run.make_plan(decision)
    with showing(task, progress and task.scheduler.serial):
        run.submit(task, started)
    if task.scheduler.serial and not run.survey(task).up_to_date:
        handle.warn_of_missing_rows()
    return handle


def _name_of(function: Callable[..., Any], name: str | None) -> str:
    found = getattr(function, "__name__", "<unknown>") if name is None else name
    if name is None and not found.isidentifier():
        raise UsageError("This function has no name; give the task one, with name='...'.")
    return found


def _refuse_tasks_with_files(task: FunctionTask) -> None:
    newest = newest_plan(run.workdir_of(task))
    if newest is not None and not newest[0].is_of_function:
        raise UsageError(
            f"{task.name!r} in {str(task.workdir)!r} is the task of {newest[0].task_file}; give "
            f"this one another name."
        )


def _shown(changes: list[str]) -> str:
    return " and ".join("the function" if c == "task file" else f"the {c}" for c in changes)
