"""A row whose process dies costs just itself."""

import pytest

from psyrun.rowlog import read_rows

from .conftest import Study

DEATHS = {
    "segmentation fault": "process died from signal 11 (SIGSEGV)",
    "abort": "process died from signal 6 (SIGABRT)",
    "out of memory": "process died from signal 9 (SIGKILL)",
    "kill of the group": "process died from signal 9 (SIGKILL)",
    "odd signal": "process died from signal 40 (unknown)",
    "exit 0": "process ended with exit code 0",
    "exit 3": "process ended with exit code 3",
    "exec": "process ended with exit code 0",
    "thread": "process ended with exit code 7",
}

TASK = """
    import ctypes, resource, threading
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    DEATHS = {
        'segmentation fault': lambda: ctypes.string_at(0),
        'abort': os.abort,
        'out of memory': lambda: os.kill(os.getpid(), signal.SIGKILL),
        'kill of the group': lambda: os.killpg(0, signal.SIGKILL),
        'odd signal': lambda: os.kill(os.getpid(), 40),
        'exit 0': lambda: os._exit(0),
        'exit 3': lambda: os._exit(3),
        'exec': lambda: os.execv('/bin/true', ['true']),
        'thread': lambda: (threading.Thread(target=os._exit, args=(7,)).start(), time.sleep(60)),
    }
    names = []
    for each in DEATHS:
        names += ['fine', each, 'fine']
    pspace = Param(i=range(len(names)), name=names)

    def execute(i, name):
        note(i)
        print('this is row', i)
        if name in DEATHS:
            DEATHS[name]()
        return {'y': i}
    """


@pytest.mark.parametrize("backend", ["DistributeBackend", "LoadBalancingBackend"])
@pytest.mark.parametrize("pool_size", [1, 2])
def test_exactly_the_row_in_which_a_process_dies_has_failed(
    study: Study, pool_size: int, backend: str
) -> None:
    study.task(f"\n    backend, pool_size = {backend}, {pool_size}{TASK}")
    said = study.run()
    assert said.code == 1, said
    causes = study.failures()
    for (row, cause), (name, expected) in zip(causes.items(), DEATHS.items(), strict=True):
        assert cause.startswith(f"ProcessDied: {expected}"), (row, name)
    total = study.status()["total"]
    assert study.result()["i"] == [row for row in range(total) if row not in causes]
    assert set(study.counts().values()) == {1}
    said_by_rows = [each for log in study.plan().all_logs() for each in read_rows(log)]
    assert len(said_by_rows) == total
    for row, attempt, text in said_by_rows:
        assert text.startswith(b"this is row %d\n" % row) and attempt == 1


def test_a_row_that_runs_out_of_memory_has_failed(study: Study) -> None:
    study.task("""
        import resource
        pspace = Param(mb=[1, 1 << 14, 2])
        def setup(number):
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        def execute(mb):
            return {'y': len(bytes(mb << 20)) >> 20}
        """)
    assert study.run().code == 1
    assert study.result() == {"mb": [1, 2], "y": [1, 2]}
    (cause,) = study.failures().values()
    assert cause.startswith("MemoryError")


def test_a_process_that_dies_between_rows_costs_nothing(study: Study) -> None:
    study.task("""
        pspace = Param(x=range(3000))
        def execute(x):
            if x % 1000 == 999 and first_time(x):
                os.posix_spawn('/bin/sh', ['sh', '-c', f'kill -9 {os.getpid()}'], {})
            return {'y': x}
        """)
    said = study.run()
    causes = study.failures()
    assert len(causes) <= 3 and all("SIGKILL" in cause for cause in causes.values())
    assert len(study.result()["x"]) == 3000 - len(causes)
    assert said.code == (1 if causes else 0)


def test_a_task_that_cannot_be_set_up_says_why_and_evaluates_nothing(study: Study) -> None:
    text = """
        pspace = Param(x=range(3))
        def setup(number):
            {}
        def execute(x):
            note(x)
            return {{'y': x}}
        """
    for trouble, why in (
        ("raise ValueError('no licence')", "ValueError: no licence"),
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("return 3", "setup"),
    ):
        study.task(text.format(trouble))
        said = study.run()
        assert said.code == 1
        assert "t:process:0 failed: the task could not be set up" in said.err and why in said.err
    assert study.notes() == []
    study.task(text.format("pass"))
    assert study.run().code == 0
    assert study.result()["y"] == [0, 1, 2]
