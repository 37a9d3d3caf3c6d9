"""Journals that are cut or have flipped bits give no wrong row and no traceback, ever."""

import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from psyrun.main import psy_main
from psyrun.store import PickleStore

from .conftest import Study

N = 6

TASK = f"""
    scheduler = Forked()
    pspace = Param(x=range({N}))
    def execute(x):
        note(x)
        if x == 2:
            raise ValueError('no')
        return {{'y': 10 * x, 'text': f'row {{x}}'}}
    """


@pytest.fixture
def journal(study: Study, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the journal of a run whose merge has not begun."""
    study.task(TASK)
    study.inject("""
        import os, psyrun.run.submission as submission
        submission.merge_here = lambda files: os._exit(9)
        """)
    assert study.start("run").end().code == 9
    study.environment.clear()
    (path,) = study.journals()
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def flip(content: bytes, chance: random.Random) -> bytes:
    """Change a few bytes somewhere, all in one place or anywhere."""
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def mangle(content: bytes, chance: random.Random) -> bytes:
    """Take a stretch out, double it, blank it, or put it elsewhere."""
    i, j = sorted(chance.choices(range(len(content)), k=2))
    stretch = content[i:j]
    return chance.choice(
        [
            content[:i] + content[j:],
            content[:j] + stretch + content[j:],
            content[:i] + bytes(j - i) + content[j:],
            content[:i] + content[j:] + stretch,
            content[:i] + bytes(chance.randbytes(j - i)) + content[j:],
        ]
    )


def is_cut(content: bytes, intact: bytes) -> bool:
    """Tell whether nothing can be seen of the damage but that rows are pending."""
    return intact.startswith(content) or len(content) <= intact.index(b"\n")


def check_merge(study: Study, capsys: pytest.CaptureFixture[str], intact: bytes) -> None:
    """Merge, and check that all rows are right and what is missing is reported."""
    (journal,) = study.journals()
    merged = study.root / "merged.pkl"
    merged.unlink(missing_ok=True)
    code = psy_main(["merge", str(study.workdir.path), str(merged)])
    said = capsys.readouterr()
    assert code == 0 and "Traceback" not in said.err
    data = PickleStore().load(merged)
    xs = list(data["x"])
    assert xs == sorted(set(xs)) and set(xs) <= {0, 1, 3, 4, 5}
    if xs:
        assert data["y"] == [10 * x for x in xs]
        assert data["text"] == [f"row {x}" for x in xs]
    assert said.out.startswith(f"merged {len(xs)} of {N} rows")
    content = journal.read_bytes()
    if len(xs) < N - 1 and not is_cut(content, intact):
        assert str(journal) in said.err


def test_a_journal_cut_at_any_byte_gives_the_rows_before(
    study: Study, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    intact = journal.read_bytes()
    for length in range(len(intact), -1, -1):
        journal.write_bytes(intact[:length])
        check_merge(study, capsys, intact)


@pytest.mark.parametrize("damage", [flip, mangle])
def test_damaged_journals_give_no_wrong_row(
    study: Study,
    journal: Path,
    chance: random.Random,
    damage: "type[flip]",
    capsys: pytest.CaptureFixture[str],
) -> None:
    intact = journal.read_bytes()
    for _ in range(600):
        journal.write_bytes(damage(intact, chance))
        check_merge(study, capsys, intact)


def test_psy_run_says_what_is_damaged_and_evaluates_just_what_was_lost(
    study: Study, journal: Path, chance: random.Random
) -> None:
    intact = journal.read_bytes()
    former = study.root / "former"
    shutil.copytree(study.workdir.path, former)
    cuts = [intact[: chance.randrange(len(intact))] for _ in range(8)]
    cases = cuts + [chance.choice([flip, mangle])(intact, chance) for _ in range(14)]
    study.task(TASK.replace("x == 2", "False"))
    for case in cases:
        (study.tasks / "notes").unlink(missing_ok=True)
        journal.write_bytes(case)
        safe = study.completed()
        said = study.psy("run", "--continue")
        assert said.code == 0, said
        assert study.result()["y"] == [10 * x for x in range(N)]
        assert study.counts() == {str(x): 1 for x in range(N) if x not in safe}
        if len(safe) < N - 1 and not is_cut(case, intact):
            assert f"psy: {journal} " in said.err and "evaluated again" in said.err
        shutil.rmtree(study.workdir.path)
        shutil.copytree(former, study.workdir.path)


@pytest.mark.parametrize("which", ["brief", "plan", "record", "failed", "state", "submitted"])
def test_other_files_that_are_damaged_are_named_or_not_needed(
    study: Study, chance: random.Random, which: str
) -> None:
    study.task(TASK)
    assert study.run().code == 1
    plan = study.plan()
    path = {
        "brief": plan.head,
        "plan": plan.plan,
        "record": study.workdir.record(plan.plan_id),
        "failed": study.workdir.failed(plan.plan_id),
        "state": plan.job("process:0"),
        "submitted": plan.submitted,
    }[which]
    intact = path.read_bytes()
    former = study.root / "former"
    shutil.copytree(study.workdir.path, former)
    for case in (
        b"" if which != "brief" else b"{",
        intact[: len(intact) // 2],
        chance.randbytes(len(intact)),
        b"{}",
    ):
        path.write_bytes(case)
        for command in (["status"], ["run"], ["failures"], ["merge", "psy-work/t", "x.pkl"]):
            said = study.psy(*command)
            if said.code == 2:
                complaint = [line for line in said.err.splitlines() if line.startswith("psy: ")]
                assert len(complaint) == 1 and str(study.workdir.path) in complaint[0], said
                assert "away" in complaint[0], said
        shutil.rmtree(study.workdir.path)
        shutil.copytree(former, study.workdir.path)
    study.task(TASK.replace("x == 2", "False"))
    assert study.run().code == 0
