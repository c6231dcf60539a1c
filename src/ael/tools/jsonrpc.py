"""JSON-RPC with a peer, whatever carries the messages: ids, time-outs, cancellation.

Everything that comes in is hostile until decoded: an answer to nothing, or one that is no answer, is kept for
diagnosis and costs one call at most. Transports stand in `stdio` and `http`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, TypeGuard, TypeVar

import msgspec

from ael.tools.listing import what_is_wrong
from ael.values import JSONValue, beginning, shortened

#: Codes of JSON-RPC 2.0 and MCP that we read or write.
METHOD_NOT_FOUND = -32601

#: Bytes of an answer that is kept to be looked at once more.
_MOST_UNREAD = 4 * 1024 * 1024

#: Requests that open a session: a peer is not told when nobody waits for them any more.
_OPENING = frozenset({"initialize", "server/discover"})

T = TypeVar("T")
Notify = Callable[[str, dict[str, Any]], None]
#: Told of a call's progress: how far, of how much, in words; the last two where the peer says them.
OnProgress = Callable[[float, float | None, str | None], None]


class RpcError(Exception):
    """The peer answered a request with an error."""

    def __init__(self, code: int, message: str, data: JSONValue = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class PeerGone(Exception):
    """The connection ended before the answer came."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        #: Seconds that the peer asks to wait.
        self.retry_after = retry_after


class PeerTimeout(Exception):
    """No answer came in time; the peer was told. At the start it holds what the peer wrote instead."""


class InvalidAnswer(Exception):
    """The answer is no JSON-RPC, or too large."""

    def __init__(self, why: str, unread: bytes = b"") -> None:
        super().__init__(why)
        #: What could not be read, where it is at hand and short.
        self.unread = unread if len(unread) <= _MOST_UNREAD else b""


class Peer(ABC):
    """The other end of a connection, and the requests under way to it."""

    #: Whether what it gives was decoded strictly: finite numbers, whole characters.
    is_strict: ClassVar[bool] = False

    def __init__(self, on_notification: Notify) -> None:
        self._on_notification = on_notification
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, asyncio.Future[Any]] = {}
        #: When each of them is late, by the loop's clock, and what wakes us for the first of them.
        self._deadlines: dict[int, float] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._progress: dict[int, OnProgress] = {}
        self._last_id = 0
        #: Set while the peer reads what it is sent.
        self._writable = asyncio.Event()
        self._writable.set()
        #: What was no message, shortened, for diagnosis.
        self.noise: deque[str] = deque(maxlen=20)
        #: Why the connection ended; None while it lasts.
        self.ended: str | None = None
        #: Seconds that the peer asked to wait when it ended.
        self.retry_after: float | None = None
        self.gone: asyncio.Future[None] = self._loop.create_future()

    # -- of the transport ---------------------------------------------------------------------------------------

    @abstractmethod
    def _write(self, message: dict[str, Any]) -> None:
        """Send a message, unless the connection has ended."""

    @abstractmethod
    async def _shaped(self, result: Any, shape: type[T]) -> T:  # noqa: ANN401 # as the transport gave it
        """Return a result as its type; raises `msgspec.MsgspecError`, `UnicodeError` or `RecursionError`."""

    @abstractmethod
    async def close(self) -> None:
        """End the connection, within two seconds."""

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent."""
        return self.ended is None

    def agreed(self, version: str) -> None:  # noqa: B027 # only HTTP repeats it
        """Take notice of the protocol version of a session."""

    def listed(self, tools: list[dict[str, Any]]) -> None:  # noqa: B027 # only HTTP needs to know
        """Take notice of the tools that the peer offers."""

    # -- outbound -----------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        params: dict[str, Any] | None,
        timeout_seconds: float | None,
        shape: type[T],
        on_progress: OnProgress | None = None,
    ) -> T:
        """Send a request and return its result.

        Raises `RpcError`, `PeerGone`, `PeerTimeout` or `InvalidAnswer`. On a time-out and on cancellation the peer
        is told, except for the requests that open a session, which may not be cancelled. Progress does not move the
        time limit.
        """
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._pending[number] = answer
        if timeout_seconds is not None:
            self._limit(number, timeout_seconds)
        if on_progress is not None:
            params = {**(params or {}), "_meta": {**((params or {}).get("_meta") or {}), "progressToken": number}}
            self._progress[number] = on_progress
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            body["params"] = params
        was_sent = False
        try:
            if self.is_open and self._writable.is_set():
                was_sent = True
                self._write(body)
            else:
                was_sent = await self._send_when_read(body, answer)
            result = await answer
        except (asyncio.CancelledError, PeerTimeout) as error:
            if was_sent and method not in _OPENING:
                reason = "timeout" if isinstance(error, PeerTimeout) else "cancelled"
                self.notify("notifications/cancelled", {"requestId": number, "reason": reason})
            raise
        finally:
            del self._pending[number]
            self._deadlines.pop(number, None)
            self._progress.pop(number, None)
        try:
            return await self._shaped(result, shape)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            unread = bytes(result) if isinstance(result, msgspec.Raw) else b""
            is_empty = isinstance(result, msgspec.Raw) and not unread
            why = "it has neither a result nor an error" if is_empty else what_is_wrong(unread, error)
            raise InvalidAnswer(f"the answer to {method} is not valid: {why}", unread) from error

    async def _send_when_read(self, body: dict[str, Any], answer: asyncio.Future[Any]) -> bool:
        """Send a request, once the peer reads what it was sent before; return whether that came before the answer."""
        if self.ended is not None:
            raise PeerGone(self.ended, self.retry_after)
        if not self._writable.is_set():
            waiting = self._loop.create_task(self._writable.wait())
            try:
                await asyncio.wait((waiting, answer), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
        if answer.done():
            return False
        if not self.is_open:
            # It is about to end; when it has, the answer says how.
            return False
        self._write(body)
        return True

    def _limit(self, number: int, seconds: float) -> None:
        """Have a request expire; one alarm serves all, as nearly every answer comes before it."""
        at = self._deadlines[number] = self._loop.time() + seconds
        if self._alarm is None or at < self._alarm.when():
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        self._alarm = None
        now = self._loop.time()
        for number, at in self._deadlines.items():
            if at <= now:
                self._fail(number, PeerTimeout())
        later = [at for at in self._deadlines.values() if at > now]
        if later:
            self._alarm = self._loop.call_at(min(later), self._expire)

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification."""
        self._write({"jsonrpc": "2.0", "method": method, **({"params": params} if params is not None else {})})

    # -- inbound ------------------------------------------------------------------------------------------------

    def _answered(self, given: int | str | None, result: Any, error: dict[str, Any] | None) -> None:  # noqa: ANN401
        future = self._pending.get(_number(given))
        if future is None or future.done():
            self.noise.append(beginning(f"an answer to nothing: id {given!r}", 200))
        elif error is not None:
            code, text = error.get("code"), error.get("message")
            said = shortened(text) if isinstance(text, str) and text.strip() else "an error, and does not say which"
            failure = RpcError(code if type(code) is int else 0, said, error.get("data"))
            future.set_exception(failure)
        else:
            future.set_result(result)

    def _notified(self, method: str, params: dict[str, Any]) -> None:
        if method != "notifications/progress":
            self._on_notification(method, params)
            return
        token, progress, total, said = (params.get(key) for key in ("progressToken", "progress", "total", "message"))
        listener = self._progress.get(_number(token)) if isinstance(token, int | str) else None
        if listener is None or not _is_number(progress):
            self.noise.append(beginning(f"progress of nothing: token {token!r}", 200))
            return
        # By the loop and in order, so that what listens cannot break the connection.
        self._loop.call_soon(
            listener, progress, total if _is_number(total) else None, said if isinstance(said, str) else None
        )

    def _asked(self, given: int | str, method: str) -> None:
        """Answer a request of the peer: it gets a pong and no person's answer, and nothing else that it may want."""
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": given}
        if method == "ping":
            answer["result"] = {}
        elif method == "elicitation/create":
            # Nobody is there whom it could ask: the tool may go on without.
            answer["result"] = {"action": "decline"}
        else:
            answer["error"] = {"code": METHOD_NOT_FOUND, "message": f"{method} is not offered by this client"}
        self._write(answer)

    def _end(self, why: str) -> None:
        if self.ended is None:
            self.ended = why
        self._fail_all(PeerGone(self.ended, self.retry_after))
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self.gone.done():
            self.gone.set_result(None)

    def _fail(self, number: int, error: Exception) -> None:
        future = self._pending.get(number)
        if future is not None and not future.done():
            future.set_exception(error)

    def _fail_all(self, error: Exception) -> None:
        for future in self._pending.values():
            if not future.done():
                future.set_exception(error)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(given: int | str | None) -> int:
    """Return a request's number; a peer may echo "7" for 7."""
    if isinstance(given, str):
        return int(given) if given.isdecimal() and len(given) < 20 else -1
    return -1 if given is None else given
