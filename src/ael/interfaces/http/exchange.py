"""A request of the modern era and its answer: one POST, one response.

The SDK runs three tasks and a stream between them for each, which costs more than most workflows. Its rules are kept:
they are asked here, and whatever is unusual about a request is left to the SDK itself, which says what is wrong.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel import Server
from mcp.server.runner import modern_error_data, serve_one
from mcp.server.streamable_http import check_accept_headers
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_PARAM_HEADER_PREFIX,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
    validate_mcp_param_headers,
)
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import RequestId
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request

from ael.app.serving.served import Presence
from ael.interfaces.http.guard import Scope, Send
from ael.interfaces.mcp.server import PRESENCE
from ael.values import encode

#: Seconds without news after which a comment keeps a stream alive; the first one also decides that it is a stream.
_PING: Final = 15.0

_VERSION, _PARAMETER = MCP_PROTOCOL_VERSION_HEADER.encode(), MCP_PARAM_HEADER_PREFIX.lower()

_STREAM = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"connection", b"keep-alive"),
    (b"x-accel-buffering", b"no"),
]


class Exchange:
    """Answers requests of the modern era."""

    def __init__(self, server: Server[Any]) -> None:
        self._server = server

    async def answer(self, body: bytes, scope: Scope, send: Send) -> bool:
        """Answer what is a request of JSON-RPC; False where that is left to the SDK, and nothing was sent."""
        if dict(scope["headers"]).get(_VERSION, b"").decode("latin-1") not in MODERN_PROTOCOL_VERSIONS:
            return False
        request = Request(scope)
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return False
        route = self._route(message, request)
        if route is None:
            return False
        if not scope[PRESENCE].gone:
            # Its id goes back as it came: "7" and 7 are one only where requests are told apart.
            response = _Response(message["id"], message.get("params"), request, send)
            await self._answer(response, message, route)
        return True

    def _route(self, message: dict[str, Any], request: Request) -> InboundModernRoute | None:
        """Return what a request says of itself; None where its headers do not fit, or its answer is a stream."""
        if message["method"] == "subscriptions/listen" or not all(check_accept_headers(request)):
            return None
        if find_duplicated_routing_header(request.headers.items()) is not None:
            return None
        route = classify_inbound_request(message, headers=dict(request.headers))
        if not isinstance(route, InboundModernRoute) or not self._parameters_fit(message, request.headers):
            return None
        return route

    def _parameters_fit(self, message: dict[str, Any], headers: Mapping[str, str]) -> bool:
        """Return whether headers repeat parameters of a tool as its schema says."""
        lookup, params = self._server.get_tool_input_schema, message.get("params") or {}
        name, arguments = params.get("name"), params.get("arguments") or {}
        if message["method"] != "tools/call" or lookup is None or not isinstance(name, str):
            return True
        if not isinstance(arguments, Mapping) or not (arguments or any(key.startswith(_PARAMETER) for key in headers)):
            return True
        schema = lookup(name)
        return schema is None or validate_mcp_param_headers(schema, arguments, headers) is None

    async def _answer(self, response: _Response, message: dict[str, Any], route: InboundModernRoute) -> None:
        presence, task = response.scope[PRESENCE], asyncio.current_task()
        assert isinstance(presence, Presence)
        assert task is not None

        def cancel() -> None:
            task.cancel()

        # Who goes away cancels the request: that is how it is said in this era.
        take_back = presence.when_gone(cancel)
        method, params = message["method"], message.get("params")
        try:
            connection = Connection.from_envelope(route.protocol_version, route.client_info, route.client_capabilities)
            answer = {
                "result": await serve_one(
                    self._server, response, method, params, connection=connection, lifespan_state={}
                )
            }
        except asyncio.CancelledError:
            response.give_up()
            if not presence.gone:
                raise
            task.uncancel()
            return
        except Exception as error:  # noqa: BLE001 # told to the client, in words of the protocol, or logged by the SDK
            answer = {"error": modern_error_data(error).model_dump(mode="json", by_alias=True, exclude_none=True)}
        finally:
            take_back()
        await response.end(answer)


class _Response:
    """The response to one request: JSON where the answer comes first, a stream of events where news do.

    Is the `DispatchContext` of the SDK, which knows it by what it can do.
    """

    can_send_request = False

    def __init__(self, number: RequestId, params: Mapping[str, Any] | None, request: Request, send: Send) -> None:
        self.scope = request.scope
        self.transport = TransportContext(kind="streamable-http", can_send_request=False, headers=request.headers)
        self.request_id = number
        self.message_metadata = ServerMessageMetadata(request_context=request)
        self.cancel_requested = anyio.Event()
        self._token = progress_token_from_params(params)
        self._send = send
        self._is_stream = False
        #: Held by who sends: news and a comment must not come between each other's parts.
        self._sending = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_PING, self._ping)
        self._pinging: asyncio.Task[None] | None = None

    # -- for the SDK --------------------------------------------------------------------------------------------

    async def send_raw_request(
        self, method: str, _params: Mapping[str, Any] | None, _options: CallOptions | None = None
    ) -> dict[str, Any]:
        """Refuse: nobody would hear the answer."""
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, _options: CallOptions | None = None) -> None:
        """Send news that belong to the request."""
        told = {} if params is None else {"params": dict(params)}
        await self._write(_event({"jsonrpc": "2.0", "method": method, **told}))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Send how far the request is, where its sender asked for that."""
        if self._token is None:
            return
        told = {"progressToken": self._token, "progress": progress, "total": total, "message": message}
        known = {name: value for name, value in told.items() if value is not None}
        await self.notify("notifications/progress", known)

    # -- for the exchange ---------------------------------------------------------------------------------------

    async def end(self, answer: dict[str, Any]) -> None:
        """Send the answer, which is the last that is sent."""
        self._timer.cancel()
        if self._pinging is not None:
            await self._pinging
        told = {"jsonrpc": "2.0", "id": self.request_id, **answer}
        if self._is_stream:
            await self._write(_event(told), is_last=True)
            return
        status = ERROR_CODE_HTTP_STATUS.get(answer["error"]["code"], 200) if "error" in answer else 200
        body = _json(told)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def give_up(self) -> None:
        """Send nothing any more."""
        self._timer.cancel()
        if self._pinging is not None:
            self._pinging.cancel()

    async def _write(self, part: bytes, *, is_last: bool = False) -> None:
        async with self._sending:
            if not self._is_stream:
                self._is_stream = True
                await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM})
            await self._send({"type": "http.response.body", "body": part, "more_body": not is_last})

    def _ping(self) -> None:
        if self._pinging is None or self._pinging.done():
            self._pinging = self._loop.create_task(self._write(b": ping\r\n\r\n"))
        self._timer = self._loop.call_later(_PING, self._ping)


def _event(message: dict[str, Any]) -> bytes:
    return b"event: message\r\ndata: " + _json(message) + b"\r\n\r\n"


def _json(message: dict[str, Any]) -> bytes:
    try:
        return encode(message)
    except UnicodeEncodeError:
        # Half a character, as a server upstream may say it: it is passed on as it is.
        return json.dumps(message, separators=(",", ":")).encode()
