"""Bodies of what servers answer over HTTP, as the SDK is given them: capped, and mended where they list tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx2

#: How an answer that was cut begins to be told.
CUT = "the connection was cut: "


def cut(error: httpx2.TransportError) -> str:
    """Return how a connection broke."""
    return f"{CUT}{str(error) or type(error).__name__}"


class Capped(httpx2.AsyncByteStream):
    """A body that may not be larger than so many bytes."""

    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._left = limit
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                self._left -= len(chunk)
                if self._left < 0:
                    raise httpx2.StreamError(f"a message is larger than {self._limit} bytes")
                yield chunk
        except httpx2.TransportError as error:
            # The SDK takes that for one request's, and what it was for that of all.
            raise httpx2.StreamError(cut(error)) from error

    async def aclose(self) -> None:
        """See httpx2."""
        await self._stream.aclose()


class Mended(httpx2.AsyncByteStream):
    """A list of tools, as a body or as events, in which no half of a character keeps the SDK from reading the rest.

    Or all events of the older kind of server, which answers everything on one stream.
    """

    def __init__(self, stream: httpx2.AsyncByteStream, limit: int, mend: Callable[[bytes], bytes]) -> None:
        self._stream = stream
        self._limit = limit
        self._mend = mend

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts: list[bytes] = []
        size = 0
        async for chunk in self._stream:
            # No character of JSON goes over the end of a line.
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
            parts.append(chunk[:end])
            if end:
                yield self._mend(b"".join(parts))
                parts, size = [], 0
            parts.append(chunk[end:])
            size += len(chunk) - end
            if size > self._limit:
                raise httpx2.StreamError(f"a message is larger than {self._limit} bytes")
        yield self._mend(b"".join(parts))

    async def aclose(self) -> None:
        """See httpx2."""
        await self._stream.aclose()
