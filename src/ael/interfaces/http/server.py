"""MCP over streamable HTTP at /mcp, and /health: the application, its port, and an orderly end."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial

import anyio
import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ael import __version__
from ael.interfaces.http.address import BACKLOG, Address, tls_context
from ael.interfaces.http.connections import HalfSent, open_connection
from ael.interfaces.http.door import Door
from ael.interfaces.http.exchange import Exchange
from ael.interfaces.http.guard import Guard
from ael.interfaces.http.sessions import Sessions
from ael.interfaces.mcp.server import PRESENCE, McpServer

PATH = "/mcp"

#: Bytes of a request: 4 MiB of arguments, escaped, must fit.
_MOST_BODY = 8 * 1024 * 1024

#: Sessions of the handshake era that may be idle, those that are busy besides, and the seconds after which one that
#: nobody uses ends.
_MOST_SESSIONS, _BUSY, _IDLE = 1000, 1000, 1800.0

#: What writing to a stream raises that was closed.
_CLOSED = (anyio.BrokenResourceError, anyio.ClosedResourceError)

#: Seconds that open responses get when we stop; a stream of news would stay open for ever.
_LAST_WORDS = 2


class HttpServer:
    """One port."""

    def __init__(self, server: McpServer, address: Address, listening: socket.socket) -> None:
        """Take the port, which is open."""
        self._socket = listening
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if address.tls_cert else "http"
        #: Where clients find us.
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
        self._news = server.news
        names = (address.host, *address.allowed_hosts)
        manager = _manager(server)
        self._sessions = Sessions(StreamableHTTPASGIApp(manager), _MOST_SESSIONS)
        door = Door(self._sessions, Exchange(server), _MOST_BODY)
        self._half_sent = HalfSent()
        config = uvicorn.Config(
            Guard(_application(manager, door), names, PRESENCE),
            http=partial(open_connection, self._half_sent, tls_context(address)),  # type: ignore[arg-type]  # called as the class would be
            backlog=self._half_sent.at_once,
            # Another library that happens to be installed would take upgrades past the guard.
            ws="none",
            # Its warnings are of strangers' making, one for each broken request.
            log_level="error",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=_LAST_WORDS,
        )
        self._server = _Server(config)
        logging.getLogger("mcp.server.streamable_http").addFilter(_is_news)

    async def serve(self) -> None:
        """Serve until `stop`, or until cancelled."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Take no more requests, and end when those that are open have ended, or after a moment."""
        self._news.close()
        self._half_sent.close()
        self._sessions.end_streams()
        self._server.should_exit = True


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether the SDK says more than that a stream was closed: a client whose session ends does that."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BaseExceptionGroup):
        return error.split(_CLOSED)[1] is not None
    return not isinstance(error, _CLOSED)


class _Server(uvicorn.Server):
    """Leaves signals to the command, which has executions to put on record first."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; who comes while we are busy is kept by the kernel, more than asyncio would take at once."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _manager(server: McpServer) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        server,
        # `Guard` looks at each request before, whatever its path.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=_MOST_BODY,
        max_sessions=_MOST_SESSIONS + _BUSY,
        session_idle_timeout=_IDLE,
    )


def _application(manager: StreamableHTTPSessionManager, door: Door) -> Starlette:
    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "version": __version__})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    routes = [Route(PATH, endpoint=door), Route("/health", endpoint=health)]
    return Starlette(routes=routes, lifespan=lifespan)
