"""Our own MCP client, over whatever transport; both protocol eras.

The handshake era (2025-11-25 and before) opens a session with `initialize`; the modern era (2026-07-28) has none and
sends its version with each request. A server is asked by `server/discover` first and answers at once that it does
not know it, if it is of the older era.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Literal

import msgspec

from ael import __version__
from ael.tools.jsonrpc import InvalidAnswer, OnProgress, Peer, PeerTimeout, RpcError
from ael.tools.listing import ToolPage, judged, read_again
from ael.values import beginning, bulk

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)

_PREFIX = "io.modelcontextprotocol/"

#: Seconds that a server may take to refuse the modern era before the older one is tried beside it.
_DISCOVER_PATIENCE = 1.0

#: Most pages of a list of tools, and most tools.
_MOST_PAGES, _MOST_TOOLS = 100, 10_000

_FIRST = asyncio.FIRST_COMPLETED


class ContentBlock(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a tool's result."""

    type: str
    text: str | None = None
    data: str | None = None
    mime_type: str | None = None
    resource: dict[str, Any] | None = None
    uri: str | None = None
    name: str | None = None
    description: str | None = None


class CallResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of tools/call, validated."""

    content: list[ContentBlock] = []
    structured_content: Any = None
    is_error: bool = False
    result_type: str = "complete"
    #: The result as the server gave it, unchanged: with every key of every block, and `_meta`.
    raw: dict[str, Any] = {}
    #: Whether a strict decoder gave it, which leaves less to check.
    is_strict: bool = False

    @classmethod
    def parse(cls, raw: dict[str, Any], *, is_strict: bool = False) -> CallResult:
        """Return a result as its parts; raises `msgspec.ValidationError`."""
        # What has the names of our fields is the server's, not ours.
        parts = msgspec.convert({**raw, "raw": {}, "isStrict": is_strict}, cls)
        return msgspec.structs.replace(parts, raw=raw)


Era = Literal["handshake", "modern"]


class McpClient:
    """An MCP session with one server."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.version = ""
        #: Whether the server says when its list of tools changes, and wants to be asked to.
        self.is_to_be_listened_to = False
        self._tells_of_changes = False
        self._envelope: dict[str, Any] | None = None

    @property
    def era(self) -> Era:
        """The era that both sides speak."""
        return "modern" if self._envelope is not None else "handshake"

    @classmethod
    async def open(cls, peer: Peer, startup_seconds: float, era: Era | None = None) -> McpClient:
        """Agree on a protocol version; `era` is the one that this server spoke before.

        Raises `PeerGone`, `PeerTimeout`, `RpcError` or `InvalidAnswer`; the connection is closed then.
        """
        client = cls(peer)
        refused: list[RpcError | InvalidAnswer] = []
        try:
            async with asyncio.timeout(startup_seconds):
                if era != "handshake" or not await client._shake_hands_again(startup_seconds):
                    await client._negotiate(startup_seconds, refused)
        except TimeoutError:
            await peer.close()
            raise (refused[0] if refused else PeerTimeout()) from None
        except BaseException:
            await peer.close()
            raise
        return client

    async def _shake_hands_again(self, patience: float) -> bool:
        """Return whether a server that did so before still opens a session; it may have been updated meanwhile."""
        try:
            self._serve_handshake(await self._initialize(patience))
        except (RpcError, InvalidAnswer):
            return False
        return True

    async def _negotiate(self, patience: float, refused: list[RpcError | InvalidAnswer]) -> None:
        """Try the modern era, and the handshake when the server refuses it; note in `refused` how it did that.

        A server that keeps silent is slow to start, or of the older era and without manners: it is asked both ways,
        and its first yes counts, since a modern server that is slow refuses the handshake later. One that refuses the
        handshake and stays silent otherwise has said no.
        """
        discover = asyncio.create_task(self._discover(patience))
        handshake: asyncio.Task[str] | None = None
        try:
            await asyncio.wait((discover,), timeout=min(patience, _DISCOVER_PATIENCE))
            if discover.done() and (version := discover.result()):
                return self._serve_modern(version)
            handshake = asyncio.create_task(self._initialize(patience))
            await asyncio.wait((handshake, discover) if not discover.done() else (handshake,), return_when=_FIRST)
            if not handshake.done() and discover.done() and not discover.result():
                await asyncio.wait((handshake,))
            if handshake.done() and (error := handshake.exception()) is not None:
                if isinstance(error, RpcError | InvalidAnswer):
                    refused.append(error)
                await asyncio.wait((discover,), timeout=_DISCOVER_PATIENCE)
            if discover.done() and (version := discover.result()):
                return self._serve_modern(version)
            return self._serve_handshake(await handshake)
        finally:
            for task in (discover, handshake):
                if task is not None and not task.done():
                    task.cancel()
                    await asyncio.wait((task,))
                if task is not None and not task.cancelled():
                    task.exception()

    def _serve_modern(self, version: str) -> None:
        self.version = version
        self.is_to_be_listened_to = self._tells_of_changes
        self._envelope = _meta(version)["_meta"]

    def _serve_handshake(self, version: str) -> None:
        self.version = version
        self.peer.agreed(version)
        self.peer.notify("notifications/initialized")

    async def _discover(self, patience: float) -> str:
        """Return the latest version of the modern era that both sides know; empty when there is none."""
        try:
            answer = await self.peer.request("server/discover", _meta(MODERN_VERSIONS[-1]), patience, dict[str, Any])
        except (RpcError, PeerTimeout, InvalidAnswer):
            return ""
        offered = answer.get("supportedVersions")
        mutual = [version for version in MODERN_VERSIONS if isinstance(offered, list) and version in offered]
        capabilities = answer.get("capabilities")
        tools = capabilities.get("tools") if isinstance(capabilities, dict) else None
        self._tells_of_changes = isinstance(tools, dict) and tools.get("listChanged") is True
        return mutual[-1] if mutual else ""

    async def _initialize(self, patience: float) -> str:
        """Ask for a session, which counts once the server is told so; return the version that it chose."""
        asked = {
            "protocolVersion": HANDSHAKE_VERSIONS[-1],
            "capabilities": {},
            "clientInfo": {"name": "ael", "version": __version__},
        }
        answer = await self.peer.request("initialize", asked, patience, dict[str, Any])
        chosen = answer.get("protocolVersion")
        if chosen not in HANDSHAKE_VERSIONS:
            named = beginning(repr(chosen), 80)
            raise InvalidAnswer(f"the server chose the protocol version {named}, which is not known here")
        return str(chosen)

    async def listen(self) -> None:
        """Ask a server of the modern era to say when its tools change, and return when it says no more."""
        params = self._params({"notifications": {"toolsListChanged": True}})
        with suppress(RpcError, InvalidAnswer):
            await self.peer.request("subscriptions/listen", params, None, dict[str, Any])

    def _params(self, params: dict[str, Any], meta: dict[str, Any] | None = None) -> dict[str, Any]:
        merged = {**(self._envelope or {}), **(meta or {})}
        return {**params, "_meta": merged} if merged else params

    async def list_tools(self, timeout_seconds: float) -> list[dict[str, Any]]:
        """Return every tool object as the server gives it; one that is no object is left out.

        Raises `RpcError`, `PeerGone`, `PeerTimeout` or `InvalidAnswer`; a list without end is one of these.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        found: list[dict[str, Any]] = []
        cursors: set[str | None] = {None}
        cursor: str | None = None
        while True:
            params = self._params({"cursor": cursor} if cursor else {})
            page = await self._page(params, max(0.0, until - loop.time()))
            found += [tool for tool in page.tools if isinstance(tool, dict)]
            cursor = page.next_cursor
            if not cursor:
                self.peer.listed(found)
                return found
            if cursor in cursors or len(cursors) == _MOST_PAGES or len(found) > _MOST_TOOLS:
                raise InvalidAnswer(f"its list of tools has no end ({len(cursors)} pages, {len(found)} tools)")
            cursors.add(cursor)

    async def _page(self, params: dict[str, Any], seconds: float) -> ToolPage:
        """Return a page; of a tool that no record can hold a stand-in that says so."""
        try:
            page = await self.peer.request("tools/list", params, seconds, ToolPage)
        except InvalidAnswer as error:
            again = await bulk.in_thread(read_again, error.unread)
            if again is None:
                raise
            return again
        if self.peer.is_strict:
            return page
        return ToolPage(tools=await bulk.in_thread(judged, page.tools), next_cursor=page.next_cursor)

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any],
        *,
        timeout_seconds: float,
        meta: dict[str, Any],
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """Call a tool; raises `RpcError`, `PeerGone`, `PeerTimeout` or `InvalidAnswer`."""
        params = self._params({"name": name, "arguments": arguments}, meta)
        raw = await self.peer.request("tools/call", params, timeout_seconds, dict[str, Any], on_progress)
        try:
            result = CallResult.parse(raw, is_strict=self.peer.is_strict)
        except msgspec.ValidationError as error:
            raise InvalidAnswer(f"the result of the tool is not valid: {error}") from error
        if result.result_type != "complete":
            raise InvalidAnswer("the tool asks for input from a person, which a workflow cannot give")
        return result

    async def close(self) -> None:
        """End the session; a server that is a process is stopped."""
        await self.peer.close()


def _meta(version: str) -> dict[str, Any]:
    return {
        "_meta": {
            f"{_PREFIX}protocolVersion": version,
            f"{_PREFIX}clientInfo": {"name": "ael", "version": __version__},
            f"{_PREFIX}clientCapabilities": {},
        }
    }
