"""Psy, a worker and its child are killed before each of their steps on files, one by one."""

import json
import random
import shutil

import numpy as np
import pytest

from .conftest import Study

KILL_BEFORE_STEP = """
    import os, signal, sys
    from collections import Counter
    from pathlib import Path

    CHANGES = {'os.rename', 'os.remove', 'os.rmdir', 'os.mkdir', 'os.link', 'os.truncate'}
    WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    HERE = Path(os.environ['FAULT_HERE'])
    GENERATION, STEP = map(int, os.environ['FAULT'].split())
    PSY = os.getpid()
    steps = Counter()

    def generation():
        return 0 if os.getpid() == PSY else 1 if os.getppid() == PSY else 2

    def watch(event, args):
        if event in CHANGES or (event == 'open' and args[2] & WRITING):
            if 'psy-work' in str(args[0]) and generation() == GENERATION:
                steps[os.getpid()] += 1
                if steps[os.getpid()] == STEP:
                    os.rename(HERE / 'armed', HERE / 'fired')
                    os.kill(os.getpid(), signal.SIGKILL)

    if STEP:
        sys.addaudithook(watch)
    """

TASK = """
    scheduler = Forked()
    pspace = Param(x={xs})
    def execute(x):
        note(x)
        return {{'y': 10 * x}}
    """


OVER, ON = (["run"], [1, 2, 3]), (["run", "--continue"], [7, 8, 9])
"""How psy goes on with a task whose parameters were 7 and 8, and which they are then."""


@pytest.mark.parametrize(
    ("generation", "how", "every"),
    [(0, OVER, 3), (0, ON, 3), (1, ON, 1), (2, ON, 1)],
    ids=["psy starting over", "psy going on", "worker", "child"],
)
def test_a_kill_before_any_step_loses_nothing(
    study: Study,
    chance: random.Random,
    generation: int,
    how: tuple[list[str], list[int]],
    every: int,
) -> None:
    command, xs = how
    study.task(TASK.format(xs=[7, 8]))
    assert study.run().code == 0
    study.task(TASK.format(xs=xs))
    former = study.root / "former"
    shutil.copytree(study.workdir.path, former)
    study.inject(KILL_BEFORE_STEP)
    study.environment["FAULT_HERE"] = str(study.root)
    step = 1 + chance.randrange(every)
    while fires(study, command, generation, step):
        if study.plan().plan_id[:4] == "0002":
            done, counts = study.completed(), study.counts()
        else:
            done, counts = set(), study.counts()
            assert study.result() == {"x": [7, 8], "y": [70, 80]}
        said = study.psy(*command)
        assert said.code == 0, said
        check(study, xs)
        assert all(study.counts()[str(xs[row])] == counts[str(xs[row])] for row in done)
        shutil.rmtree(study.workdir.path)
        shutil.copytree(former, study.workdir.path)
        step += every
    assert step > {0: 40, 1: 5, 2: 5}[generation]


def fires(study: Study, command: list[str], generation: int, step: int) -> bool:
    """Run psy with a kill before a step; return whether that step came."""
    (study.root / "armed").touch()
    study.environment["FAULT"] = f"{generation} {step}"
    study.start(*command).end()
    study.environment["FAULT"] = "0 0"
    fired = study.root / "fired"
    came = fired.exists()
    fired.unlink(missing_ok=True)
    return came


def check(study: Study, xs: list[int]) -> None:
    """Check that result, provenance and timings are whole and those of these rows."""
    assert study.result() == {"x": xs, "y": [10 * x for x in xs]}
    told = json.loads(study.workdir.provenance.read_text())
    assert told["rows"]["completed"] == len(xs)
    assert told["plan"] == study.plan().plan_id
    with np.load(study.workdir.timings) as timings:
        assert timings["row"].tolist() == list(range(len(xs)))
        assert (timings["host"] == 0).all() and (timings["start"] > 1e9).all()
