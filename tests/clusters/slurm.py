"""A Slurm of the tests' own: its daemons on loopback, in a directory, stopped by their ids."""

import getpass
import os
import random
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
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
CGROUPS = [Path("/sys/fs/cgroup") / kind for kind in ("freezer", "memory")]

CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={directory}/munge.socket
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool/%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/%n.pid
MailProg=/bin/true
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=50
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1,\
default_queue_depth=1000,partition_job_depth=0
PriorityType=priority/basic
MaxArraySize={max_array_size}
MaxJobCount=25000
MinJobAge={min_job_age}
KillWait=1
OverTimeLimit=0
EpilogMsgTime=0
InactiveLimit=0
ReturnToService=2
SlurmctldTimeout=60
SlurmdTimeout=10
SlurmdParameters=config_overrides
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} \
RealMemory={memory} State=UNKNOWN\n"
WITH_CGROUPS = "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup\n"
WITHOUT_CGROUPS = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherParams=OverMemoryKill
"""
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupAutomount=no
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainCores=no
"""
ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={directory}/munge.socket
"""
DBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
PidFile={directory}/slurmdbd.pid
"""
DATABASE = """\
create database slurm_acct_db;
create user slurm@127.0.0.1 identified by 'slurm';
grant all on slurm_acct_db.* to slurm@127.0.0.1;
"""


def why_not(*, accounting: bool = False) -> str:
    """Return why there can be no Slurm here."""
    programs = ["munged", "slurmctld", "slurmd", "sbatch", "setpriv"]
    if accounting:
        programs += ["slurmdbd", "mariadbd"]
    for program in programs:
        if shutil.which(program, path=PATH) is None:
            return f"there is no {program} (tests/install-packages)"
    try:
        getpass.getuser()
    except (KeyError, OSError):
        return "Slurm wants a user with a name"
    return ""


class Slurm:
    """A Slurm cluster whose nodes are all this machine.

    Parameters
    ----------
    nodes, cpus : int
        How many nodes, with how many processors each.
    min_job_age : int
        Seconds for which jobs that have ended are remembered; the controller looks now and then.
    max_array_size : int
        One above the highest index that an array may have.
    accounting : bool
        Whether there is a database of jobs, for ``sacct``.
    """

    def __init__(
        self,
        nodes: int = 1,
        cpus: int = 32,
        min_job_age: int = 300,
        max_array_size: int = 10001,
        accounting: bool = False,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # sockets: short
        self.directory.chmod(0o755)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))},
            "PATH": PATH,
            "LC_ALL": "C",
            "SLURM_CONF": str(self.directory / "slurm.conf"),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
        }
        self.has_cgroups = os.geteuid() == 0 and all(
            os.access(cgroup / "tasks", os.W_OK) for cgroup in CGROUPS
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._cpus, self._accounting = cpus, accounting
        self._settings = {"min_job_age": min_job_age, "max_array_size": max_array_size}
        self._port = _free_ports(nodes + 3)
        self.nodes = [f"n{self._port}-{i}" for i in range(nodes)]  # cgroups are named after nodes
        try:
            self._configure()
            self._start()
        except BaseException:
            self.stop()
            raise

    # --- For tests ---------------------------------------------------------------------------

    def run(self, *command: str) -> str:
        """Run a command of Slurm, as its operator; return what it prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def start_controller(self) -> None:
        """Start what was stopped by `stop_controller`."""
        self._start_program("slurmctld", "slurmctld", "-D")
        self._wait_until(self._is_up)

    def stop_controller(self) -> None:
        """Stop answering; jobs run on."""
        self._stop_program("slurmctld")

    def start_node(self, name: str) -> None:
        """Start a node."""
        self._start_program(name, "slurmd", "-D", "-N", name)

    def kill_node(self, name: str) -> None:
        """Let a node die, with all that runs on it."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()
        self._kill_what_is_left([name])

    def stop(self) -> None:
        """End all jobs and stop everything."""
        if "slurmctld" in self._processes:
            with suppress(AssertionError, subprocess.TimeoutExpired):
                self.run("scancel", "--quiet", f"--user={getpass.getuser()}")
                running = ["squeue", "-h", "-t", "running,completing", "-o", "%i"]
                deadline = time.monotonic() + 5
                while self.run(*running) and time.monotonic() < deadline:
                    time.sleep(0.05)
        for name in reversed(list(self._processes)):
            self._stop_program(name)
        self._kill_what_is_left(self.nodes)
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- How ---------------------------------------------------------------------------------

    def _configure(self) -> None:
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        places = {"directory": self.directory, "host": host, "user": user}
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        text = CONF.format(port=self._port, **places, **self._settings)
        text += WITH_CGROUPS if self.has_cgroups else WITHOUT_CGROUPS
        if self.has_cgroups:
            (self.directory / "cgroup.conf").write_text(CGROUP_CONF)
        for i, name in enumerate(self.nodes):
            node = {"name": name, "port": self._port + 1 + i, "memory": memory * 9 // 10}
            text += NODE.format(host=host, cpus=self._cpus, **node)
        if self._accounting:
            port = self._port + len(self.nodes) + 1
            text += ACCOUNTING.format(port=port, directory=self.directory)
            conf = self.directory / "slurmdbd.conf"
            conf.touch(0o600)
            conf.write_text(DBD_CONF.format(port=port, database=port + 1, **places))
        (self.directory / "slurm.conf").write_text(text)
        for name in ("state", "spool"):
            (self.directory / name).mkdir()
        key = self.directory / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(256))

    def _start(self) -> None:
        d = self.directory
        munge = ["--foreground", "--force", f"--key-file={d}/munge.key", "--num-threads=4"]
        munge += [f"--socket={d}/munge.socket", f"--pid-file={d}/munged.pid"]
        munge += [f"--log-file={d}/munged.log", f"--seed-file={d}/munged.seed"]
        self._start_program("munged", "munged", *munge)
        self._wait_until((d / "munge.socket").exists)
        if self._accounting:
            self._start_accounting()
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        self._wait_until(self._is_idle)

    def _start_accounting(self) -> None:
        d, port = self.directory, self._port + len(self.nodes) + 2
        user = f"--user={getpass.getuser()}"
        install = ["mariadb-install-db", "--no-defaults", user, f"--datadir={d}/db"]
        install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        self.run(*install)
        (d / "database.sql").write_text(DATABASE)
        database = ["--no-defaults", user, f"--datadir={d}/db", f"--socket={d}/mysql.socket"]
        database += ["--bind-address=127.0.0.1", f"--port={port}", f"--init-file={d}/database.sql"]
        database += ["--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"]
        self._start_program("mariadbd", "mariadbd", *database)
        self._wait_until(lambda: _answers(port))
        self._start_program("slurmdbd", "slurmdbd", "-D")
        self._wait_until(lambda: _answers(port - 1))
        self.run("sacctmgr", "-i", "add", "cluster", "test")

    def _start_program(self, name: str, program: str, *args: str) -> None:
        with (self.directory / f"{name}.out").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                # Should the tests be killed, so are the daemons.
                ["setpriv", "--pdeathsig", "KILL", program, *args],
                env=self.environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _stop_program(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _is_up(self) -> bool:
        with suppress(AssertionError):
            return "is UP" in self.run("scontrol", "ping")
        return False

    def _is_idle(self) -> bool:
        states = self.run("sinfo", "-h", "-N", "-o", "%N %T").splitlines()
        return all(f"{name} idle" in states for name in self.nodes)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            dead = [name for name, p in self._processes.items() if p.poll() is not None]
            if dead or time.monotonic() > deadline:
                said = [(p.name, p.read_text()[-1500:]) for p in self.directory.glob("*.out")]
                raise AssertionError(f"no Slurm: {dead} {said}")
            time.sleep(0.02)

    def _kill_what_is_left(self, nodes: list[str]) -> None:
        """Kill what outlived its node: those that watch over jobs, and what they watched over."""
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                where = str((path / "cwd").readlink())
                what = (path / "cmdline").read_bytes().decode(errors="replace")
                ours = [str(self.directory / "spool" / name) for name in nodes]
                if any(place in what or where.startswith(place) for place in ours):
                    os.kill(int(path.name), signal.SIGKILL)
        for cgroup in CGROUPS * self.has_cgroups:
            for name in nodes:
                _remove_cgroup(cgroup / f"slurm_{name}")


def _remove_cgroup(path: Path) -> None:
    deadline = time.monotonic() + 5
    while path.exists() and time.monotonic() < deadline:
        for inner, _, _ in os.walk(path, topdown=False):
            with suppress(OSError):
                for pid in (Path(inner) / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
                Path(inner).rmdir()
        time.sleep(0.01)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


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
