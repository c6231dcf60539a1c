"""Sessions of the handshake era, bounded: for one too many, the one that nobody has used for longest is ended.

To refuse the new one instead would let anybody who opens sessions and leaves lock out everybody else until the old
ones expire. A client whose session was ended is told so by 404 and opens another.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mcp_types import RequestId

from ael.app.serving.served import Presence
from ael.interfaces.http.door import REQUEST_ID, refuse_request
from ael.interfaces.http.guard import Application, Message, Receive, Scope, Send
from ael.interfaces.mcp.requests import TAKEN, OpenRequests
from ael.interfaces.mcp.server import PRESENCE

_log = logging.getLogger("ael.serving")

_ID = b"mcp-session-id"

#: Asks for what a stream has lost. Nothing is kept for that, and the SDK does not answer at all then.
_LAST_EVENT = b"last-event-id"

#: The SDK keeps a session's stream of news among its requests, under this id.
_NEWS = "_GET_stream"


def _requests() -> OpenRequests:
    requests = OpenRequests()
    requests.begin(_NEWS)
    return requests


@dataclass
class _Session:
    #: What the SDK compares with who opened it.
    user: Any
    #: Requests under way, streams of news among them.
    open: int = 0
    requests: OpenRequests = field(default_factory=_requests)


class Sessions:
    """Counts the sessions of the application below and ends those that are too many. An ASGI application."""

    def __init__(self, app: Application, most: int) -> None:
        self._app = app
        self._most = most
        #: By id, the one that was used last at the end.
        self._sessions: dict[str, _Session] = {}
        self._over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        named = dict(scope["headers"]).get(_ID)
        if named is None:
            await self._open(scope, receive, send)
        else:
            await self._use(named.decode("latin-1"), scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                opened = dict(message.get("headers", ())).get(_ID, b"").decode("latin-1")
                if opened:
                    # Before the client knows its name: it may use it while this response is still being ended.
                    self._sessions[opened] = _Session(scope.get("user"))
            await send(message)

        await self._app(scope, receive, watch)
        await self._end_idle()

    async def _use(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._sessions.pop(name, None)
        if session is None:
            await self._app(scope, receive, send)
            return
        self._sessions[name] = session
        number = scope.get(REQUEST_ID)
        if number is not None and not session.requests.begin(number):
            await refuse_request(400, f"{TAKEN} It is {str(number)[:60]!r}.", send)
            return
        app = self._stream if scope["method"] == "GET" else self._app
        session.open += 1
        try:
            await (app(scope, receive, send) if number is None else self._answer(session, number, scope, receive, send))
        finally:
            session.open -= 1
            if scope["method"] == "DELETE":
                self._sessions.pop(name, None)

    async def _answer(self, session: _Session, number: RequestId, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and give its id back once nothing works for it: that may go on when the client has left."""
        presence = scope[PRESENCE]
        assert isinstance(presence, Presence)
        give_back = partial(session.requests.end, number)

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                # Before the client knows that it is answered, and may use the id again.
                presence.when_idle(give_back)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            presence.when_idle(give_back)

    def end_streams(self) -> None:
        """End the streams of news, which would stay open for ever; calls under way get their answers."""
        self._over.set()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream until its client leaves, or `end_streams`."""
        is_open = False

        async def watch(message: Message) -> None:
            nonlocal is_open
            is_open = message["type"] == "http.response.start" or message.get("more_body", False)
            await send(message)

        async def heard() -> Message:
            over, message = asyncio.ensure_future(self._over.wait()), asyncio.ensure_future(receive())
            try:
                await asyncio.wait((over, message), return_when=asyncio.FIRST_COMPLETED)
                # To the application below it looks like a client that leaves.
                return message.result() if message.done() else {"type": "http.disconnect"}
            finally:
                over.cancel()
                message.cancel()

        headers = [(key, value) for key, value in scope["headers"] if key != _LAST_EVENT]
        await self._app({**scope, "headers": headers}, heard, watch)
        if is_open and self._over.is_set():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _end_idle(self) -> None:
        idle = (name for name, session in self._sessions.items() if not session.open)
        surplus = len(self._sessions) - self._most
        for name in [name for name, _ in zip(idle, range(surplus), strict=False)]:
            session = self._sessions.pop(name)
            _log.warning("more than %s sessions are open: the one that was idle for longest is ended", self._most)
            await self._app(_farewell(name, session), _nothing, _ignore)


def _farewell(name: str, session: _Session) -> Scope:
    """Return the request with which a client ends its session."""
    headers = [(b"host", b"localhost"), (_ID, name.encode("latin-1"))]
    scope: Scope = {"type": "http", "method": "DELETE", "path": "/", "query_string": b"", "headers": headers}
    return scope if session.user is None else {**scope, "user": session.user}


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ignore(_: Message) -> None:
    """Drop the answer: nobody asked."""
