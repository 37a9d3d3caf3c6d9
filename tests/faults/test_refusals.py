"""What psy must not touch it does not touch: foreign results, others' runs, read-only places."""

import os
import stat
import subprocess
from collections.abc import Iterator

import pytest

from .conftest import Study, until

STORES = ["PickleStore", "NpzStore", "H5Store"]

TASK = """
    store = {store}()
    scheduler = Forked()
    pspace = Param(x={xs})
    {more}
    def execute(x):
        note(x)
        return {{'y': 10 * x}}
    """


@pytest.mark.parametrize("more_rows", [False, True])
@pytest.mark.parametrize("store", STORES)
def test_a_result_replaced_by_garbage_is_never_overwritten(
    study: Study, store: str, more_rows: bool
) -> None:
    study.task(TASK.format(store=store, xs=[1, 2], more=""))
    assert study.run().code == 0
    (result,) = study.workdir.path.glob("result.[!j]*")
    result.write_bytes(b"my thesis")
    if more_rows:
        study.task(TASK.format(store=store, xs=[1, 2, 3], more=""))
    for flags in ([], ["--continue"]):
        said = study.psy("run", *flags)
        assert said.code == 2
        (line,) = said.err.splitlines()
        assert str(result) in line and "move it away" in line
        assert result.read_bytes() == b"my thesis"
    assert study.status()["up_to_date"] is False
    result.rename(study.root / "thesis")
    assert study.run().code == 0
    assert study.result()["x"] == ([1, 2, 3] if more_rows else [1, 2])


def test_a_file_that_comes_while_jobs_run_is_not_overwritten(study: Study) -> None:
    study.task("""
        pspace = Param(x=[1, 2])
        def execute(x):
            note(x)
            wait_for('go')
            return {'y': x}
        """)
    running = study.start("run")
    until(lambda: study.notes(), "a row")
    result = study.workdir.result(".pkl")
    result.write_bytes(b"my thesis")
    study.let("go")
    said = running.end()
    assert said.code == 1
    assert "t:merge failed" in said.err and str(result) in said.err and "move it" in said.err
    assert result.read_bytes() == b"my thesis"
    result.rename(study.root / "thesis")
    assert study.run().code == 0
    assert study.result()["y"] == [1, 2] and len(study.notes()) == 2


def test_a_file_at_a_new_place_of_the_result_is_not_overwritten(study: Study) -> None:
    study.task(TASK.format(store="PickleStore", xs=[1], more=""))
    assert study.run().code == 0
    other = study.root / "other.pkl"
    other.write_bytes(b"my thesis")
    study.task(TASK.format(store="PickleStore", xs=[1], more=f"resultfile = {str(other)!r}"))
    for flags in ([], ["--continue"]):
        said = study.psy("run", *flags)
        assert said.code == 2 and str(other) in said.err and "move it away" in said.err
    assert other.read_bytes() == b"my thesis" and study.result()["y"] == [10]


@pytest.fixture
def read_only(study: Study) -> Iterator[None]:
    """Make the work directory read-only, also for root."""
    study.task(TASK.format(store="PickleStore", xs=[1, 2], more=""))
    assert study.run().code == 0
    study.task(TASK.format(store="PickleStore", xs=[1, 2, 3], more=""))
    root = study.workdir.root
    if os.geteuid() == 0:
        subprocess.run(["mount", "--bind", root, root], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
        yield
        subprocess.run(["umount", "--lazy", root], check=True)
    else:
        paths = [root, *(path for path in root.rglob("*") if path.is_dir())]
        for path in paths:
            path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        yield
        for path in paths:
            path.chmod(stat.S_IRWXU)


@pytest.mark.usefixtures("read_only")
def test_what_is_read_only_can_be_read_and_nothing_else(study: Study) -> None:
    notes = study.notes()
    for command in (["run"], ["run", "-c"], ["clean", "-y", "t"]):
        said = study.psy(*command)
        assert said.code == 2, said
        (line,) = said.err.splitlines()
        assert "Read-only" in line or "Permission" in line
        assert str(study.workdir.root) in line
    assert study.notes() == notes
    assert study.status()["completed"] == 2
    assert study.psy("merge", study.workdir.path, study.root / "copy.pkl").code == 0
    assert study.result()["y"] == [10, 20]


def test_of_many_psy_at_once_exactly_one_starts(study: Study) -> None:
    for scheduler in ("ImmediateRun", "Background"):
        study.task(f"""
            scheduler = {scheduler}()
            pspace = Param(x=range(20))
            def execute(x):
                note(x)
                wait_for('go')
                return {{'y': x}}
            """)
        for name in ("go", "notes"):
            (study.tasks / name).unlink(missing_ok=True)
        running = [study.start("run") for _ in range(10)]
        others = until(
            lambda running=running: [p for p in running if p.poll() is not None][8:] and running,
            "the end of all psy but one",
        )
        study.let("go")
        said = [psy.end() for psy in others]
        assert {each.code for each in said} == {0}
        started = [each for each in said if "process:0" in each.out or "submitted" in each.out]
        assert len(started) == 1
        refused = [each for each in said if each not in started]
        for each in refused:
            assert "unfinished jobs" in each.err or "just started" in each.err, each
        until(lambda: study.status()["up_to_date"], "the end of the run")
        assert study.counts() == {str(x): 1 for x in range(20)}


def test_two_that_have_decided_the_same_do_not_both_start(study: Study) -> None:
    study.task(TASK.format(store="PickleStore", xs=[1, 2], more=""))
    study.inject("""
        import psyrun.run as run
        from helping import *
        def make_plan(decision, make_plan=run.make_plan):
            if first_time('decided'):
                note('decided')
                wait_for('other has run')
            return make_plan(decision)
        run.make_plan = make_plan
        """)
    late = study.start("run")
    until(lambda: study.counts()["decided"], "a decision")
    assert study.run().code == 0
    study.let("other has run")
    said = late.end()
    assert said.code == 0 and "just started" in said.err
    assert study.counts() == {"decided": 1, "1": 1, "2": 1}
    assert study.status()["up_to_date"]
