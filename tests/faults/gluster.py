"""A GlusterFS volume of this machine's own, mounted twice, as two nodes would see it.

No daemon that manages volumes is needed: one process serves a directory on a socket, and each
mount is another process. They cache as usual, so that one node may see late what another does.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

BRICK = """\
volume posix
    type storage/posix
    option directory {directory}
end-volume
volume brick
    type features/locks
    subvolumes posix
end-volume
volume server
    type protocol/server
    option transport-type unix
    option transport.socket.listen-path {socket}
    option auth.addr.brick.allow *
    subvolumes brick
end-volume
"""

CLIENT = """\
volume remote
    type protocol/client
    option transport-type unix
    option remote-host 127.0.0.1
    option transport.socket.connect-path {socket}
    option remote-subvolume brick
end-volume
"""

CACHE = """\
volume {name}
    type performance/{name}
    subvolumes {below}
end-volume
"""

CACHES = ["write-behind", "readdir-ahead", "io-cache", "open-behind", "quick-read", "md-cache"]

PATIENCE = 60.0


def why_not() -> str:
    """Return why GlusterFS cannot be used."""
    if os.geteuid() != 0:
        return "mounting file systems needs root"
    if not Path("/dev/fuse").exists():
        return "there is no /dev/fuse"
    if shutil.which("glusterfsd") is None:
        return "there is no GlusterFS (tests/install-packages)"
    return ""


class Volume:
    """A volume and its mounts."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = directory / "s"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._mounts: list[Path] = []
        brick = directory / "brick"
        brick.mkdir(parents=True)
        self._start("glusterfsd", BRICK.format(directory=brick, socket=self._socket))
        self._wait_until(self._socket.exists)

    def _start(self, program: str, volume: str, *args: object) -> None:
        number = len(self._processes)
        path = self._directory / f"{number}.vol"
        path.write_text(volume)
        log = self._directory / f"{number}.log"
        words = [program, "--no-daemon", f"--volfile={path}", f"--log-file={log}", *map(str, args)]
        self._processes.append(subprocess.Popen(words, cwd=self._directory))

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline and self._processes[-1].poll() is None, [
                log.read_text()[-1000:] for log in self._directory.glob("*.log")
            ]
            time.sleep(0.01)

    def mount(self, path: Path) -> None:
        """Mount the volume."""
        path.mkdir(parents=True, exist_ok=True)
        volume, below = CLIENT.format(socket=self._socket), "remote"
        for cache in CACHES:
            volume += CACHE.format(name=cache, below=below)
            below = cache
        self._start("glusterfs", volume, path)
        self._mounts.append(path)
        self._wait_until(path.is_mount)

    def close(self) -> None:
        """Unmount and stop everything."""
        for path in self._mounts:
            subprocess.run(["umount", "--lazy", path], check=False)
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
