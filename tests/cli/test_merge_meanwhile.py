"""A merge in another process while a command reads what is there of a task."""

from collections.abc import Sequence
from typing import Any

import pytest

import psyrun
from psyrun.main import psy_main
from psyrun.merging import reading
from psyrun.merging.history import Origin
from psyrun.merging.ledger import Ledger

from .conftest import Project

TASK = """
    pspace = Param(x=range(4))
    def execute(x):
        note(x)
        {check}
        return {{'y': -x}}
    """


@pytest.fixture
def merged_meanwhile(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Merge a row between the reading of the record and that of the journals."""
    project.task("a", TASK.format(check="assert x != 2"))
    project.psy("run")
    project.task("a", TASK.format(check="pass"))
    merges = iter([lambda: psy_main(["run", "--continue", "a"])])

    def read_late(workdir: Any, origins: Sequence[Origin], sources: Any) -> Ledger:
        next(merges, lambda: None)()
        return Ledger(workdir, origins, sources)

    monkeypatch.setattr(reading, "Ledger", read_late)
    return project


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["status", "a"], "a           4/4       -        -        -  "),
        (["run", "--continue", "a"], "up to date, all 4 rows"),
        (["merge", "psy-work/a", "all.pkl"], "merged 4 of 4 rows"),
        (["show", "a"], "a: 4 of 4 rows completed"),
    ],
)
def test_no_row_seems_to_be_missing(
    merged_meanwhile: Project, command: list[str], told: str
) -> None:
    said = merged_meanwhile.psy(*command)
    assert said.code == 0, said
    assert told in said.out.splitlines()[-1]  # before that is what the other command said
    assert sum(merged_meanwhile.counts().values()) == 5  # row 2 twice, all others once
    result = psyrun.load("psy-work/a")
    assert result["x"].tolist() == (-result["y"]).tolist() == [0, 1, 2, 3]
