"""The rating page's server, for one rater on this machine.

A page of another site cannot reach it: its address holds a random token, only this machine's names pass as Host
(so no foreign name may point here), and an answer must come from a page of the same origin.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.measures.language import LANGUAGES
from tasks.people import page
from tasks.people.answers import UNDO
from tasks.people.sitting import SIDES, Sitting
from tasks.refusal import Refusal

LOOPBACK = "127.0.0.1"
HOSTS = [LOOPBACK, "localhost"]
TOKEN_BYTES = 16
LAST_SECONDS = 2  # for a request under way when the program ends
FILES = {"rating.css": "text/css", "rating.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",  # a page from the cache would show a question that has its answer
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # the address has the token; with no-referrer no Origin would be told either
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """ASGI middleware: the headers on every answer, and 403 to a POST from another origin or from none."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']} is not served")

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        request = Request(scope)
        own = f"http://{request.headers.get('host')}"
        if request.method not in ("GET", "HEAD") and request.headers.get("origin") != own:
            await Response("not from this page", 403, media_type="text/plain")(scope, receive, headed)
        else:
            await self.app(scope, receive, headed)


def made(sitting: Sitting, token: str) -> Starlette:
    """The application; all of it lies under /<token>/, and a page is /<token>/<language>/."""

    # async, so that one answer is taken at a time: all run in the one thread of the event loop
    async def show(request: Request) -> Response:
        return HTMLResponse(page.html(sitting, _language(request)))

    async def take(request: Request) -> Response:
        language, side = _language(request), request.path_params["side"]
        if side not in (*SIDES, UNDO):
            raise HTTPException(404)
        sitting.take(request.path_params["place"], side)
        return RedirectResponse(f"/{token}/{language}/", 303)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            raise HTTPException(404)
        return Response(Path(__file__).with_name(name).read_bytes(), media_type=FILES[name])

    routes = [
        Route("/{language}/", show),
        Route("/{language}/{place:int}/{side}", take, methods=["POST"]),
        Route("/{name}", file),
    ]
    guards = [Middleware(Guard), Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)]
    return Starlette(routes=[Mount(f"/{token}", routes=routes)], middleware=guards)


def new_token() -> str:
    """Another one at each start; it stands in the address that the terminal shows."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def bound(port: int) -> socket.socket:
    """A listening socket of this machine alone, where who comes early waits; port 0 is any that is free."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((LOOPBACK, port))
        found.listen()
    except OSError as error:
        found.close()
        raise Refusal(
            f"port {port}", f"cannot be had ({error.strerror})", "give another by --port"
        ) from error
    return found


def serve(app: Starlette, at: socket.socket) -> None:
    """Returns after Ctrl-C."""
    import uvicorn

    told = {
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
    }  # an access log tells the token
    config = uvicorn.Config(app, lifespan="off", ws="none", timeout_graceful_shutdown=LAST_SECONDS, **told)
    with at, suppress(KeyboardInterrupt):  # which uvicorn raises again once it has closed
        uvicorn.Server(config).run(sockets=[at])


def _language(request: Request) -> str:
    language = request.path_params["language"]
    if language not in LANGUAGES:
        raise HTTPException(404)
    return language
