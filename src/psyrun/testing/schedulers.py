"""What every scheduler has to do, as tests."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from psyrun.scheduler import Scheduler

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
while not Path(allowed).exists():
    time.sleep(0.01)
with open(log, "a") as file:
    file.write(word + "\\n")
sys.exit(int(code))
"""


class SchedulerContract:
    """The tests that each scheduler passes, to derive from; they submit about 20 quick jobs.

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
    """

    scheduler_args: ClassVar[Mapping[str, Any]] = {}
    patience: ClassVar[float] = 60.0

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
        scheduler = self.make_scheduler()
        try:
            array = scheduler.submit_array(
                3,
                [sys.executable, "-c", _TELL, "%a", "x %a y%a", *ODD_ARGUMENTS],
                str(tmp_path / "log-%a"),
                "a:process",
                None,
                dict(self.scheduler_args),
            )
        except NotImplementedError:
            return
        self._wait_for_end_of(self._submit(_TELL, output=tmp_path / "log", depends_on=[array]))
        told = [json.loads((tmp_path / f"log-{i}").read_text()) for i in range(3)]
        assert told == [[str(i), f"x {i} y{i}", *ODD_ARGUMENTS] for i in range(3)]

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
        while not condition():
            assert time.monotonic() < deadline, "a job was not run in time"
            time.sleep(0.02)
