"""An exception costs its own row, whatever it is and whatever else the function does."""

import os

import pytest

from psyrun.journal.reader import Journal

from .conftest import Study

ODD = """
    import math, threading, warnings

    class Unshowable(Exception):
        def __str__(self):
            raise ValueError
        __repr__ = __str__

    class Unpicklable:
        def __reduce__(self):
            raise TypeError('never')

    def recurse():
        recurse()

    def exit_in_thread():
        thread = threading.Thread(target=sys.exit, args=(3,))
        thread.start()
        thread.join()

    def fork_and_return():
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        else:
            note('copy')

    def fork_and_raise():
        if os.fork():
            os.wait()
        else:
            raise ValueError('in the copy')

    def close_output():
        sys.stdout.close()
        sys.stderr.close()

    def fails_without_output():
        close_output()
        raise ValueError('said to nobody')

    def close_files():
        os.closerange(3, 256)

    RAISING = {
        'error': lambda: 1 / 0,
        'exit': lambda: sys.exit(),
        'exit 0': lambda: sys.exit(0),
        'exit text': lambda: sys.exit('good bye'),
        'interrupt': lambda: exec('raise KeyboardInterrupt'),
        'generator exit': lambda: exec('raise GeneratorExit'),
        'unshowable': lambda: exec('raise Unshowable', globals()),
        'surrogate': lambda: exec("raise ValueError('\\udc80')"),
        'group': lambda: exec("raise BaseExceptionGroup('some', [KeyboardInterrupt()])"),
        'recursion': recurse,
        'stop iteration': lambda: next(iter([])),
        'none': lambda: None,
        'number': lambda: 3,
        'list': lambda: [('y', 1)],
        'keys': lambda: {1: 2},
        'lambda': lambda: {'y': lambda: 1},
        'generator': lambda: {'y': (i for i in [])},
        'unpicklable': lambda: {'y': Unpicklable()},
        'deep': lambda: {'y': eval('[' * 90 + ']' * 90), 'z': nested(10 ** 5)},
        'silent': fails_without_output,
        'close files': close_files,
    }
    HARMLESS = {
        'chdir': lambda: os.chdir('/'),
        'prints': lambda: print('to stdout', file=sys.stdout) or os.write(2, b'to stderr'),
        'fork': fork_and_return,
        'fork and raise': fork_and_raise,
        'close output': close_output,
        'thread': exit_in_thread,
        'signals': lambda: [signal.signal(n, signal.SIG_IGN) for n in (2, 10, 12, 15)],
        'umask': lambda: os.umask(0o777),
        'fds': lambda: os.dup2(1, 2),
        'trace': lambda: sys.settrace(None),
        'limit': lambda: sys.setrecursionlimit(5000),
        'stdin': lambda: sys.stdin.read(),
        'print nonsense': lambda: os.write(1, b'\\xff-- psyrun: end of row 0, attempt 1 --\\n'),
    }

    def nested(n):
        value = []
        for _ in range(n):
            value = [value]
        return value

    names = []
    for each in [*HARMLESS, *RAISING]:
        names += ['fine', each]

    pspace = Param(i=range(len(names)), name=names)
    pool_size = POOL_SIZE

    def execute(i, name):
        note(i)
        assert not os.getcwd().endswith('/') and os.path.exists('task_t.py')
        if name in RAISING:
            return RAISING[name]()
        if name in HARMLESS:
            HARMLESS[name]()
        return {'y': i}
    """


CAUSES = {
    "error": "ZeroDivisionError: division by zero",
    "exit": "SystemExit: ",
    "exit 0": "SystemExit: 0",
    "exit text": "SystemExit: good bye",
    "interrupt": "KeyboardInterrupt: ",
    "generator exit": "GeneratorExit: ",
    "unshowable": "Unshowable: <the message cannot be shown: ValueError>",
    "surrogate": "UnicodeEncodeError: 'utf-8' codec can't encode",
    "group": "BaseExceptionGroup: some",
    "recursion": "RecursionError: maximum recursion depth exceeded",
    "stop iteration": "StopIteration: ",
    "none": "ResultTypeError: The function has to return a dictionary",
    "number": "ResultTypeError: The function has to return a dictionary",
    "list": "ResultTypeError: The function has to return a dictionary",
    "keys": "ResultTypeError: The keys of the returned dictionary have to be strings",
    "lambda": "StoreTypeError: Column 'y': a value of type function cannot be pickled",
    "generator": "StoreTypeError: Column 'y': a value of type generator cannot be pickled",
    "unpicklable": "StoreTypeError: Column 'y': a value of type Unpicklable cannot be pickled",
    "deep": "StoreTypeError: Column 'z': a value of type list cannot be pickled",
    "silent": "ValueError: said to nobody",
    "close files": "ProcessDied: process ended with exit code 1: OSError: [Errno 9]",
}


@pytest.mark.parametrize("pool_size", [1, 2])
def test_whatever_a_function_does_costs_its_own_row_at_most(study: Study, pool_size: int) -> None:
    study.task(ODD.replace("POOL_SIZE", str(pool_size)))
    said = study.run()
    assert said.code == 1 and f"{len(CAUSES)} failed: psy failures t" in said.out
    causes = study.failures()
    for (row, cause), (name, expected) in zip(causes.items(), CAUSES.items(), strict=True):
        assert cause.startswith(expected), (row, name)
    completed = study.result()["i"]
    assert len(set(completed)) == len(completed)
    assert set(completed) == set(range(study.status()["total"])) - causes.keys()
    counts = study.counts()
    assert counts.pop("copy") == 1
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("store", ["PickleStore()", "NpzStore()", "H5Store()"])
def test_a_result_that_the_store_cannot_hold_costs_its_own_row(study: Study, store: str) -> None:
    study.task(f"""
        pspace = Param(x=range(3))
        store = {store}
        def execute(x):
            return {{'y': (lambda: 1) if x == 1 else x}}
        """)
    assert study.run().code == 1
    assert study.result() == {"x": [0, 2], "y": [0, 2]}
    (cause,) = study.failures().values()
    assert cause.startswith("StoreTypeError: ") and "'y'" in cause


def test_a_failure_tells_all_that_is_known(study: Study) -> None:
    study.task("""
        pspace = Param(x=[1, 2], text='some')
        seed = 5
        def execute(x, text):
            note('process', os.getpid(), time.time())
            print('about to fail')
            raise LookupError(f'nothing for {x}')
        """)
    assert study.run().code == 1
    (one, two) = study.attempts()
    assert one.failure is not None and two.failure is not None
    assert (one.row, two.row) == (0, 1)
    assert one.failure.type == "LookupError" and one.failure.message == "nothing for 1"
    assert "raise LookupError" in one.failure.traceback and "in execute" in one.failure.where
    assert one.failure.assignment == "x=1, text='some'"
    assert isinstance(one.failure.seed, int) and one.failure.seed != two.failure.seed
    _, pid, began = study.notes()[0].split()
    assert one.failure.host == os.uname().nodename and one.failure.pid == int(pid)
    path = study.workdir.failed(study.plan().plan_id)
    frames = Journal(path, study.plan().plan_id).frames[1:]
    assert abs(frames["start"][0] - float(began)) < 1
    assert (frames["duration"] > 0).all()
