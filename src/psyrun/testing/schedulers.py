"""What every scheduler has to do, as tests."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from psyrun.scheduler import Scheduler
from psyrun.scheduler.base import CANCELLED, COMPLETED, FAILED, JobEnd

ODD_ARGUMENTS = [
    *("plain", "", " ", "two words", "-v", "--help", "a=b", "tab\there", "line\nbreak", "ünïcødé"),
    *("'", '"', "it's", '"quoted"', "$HOME", "${HOME}", "$(true)", "`true`", "\\", "\\n", "back\\"),
    *("%", "%j", "%%", "*", "?", "~", "#", ";", "&", "|", "<", ">", "!", "{a,b}", "[a]", "(a)"),
]
"""Arguments that have to arrive unchanged."""

_TELL = "import json, sys; print(json.dumps(sys.argv[1:]))"
_TELL_TWICE = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
_NOTE_WHEN_ALLOWED = """
import sys, time
from pathlib import Path
allowed, log, word, code = sys.argv[1:]
deadline = time.monotonic() + 600  # should nobody be left to allow it
while not Path(allowed).exists():
    if time.monotonic() > deadline:
        sys.exit("not allowed")
    time.sleep(0.01)
with open(log, "a") as file:
    file.write(word + "\\n")
sys.exit(int(code))
"""


class SchedulerContract:
    """The tests that each scheduler passes, to derive from; they submit about 40 quick jobs.

    Examples
    --------
    Put this into a test module, and pytest runs the tests on your scheduler::

        from psyrun.testing import SchedulerContract

        class TestMyScheduler(SchedulerContract):
            scheduler_args = {"timelimit": "1m"}  # what it needs to be told

            def make_scheduler(self):
                return MyScheduler()

    Attributes
    ----------
    scheduler_args : dict
        Arguments for each job.
    patience : float
        Seconds that a job may take to be run.
    makes_directories : bool
        Whether the directory of a job's output is made if it is missing.
    """

    scheduler_args: ClassVar[Mapping[str, Any]] = {}
    patience: ClassVar[float] = 60.0
    makes_directories: ClassVar[bool] = True

    def make_scheduler(self) -> Scheduler:
        """Return the scheduler to test; this is called anew for each question to it."""
        raise NotImplementedError

    def test_a_job_has_an_id_that_can_be_written_down(self, tmp_path: Path) -> None:
        jobids = [self._submit(_TELL, output=tmp_path / "log", name="a:merge") for _ in range(2)]
        assert jobids == json.loads(json.dumps(jobids))
        assert jobids[0] != jobids[1] or self._is_serial()
        for jobid in jobids:
            self._wait_for_end_of(jobid)

    def test_arguments_arrive_unchanged(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        self._wait_for_end_of(self._submit(_TELL, *ODD_ARGUMENTS, output=log))
        assert json.loads(log.read_text()) == ODD_ARGUMENTS

    def test_output_and_errors_are_appended_to_the_file(self, tmp_path: Path) -> None:
        log = tmp_path / "log of a job"
        log.write_text("before\n")
        self._wait_for_end_of(self._submit(_TELL_TWICE, output=log))
        assert log.read_text().splitlines() == ["before", "out", "err"]

    def test_a_missing_directory_for_the_output_is_made(self, tmp_path: Path) -> None:
        if not self.makes_directories:
            return
        log = tmp_path / "not" / "there" / "log"
        self._wait_for_end_of(self._submit(_TELL, "a", output=log))
        assert json.loads(log.read_text()) == ["a"]

    def test_a_preview_submits_nothing(self, tmp_path: Path) -> None:
        before = set(self._asked_anew().get_jobs())
        for n in (None, 3):
            told = self.make_scheduler().preview(
                [sys.executable, "-c", _TELL, "this-argument"],
                str(tmp_path / "log"),
                "a:process",
                None,
                dict(self.scheduler_args),
                n,
            )
            assert "this-argument" in told
        assert set(self._asked_anew().get_jobs()) <= before
        assert not (tmp_path / "log").exists()

    def test_a_job_starts_when_those_it_depends_on_have_ended_also_if_they_failed(
        self, tmp_path: Path
    ) -> None:
        allowed, log = tmp_path / "allowed", tmp_path / "notes"
        if self._is_serial():
            allowed.touch()
        first = [self._submit_note(tmp_path, word, code) for word, code in [("a", 0), ("b", 1)]]
        last = self._submit_note(tmp_path, "c", depends_on=first)
        allowed.touch()
        self._wait_for_end_of(last)
        *before, after = log.read_text().split()
        assert (sorted(before), after) == (["a", "b"], "c")

    def test_jobs_that_have_ended_can_be_depended_on(self, tmp_path: Path) -> None:
        (tmp_path / "allowed").touch()
        first = self._submit_note(tmp_path, "a")
        self._wait_for_end_of(first)
        self._wait_for_end_of(self._submit_note(tmp_path, "b", depends_on=[first]))
        assert (tmp_path / "notes").read_text().split() == ["a", "b"]

    def test_a_job_is_known_until_it_has_ended(self, tmp_path: Path) -> None:
        if self._is_serial():
            return
        name = "two words:process:3"
        running = self._submit_note(tmp_path, "a", name=name)
        waiting = self._submit_note(tmp_path, "b", name="b", depends_on=[running])
        self._wait_until(lambda: self._status(running) == "R")
        status = self.make_scheduler().get_status(running)
        assert status is not None
        assert (status.id, status.name) == (running, name)
        assert self._status(waiting) in ("Q", "*Q")
        assert {running, waiting} <= set(self.make_scheduler().get_jobs())
        (tmp_path / "allowed").touch()
        self._wait_for_end_of(waiting)
        assert self._status(running) in (None, "D")

    def test_one_scheduler_gives_news_of_a_job(self, tmp_path: Path) -> None:
        scheduler = self.make_scheduler()
        (tmp_path / "allowed").touch()
        jobid = self._submit_note(tmp_path, "a", scheduler=scheduler)

        def ended() -> bool:
            scheduler.refresh()
            status = scheduler.get_status(jobid)
            return status is None or status.status == "D"

        self._wait_until(ended)
        assert (tmp_path / "notes").read_text().split() == ["a"]

    def test_a_job_is_killed_and_no_other(self, tmp_path: Path) -> None:
        if self._is_serial():
            return
        one = self._submit_note(tmp_path, "one", name="a:process:1")
        ten = self._submit_note(tmp_path, "ten", name="a:process:10")
        waiting = self._submit_note(tmp_path, "waiting", depends_on=[ten])
        self._wait_until(lambda: self._status(one) == self._status(ten) == "R")
        for jobid in (waiting, one):
            self.make_scheduler().kill(jobid)
            self._wait_for_end_of(jobid)
        assert self._status(ten) == "R"
        (tmp_path / "allowed").touch()
        self._wait_for_end_of(ten)
        assert (tmp_path / "notes").read_text().split() == ["ten"]

    def test_several_jobs_are_killed_at_once_whether_or_not_they_have_ended(
        self, tmp_path: Path
    ) -> None:
        if self._is_serial():
            self.make_scheduler().kill_all([])
            return
        ended = self._submit(_TELL, output=tmp_path / "log")
        self._wait_for_end_of(ended)
        jobs = [self._submit_note(tmp_path, f"a{i}") for i in range(3)]
        self._wait_until(lambda: all(self._status(jobid) == "R" for jobid in jobs))
        self.make_scheduler().kill_all([ended, jobs[0], jobs[2]])
        self._wait_for_end_of(jobs[0])
        self._wait_for_end_of(jobs[2])
        assert self._status(jobs[1]) == "R"
        (tmp_path / "allowed").touch()
        self._wait_for_end_of(jobs[1])
        assert (tmp_path / "notes").read_text().split() == ["a1"]

    def test_how_a_job_has_ended_is_told_truly_if_at_all(self, tmp_path: Path) -> None:
        if self._is_serial():
            return
        killed = self._submit_note(tmp_path, "killed")
        self._wait_until(lambda: self._status(killed) == "R")
        assert self._asked_anew().ends_of([killed]) == {}
        self.make_scheduler().kill(killed)
        self._wait_for_end_of(killed)
        (tmp_path / "allowed").touch()
        good, bad = self._submit_note(tmp_path, "a"), self._submit_note(tmp_path, "b", 3)
        for jobid in (good, bad):
            self._wait_for_end_of(jobid)
        expected = {killed: CANCELLED, good: COMPLETED, bad: FAILED}
        told: dict[Any, JobEnd] = {}

        def all_told() -> bool:
            told.update(self._asked_anew().ends_of([killed, good, bad]))
            return not told or len(told) == len(expected)

        self._wait_until(all_told)
        assert {jobid: end.state for jobid, end in told.items()} in ({}, expected)

    def test_an_argument_may_depend_on_the_name_of_the_job(self, tmp_path: Path) -> None:
        asked = []

        def remember(value: object) -> Callable[[str], object]:
            return lambda name: (asked.append(name), value)[1]  # type: ignore[func-returns-value]

        arguments = {key: remember(value) for key, value in self.scheduler_args.items()}
        jobid = self._submit(_TELL, output=tmp_path / "log", name="a:merge", arguments=arguments)
        self._wait_for_end_of(jobid)
        assert set(asked) <= {"a:merge"}
        assert json.loads((tmp_path / "log").read_text()) == []

    def test_an_array_is_as_many_jobs(self, tmp_path: Path) -> None:
        array = self._submit_array(tmp_path, 3, _TELL, "%a", "x %a y%a", *ODD_ARGUMENTS)
        if array is None:
            return
        self._wait_for_end_of(self._submit(_TELL, output=tmp_path / "log", depends_on=[array]))
        told = [json.loads((tmp_path / f"log-{i}").read_text()) for i in range(3)]
        assert told == [[str(i), f"x {i} y{i}", *ODD_ARGUMENTS] for i in range(3)]

    def test_the_jobs_of_an_array_are_known_and_killed_singly(self, tmp_path: Path) -> None:
        paths = [str(tmp_path / "allowed"), str(tmp_path / "notes")]
        array = self._submit_array(tmp_path, 3, _NOTE_WHEN_ALLOWED, *paths, "a%a", "0")
        if array is None:
            return
        zero, one, two = (self.make_scheduler().member(array, index) for index in range(3))
        assert [zero, one, two] == json.loads(json.dumps([zero, one, two]))
        self._wait_until(lambda: all(self._status(jobid) == "R" for jobid in (zero, one, two)))
        assert {zero, one, two} <= set(self._asked_anew().get_jobs())
        self.make_scheduler().kill(one)
        self._wait_for_end_of(one)
        assert self._status(zero) == self._status(two) == "R"
        self.make_scheduler().kill_all([zero, one])
        self._wait_for_end_of(zero)
        (tmp_path / "allowed").touch()
        self._wait_for_end_of(two)
        assert (tmp_path / "notes").read_text().split() == ["a2"]

    def test_a_whole_array_is_killed(self, tmp_path: Path) -> None:
        paths = [str(tmp_path / "allowed"), str(tmp_path / "notes")]
        array = self._submit_array(tmp_path, 3, _NOTE_WHEN_ALLOWED, *paths, "a%a", "0")
        if array is None:
            return
        members = [self.make_scheduler().member(array, index) for index in range(3)]
        self.make_scheduler().kill_all(members)
        for jobid in members:
            self._wait_for_end_of(jobid)
        assert not set(members) & set(self._asked_anew().get_jobs())
        assert not (tmp_path / "notes").exists()

    def test_the_most_jobs_of_an_array_are_told_if_there_is_a_limit(self) -> None:
        limit = self.make_scheduler().array_limit()
        assert limit is None or limit > 0

    def _submit_array(self, directory: Path, n: int, code: str, *args: str) -> Any:
        """Submit an array; return None if the scheduler has none."""
        try:
            return self.make_scheduler().submit_array(
                n,
                [sys.executable, "-c", code, *args],
                str(directory / "log-%a"),
                "a:process",
                None,
                dict(self.scheduler_args),
            )
        except NotImplementedError:
            return None

    def _is_serial(self) -> bool:
        return self.make_scheduler().serial

    def _submit(
        self,
        code: str,
        *args: str,
        output: Path,
        name: str | None = None,
        depends_on: list[Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        scheduler: Scheduler | None = None,
    ) -> Any:
        return (scheduler or self.make_scheduler()).submit(
            [sys.executable, "-c", code, *args],
            str(output),
            name,
            depends_on,
            dict(arguments or self.scheduler_args),
        )

    def _submit_note(self, directory: Path, word: str, code: int = 0, **submission: Any) -> Any:
        """Submit a job that notes a word when there is a file `allowed`."""
        paths = [str(directory / "allowed"), str(directory / "notes")]
        log = directory / f"log-{word}"
        return self._submit(_NOTE_WHEN_ALLOWED, *paths, word, str(code), output=log, **submission)

    def _status(self, jobid: Any) -> str | None:
        status = self._asked_anew().get_status(jobid)
        return None if status is None else status.status

    def _asked_anew(self) -> Scheduler:
        """Return the scheduler; what it tells next is not older than this."""
        scheduler = self.make_scheduler()
        scheduler.refresh()
        return scheduler

    def _wait_for_end_of(self, jobid: Any) -> None:
        self._wait_until(lambda: self._status(jobid) in (None, "D"))

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.patience
        pause = 0.02
        while not condition():
            assert time.monotonic() < deadline, "a job was not run in time"
            time.sleep(pause)
            pause = min(1.5 * pause, 0.3)
