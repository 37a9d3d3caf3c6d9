"""Stand-ins for schedulers of which there is no package: their commands, and jobs that truly run.

Each command prints what the real one's documentation shows and refuses what that refuses.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from .engine import ask

HERE = Path(__file__).parent

COMMANDS = {
    "sharcnet": ["sqsub", "sqjobs", "sqkill"],
    "pbs": ["qsub", "qstat", "qselect", "qdel"],
    "lsf": ["bsub", "bjobs", "bkill", "bhist", "bparams"],
    "htcondor": [
        "condor_submit",
        "condor_submit_dag",
        "condor_dagman",
        "condor_q",
        "condor_rm",
        "condor_history",
    ],
}

_COMMAND = """#!{python} -IS
import sys
sys.path[:0] = [{here!r}]
from {module} import {command}
{command}({directory!r}, sys.argv[1:])
"""


class StandIn:
    """A batch system of the tests.

    Parameters
    ----------
    module : str
        Whose commands it has.
    directory : Path
        Where it keeps its files; a short path.
    """

    def __init__(self, module: str, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        for command in COMMANDS[module]:
            path = self.bin / command
            path.write_text(
                _COMMAND.format(
                    python=sys.executable,
                    here=str(HERE),
                    module=module,
                    command=command,
                    directory=str(directory),
                )
            )
            path.chmod(0o755)

    def ask(self, what: str, **arguments: Any) -> Any:
        """Let the server do something."""
        return ask(str(self.directory), what, **arguments)

    def job(self, number: object) -> dict[str, Any]:
        """Return a job by its number."""
        (found,) = [job for job in self.ask("list") if job["number"] == int(str(number))]
        return dict(found)


@contextmanager
def running(module: str, slots: int = 16) -> Iterator[StandIn]:
    """Run a stand-in; all its jobs end with it."""
    directory = Path(tempfile.mkdtemp(prefix="psyrun-"))
    engine = [sys.executable, "-IS", str(HERE / "engine.py"), str(directory), str(slots)]
    server = subprocess.Popen(engine, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not os.path.exists(directory / "socket"):
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        standin = StandIn(module, directory)
        yield standin
        for job in standin.ask("list"):  # pytest shows this if the test has failed
            shown = ("number", "index", "name", "state", "why", "code", "after")
            print({name: job[name] for name in shown})
    finally:
        server.terminate()
        server.wait()
        rmtree(directory, ignore_errors=True)


@contextmanager
def several() -> Iterator[Callable[[str], StandIn]]:
    """Return what starts stand-ins, which end together."""
    with ExitStack() as stack:
        yield lambda module: stack.enter_context(running(module))
