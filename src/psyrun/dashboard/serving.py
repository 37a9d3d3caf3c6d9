"""Running a dashboard on this machine."""

import secrets
import socket
from collections.abc import Callable
from os import PathLike

from psyrun.dashboard.app import make_app
from psyrun.dashboard.watching import Watch
from psyrun.exceptions import UsageError
from psyrun.extras import ensure

PORT = 8779
"""Where a dashboard listens if nothing else is said."""
_LOOPBACK = "127.0.0.1"
_PATIENCE = 1
"""Seconds that requests have when the dashboard ends."""


def serve(taskdir: str | PathLike[str], port: int, tell: Callable[[str], object]) -> None:
    """Show the tasks of a directory to browsers on this machine, until interrupted.

    Parameters
    ----------
    taskdir : path-like
        Directory of task files.
    port : int
        Where to listen; 0 stands for any port that is free.
    tell : callable
        Called with the address to open, once it can be opened.

    Raises
    ------
    MissingExtraError
        If starlette, uvicorn or plotly is not installed.
    UsageError
        If the port cannot be used, or there is no such directory.
    KeyboardInterrupt
        When interrupted.
    """
    for module in ("starlette", "uvicorn", "plotly"):
        ensure(module, "dashboard", "psy dashboard")
    import uvicorn

    token = secrets.token_urlsafe(24)
    app = make_app(Watch(taskdir), token)
    config = uvicorn.Config(
        app, log_level="error", lifespan="off", timeout_graceful_shutdown=_PATIENCE
    )
    with _listen(port) as listening:
        tell(f"http://{_LOOPBACK}:{listening.getsockname()[1]}/?token={token}")
        uvicorn.Server(config).run(sockets=[listening])


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((_LOOPBACK, port))
        listening.listen()
    except (OSError, OverflowError) as err:
        listening.close()
        why = err.strerror if isinstance(err, OSError) else str(err)
        raise UsageError(
            f"Port {port} cannot be used ({why}); name another with --port, or let --port 0 choose "
            f"one that is free."
        ) from None
    return listening
