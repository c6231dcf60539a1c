"""JSON-RPC over HTTP: streamable HTTP, and the older pair of an event stream and a POST (SSE).

The SDK's transports carry the messages; what they carry is ours, so that a session over HTTP is the same as one over
standard streams. The SDK costs a second to import: this module does, and is itself imported by the first such server.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import anyio
import httpx2
import msgspec
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    encode_header_value,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import (
    CONNECTION_CLOSED,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)

from ael.tools.http_bodies import CUT, Capped, Mended, cut
from ael.tools.jsonrpc import InvalidAnswer, Notify, Peer, PeerGone, PeerTimeout, T, _number
from ael.tools.listing import HALF, HALF_A_CHARACTER, without_halves
from ael.values import beginning

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams, WriteStream
    from mcp.shared._httpx_utils import McpHttpClientFactory

Transport = Literal["http", "sse"]

#: Seconds that an event stream may stay silent, and that a goodbye may take.
_SILENCE, _GOODBYE = 3600.0, 1.5

#: Least seconds between two requests for the server's own stream of events.
_STREAM_PAUSE = 1.0

#: What the SDK says where a server refused in HTTP's terms.
_STAND_INS = frozenset({"Not Found", "Session terminated", "Server returned an error response"})

#: What it says where it could not read an answer, and what its decoder says there.
_NOT_READ = re.compile(r"Failed to parse (?:JSON response|SSE message): (.*)", re.DOTALL)
_NOT_JSON = re.compile(r"Invalid JSON: (.*?) \[type=")

#: Seconds, as a header has them.
_SECONDS = re.compile(r"[0-9]{1,9}")

# What the SDK logs holds tracebacks and what servers sent; we say what matters ourselves.
for _name in ("mcp", "client", "httpx2", "httpcore2"):
    _logger = logging.getLogger(_name)
    _logger.addHandler(logging.NullHandler())
    _logger.propagate = False


class _Asked(msgspec.Struct, frozen=True):
    """A request that we made."""

    id: int | str | None = None
    method: str = ""


def _asked(request: httpx2.Request) -> _Asked:
    try:
        # One that follows a redirect has not been read, though it has the same bytes.
        return msgspec.json.decode(request.read(), type=_Asked)
    except (msgspec.MsgspecError, UnicodeError):
        return _Asked()


class _Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal in HTTP's own terms."""

    status: int
    why: str
    #: Seconds that the server asks to wait.
    retry_after: float | None = None

    def data(self) -> dict[str, Any]:
        """Return what an error of JSON-RPC has as its data."""
        return {"status": self.status, **({"retry_after": self.retry_after} if self.retry_after else {})}


class _Client(httpx2.AsyncClient):
    """A client that answers itself where a connection breaks: to the SDK an exception is the end of all requests.

    Where none could be made the server is not there, and that is.
    """

    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:  # noqa: ANN401 # httpx2's options
        """See httpx2."""
        try:
            return await super().send(request, **how)
        except httpx2.TransportError as error:
            number = _asked(request).id
            if number is None or isinstance(error, _UNREACHABLE):
                raise
            said = {"code": CONNECTION_CLOSED, "message": cut(error)}
            return httpx2.Response(503, json={"jsonrpc": "2.0", "id": number, "error": said}, request=request)


#: There is no connection, not even one that breaks.
_UNREACHABLE = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)


class HttpPeer(Peer):
    """A server at a URL, and the requests under way to it."""

    def __init__(
        self, url: str, transport: Transport, headers: Mapping[str, str], max_message: int, on_notification: Notify
    ) -> None:
        super().__init__(on_notification)
        self._transport = transport
        self._url = url
        self._headers = dict(headers)
        self._max_message = max_message
        self._outbox: asyncio.Queue[SessionMessage] = asyncio.Queue()
        self._carrier: asyncio.Task[None] | None = None
        self._header_maps: dict[str, dict[tuple[str, ...], str]] = {}
        self._version = ""
        #: What an older server refused at last, and the refusals of requests that are not told of them yet.
        self._refusal: _Refused | None = None
        self._refusals: dict[int, _Refused] = {}
        #: When the server's own stream was asked for at last.
        self._streamed = -_STREAM_PAUSE
        #: Requests for the list of tools, whose answers may hold stand-ins for halves of characters, and whether
        #: any answer ever held some.
        self._lists: set[int] = set()
        self._has_halves = False

    @classmethod
    async def connect(
        cls,
        url: str,
        transport: Transport,
        *,
        headers: Mapping[str, str],
        max_message: int,
        startup_seconds: float,
        on_notification: Notify,
    ) -> HttpPeer:
        """Connect; for streamable HTTP that sends nothing yet. Raises `PeerGone` or `PeerTimeout`."""
        peer = cls(url, transport, headers, max_message, on_notification)
        opened: asyncio.Future[None] = peer._loop.create_future()
        streams = peer._sse(startup_seconds) if transport == "sse" else peer._streamable(startup_seconds)
        peer._carrier = peer._loop.create_task(peer._carry(streams, opened), name="mcp over http")
        try:
            async with asyncio.timeout(startup_seconds):
                await asyncio.wait((opened, peer.gone), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            await peer.close()
            raise PeerTimeout from None
        if peer.ended is not None:
            raise PeerGone(peer.ended, peer.retry_after)
        return peer

    # -- the SDK's transports -----------------------------------------------------------------------------------

    def _client(self, seconds: float) -> httpx2.AsyncClient:
        kind = httpx2.AsyncClient if self._transport == "sse" else _Client
        return kind(
            headers={**self._headers, "accept-encoding": "identity"},
            timeout=httpx2.Timeout(_SILENCE, connect=seconds),
            # A proxy has no business between us and this machine.
            trust_env=not _is_loopback(self._url),
            event_hooks={"response": [self._on_response]},
            limits=httpx2.Limits(max_connections=None),
        )

    @asynccontextmanager
    async def _streamable(self, seconds: float) -> AsyncIterator[TransportStreams]:
        async with (
            self._client(seconds) as client,
            streamable_http_client(self._url, http_client=client, max_sse_event_size=self._max_message) as streams,
        ):
            yield streams

    def _sse(self, seconds: float) -> AbstractAsyncContextManager[TransportStreams]:
        def client(**_: object) -> httpx2.AsyncClient:
            return self._client(seconds)

        return sse_client(self._url, httpx_client_factory=cast("McpHttpClientFactory", client))

    async def _on_response(self, response: httpx2.Response) -> None:
        """Cap what comes back, and keep a refusal in HTTP's own terms (httpx2's hook, before the body is read)."""
        if response.request.method == "GET":
            await self._slow_down()
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream" or response.headers.get("content-encoding", "identity") != "identity":
            # We asked for no encoding: one that comes all the same is not unpacked, however small it may look.
            response.headers.pop("content-encoding", None)
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = Capped(response.stream, self._max_message)
        asked = _asked(response.request)
        if asked.method == "tools/list" or (self._transport == "sse" and response.request.method == "GET"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = Mended(response.stream, self._max_message, self._mend)
        if response.status_code < 400:
            return
        refusal = _Refused(
            status=response.status_code,
            why=f"HTTP {response.status_code} {response.reason_phrase}".strip(),
            retry_after=_retry_after(response.headers),
        )
        if asked.id is not None:
            self._refusals[_number(asked.id)] = refusal
        if response.status_code == 404 and "mcp-session-id" in response.request.headers:
            self._end("it has forgotten the session (HTTP 404)")
        elif self._transport == "sse":
            # The SDK sends nothing any more after that, so nothing will be answered.
            self._refusal = refusal
            self.retry_after = refusal.retry_after
            self._end(refusal.why)

    def _mend(self, text: bytes) -> bytes:
        mended = without_halves(text)
        self._has_halves |= mended is not text
        return mended

    async def _slow_down(self) -> None:
        """Let a server that closes its stream at once, and wants it opened again at once, have its way every second."""
        now = self._loop.time()
        pause, self._streamed = self._streamed + _STREAM_PAUSE - now, now
        if pause > 0:
            await asyncio.sleep(pause)
            self._streamed += pause

    async def _carry(
        self, streams: AbstractAsyncContextManager[TransportStreams], opened: asyncio.Future[None]
    ) -> None:
        """Hold the connection from its first to its last moment: the SDK's contexts may not change tasks."""
        why = "the connection was closed"
        try:
            async with streams as (read, write):
                if not opened.done():
                    opened.set_result(None)
                sender = self._loop.create_task(self._send(write))
                try:
                    async for item in read:
                        self._take(item)
                finally:
                    sender.cancel()
        except asyncio.CancelledError:
            why = "closed"
        except BaseExceptionGroup as group:
            why = _words(group)
        except Exception as error:  # noqa: BLE001 # whatever the transport dies of ends the connection
            why = _words(error)
        finally:
            self._end(self._refusal.why if self._refusal is not None and "HTTP" not in why and opened.done() else why)

    async def _send(self, write: WriteStream[SessionMessage]) -> None:
        try:
            while True:
                await write.send(await self._outbox.get())
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            # The same, for what comes without a refusal.
            self._end(self._refusal.why if self._refusal is not None else "it takes no messages any more")

    # -- Peer ---------------------------------------------------------------------------------------------------

    def _take(self, item: SessionMessage | Exception) -> None:
        if isinstance(item, Exception):
            self.noise.append(beginning(f"{type(item).__name__}: {item}", 200))
            return
        message = item.message
        if isinstance(message, JSONRPCResponse):
            self._returned(_number(message.id), message.result)
        elif isinstance(message, JSONRPCError):
            error = message.error
            if error.code == CONNECTION_CLOSED and error.message.startswith("SSE stream"):
                self._fail(_number(message.id), _broken_stream(error.message))
                return
            unread = _NOT_READ.match(error.message) if error.code == PARSE_ERROR else None
            said = unread[1] if unread else error.message
            if error.code in {PARSE_ERROR, CONNECTION_CLOSED} and said.startswith(CUT):
                self._cut(_number(message.id), said)
                return
            if unread:
                self._fail(_number(message.id), InvalidAnswer(f"the answer is not valid: {_why_not(unread[1])}"))
                return
            data = error.data
            refusal = self._refusals.pop(_number(message.id), None)
            if data is None and refusal is not None and error.message in _STAND_INS:
                data, error.message = refusal.data(), refusal.why
            elif data is None and refusal is not None and refusal.retry_after:
                data = refusal.data()
            self._answered(message.id, None, {"code": error.code, "message": error.message, "data": data})
        elif isinstance(message, JSONRPCNotification):
            self._notified(message.method, message.params or {})
        else:
            self._asked(message.id, message.method)

    def _cut(self, number: int, why: str) -> None:
        """Fail the request whose connection broke; after the only one it is seen whether the server is still itself."""
        self._fail(number, PeerGone(why))
        if all(future.done() for future in self._pending.values()):
            self._end(why)

    def _returned(self, number: int, result: dict[str, Any]) -> None:
        """Take a result: one that was mended on a stream of the older kind is none, but for a list of tools."""
        if number in self._lists:
            self._lists.discard(number)
        elif self._has_halves and HALF.encode() in msgspec.json.encode(result):
            self._fail(number, InvalidAnswer(f"the answer is not valid: {HALF_A_CHARACTER}"))
            return
        self._answered(number, result, None)

    def _write(self, message: dict[str, Any]) -> None:
        if self.ended is not None:
            return
        if message.get("method") == "tools/list":
            self._lists.add(message["id"])
        carried = jsonrpc_message_adapter.validate_python(message)
        self._outbox.put_nowait(SessionMessage(carried, ClientMessageMetadata(headers=self._headers_of(carried))))

    def _headers_of(self, message: object) -> dict[str, str] | None:
        """Return what the modern era repeats of a request in HTTP headers (MCP 2026-07-28, streamable HTTP)."""
        if not isinstance(message, JSONRPCRequest):
            return {MCP_PROTOCOL_VERSION_HEADER: self._version} if self._version else None
        params = message.params or {}
        version = (params.get("_meta") or {}).get(PROTOCOL_VERSION_META_KEY)
        if version is None:
            return {MCP_PROTOCOL_VERSION_HEADER: self._version} if self._version else None
        headers = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: message.method}
        name = params.get("name")
        if message.method == "tools/call" and isinstance(name, str):
            headers[MCP_NAME_HEADER] = encode_header_value(name)
            headers |= mcp_param_headers(self._header_maps.get(name, {}), params.get("arguments") or {})
        return headers

    async def _shaped(self, result: object, shape: type[T]) -> T:
        return msgspec.convert(result, shape)

    def agreed(self, version: str) -> None:
        """See `Peer.agreed`."""
        self._version = version

    def listed(self, tools: list[dict[str, Any]]) -> None:
        """Keep which parameters go into headers as well."""
        self._header_maps = {}
        for tool in tools:
            name, schema = tool.get("name"), tool.get("inputSchema")
            if isinstance(name, str) and isinstance(schema, dict):
                with suppress(Exception):  # a schema that is none is told by the catalog
                    self._header_maps[name] = x_mcp_header_map(schema)

    async def close(self) -> None:
        """Take leave of the server, but not for long."""
        self._end("closed")
        if self._carrier is not None:
            self._carrier.cancel()
            _, late = await asyncio.wait((self._carrier,), timeout=_GOODBYE)
            for task in late:
                task.cancel()


def _why_not(said: str) -> str:
    """Return why an answer could not be read, without what the decoder quotes of it and links to."""
    if found := _NOT_JSON.search(said):
        half = ": half a character (a lone surrogate), or a broken escape" if "hex escape" in found[1] else ""
        return f"it is no JSON: {found[1]}{half}"
    return "it is no message of JSON-RPC" if "validation error" in said else said


def _broken_stream(said: str) -> Exception:
    """Return what it means that a stream of events ended before the answer, as the SDK says it."""
    return InvalidAnswer(said) if "byte limit" in said else PeerGone(said)


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Return the seconds that a server asks to wait (RFC 9110, section 10.2.3); None where it does not.

    A date is compared with the server's own, so that its clock need not be ours.
    """
    said = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(said):
        return float(said) or None
    at = _date(said)
    if at is None:
        return None
    left = (at - (_date(headers.get("date", "")) or datetime.now(UTC))).total_seconds()
    return left if left > 0 else None


def _date(said: str) -> datetime | None:
    with suppress(ValueError, OverflowError):
        at = parsedate_to_datetime(said)
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return None


def _is_loopback(url: str) -> bool:
    host = httpx2.URL(url).host
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _words(error: BaseException) -> str:
    """Return the first cause in a group of errors, in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, httpx2.HTTPStatusError):
        return f"HTTP {error.response.status_code} {error.response.reason_phrase}".strip()
    return str(error) or type(error).__name__
