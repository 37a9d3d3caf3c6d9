"""The work directory of a task: the one place that knows file names.

::

    <workdir>/<task>/
        result.pkl                     the result, unless the task says another place
        result.json                    where it comes from
        timings.npz                    how long each row took
        state/0002-3fa9.pickle         what the result file holds, for psyrun
        state/0002-3fa9.failed         the rows that failed, a journal
        state/0002-3fa9.timings.npz    what becomes timings.npz
        plans/0002.json                a plan, in brief: whoever creates it has started the run
        plans/0002-3fa9/               and the rest of it
            plan.pickle                the space and the rows to do
            source/                    the task file as it was; also psy-conf.py
            submitted.json             the jobs as the scheduler knows them
            ends.json                  how it says that they have ended
            killed                     there if the user has had the jobs killed
            journals/  logs/  claims/  jobs/
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from psyrun.exceptions import UsageError


def check_task_name(name: object) -> str:
    """Return *name* if it can be the name of a directory of its own.

    Raises
    ------
    UsageError
        If it is not a string, is empty, or would lead elsewhere.
    """
    if not isinstance(name, str):
        raise UsageError(f"The name of a task has to be a string, not {name!r}.")
    encoded = name.encode("utf-8", "surrogatepass")
    if (
        name in ("", ".", "..")
        or not {"/", "\0"}.isdisjoint(name)
        or encoded != name.encode("utf-8", "replace")
        or len(encoded) > 200
    ):
        raise UsageError(
            f"{name!r} cannot be the name of a task: it names a directory below workdir, so it "
            f"must not be empty, '.', '..', contain '/', be longer than 200 bytes, or be no text."
        )
    return name


class PlanDir:
    """File names of one plan.

    Parameters
    ----------
    head : Path
        The plan's brief file, ``plans/<number>.json``.
    plan_id : str
        ``<number>-<token>``.
    """

    def __init__(self, head: Path, plan_id: str) -> None:
        self.head = head
        self.plan_id = plan_id
        self.path = head.parent / plan_id
        self.plan = self.path / "plan.pickle"
        self.submitted = self.path / "submitted.json"
        self.ends = self.path / "ends.json"
        self.killed = self.path / "killed"
        self.environment = self.path / "environment.json"
        self.sources = self.path / "source"
        self.journals = self.path / "journals"
        self.logs = self.path / "logs"
        self.claims = self.path / "claims"
        self.jobs = self.path / "jobs"

    def create(self) -> None:
        """Make the directories of a new plan."""
        for path in (self.sources, self.journals, self.logs, self.claims, self.jobs):
            path.mkdir(parents=True)

    def remove_contents(self) -> None:
        """Delete everything of the plan but its brief."""
        shutil.rmtree(self.path, ignore_errors=True)

    def remove_claims(self) -> None:
        """Delete the claims of load-balancing jobs, once all of these have ended."""
        shutil.rmtree(self.claims, ignore_errors=True)

    def log(self, step: str) -> Path:
        """Return the file for the output of a job; *step* may hold ``%a`` for the job's index."""
        return self.logs / f"{_file_name(step)}.log"

    def find_log(self, step: str) -> Path:
        """Return the file with the output of a job, also if it was a member of a job array."""
        own = self.log(step)
        pieces = () if own.exists() else self.logs.glob("*+*.log")
        return next((log for log in pieces if _by_numbers(log) == _by_numbers(own)), own)

    def all_logs(self) -> list[Path]:
        """Return the logs that there are, those of the processes before that of the merge."""
        logs = sorted(self.logs.glob("*.log"), key=_by_numbers)
        return [log for log in logs if log.stat().st_size]

    def child_log(self, step: str, number: int) -> Path:
        """Return the file for the output of one of the processes of a job."""
        return self.logs / f"{_file_name(step)}.{number}.log"

    def job(self, step: str) -> Path:
        """Return the file in which a job tells how it is doing."""
        return self.jobs / f"{_file_name(step)}.json"

    def new_journal(self, step: str) -> Path:
        """Return a name for a new journal of a job."""
        return self.journals / f"{_file_name(step)}-{os.urandom(4).hex()}.journal.pickle"

    def journals_of(self, step: str) -> list[Path]:
        """Return the journals of a job, also those of its former processes."""
        return sorted(self.journals.glob(f"{_file_name(step)}-*.journal.pickle"))

    def all_journals(self) -> list[Path]:
        """Return the journals that there are, in a fixed order."""
        return sorted(self.journals.glob("*.journal.pickle"))

    def all_jobs(self) -> list[Path]:
        """Return the files of the jobs that have begun."""
        return sorted(self.jobs.glob("*.json"))

    def claim(self, first: int) -> Path:
        """Return the file that claims the rows to do from the *first* one on."""
        return self.claims / str(first)


def _by_numbers(path: Path) -> tuple[bool, list[int]]:
    """Order logs; a member of a job array has the sum of an offset and an index as its number."""
    numbers = [sum(map(int, part.split("+"))) for part in re.findall(r"\d+(?:\+\d+)?", path.name)]
    return not numbers, numbers


def _file_name(step: str) -> str:
    return step.replace(":", "-")


def _remove_if_empty(directory: Path) -> bool:
    """Delete a directory; the file system knows better than a listing whether it is empty."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _number(head: Path) -> int:
    return int(head.stem)


class Workdir:
    """File names of a task.

    Parameters
    ----------
    root : path-like
        The ``workdir`` of the task, shared by all tasks.
    task : str
        Name of the task.
    """

    def __init__(self, root: str | os.PathLike[str], task: str) -> None:
        self.root = Path(root).absolute()
        self.task = check_task_name(task)
        self.path = self.root / self.task
        self.plans = self.path / "plans"
        self.state = self.path / "state"
        self.provenance = self.path / "result.json"
        self.timings = self.path / "timings.npz"

    @classmethod
    def of_plan(cls, files: PlanDir, task: str) -> "Workdir":
        """Return the work directory that a plan lies in."""
        return cls(files.head.parent.parent.parent, task)

    def result(self, ext: str) -> Path:
        """Return where the result goes if the task does not say another place."""
        return self.path / f"result{ext}"

    def new_plan_dir(self, number: int) -> PlanDir:
        """Return a name for a new plan."""
        return self.plan_dir(f"{number:04d}-{os.urandom(4).hex()}")

    def plan_dir(self, plan_id: str) -> PlanDir:
        """Return the file names of a plan."""
        return PlanDir(self.plans / f"{plan_id.partition('-')[0]}.json", plan_id)

    def plan_heads(self) -> list[Path]:
        """Return the brief files of all plans, the oldest first."""
        heads = [path for path in self.plans.glob("*.json") if path.stem.isdigit()]
        return sorted(heads, key=_number)

    def is_newest(self, files: PlanDir) -> bool:
        """Tell whether there is no newer plan; a listing that is behind may lack this one."""
        return all(_number(head) <= _number(files.head) for head in self.plan_heads())

    def record(self, plan_id: str) -> Path:
        """Return the file that says what the result merged by a plan holds."""
        return self.state / f"{plan_id}.pickle"

    def failed(self, plan_id: str) -> Path:
        """Return the journal of the rows that had failed when a plan was merged."""
        return self.state / f"{plan_id}.failed"

    def timings_of(self, plan_id: str) -> Path:
        """Return the run times of the rows in the result merged by a plan."""
        return self.state / f"{plan_id}.timings.npz"

    def remove_states_but(self, plan_id: str) -> None:
        """Delete what is known of results, apart from that which a plan has merged."""
        keep = (self.record(plan_id), self.failed(plan_id), self.timings_of(plan_id))
        for path in self.state.iterdir():
            if path not in keep:
                path.unlink(missing_ok=True)

    def remove_plans_before(self, files: PlanDir, needed: Iterable[str] = ()) -> None:
        """Delete older plans, their briefs last so that a half-deleted one is known as one.

        Parameters
        ----------
        files : PlanDir
            The oldest plan to keep.
        needed : iterable of str, optional
            Plans that are kept as long as there are journals in them.
        """
        kept = {
            self.plan_dir(plan_id).head
            for plan_id in needed
            if not _remove_if_empty(self.plan_dir(plan_id).journals)
        }
        for head in self.plan_heads():
            if _number(head) < _number(files.head) and head not in kept:
                for path in self.plans.glob(f"{head.stem}-*"):
                    shutil.rmtree(path, ignore_errors=True)
                head.unlink(missing_ok=True)

    def records(self, known: Iterable[str] = ()) -> list[Path]:
        """Return all record files, and those that *known* plans may have, the newest first."""
        paths = {*self.state.glob("*.pickle"), *(self.record(plan_id) for plan_id in known)}
        return sorted(paths, reverse=True)

    def files(self) -> Iterator[Path]:
        """Iterate over all files of the task below its directory."""
        return (path for path in self.path.rglob("*") if not path.is_dir())

    def remove(self) -> None:
        """Delete everything of the task."""
        if self.path.is_symlink():
            self.path.unlink()
        elif self.path.exists():
            for head in self.plan_heads():  # whatever is left by a clean that is killed is no plan
                head.unlink(missing_ok=True)
            shutil.rmtree(self.path)
