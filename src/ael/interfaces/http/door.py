"""Whether a request's body is a message at all: told in the protocol's words, before anybody else sees it."""

from __future__ import annotations

from mcp.server.transport_security import RequestBodyLimitMiddleware
from mcp_types import INVALID_REQUEST

from ael.interfaces.http.exchange import Exchange
from ael.interfaces.http.guard import Application, Message, Receive, Scope, Send
from ael.interfaces.mcp.messages import Fault, read_message, refusal

#: Where the scope of a request of JSON-RPC holds its id.
REQUEST_ID = "ael.request_id"


class Door:
    """Takes a whole body, not too large, and refuses what is no message. An ASGI application."""

    def __init__(self, app: Application, exchange: Exchange, most_bytes: int) -> None:
        """Take what answers, of which the second is asked first."""
        self._app = app
        self._exchange = exchange
        self._limited = RequestBodyLimitMiddleware(self._read, most_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        kind = dict(scope["headers"]).get(b"content-type", b"").lower()
        # What says that it is something else is refused for that, below.
        is_message = scope["method"] == "POST" and kind.startswith(b"application/json")
        await (self._limited if is_message else self._app)(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = await receive()
        if first["type"] != "http.request" or first.get("more_body", False):
            # The client has left in the middle of it: there is nobody to answer.
            return
        body = first.get("body", b"")
        read = read_message(body)
        if isinstance(read, Fault):
            await refuse(400, read.answer(), send)
            return
        if read.request_id is not None:
            scope[REQUEST_ID] = read.request_id
            if await self._exchange.answer(body, scope, send):
                return
        is_read = False

        async def replay() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return first

        await self._app(scope, replay, send)


async def refuse(status: int, body: bytes, send: Send) -> None:
    """Answer with an error of JSON-RPC."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse_request(status: int, why: str, send: Send) -> None:
    """Refuse a request under no id: its own may be that of another one."""
    await refuse(status, refusal(INVALID_REQUEST, why), send)
