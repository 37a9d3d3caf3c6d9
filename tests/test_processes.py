"""A process is told apart from all others, as long as it lives."""

import json
import os
import platform
import subprocess
import sys
import time

import pytest

from psyrun import processes
from psyrun.jobstate import JobState, is_running, read_states
from psyrun.processes import ProcessId

TELL = """
import json, sys
from psyrun.processes import ProcessId
print(json.dumps(ProcessId.current()), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child():
    """A process that ends when its input does, and what it says of itself."""
    with subprocess.Popen(
        [sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, ProcessId(*json.loads(process.stdout.readline()))
        process.stdin.close()


def wait_until_zombie(pid):
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_this_process_is_alive():
    assert ProcessId.current().alive() is True
    assert ProcessId.current().pid == os.getpid()


def test_a_child_is_alive_until_it_has_ended(child):
    process, identity = child
    assert identity.pid == process.pid
    assert identity.alive() is True
    process.stdin.close()
    wait_until_zombie(process.pid)
    assert identity.alive() is False  # though its parent has not asked for its exit code
    process.wait()
    assert identity.alive() is False


def test_another_process_with_the_same_number_is_not_taken_for_it(child):
    _, identity = child
    assert identity._replace(born=str(int(identity.born) - 1)).alive() is False
    assert ProcessId.current()._replace(pid=identity.pid).alive() in (False, True)
    assert identity._replace(pid=os.getpid(), born="1").alive() is False


def test_a_process_of_another_machine_is_unknown():
    assert ProcessId("elsewhere", "boot-1/pid:[1]", 1, "1").alive() is None


def test_a_process_from_before_a_reboot_is_dead():
    here = ProcessId.current()
    _, namespace = here.machine.split("/")
    assert here._replace(machine=f"another-boot/{namespace}").alive() is False


def test_a_process_of_another_container_is_unknown():
    here = ProcessId.current()
    boot, _ = here.machine.split("/")
    assert here._replace(machine=f"{boot}/pid:[1]").alive() is None


def test_a_name_with_brackets_and_blanks_is_no_hindrance(tmp_path, child):
    program = tmp_path / "odd ) R (name"
    program.symlink_to(sys.executable)
    process = subprocess.Popen([program, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        assert processes._born(process.pid) is not None
        assert processes._born(process.pid).isdigit()


def test_ps_tells_the_same_where_there_is_no_proc(child):
    process, _ = child
    born = processes._born_by_ps(process.pid)
    assert born
    assert processes._born_by_ps(process.pid) == born
    process.stdin.close()
    wait_until_zombie(process.pid)
    assert processes._born_by_ps(process.pid) is None
    process.wait()
    assert processes._born_by_ps(process.pid) is None


def test_a_job_is_running_while_its_process_lives(tmp_path, child):
    process, identity = child
    path = tmp_path / "process-0.json"
    JobState("process:0", identity, time.time()).write(path)
    [(_, state)] = read_states([path])
    assert state == JobState.read(path)
    assert is_running(state, path)
    assert not is_running(state.ending("finished"), path)
    process.stdin.close()
    process.wait()
    assert not is_running(state, path)


def test_a_job_of_another_machine_is_running_while_it_gives_signs_of_life(tmp_path):
    path = tmp_path / "process-0.json"
    JobState("process:0", ProcessId("elsewhere", "x/y", 1, "1"), time.time()).write(path)
    state = JobState.read(path)
    assert is_running(state, path)
    os.utime(path, (0, 0))
    assert not is_running(state, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_damaged_states_are_left_out(tmp_path):
    JobState.beginning("merge").write(tmp_path / "merge.json")
    contents = [b"", b"{", b"[]", b"{}", b'{"step": 1, "process": 3}', b"\xff\xfe", b"null"]
    for i, content in enumerate(contents):
        (tmp_path / f"{i}.json").write_bytes(content)
    paths = [tmp_path / "gone.json", *sorted(tmp_path.glob("*.json"))]
    assert [state.step for _, state in read_states(paths)] == ["merge"]


def test_the_end_of_a_job_is_kept(tmp_path):
    path = tmp_path / "process-0.json"
    JobState.beginning("process:0").counting(5, 2).ending("stopped", "got SIGTERM").write(path)
    state = JobState.read(path)
    assert (state.completed, state.failed, state.how, state.why) == (5, 2, "stopped", "got SIGTERM")
    assert state.ended >= state.begun
    assert state.process.host == platform.node()
