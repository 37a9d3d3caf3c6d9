"""What a dashboard answers to requests."""

import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from psyrun.dashboard.watching import Watch
from psyrun.exceptions import PsyrunError
from psyrun.report.page import PLOTTING, SCRIPTS, fill_page, read_asset

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_SCRIPTS = (PLOTTING, *SCRIPTS, "live.js")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'"
)
_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def make_app(watch: Watch, token: str) -> "Starlette":
    """Make the application that a server runs.

    Parameters
    ----------
    watch : Watch
        What tells of the tasks.
    token : str
        What requests have to bring along to be answered.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    # Functions that are not coroutines are run in threads.
    def page(request: "Request") -> "Response":
        return Response(_page(token), media_type="text/html", headers=_HEADERS)

    def script(request: "Request") -> "Response":
        name = request.path_params["name"]
        if name not in _SCRIPTS:
            return Response("not found", 404)
        headers = {"Cache-Control": "private, max-age=86400"}
        return Response(read_asset(name), media_type="text/javascript", headers=headers)

    def state(request: "Request") -> "Response":
        name = request.query_params.get("task", "")
        told = {"tasks": watch.state(), "log": watch.log_of(name)}
        return JSONResponse(told, headers=_HEADERS)

    def task(request: "Request") -> "Response":
        try:
            content = watch.content_of(request.query_params.get("task", ""))
        except (PsyrunError, OSError) as err:
            content = json.dumps({"error": str(err)}).encode()
        return Response(content or b"{}", media_type="application/json", headers=_HEADERS)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/scripts/{name}", script),
            Route("/state", state),
            Route("/task", task),
        ],
        middleware=[Middleware(_Guard, token=token)],
    )


def _page(token: str) -> str:
    sources = [f"scripts/{name}?token={quote(token)}" for name in _SCRIPTS]
    return fill_page(
        "psyrun dashboard",
        _POLICY,
        f"<style>\n{read_asset('page.css')}</style>",
        "\n".join(f'<script src="{source}"></script>' for source in sources),
    )


class _Guard:
    """Refuses requests that do not know the token, or that were meant for another name.

    On a machine with several users, others reach its loopback, too; and a page from elsewhere may
    have made its own name stand for it.
    """

    def __init__(self, app: _App, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http" and self._is_welcome(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            from starlette.responses import PlainTextResponse

            refusal = PlainTextResponse("The address needs the token that psy has printed.\n", 403)
            await refusal(scope, receive, send)

    def _is_welcome(self, scope: _Message) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        given = parse_qs(scope["query_string"]).get(b"token", [])
        return (
            len(hosts) == 1
            and _host_name(hosts[0].decode("latin-1")) in _OWN_NAMES
            and len(given) == 1
            and secrets.compare_digest(given[0], self._token)
        )


def _host_name(host: str) -> str | None:
    """Return the name in a Host header, None if it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
