"""What network tools meet in tests, all on loopback: web servers that answer with bytes, and a name server."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

#: Writes an answer, whole or piece by piece.
Handler = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


class Asked:
    """A request as it came."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, *rest = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = line.split(" ")
        pairs = [header.partition(": ") for header in rest if header]
        self.headers = {name.lower(): value for name, _, value in pairs}
        self.body = body


def answer(body: bytes | str = b"", status: int = 200, **headers: str) -> bytes:
    """Return an answer; headers are written with underscores."""
    content = body.encode() if isinstance(body, str) else body
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"content-length": str(len(content)), **given}.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1") + content


class Site:
    """A web server: paths (without query) to answers."""

    def __init__(self, pages: Mapping[str, bytes | Handler]) -> None:
        self.pages = dict(pages)
        self.asked: list[Asked] = []
        self.connections = 0
        self.port = 0

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            asked = Asked(head, b"")
            asked.body = await reader.readexactly(int(asked.headers.get("content-length", "0")))
            self.asked.append(asked)
            page = self.pages.get(asked.target.partition("?")[0], answer("nothing here", 404))
            if isinstance(page, bytes):
                writer.write(page)
                await writer.drain()
            else:
                await page(asked, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            self.asked += []  # whoever asked has left
        finally:
            writer.close()


@asynccontextmanager
async def site(
    pages: Mapping[str, bytes | Handler], tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Site]:
    """Serve pages at a free port of loopback."""
    made = Site(pages)
    tasks: set[asyncio.Task[None]] = set()

    async def owned(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await made.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(owned, host, 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@contextmanager
def deserted() -> Iterator[int]:
    """Give a port of loopback at which nobody listens, and which nobody else can get meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


#: Name and type to successive answers, the last of them for ever.
Records = dict[tuple[str, str], list[list[str]]]


class Zone(asyncio.DatagramProtocol):
    """A name server."""

    def __init__(self, records: Records) -> None:
        self._records = {key: list(values) for key, values in records.items()}
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.DatagramTransport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        made = dns.message.make_response(query)
        made.flags |= dns.flags.AA | dns.flags.RA
        successive = self._records.get((name, kind))
        if successive is None:
            if not any(known == name for known, _ in self._records):
                made.set_rcode(dns.rcode.NXDOMAIN)
        else:
            texts = successive.pop(0) if len(successive) > 1 else successive[0]
            if texts:
                made.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
        self._transport.sendto(made.to_wire(max_size=65_535), addr)


@asynccontextmanager
async def zone(records: Records) -> AsyncIterator[Zone]:
    """Serve names at a free port of loopback."""
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(lambda: Zone(records), ("127.0.0.1", 0))
    made.port = transport.get_extra_info("sockname")[1]
    try:
        yield made
    finally:
        transport.close()
