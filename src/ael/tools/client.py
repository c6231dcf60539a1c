"""Our own MCP client, over whatever transport; both protocol eras.

The handshake era (2025-11-25 and before) opens a session with `initialize`; the modern era (2026-07-28) has none and
sends its version with each request. A server is asked by `server/discover` first and answers at once that it does
not know it, if it is of the older era.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ael import __version__
from ael.tools.jsonrpc import InvalidAnswer, OnProgress, Peer, PeerTimeout, RpcError

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)

_PREFIX = "io.modelcontextprotocol/"

#: Seconds that a server may take to refuse the modern era before the older one is tried beside it.
_DISCOVER_PATIENCE = 1.0

#: Most pages of a tools list.
_MOST_PAGES = 100


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

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> CallResult:
        """Return a result as its parts; raises `msgspec.ValidationError`."""
        # What has the name of our field is the server's, not ours.
        return msgspec.structs.replace(msgspec.convert({**raw, "raw": {}}, cls), raw=raw)


class _ListResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    tools: list[Any] = []
    next_cursor: str | None = None


class McpClient:
    """An MCP session with one server."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.version = ""
        self._envelope: dict[str, Any] | None = None

    @classmethod
    async def open(cls, peer: Peer, startup_seconds: float) -> McpClient:
        """Agree on a protocol version.

        Raises `PeerGone`, `PeerTimeout`, `RpcError` or `InvalidAnswer`; the connection is closed then.
        """
        client = cls(peer)
        try:
            async with asyncio.timeout(startup_seconds):
                await client._negotiate(startup_seconds)
        except TimeoutError:
            await peer.close()
            raise PeerTimeout from None
        except BaseException:
            await peer.close()
            raise
        return client

    async def _negotiate(self, patience: float) -> None:
        """Try the modern era, and the handshake when the server refuses it.

        A server that keeps silent is slow to start, or of the older era and without manners: it is asked both ways,
        and its first yes counts, since a modern server that is slow refuses the handshake later.
        """
        discover = asyncio.create_task(self._discover(patience))
        handshake: asyncio.Task[None] | None = None
        try:
            await asyncio.wait((discover,), timeout=min(patience, _DISCOVER_PATIENCE))
            if discover.done() and (version := discover.result()):
                return self._serve_modern(version)
            handshake = asyncio.create_task(self._initialize(patience))
            waiting: set[asyncio.Task[Any]] = {handshake, discover} if not discover.done() else {handshake}
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if discover in done and (version := discover.result()):
                    return self._serve_modern(version)
                if handshake in done and handshake.exception() is None:
                    return None
            return await handshake
        finally:
            for task in (discover, handshake):
                if task is not None and not task.done():
                    task.cancel()
                    await asyncio.wait((task,))
                if task is not None and not task.cancelled():
                    task.exception()

    def _serve_modern(self, version: str) -> None:
        self.version = version
        self._envelope = _meta(version)["_meta"]

    async def _discover(self, patience: float) -> str:
        """Return the latest version of the modern era that both sides know; empty when there is none."""
        try:
            answer = await self.peer.request("server/discover", _meta(MODERN_VERSIONS[-1]), patience, dict[str, Any])
        except (RpcError, PeerTimeout, InvalidAnswer):
            return ""
        offered = answer.get("supportedVersions")
        mutual = [version for version in MODERN_VERSIONS if isinstance(offered, list) and version in offered]
        return mutual[-1] if mutual else ""

    async def _initialize(self, patience: float) -> None:
        asked = {
            "protocolVersion": HANDSHAKE_VERSIONS[-1],
            "capabilities": {},
            "clientInfo": {"name": "ael", "version": __version__},
        }
        answer = await self.peer.request("initialize", asked, patience, dict[str, Any])
        chosen = answer.get("protocolVersion")
        if chosen not in HANDSHAKE_VERSIONS:
            raise InvalidAnswer(f"the server chose the protocol version {chosen!r}, which is not known here")
        self.version = chosen
        self.peer.agreed(chosen)
        self.peer.notify("notifications/initialized")

    def _params(self, params: dict[str, Any], meta: dict[str, Any] | None = None) -> dict[str, Any]:
        merged = {**(self._envelope or {}), **(meta or {})}
        return {**params, "_meta": merged} if merged else params

    async def list_tools(self, timeout_seconds: float) -> list[dict[str, Any]]:
        """Return every tool object as the server gives it; one that is no object is left out."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            params = self._params({"cursor": cursor} if cursor else {})
            page = await self.peer.request("tools/list", params, timeout_seconds, _ListResult)
            found += [tool for tool in page.tools if isinstance(tool, dict)]
            cursor = page.next_cursor
            if not cursor:
                self.peer.listed(found)
                return found
        raise InvalidAnswer(f"the list of tools has more than {_MOST_PAGES} pages")

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
            result = CallResult.parse(raw)
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
