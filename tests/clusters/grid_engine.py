"""A Grid Engine of the tests' own: daemons on loopback, in a directory, stopped by their ids."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 60.0
PROGRAMS = Path("/usr/lib/gridengine")
SHARED = Path("/usr/share/gridengine")

BOOTSTRAP = """\
admin_user none
default_domain none
ignore_fqdn true
spooling_method classic
spooling_lib libspoolc
spooling_params {common};{directory}/spool
binary_path {programs}
qmaster_spool_dir {directory}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
CONFIGURATION = {
    "mailer": "/bin/true",
    "xterm": "/bin/true",
    "administrator_mail": "none",
    "min_uid": "0",  # root runs jobs, too
    "min_gid": "0",
    "gid_range": "40000-41000",
    "load_report_time": "00:00:02",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 "
    "accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00",
    "execd_params": "ENABLE_ADDGRP_KILL=true",
}
SCHEDULING = {
    "schedule_interval": "0:0:1",
    "flush_submit_sec": "1",
    "flush_finish_sec": "1",
    "maxujobs": "0",
    "load_adjustment_decay_time": "0:0:0",
    "job_load_adjustments": "NONE",
    "load_formula": "slots",
}
QUEUE = {
    "qname": "all.q",
    "load_thresholds": "NONE",
    "shell_start_mode": "posix_compliant",  # as sites have it
    "shell": "/bin/csh",
    "pe_list": "smp",
    "rerun": "FALSE",
    "notify": "00:00:05",
    "min_cpu_interval": "00:00:01",
}
HOST = """\
hostname {host}
load_scaling NONE
complex_values NONE
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
"""


def why_not() -> str:
    """Return why there can be no Grid Engine here."""
    for program in ("sge_qmaster", "sge_execd", "qsub", "qacct", "setpriv"):
        if shutil.which(program, path=f"{PROGRAMS}:{os.environ.get('PATH', '')}") is None:
            return f"there is no {program} (tests/install-packages)"
    if os.geteuid() != 0:
        return "only root can run Grid Engine's daemons"
    try:
        socket.gethostbyname(socket.gethostname())
    except OSError:
        return "Grid Engine wants a host whose name can be resolved"
    return ""


class GridEngine:
    """A Grid Engine cell of one host.

    Parameters
    ----------
    slots : int
        How many jobs may run at a time.
    """

    def __init__(self, slots: int = 32) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ge-", dir="/tmp"))
        self.directory.chmod(0o755)
        self._host = socket.gethostname()
        self._slots = slots
        self._common = self.directory / "root" / "default" / "common"
        port = _free_ports(2)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SGE_")}
        self.environment = kept | {
            "LC_ALL": "C",
            "SGE_ROOT": str(self.directory / "root"),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(port),
            "SGE_EXECD_PORT": str(port + 1),
            "SGE_EXECD_PIDFILE": str(self.directory / "execd.pid"),
            "SGE_ND": "1",  # daemons stay children
        }
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.environment["SGE_ARCH"] = self.run(str(SHARED / "util" / "arch")).strip()
        try:
            self._make_cell(port)
            self._start()
        except BaseException:
            self.stop()
            raise

    def run(self, *command: str) -> str:
        """Run a command of Grid Engine; return what it prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def end_all_jobs(self) -> None:
        """Kill whatever there is in the queue."""
        with suppress(AssertionError):  # there may be nothing
            self.run("qdel", "-f", "-u", "*")

    def stop(self) -> None:
        """End all jobs and stop everything."""
        if self._daemons:
            self.end_all_jobs()
        for daemon in reversed(self._daemons):
            daemon.kill()  # it would take 8 seconds to write down what is thrown away
            daemon.wait()
        self._kill_what_is_left()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- How ---------------------------------------------------------------------------------

    def _make_cell(self, port: int) -> None:
        d, root, arch = self.directory, self._common.parent.parent, self.environment["SGE_ARCH"]
        for path in (self._common, d / "qmaster" / "job_scripts", d / "execd", d / "spool"):
            path.mkdir(parents=True)
        (root / "util").symlink_to(SHARED / "util")
        for name in ("bin", "utilbin", "lib"):
            (root / name).mkdir()
            (root / name / arch).symlink_to(PROGRAMS)
        text = BOOTSTRAP.format(common=self._common, directory=d, programs=PROGRAMS)
        (self._common / "bootstrap").write_text(text)
        (self._common / "act_qmaster").write_text(f"{self._host}\n")
        # Its name may resolve to 127.0.0.1, which resolves to localhost.
        aliases = dict.fromkeys([self._host, self._host.split(".")[0], "localhost"])
        (self._common / "host_aliases").write_text(" ".join(aliases) + "\n")
        default = (SHARED / "default-configuration").read_text()
        settings = CONFIGURATION | {"execd_spool_dir": f"{d}/execd"}
        (d / "configuration").write_text(_changed(default, settings))
        self.environment["LD_LIBRARY_PATH"] = str(PROGRAMS)
        self._util("spoolinit", "classic", "libspoolc", f"{self._common};{d}/spool", "init")
        resources = SHARED / "util" / "resources"
        self._util("spooldefaults", "configuration", str(d / "configuration"))
        self._util("spooldefaults", "complexes", str(resources / "centry"))
        self._util("spooldefaults", "usersets", str(resources / "usersets"))
        self._util("spooldefaults", "managers", "root")
        del self.environment["LD_LIBRARY_PATH"]

    def _util(self, program: str, *args: str) -> None:
        self.run(str(PROGRAMS / program), *args)

    def _start(self) -> None:
        self._start_daemon("sge_qmaster")
        self._wait_until(self._answers)
        self.run("qconf", "-as", self._host)
        self.run("qconf", "-ah", self._host)
        self._configure("-Ae", HOST.format(host=self._host))
        self._configure("-Msconf", _changed(self.run("qconf", "-ssconf"), SCHEDULING))
        self.run("qconf", "-Ap", str(SHARED / "util" / "resources" / "pe" / "smp"))
        queue = QUEUE | {"hostlist": self._host, "slots": str(self._slots)}
        self._configure("-Aq", _changed(self.run("qconf", "-sq"), queue))
        self._start_daemon("sge_execd")
        self._wait_until(self._is_ready)

    def _start_daemon(self, program: str) -> None:
        with (self.directory / f"{program}.out").open("wb") as output:
            self._daemons.append(
                subprocess.Popen(
                    # Should the tests be killed, so are the daemons.
                    ["setpriv", "--pdeathsig", "KILL", str(PROGRAMS / program)],
                    env=self.environment,
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            )

    def _configure(self, option: str, text: str) -> None:
        path = self.directory / f"conf{option}"
        path.write_text(text)
        self.run("qconf", option, str(path))

    def _answers(self) -> bool:
        with suppress(AssertionError):
            return bool(self.run("qconf", "-sh"))
        return False

    def _is_ready(self) -> bool:
        """Tell whether the queue is there, without the letters of any trouble."""
        line = re.search(r"^all\.q@.*$", self.run("qstat", "-f"), re.MULTILINE)
        return line is not None and len(line[0].split()) == 5

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            dead = [daemon for daemon in self._daemons if daemon.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = [*self.directory.rglob("messages"), *self.directory.glob("*.out")]
                said = [(str(p), p.read_text(errors="replace")[-1500:]) for p in logs]
                raise AssertionError(f"no Grid Engine: {dead} {said}")
            time.sleep(0.02)

    def _kill_what_is_left(self) -> None:
        """Kill what outlived the daemons: those that watch over jobs, and the jobs."""
        ours = f"{self.directory}/execd/"
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                where = str((path / "cwd").readlink())
                what = (path / "cmdline").read_bytes().decode(errors="replace")
                if ours in what or where.startswith(ours):
                    os.kill(int(path.name), signal.SIGKILL)


def _changed(text: str, settings: dict[str, str]) -> str:
    """Return a configuration with other values."""
    for name, value in settings.items():
        text = re.sub(rf"^{name}\s.*$", f"{name} {value}", text, flags=re.MULTILINE)
    return text


def _free_ports(n: int) -> int:
    """Return the first of some free ports, below those that the system gives to others."""
    while True:
        first = random.SystemRandom().randrange(12000, 32000)
        try:
            for port in range(first, first + n):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
