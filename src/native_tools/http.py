"""MCP over streamable HTTP at /mcp, and /health. No authentication: loopback only, unless somebody insists."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from native_tools import __version__
from native_tools.environment import Environment
from native_tools.server import NativeTools

if TYPE_CHECKING:
    from starlette.applications import Starlette

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Bytes of a request: a file of the largest size that fs_write takes, as base64, fits in.
_MOST_BODY = 64 * 1024 * 1024


def serve(tools: NativeTools, environment: Environment) -> int:
    """Listen until a signal ends it; return the exit code."""
    if not _is_loopback(environment.host) and not environment.insecure:
        _say(
            f"{environment.host} is reached from other machines, and there is no authentication. "
            "Listen at 127.0.0.1, or say --insecure."
        )
        return 1
    import uvicorn  # noqa: PLC0415 # only over HTTP

    try:
        listening = _listen(environment.host, environment.port)
    except OSError as error:
        _say(f"cannot listen at {environment.host}:{environment.port}: {error.strerror or error}")
        return 1
    host, port = listening.getsockname()[:2]
    _say(f"listening at http://{f'[{host}]' if ':' in host else host}:{port}/mcp")
    config = uvicorn.Config(
        Guard(application(tools), environment), log_level="warning", lifespan="on", server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def application(tools: NativeTools) -> Starlette:
    """Return what answers at /mcp and /health."""
    from mcp.server.transport_security import TransportSecuritySettings  # noqa: PLC0415 # with the server
    from starlette.requests import Request  # noqa: PLC0415 # as above
    from starlette.responses import JSONResponse  # noqa: PLC0415 # as above
    from starlette.routing import Route  # noqa: PLC0415 # as above

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "version": __version__, "tools": len(tools.tools)})

    return tools.server().streamable_http_app(
        max_request_body_size=_MOST_BODY,
        # `Guard` looks at each request before, whatever its path.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        custom_starlette_routes=[Route("/health", health)],
    )


class Guard:
    """Lets requests through that name us as their host, and that no foreign web page sent.

    A page can make a browser send requests to us, and by a name whose address it changes also read the answers
    (DNS rebinding); a Host that is an address cannot be changed so.
    """

    def __init__(self, app: Starlette, environment: Environment) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower() for name in (environment.host, *environment.server_names))}

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """See ASGI."""
        refused = self._refusal(dict(scope["headers"])) if scope["type"] == "http" else None
        if refused is None:
            return await self._app(scope, receive, send)
        status, text = refused
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})
        return None

    def _refusal(self, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        host = _name_of("//" + headers.get(b"host", b"").decode("latin-1"))
        if host not in self._names and not _is_address(host):
            return 421, "This server is not known by that name; say --server-name NAME if it is."
        origin = headers.get(b"origin")
        if origin is None:
            return None
        page = _name_of(origin.decode("latin-1"))
        if page != host and page not in self._names and not _is_loopback(page):
            return 403, "Pages of other sites may not use this server."
        return None


def _name_of(url: str) -> str:
    """Return the host of a URL, empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, proto)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _say(text: str) -> None:
    sys.stderr.write(f"native_tools: {text}\n")
    sys.stderr.flush()
