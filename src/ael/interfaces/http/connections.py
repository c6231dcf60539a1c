"""Connections whose requests or responses do not come to an end: bounded in time, in number and in memory.

uvicorn limits how long a connection may be idle between two requests, and nothing else: a head or a body that trickles
in would hold its descriptor, and what came of it, for ever, and so would a response that nobody reads. Its
`limit_concurrency` refuses the next client instead, and so lets whoever opens connections and says nothing lock out
everybody else.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from typing import Any, Protocol

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from ael.app.serving.served import Presence
from ael.interfaces.mcp.server import PRESENCE

_log = logging.getLogger("ael.serving")

#: Seconds in which the head of a request has to arrive, and its body after that.
_HEAD, _BODY = 20.0, 120.0

#: Seconds after which a client that has taken no byte of a response is given up.
_UNREAD = 120.0

#: Seconds in which a client over TLS may say that it has seen us close.
_FAREWELL = 2

#: Half-sent requests, and the bytes that came of all of them.
_MOST, _MOST_BYTES = 1000, 256 * 1024 * 1024

#: Bytes that a client may send while its request is answered, before no more of them are read.
_EARLY = 64 * 1024

#: Bytes that are gathered before they are sent.
_PACKET = 64 * 1024

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Unfinished(Protocol):
    """A connection that owes us something."""

    def give_up(self) -> None:
        """Close it."""
        ...


class HalfSent:
    """The connections that owe us the rest of a request; for one too many, the oldest of them is closed."""

    def __init__(
        self, head_seconds: float = _HEAD, body_seconds: float = _BODY, unread_seconds: float = _UNREAD
    ) -> None:
        self.head_seconds = head_seconds
        self.body_seconds = body_seconds
        self.unread_seconds = unread_seconds
        # Half of the descriptors is left to those who are served, to servers and to files.
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = _MOST if soft == resource.RLIM_INFINITY else min(_MOST, soft // 2)
        #: New connections that may be taken at once: some more are, before any of the old ones is really closed.
        self.at_once = max(1, self._most // 8)
        #: With the bytes that came of each, the oldest first.
        self._bytes: dict[Unfinished, int] = {}
        self._sum = 0
        self._told = False

    def add(self, connection: Unfinished, came: int) -> None:
        """Note what came of a request that is not whole yet."""
        self._bytes[connection] = self._bytes.get(connection, 0) + came
        self._sum += came
        while self._bytes and (len(self._bytes) > self._most or self._sum > _MOST_BYTES):
            oldest = next(iter(self._bytes))
            if not self._told:
                self._told = True
                _log.warning("too much is half sent over HTTP: the requests that are unfinished for longest are closed")
            oldest.give_up()

    def close(self) -> None:
        """Wait for no request any more."""
        self._most, self._told = 0, True
        for connection in tuple(self._bytes):
            connection.give_up()

    def discard(self, connection: Unfinished) -> None:
        """Forget a connection whose request is whole, or which is gone."""
        self._sum -= self._bytes.pop(connection, 0)


class Packets:
    """A transport that sends what is written in one turn of the event loop at once, and waits for no idle reader.

    uvicorn writes the head of a response and its body apart: two system calls here, and two wake-ups at the client.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, unread_seconds: float) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0
        self._unread_seconds = unread_seconds
        #: Bytes that were written so far, and those of them that the client had taken when they were last counted.
        self._written = self._taken = 0
        self._patience: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 # whatever else a transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """See `asyncio.WriteTransport`."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > _PACKET:
            self.flush()

    def flush(self) -> None:
        """Send what was written."""
        if self._parts:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts, self._size = [], 0
            self._written += len(data)
            self._transport.write(data)
            if self._patience is None:
                self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        """Look again later where something is left that the client has not taken."""
        self._patience = None
        left = self._transport.get_write_buffer_size()
        if left:
            self._taken = self._written - left
            self._patience = self._loop.call_later(self._unread_seconds, self._count)

    def _count(self) -> None:
        if self._written - self._transport.get_write_buffer_size() > self._taken:
            self._wait_for_reader()
        else:
            self._transport.abort()

    def lost(self) -> None:
        """Wait for nobody any more: the connection is gone."""
        if self._patience is not None:
            self._patience.cancel()

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        self.flush()
        self._transport.close()


class Connection(H11Protocol):
    """One connection of uvicorn's, which has to say what it wants within some time."""

    def __init__(
        self,
        half_sent: HalfSent,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._half_sent = half_sent
        #: Called once the connection is made, which over TLS is after the handshake.
        self.when_made: Callable[[], None] | None = None
        #: What the client owes: the state of h11 in which the time began.
        self._owes: type[h11.IDLE | h11.SEND_BODY] | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """See `asyncio.Protocol`."""
        self._packets = Packets(transport, self.loop, self._half_sent.unread_seconds)
        if self.when_made is not None:
            self.when_made()
        super().connection_made(self._packets)  # type: ignore[arg-type]  # all that is asked of one
        self._look(0)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        self._look(len(data))

    def handle_events(self) -> None:
        """See uvicorn: called for what came, and for what came too early once it may be looked at."""
        super().handle_events()
        self._look(0)

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self._packets.flush()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._expect(None)
        self._packets.lost()
        super().connection_lost(exc)
        cycle: RequestResponseCycle | None = self.cycle
        presence = None if cycle is None else cycle.scope.get(PRESENCE)
        if isinstance(presence, Presence):
            presence.leave()

    def give_up(self) -> None:
        """Close a connection that does not say all that it wants."""
        self._expect(None)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            self.transport.write(_TOO_SLOW)
        self.transport.close()

    def _look(self, came: int) -> None:
        """Start the time anew where the client owes something else than before."""
        state = self.conn.their_state
        owes = state if state in {h11.IDLE, h11.SEND_BODY} and not self.transport.is_closing() else None
        if owes is not self._owes:
            self._expect(owes)
        if owes is not None:
            self._half_sent.add(self, came)
        elif len(self.conn.trailing_data[0]) <= _EARLY:
            # uvicorn reads no more once a body is large or the next request begins, and so sees nobody leave.
            self.flow.resume_reading()

    def _expect(self, owes: type[h11.IDLE | h11.SEND_BODY] | None) -> None:
        self._owes = owes
        self._half_sent.discard(self)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if owes is not None:
            seconds = self._half_sent.head_seconds if owes is h11.IDLE else self._half_sent.body_seconds
            self._patience = self.loop.call_later(seconds, self.give_up)


class Handshake(SSLProtocol):
    """A connection over TLS: one whose handshake is not done yet is as half-sent as a request.

    asyncio would wait a minute for it, and for as many as there are descriptors.
    """

    def __init__(self, half_sent: HalfSent, context: ssl.SSLContext, inner: Connection) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            inner,
            context,
            None,  # type: ignore[arg-type]  # nobody waits for the handshake
            server_side=True,
            ssl_handshake_timeout=half_sent.head_seconds,  # type: ignore[arg-type]  # any number of seconds
            ssl_shutdown_timeout=_FAREWELL,
        )
        inner.when_made = self.done
        self._half_sent = half_sent
        self._below: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._below = transport
        super().connection_made(transport)
        self._half_sent.add(self, 0)

    def done(self) -> None:
        """Wait no more."""
        self._half_sent.discard(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See `asyncio.Protocol`."""
        self.done()
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Close a connection whose handshake is not done."""
        self.done()
        if self._below is not None:
            self._below.abort()


def open_connection(half_sent: HalfSent, context: ssl.SSLContext | None, **of_uvicorn: Any) -> asyncio.BaseProtocol:  # noqa: ANN401 # as uvicorn makes its own
    """Return what serves a connection that has just been taken, over TLS where there is a context for it."""
    connection = Connection(half_sent, **of_uvicorn)
    return connection if context is None else Handshake(half_sent, context, connection)
