"""A worker that is told to stop, or sees its time end, does so in good order; end records."""

import os
import signal
from pathlib import Path

import pytest

from psyrun.jobstate import is_running

from .conftest import Study, until

WAITING = """
    pspace = Param(x=range(6))
    {more}
    def execute(x):
        note(x)
        if x == 2:
            wait_for_stop(or_for='go')
        return {{'y': x}}
    """


def stop_worker(study: Study, number: int) -> None:
    until(lambda: study.counts()["2"], "row 2")
    worker = study.worker()
    assert worker is not None
    os.kill(worker, number)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2"])
def test_a_worker_told_to_stop_finishes_its_row_and_begins_no_other(
    study: Study, name: str
) -> None:
    study.task(WAITING.format(more=""))
    running = study.start("run")
    stop_worker(study, signal.Signals[name])
    said = running.end()
    assert said.code == 1 and f"t:process:0 stopped: got {name}" in said.err
    state = study.state()
    assert (state.how, state.why, state.completed) == ("stopped", f"got {name}", 3)
    assert study.result() == {"x": [0, 1, 2], "y": [0, 1, 2]}
    status = study.status()
    assert (status["pending"], status["failed"]) == (3, 0)
    assert study.run().code == 0
    assert study.result()["y"] == list(range(6))
    assert set(study.counts().values()) == {1}


def test_all_processes_of_a_worker_stop(study: Study) -> None:
    study.task("""
        pool_size = 3
        pspace = Param(x=range(30))
        def execute(x):
            note(x)
            wait_for_stop(or_for='go')
            return {'y': x}
        """)
    running = study.start("run")
    until(lambda: len(study.notes()) == 3, "three rows")
    worker = study.worker()
    assert worker is not None
    os.kill(worker, signal.SIGTERM)
    assert running.end().code == 1
    assert len(study.notes()) == 3 == study.status()["completed"]
    study.let("go")
    assert study.run().code == 0
    assert set(study.counts().values()) == {1}


def test_a_second_ctrl_c_ends_a_row_that_does_not_end(study: Study) -> None:
    study.task("""
        pspace = Param(x=range(6))
        def execute(x):
            note(x)
            if x == 2:
                [signal.signal(number, signal.SIG_IGN) for number in (2, 10, 12, 15)]
                wait_for('go')
            return {'y': x}
        """)
    running = study.start("run")
    stop_worker(study, signal.SIGINT)

    def interrupt() -> bool:
        if (worker := study.worker()) is not None:
            os.kill(worker, signal.SIGINT)
        return worker is None

    until(interrupt, "the end of the worker")
    assert study.state().ended - study.state().begun < 9
    assert running.end().code == 1
    assert study.result()["x"] == [0, 1] and study.status()["failed"] == 0
    study.let("go")
    assert study.run().code == 0
    assert study.counts() == {str(x): 2 if x == 2 else 1 for x in range(6)}


def test_a_worker_stops_before_its_time_is_over(study: Study) -> None:
    study.task("""
        scheduler_args = {'timelimit': '4s'}
        pspace = Param(x=range(1000))
        def execute(x, remaining=__import__('psyrun').remaining_time):
            before = remaining()
            time.sleep(0.05)
            after = remaining()
            return {'fine': 0 < after < before - 0.04 and before < 4, 'left': after}
        """)
    said = study.run()
    assert said.code == 1
    state = study.state()
    assert state.how == "stopped" and state.why == "its time is nearly over"
    assert state.ended is not None and state.ended - state.begun < 3.5
    result = study.result()
    assert all(result["fine"])
    assert result["left"] == sorted(result["left"], reverse=True)
    assert 0 < result["left"][-1] < 2.5
    assert study.status()["failed"] == 0
    assert study.status()["pending"] == 1000 - len(result["x"]) == 1000 - state.completed


def test_a_row_that_is_still_at_work_when_time_is_over_stays_pending(study: Study) -> None:
    study.task("""
        scheduler_args = {'timelimit': '3s'}
        pool_size = 2
        pspace = Param(x=range(6))
        def execute(x):
            note(x)
            if x == 2:
                wait_for('go')
            return {'y': x}
        """)
    said = study.run()
    assert said.code == 1 and study.state().how == "stopped"
    assert study.result()["x"] == [0, 1, 3, 4, 5] and study.status()["failed"] == 0
    study.let("go")
    assert study.run().code == 0
    assert study.counts()["2"] == 2 and study.counts()["3"] == 1


def test_the_end_of_a_slurm_job_is_known(study: Study) -> None:
    study.task("""
        pspace = Param(x=[1])
        def execute(x):
            return {'left': __import__('psyrun').remaining_time()}
        """)
    study.environment["SLURM_JOB_END_TIME"] = str(int(study.root.stat().st_mtime) + 1000)
    assert study.run().code == 0
    assert 900 < study.result()["left"][0] < 1001


def test_remaining_time_is_not_known_without_a_limit(study: Study) -> None:
    study.task("""
        pspace = Param(x=[1])
        def execute(x):
            return {'left': __import__('psyrun').remaining_time()}
        """)
    assert study.run().code == 0
    assert study.result()["left"] == [None]


def condition(study: Study) -> str:
    """Tell how the job is doing, from its file alone."""
    ((path, state),) = study.states()
    if is_running(state, path):
        return "running"
    return "lost" if state.how is None else state.how


def test_how_a_job_is_doing_is_told_by_its_file(study: Study) -> None:
    study.task(WAITING.format(more=""))
    for how in ("finished", "stopped", "lost", "failed"):
        study.psy("clean", "t")
        for name in ("notes", "go"):
            (study.tasks / name).unlink(missing_ok=True)
        running = study.start("run")
        until(lambda: study.counts()["2"], "row 2")
        assert condition(study) == "running"
        assert study.status()["running_jobs"] == 1
        worker = study.worker()
        assert worker is not None
        if how == "stopped":
            os.kill(worker, signal.SIGTERM)
        elif how == "lost":
            os.kill(worker, signal.SIGKILL)
        elif how == "finished":
            study.let("go")
        elif how == "failed":
            for path in study.journals():  # the next process cannot create its journal
                path.parent.rename(path.parent.with_name("away"))
            child = Path(f"/proc/{worker}/task/{worker}/children").read_text()
            os.kill(int(child), signal.SIGKILL)
        said = running.end()
        assert condition(study) == how
        assert said.code == (0 if how == "finished" else 1)
        assert study.status()["running_jobs"] == 0
        assert (study.state().ended is None) == (how == "lost")
