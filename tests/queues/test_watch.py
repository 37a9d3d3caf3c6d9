"""psy wait and psy watch, where jobs are queued, killed and merged elsewhere."""

from typing import Any

import pytest

from .conftest import Cluster, Study, until

pytestmark = pytest.mark.parametrize("name", ["PBS", "Sqsub"])

BODY = """
pspace = Param(x=range(9))
max_jobs = 3

def execute(x):
    note(x)
    wait_for("go")
    if x == 4:
        raise ValueError("as it happens")
    return {"y": 2 * x}
"""


def test_the_merge_is_waited_for(cluster: Cluster, study: Study) -> None:
    study.task("a", BODY)
    assert study.psy("run").code == 0
    said = study.psy("wait", "--timeout", "0")
    assert said.code == 3 and "a is still at work: 0 of 9 rows are done" in said.err
    study.let("go")
    said = study.psy("wait", "a")
    assert said.out == "a: 8 of 9 rows completed, 1 failed: psy failures a\n", said
    assert said.code == 1 and len(study.result("a")["x"]) == 8
    assert study.psy("watch").out == said.out


def test_jobs_that_are_killed_are_not_waited_for(cluster: Cluster, study: Study) -> None:
    study.task("a", BODY)
    assert study.psy("run").code == 0
    until(lambda: study.notes(), "the first row")
    assert study.psy("kill", "a").code == 0
    # The queue is asked so rarely that wait would take its time to notice.
    until(lambda: _unfinished(study.status("a")) == 0, "the end of what is killed")
    said = study.psy("wait", "a", "--timeout", "60")
    assert said.code == 1 and "a: 0 of 9 rows completed, 9 pending: psy status -v a" in said.out


def _unfinished(status: dict[str, Any]) -> int:
    return int(status["running_jobs"]) + int(status["queued_jobs"])
