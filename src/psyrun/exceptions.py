"""All errors and warnings of psyrun.

Every error that psyrun raises by itself derives from `PsyrunError` *and* from the built-in
exception that fits, so that code which catches the built-in one keeps working::

    PsyrunError
    ├── AmbiguousOperationError (RuntimeError)   a difference with unknown parameters
    ├── ResultTypeError (TypeError)              a function returned something else than a dict
    ├── StoreError (ValueError)                  a file is not what its store expects
    │   ├── StoreTypeError (TypeError)           a value that the store cannot hold
    │   └── UnfitColumnError                     a column that a file to export cannot hold
    ├── JournalError (ValueError)                a journal that cannot be read at all
    ├── MissingExtraError (ImportError)          a library that only this needs is not installed
    ├── UsageError (ValueError)                  wrong use of a command: exit code 2
    │   ├── NotMergedError                       a task of which nothing has been merged yet
    │   ├── TaskLoadError                        a task file that does not load
    │   ├── UnknownColumnError (KeyError)        a column that a result does not have
    │   └── UnknownTaskError (LookupError)       a task name that does not exist
    ├── TaskBusyError (RuntimeError)             another psy process or its jobs are at work
    └── SchedulerError (RuntimeError)            a scheduler refused or failed
        └── SchedulerUnavailableError            a scheduler cannot be reached at the moment

    UserWarning
    ├── TaskWarning
    │   ├── JobsRunningWarning
    │   └── TaskWorkdirDirtyWarning
    └── IneffectiveExcludeWarning
"""

import warnings


class PsyrunError(Exception):
    """Base of all errors that psyrun raises by itself."""


class AmbiguousOperationError(PsyrunError, RuntimeError):
    """A difference of spaces whose subtrahend has parameters that the minuend lacks."""


class ResultTypeError(PsyrunError, TypeError):
    """An evaluated function returned something that is not a dictionary with string keys."""


class StoreError(PsyrunError, ValueError):
    """A file is not what its store expects."""


class StoreTypeError(StoreError, TypeError):
    """A value of a type that the store cannot hold."""


class UnfitColumnError(StoreError):
    """A column that the format of a file cannot hold.

    Parameters
    ----------
    problem : str
        Which column it is, and why.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}; leave the column out with Result.select(), or choose another format."
        )
        self.problem = problem


class JournalError(PsyrunError, ValueError):
    """A journal that cannot be read at all."""


class MissingExtraError(PsyrunError, ImportError):
    """A library that a feature needs is not installed; the message says how to install it."""


class UsageError(PsyrunError, ValueError):
    """Wrong use; the message is one sentence that names the culprit and the way out."""


class NotMergedError(UsageError):
    """Nothing has been merged of a task yet, so that it has no result file.

    Parameters
    ----------
    task : str
        The task.
    """

    def __init__(self, task: str) -> None:
        self.problem = f"Nothing has been merged of task {task!r} yet"
        super().__init__(f"{self.problem}; load what has been computed with partial=True.")


class TaskLoadError(UsageError):
    """A task file that cannot be loaded."""


class UnknownColumnError(UsageError, KeyError):
    """A column that a result does not have."""

    __str__ = Exception.__str__  # that of KeyError would quote the message


class UnknownTaskError(UsageError, LookupError):
    """A task name that does not exist."""


class TaskBusyError(PsyrunError, RuntimeError):
    """Another psy process, or jobs that it started, are at work on the task."""


class SchedulerError(PsyrunError, RuntimeError):
    """A scheduler refused a job or did not answer."""


class SchedulerUnavailableError(SchedulerError):
    """A scheduler cannot be reached at the moment, so that nothing is known of its jobs."""


class TaskWarning(UserWarning):
    """General warning related to a task; always shown by default.

    Parameters
    ----------
    task_name : str
        Name of the task.
    *args : object
        Message, as for any warning.
    """

    def __init__(self, task_name: str, *args: object) -> None:
        super().__init__(*args)
        self.task_name = task_name


class JobsRunningWarning(TaskWarning):
    """Jobs of a task are still queued or running, so no new ones are started."""

    def __init__(self, task_name: str) -> None:
        super().__init__(
            task_name,
            f"Task {task_name!r} has unfinished jobs. No new jobs are started until these "
            f"are finished or have been killed (psy kill {task_name}).",
        )


class TaskWorkdirDirtyWarning(TaskWarning):
    """A task has changed, but may not start over because it sets ``overwrite_dirty = False``."""

    def __init__(self, task_name: str) -> None:
        super().__init__(
            task_name,
            f"Task {task_name!r} has changed since its results were computed, and it sets "
            f"overwrite_dirty = False. Nothing was run: keep the computed rows with "
            f"'psy run --continue {task_name}', or delete them with 'psy clean {task_name}'.",
        )


class IneffectiveExcludeWarning(UserWarning):
    """A key of *exclude_from_result* was not found in the result.

    Parameters
    ----------
    key : str
        The key that was not found.
    """

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The key {key!r} to remove from the result was not found in the result dictionary."
        )
        self.key = key


warnings.simplefilter("always", category=TaskWarning)
