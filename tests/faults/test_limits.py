"""What a row is held to: timeout, retries, max_failures."""

import pytest

from .conftest import Study

PATIENT = """
    pspace = Param(x=range(4))
    timeout = 0.3
    pool_size = {}
    def execute(x):
        if x == 1:
            {}
            wait_for('never')
        return {{'y': x}}
    """


WAYS = {
    "waits": "pass",
    "ignores signals": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 10, 12, 15)]",
    "has a subprocess": """
            import subprocess
            process = subprocess.Popen(['sleep', '1000'])
            note('process', process.pid)""",
    "has forked": """
            import multiprocessing
            fork = multiprocessing.get_context('fork')
            process = fork.Process(target=wait_for, args=('never',))
            process.start()
            note('process', process.pid)""",
}


@pytest.mark.parametrize(
    ("how", "pool_size"),
    [("waits", 2), ("ignores signals", 1), ("has a subprocess", 1), ("has forked", 2)],
)
def test_a_row_over_its_time_is_stopped_with_all_its_processes(
    study: Study, how: str, pool_size: int
) -> None:
    study.task(PATIENT.format(pool_size, WAYS[how]))
    assert study.run().code == 1
    assert study.result() == {"x": [0, 2, 3], "y": [0, 2, 3]}
    assert study.failures() == {1: "Timeout: timeout: the row took longer than 0.3 s"}


def test_a_row_that_ends_as_it_is_stopped_is_not_paid_for_by_the_next(study: Study) -> None:
    study.inject("""
        import os, psyrun.worker.child
        from helping import *
        def kill(pid, number, kill=os.killpg):
            if first_time('late'):
                note('late')
                let('row 1 ends')
                wait_for('row 2 has begun')
            kill(pid, number)
        os.killpg = kill
        """)
    study.task("""
        pspace = Param(x=range(4))
        timeout = 0.3
        def execute(x):
            if x == 1:
                wait_for('row 1 ends')
            if x == 2 and first_time(x):
                let('row 2 has begun')
                wait_for('never')
            return {'y': x}
        """)
    said = study.run()
    assert study.counts()["late"] == 1, said
    assert said.code == 0, said
    assert study.result()["y"] == [0, 1, 2, 3]


FLAKY = """
    pspace = Param(x=range(4))
    retries = 2
    class Odd(Exception):
        pass
    {more}
    def execute(x):
        attempt = next(i for i in range(1, 9) if first_time(f'{{x}}-{{i}}'))
        note(x)
        if x == 1 and attempt < 3:
            {trouble}
        if x == 2:
            {trouble}
        return {{'y': attempt}}
    """

TROUBLES = {
    "raise KeyError('k')": ("KeyError", "LookupError", "ValueError"),
    "sys.exit(1)": ("SystemExit", "SystemExit", "Exception"),
    "os._exit(1)": ("ProcessDied", "OSError", "RuntimeError"),
    "os.kill(os.getpid(), 11)": ("ProcessDied", "ChildProcessError", "TimeoutError"),
    "wait_for('never')": ("Timeout", "TimeoutError", "ChildProcessError"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_attempt_is_numbered_and_kept(study: Study, trouble: str) -> None:
    study.task(FLAKY.format(trouble=trouble, more="timeout = 0.3"))
    assert study.run().code == 1
    assert study.result() == {"x": [0, 1, 3], "y": [1, 3, 1]}
    assert set(study.failures()) == {2}
    kind = TROUBLES[trouble][0]
    failed = [(a.row, a.number, a.failure.type) for a in study.attempts() if a.failure is not None]
    assert sorted(failed) == [(1, 1, kind), (1, 2, kind), *((2, i, kind) for i in (1, 2, 3))]
    assert study.counts() == {"0": 1, "1": 3, "2": 3, "3": 1}


@pytest.mark.parametrize("trouble", ["raise KeyError('k')", "os._exit(1)", "wait_for('never')"])
def test_only_what_retry_on_names_is_tried_again(study: Study, trouble: str) -> None:
    _, named, other = TROUBLES[trouble]
    study.task(FLAKY.format(trouble=trouble, more=f"timeout, retry_on = 0.3, ({other},)"))
    assert study.run().code == 1
    assert study.counts() == {"0": 1, "1": 1, "2": 1, "3": 1}
    study.task(FLAKY.format(trouble=trouble, more=f"timeout, retry_on = 0.3, (Odd, {named})"))
    assert study.run().code == 1
    assert study.counts()["1"] == 3 and study.counts()["2"] == 4


FAILING = """
    pspace = Param(x=range(20))
    {}
    def execute(x):
        note(x)
        if x in (3, 5, 7):
            {}
        return {{'y': x}}
    """


@pytest.mark.parametrize("trouble", ["1 / 0", "os._exit(1)", "wait_for('never')"])
def test_after_max_failures_no_row_is_handed_out(study: Study, trouble: str) -> None:
    study.task(FAILING.format("max_failures, timeout = 2, 0.3", trouble))
    said = study.run()
    assert said.code == 1
    assert study.notes() == [str(x) for x in range(6)]
    assert study.state().how == "stopped" and "max_failures" in study.state().why
    assert study.state().completed == 4 and study.state().failed == 2
    assert study.status()["pending"] == 14
    assert study.result()["x"] == [0, 1, 2, 4]


def test_retries_are_over_before_a_row_counts_as_failed(study: Study) -> None:
    study.task(FAILING.format("max_failures, retries = 2, 1", "1 / 0"))
    assert study.run().code == 1
    assert study.counts() == {str(x): 2 if x in (3, 5) else 1 for x in range(6)}


def test_fail_fast_stops_at_the_first_failure(study: Study) -> None:
    study.task(FAILING.format("", "1 / 0"))
    said = study.run("--fail-fast")
    assert said.code == 1
    assert study.notes() == ["0", "1", "2", "3"]
    assert study.run().code == 1
    assert study.counts() == {str(x): 2 if x == 3 else 1 for x in range(20)}
