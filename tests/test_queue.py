"""What a queue has answered is shared by all commands, and never taken for newer than it is."""

import os
from pathlib import Path
from typing import Any

import pytest

from psyrun.exceptions import SchedulerError, SchedulerUnavailableError
from psyrun.scheduler import _queue
from psyrun.scheduler._commands import call_once, environment, persistently
from psyrun.scheduler._queue import Entry, Queue
from psyrun.scheduler.base import COMPLETED, FAILED, JobEnd


class Site:
    """A queue that counts how often it is asked."""

    def __init__(self) -> None:
        self.jobs: dict[Any, Entry] = {}
        self.asked = 0

    def ask(self) -> dict[Any, Entry]:
        self.asked += 1
        return dict(self.jobs)

    def queue(self, cluster: str = "here") -> Queue:
        """Return what another command has of it."""
        return Queue("test", lambda: [cluster], self.ask, lambda jobid: str(jobid).split("_")[0])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_queue, "FRESH", 1000.0)
    return Site()


def test_commands_share_an_answer_about_any_number_of_jobs(site: Site) -> None:
    site.jobs = {f"5_{i}": Entry("R", "two words") for i in range(1000)}
    for _ in range(3):
        queue = site.queue()
        assert all(queue.find(f"5_{i}") == ("R", "two words", None) for i in range(1000))
        assert queue.find("5_1000") is None
    assert site.asked == 1


def test_an_answer_serves_for_a_while_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.queue().jobs()
    monkeypatch.setattr(_queue, "FRESH", 0.0)
    site.queue().jobs()
    assert site.asked == 2


def test_clusters_are_told_apart(site: Site) -> None:
    site.jobs = {1: Entry("R", "a")}
    site.queue().jobs()
    site.jobs = {}
    assert site.queue("there").jobs() == {}
    assert site.queue().jobs() == {1: ("R", "a", None)}


@pytest.mark.parametrize("method", ["expire", "forget"])
def test_after_a_change_the_queue_is_asked_again(site: Site, method: str) -> None:
    queue, other = site.queue(), site.queue()
    queue.jobs()
    site.jobs = {1: Entry("Q", "a")}
    getattr(queue, method)()
    assert list(queue.jobs()) == [1]
    assert list(site.queue().jobs()) == [1]
    other.expire()
    site.queue().jobs()
    assert site.asked == 3


def test_an_answer_from_before_a_change_is_not_kept_after_it(site: Site) -> None:
    queue = site.queue()
    former_ask = site.ask

    def ask_while_another_submits() -> dict[Any, Entry]:
        answer = former_ask()
        site.jobs = {1: Entry("Q", "a")}
        site.queue().expire()
        return answer

    queue._ask = ask_while_another_submits
    assert queue.jobs() == {}
    assert list(site.queue().jobs()) == [1]


def test_a_job_that_was_never_listed_is_younger_than_the_answer(site: Site) -> None:
    queue = site.queue()
    assert queue.find(7) is None
    site.jobs = {8: Entry("Q", "submitted by another machine")}
    queue._asked = 0.0  # not just now
    assert queue.find(8) is not None
    assert site.asked == 2
    # What has been looked for in vain, or has been listed, is gone.
    site.jobs = {}
    for each in (queue, site.queue()):
        assert each.find(7) is None
    queue.forget()
    for each in (queue, site.queue()):
        assert each.find(8) is None
    assert site.asked == 3


@pytest.mark.parametrize("content", [b"", b"{}", b"[1", b'{"jobs": 1}', b"\xff"])
def test_a_damaged_cache_is_none(site: Site, tmp_path: Path, content: bytes) -> None:
    site.queue().jobs()
    (file,) = (tmp_path / "psyrun").glob("*.json")
    file.write_bytes(content)
    site.jobs = {1: Entry("R", "a")}
    assert list(site.queue().jobs()) == [1]
    assert site.asked == 2


def test_without_a_cache_directory_each_command_asks(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    queue = site.queue()
    for _ in range(3):
        queue.jobs()
        assert queue.find(1) is None
    assert site.asked == 1
    queue.expire()
    queue.jobs()
    site.queue().jobs()
    assert site.asked == 3


def test_a_queue_that_cannot_be_asked_says_so_and_is_left_alone(site: Site) -> None:
    site.queue().jobs()
    queue = site.queue()

    def fail() -> dict[Any, Entry]:
        site.asked += 1
        raise SchedulerUnavailableError("down")

    queue._ask = fail
    queue.forget()
    for _ in range(3):
        with pytest.raises(SchedulerUnavailableError, match="down"):
            queue.find(1)
    assert site.asked == 2


def test_ends_are_remembered_longer_than_by_the_queue(site: Site) -> None:
    asked = []

    def ask(jobids: Any) -> dict[Any, JobEnd]:
        asked.append(list(jobids))
        return {3: JobEnd(COMPLETED)} if 3 in jobids else {}

    bad = JobEnd(FAILED, "words")
    site.jobs = {1: Entry("D", "a", bad), 2: Entry("R", "b")}
    assert site.queue().ends_of([1, 2, 3, 4], ask) == {1: bad, 3: JobEnd(COMPLETED)}
    assert site.queue().ends_of([1, 2, 3, 4], ask) == {1: bad, 3: JobEnd(COMPLETED)}
    assert asked == [[3, 4]]
    site.jobs = {}
    site.queue().expire()
    assert site.queue().ends_of([1, 3], ask) == {1: bad, 3: JobEnd(COMPLETED)}
    site.jobs = {1: Entry("Q", "sent to the queue again")}
    site.queue().expire()
    assert site.queue().ends_of([1], ask) == {}


# --- Commands -----------------------------------------------------------------------------------


def test_what_is_a_jobs_own_is_left_out_of_the_environment() -> None:
    own = ["SLURM_JOB_ID", "SLURM_NTASKS", "SBATCH_WAIT", "SALLOC_X", "PBS_JOBID", "PMI_RANK"]
    own += ["LSB_JOBID", "JOB_ID", "SGE_TASK_ID", "NSLOTS", "PE_HOSTFILE", "_CONDOR_SLOT"]
    kept = ["SLURM_CONF", "PBS_CONF_FILE", "SGE_ROOT", "SGE_CELL", "LSF_ENVDIR", "CONDOR_CONFIG"]
    kept += ["PATH", "_CONDOR_SCHEDD_HOST", "SGE_QMASTER_PORT", "QUEUES", "JOB_IDS"]
    assert list(environment(dict.fromkeys(own + kept, "x"))) == kept


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("slurm_load_jobs error: Unable to contact slurm controller", SchedulerUnavailableError),
        ("sbatch: error: Socket timed out on send/recv operation", SchedulerUnavailableError),
        ("error: commlib error: got select error", SchedulerUnavailableError),
        ("qsub: cannot connect to server pbs (errno=111)", SchedulerUnavailableError),
        ("sbatch: error: invalid partition specified: nope", SchedulerError),
    ],
)
def test_what_passes_is_told_from_what_does_not(words: str, error: type[Exception]) -> None:
    with pytest.raises(SchedulerError, match=words.replace("(", "\\(").replace(")", "\\)")) as told:
        call_once(["sh", "-c", 'echo "$0" >&2; exit 1', words])
    assert type(told.value) is error


def test_what_passes_is_tried_again_for_a_while() -> None:
    attempts = iter([SchedulerUnavailableError("down"), SchedulerUnavailableError("down"), None])

    def act() -> str:
        if err := next(attempts):
            raise err
        return "done"

    assert persistently(act, patience=60) == "done"
    with pytest.raises(SchedulerUnavailableError):
        persistently(lambda: call_once(["sh", "-c", "echo not responding; exit 1"]), patience=0)


def test_commands_have_no_input_and_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert call_once(["sh", "-c", 'cat; echo "$SLURM_JOB_ID"']) == "\n"
    assert os.environ["SLURM_JOB_ID"] == "1"
