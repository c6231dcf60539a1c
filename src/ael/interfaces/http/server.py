"""MCP over streamable HTTP at /mcp, and /health: the application, its port, and an orderly end."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import msgspec
import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ael import __version__
from ael.errors import ConfigInvalid, Problem
from ael.interfaces.http.guard import Guard, is_loopback
from ael.interfaces.http.sessions import Sessions
from ael.interfaces.mcp.server import PRESENCE, McpServer

PATH = "/mcp"

#: Bytes of a request: 4 MiB of arguments, escaped, must fit.
_MOST_BODY = 8 * 1024 * 1024

#: Sessions of the handshake era that may be idle, those that are busy besides, and the seconds after which one that
#: nobody uses ends.
_MOST_SESSIONS, _BUSY, _IDLE = 1000, 1000, 1800.0

#: Seconds that open responses get when we stop; a stream of news would stay open for ever.
_LAST_WORDS = 2


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to listen."""

    host: str
    port: int
    #: Other machines may reach us without authentication.
    insecure: bool = False
    #: Names by which we are known, for the Host header.
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None


class HttpServer:
    """One port."""

    def __init__(self, server: McpServer, address: Address) -> None:
        """Open the port; raises `ConfigInvalid` where that is not possible, or not allowed."""
        self._address = address
        self._socket = _listen(address)
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if address.tls_cert else "http"
        #: Where clients find us.
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
        self._news = server.news
        names = (address.host, *address.allowed_hosts)
        config = uvicorn.Config(
            Guard(_application(server), names, PRESENCE),
            log_level="warning",
            lifespan="on",
            server_header=False,
            ssl_certfile=address.tls_cert,
            ssl_keyfile=address.tls_key,
            timeout_graceful_shutdown=_LAST_WORDS,
        )
        _check_tls(config)
        self._server = _Server(config)

    async def serve(self) -> None:
        """Serve until `stop`, or until cancelled."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Take no more requests, and end when those that are open have ended, or after a moment."""
        self._news.close()
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Leaves signals to the command, which has executions to put on record first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _application(server: McpServer) -> Starlette:
    manager = StreamableHTTPSessionManager(
        server,
        # `Guard` looks at each request before, whatever its path.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=_MOST_BODY,
        max_sessions=_MOST_SESSIONS + _BUSY,
        session_idle_timeout=_IDLE,
    )

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "version": __version__})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    sessions = Sessions(StreamableHTTPASGIApp(manager), _MOST_SESSIONS)
    routes = [Route(PATH, endpoint=sessions), Route("/health", endpoint=health)]
    return Starlette(routes=routes, lifespan=lifespan)


def _listen(address: Address) -> socket.socket:
    if not is_loopback(address.host) and not address.insecure:
        raise _refused(
            f"{address.host} is reached from other machines, and there is no authentication",
            "Listen at 127.0.0.1, or say --insecure (AEL_INSECURE=1) if something else keeps strangers away.",
        )
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(where)
            listening.listen(1024)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise _refused(
            f"cannot listen at {address.host}:{address.port}: {error.strerror or error}",
            "Choose another with --port, or stop what listens there.",
        ) from error
    return listening


def _check_tls(config: uvicorn.Config) -> None:
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise _refused(f"the certificate or its key is not usable: {error}", "Give both as PEM files.") from error


def _refused(message: str, suggestion: str) -> ConfigInvalid:
    return ConfigInvalid([Problem(message=message, suggestion=suggestion)])
