"""Load-balancing workers that die between claim and result."""

import pytest

from .conftest import Study, until

TASK = """
    backend, scheduler = LoadBalancingBackend, Background()
    max_jobs, min_items = 3, 1
    pspace = Param(x=range(60))
    def execute(x):
        note(x)
        {}
        time.sleep(0.005)
        return {{'y': x}}
    """


def finish(study: Study) -> None:
    """Run until all jobs have ended, twice, and check that all rows are there."""
    for _ in range(2):
        assert study.run().code == 0
        until(lambda: study.has_ended("merge"), "the end of the merge")
    until(lambda: study.status()["up_to_date"], "the result")
    assert study.result() == {"x": list(range(60)), "y": list(range(60))}


def test_rows_of_workers_that_died_are_done_by_the_next_run(study: Study) -> None:
    study.task(
        TASK.format("""if x in (5, 20) and first_time(x):
            os.kill(os.getppid(), signal.SIGKILL)
            wait_for('never')""")
    )
    finish(study)
    counts = study.counts()
    assert counts["5"] == counts["20"] == 2
    assert sum(counts.values()) == 62


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_may_die_in_the_act_of_claiming(study: Study, moment: str) -> None:
    study.inject(f"""
        import os, signal
        from helping import *
        def link(source, target, link=os.link):
            claiming = '/claims/' in str(target) and not str(target).endswith('/0')
            if claiming and {moment!r} == 'before' and first_time('claim'):
                os.kill(os.getpid(), signal.SIGKILL)
            link(source, target)
            if claiming and {moment!r} == 'after' and first_time('claim'):
                os.kill(os.getpid(), signal.SIGKILL)
        os.link = link
        """)
    study.task(TASK.format("pass").replace("min_items = 3, 1", "min_items = 3, 20"))
    finish(study)
    assert (study.tasks / "once-claim").exists()
    assert set(study.counts().values()) == {1}


def test_a_claim_that_was_never_written_does_not_hold_the_others_up(study: Study) -> None:
    study.inject("""
        import errno, os, pathlib, signal
        import psyrun.backend.load_balancing as balancing
        from helping import *
        balancing._PATIENCE = 0.2
        def link(source, target):
            raise OSError(errno.EPERM, 'no links here')
        os.link = link
        def open_path(self, mode='r', *args, open_path=pathlib.Path.open, **more):
            file = open_path(self, mode, *args, **more)
            if mode == 'xb' and self.parent.name == 'claims' and first_time('claim'):
                os.kill(os.getpid(), signal.SIGKILL)
            return file
        pathlib.Path.open = open_path
        """)
    study.task(TASK.format("pass"))
    finish(study)
    assert (study.tasks / "once-claim").exists()
    assert sum(study.counts().values()) <= 62
