"""Requests over HTTP that never come to an end: closed after some time, bounded in number, and no harm to others."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from ael.interfaces.http.connections import HalfSent, Packets, open_connection

HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
BODY = (
    HEAD + b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    b"Content-Length: 100\r\n\r\n{"
)

#: Descriptors that the server gets, of which half may be of requests that are not whole.
DESCRIPTORS = 240

TOO_SLOW = b"HTTP/1.1 408"


@contextmanager
def few_descriptors() -> Iterator[None]:
    """Let processes that are started meanwhile have few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Connections:
    """Connections to a server, with the beginnings of requests."""

    def __init__(self) -> None:
        self.open: list[socket.socket] = []

    async def send(self, url: str, data: bytes) -> socket.socket:
        """Open one, and send the beginning of a request."""
        made = socket.socket()
        self.open.append(made)
        made.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(made, ("127.0.0.1", int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])))
        await loop.sock_sendall(made, data)
        return made


@pytest.fixture
def connections() -> Iterator[Connections]:
    """Have some connections, which are closed afterwards."""
    made = Connections()
    yield made
    for one in made.open:
        one.close()


async def end_of(connection: socket.socket) -> bytes:
    """Wait until the server closes a connection; return the beginning of what it said."""
    said = b""
    try:
        while part := await asyncio.get_running_loop().sock_recv(connection, 4096):
            said += part
    except ConnectionResetError:
        # It had not read all that was sent.
        return said[:12]
    return said[:12]


async def answer(connection: socket.socket) -> bytes:
    """Return the body of an answer of `echo`."""
    said = b""
    while len(rest := said.partition(b"\r\n\r\n")[2]) < 3:
        said += await asyncio.get_running_loop().sock_recv(connection, 4096)
    return rest


@pytest.mark.parametrize("data", [HEAD, BODY], ids=["head", "body"])
async def test_of_too_many_half_sent_requests_the_oldest_are_closed_and_others_are_served(
    project, connections, data
) -> None:
    with few_descriptors():
        running = project.process("--transport", "http", "--port", "0")
        process = await running.__aenter__()
    try:
        url = await project.said(r"Listening on (\S+)", process)
        many = [await connections.send(url, data) for _ in range(2 * DESCRIPTORS)]
        for one in many[:DESCRIPTORS]:
            assert await end_of(one) in {TOO_SLOW, b""}
        async with httpx2.AsyncClient(timeout=60) as client:
            health = url.replace("/mcp", "/health")
            assert (await client.get(health)).json()["status"] == "ok"
            # The latest is not the one that was waited for longest.
            latest = await connections.send(url, data)
            await client.get(health)
            with pytest.raises(BlockingIOError):
                latest.recv(1)
        assert project.errors.count("the requests that are unfinished for longest are closed") == 1
    finally:
        await running.__aexit__(None, None, None)
    assert "Traceback" not in project.errors


#: The beginning of a TLS record that holds a ClientHello.
HELLO = b"\x16\x03\x01\x02\x00\x01"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Make a certificate and its key."""
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, *names]
    subprocess.run(command, capture_output=True, check=True)
    return cert, key


async def test_of_too_many_handshakes_of_tls_the_oldest_are_closed_and_others_are_served(
    project, connections, certificate
) -> None:
    cert, key = certificate
    with few_descriptors():
        running = project.process("--transport", "http", "--port", "0", "--tls-cert", cert, "--tls-key", key)
        process = await running.__aenter__()
    try:
        url = await project.said(r"Listening on (\S+)", process)
        many = [await connections.send(url, data) for _ in range(DESCRIPTORS) for data in (b"", HELLO)]
        for one in many[:DESCRIPTORS]:
            assert await end_of(one) == b""
        trusting = ssl.create_default_context(cafile=cert)
        async with httpx2.AsyncClient(verify=trusting, timeout=60) as client:
            health = url.replace("127.0.0.1", "localhost").replace("/mcp", "/health")
            assert (await client.get(health)).json()["status"] == "ok"
        assert project.errors.count("the requests that are unfinished for longest are closed") == 1
    finally:
        await running.__aexit__(None, None, None)
    assert "Traceback" not in project.errors


@pytest.mark.slow
async def test_a_request_whose_head_never_ends_is_closed_by_the_real_server(project, connections) -> None:
    async with project.over_http() as url, asyncio.timeout(120):
        assert await end_of(await connections.send(url, HEAD)) == TOO_SLOW


async def echo(scope: dict[str, Any], receive: Any, answer: Any) -> None:
    """Answer with the size of the body; an ASGI application."""
    if scope["type"] == "lifespan":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await answer({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await answer({"type": "http.response.body", "body": b"%03d" % size})


@pytest.fixture
async def address() -> Any:
    """Serve `echo` on connections with next to no patience."""
    async with serving(None) as address:
        yield address


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None, app: Any = echo, *, head: float = 0.2, unread: float = 600
) -> AsyncIterator[str]:
    impatient = HalfSent(head_seconds=head, body_seconds=0.2, unread_seconds=unread)
    http: Any = partial(open_connection, impatient, context)
    server = uvicorn.Server(uvicorn.Config(app, http=http, lifespan="off", log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        await running


@pytest.mark.parametrize("data", [b"", HEAD, BODY], ids=["nothing", "head", "body"])
async def test_a_request_that_does_not_end_is_closed_after_its_time(
    address: str, connections: Connections, data: bytes
) -> None:
    assert await end_of(await connections.send(address, data)) == TOO_SLOW


@pytest.mark.parametrize("data", [b"", HELLO], ids=["nothing", "hello"])
async def test_a_handshake_of_tls_that_does_not_end_is_closed_after_its_time(
    certificate: tuple[str, str], connections: Connections, data: bytes
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with serving(context) as address:
        assert await end_of(await connections.send(address, data)) == b""


async def test_bytes_that_trickle_in_buy_no_time(address: str, connections: Connections) -> None:
    connection = await connections.send(address, HEAD)
    ended = asyncio.ensure_future(end_of(connection))
    while not ended.done():
        with suppress(ConnectionError):
            connection.send(b"X-More: 1\r\n")
        await asyncio.wait((ended,), timeout=0.01)
    assert ended.result() in {TOO_SLOW, b""}


async def test_the_next_request_of_a_connection_has_a_time_of_its_own(
    address: str, connections: Connections, clock: Any
) -> None:
    clock.hold()
    connection = await connections.send(address, HEAD + b"Content-Length: 2\r\n\r\nhi")
    assert await answer(connection) == b"002"
    clock.advance(0.15)
    connection.send(HEAD + b"Content-Length: 3\r\n\r\nyou")
    assert await answer(connection) == b"003"
    clock.advance(0.15)
    connection.send(HEAD)
    clock.go_on()
    assert await end_of(connection) == TOO_SLOW


async def test_a_response_that_nobody_reads_is_given_up(connections: Connections) -> None:
    gone = asyncio.Event()

    async def talk(scope: dict[str, Any], receive: Any, answer: Any) -> None:
        assert (await receive())["type"] == "http.request"
        await answer({"type": "http.response.start", "status": 200, "headers": []})
        await answer({"type": "http.response.body", "body": bytes(2**26), "more_body": True})
        assert (await receive())["type"] == "http.disconnect", scope
        gone.set()

    async with serving(None, talk, head=600, unread=0.2) as address:
        await connections.send(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await gone.wait()


async def test_whoever_reads_slowly_is_waited_for() -> None:
    read = asyncio.Event()

    class Slow(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__()
            #: What each look finds.
            self.left = [9, 8, 8, 7, 7, 1, 1, 0, 0]
            self.is_aborted = False

        def write(self, data: Any) -> None:
            assert data == bytes(9)

        def get_write_buffer_size(self) -> int:
            if len(self.left) == 1:
                read.set()
            return self.left.pop(0)

        def abort(self) -> None:
            self.is_aborted = True
            read.set()

    slow = Slow()
    packets = Packets(slow, asyncio.get_running_loop(), 0.001)
    packets.write(bytes(9))
    await read.wait()
    assert not slow.is_aborted
    assert slow.left == []
