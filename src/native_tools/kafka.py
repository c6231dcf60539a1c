"""Kafka tools: messages to and from topics of the cluster that the operator named, by aiokafka (the extra `kafka`)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

import msgspec

from native_tools.environment import Environment
from native_tools.tool import READS_ELSEWHERE, Arguments, Hints, Result, Schema, Tool, ToolError, closed

_TIMEOUT = 15
_WAIT = 5
_MOST_MESSAGES = 1000
#: Bytes of the messages of a call, as they are in the topic.
_MOST_BYTES = 8 * 1024 * 1024
#: Milliseconds of a look for messages; a topic is read when one finds none.
_LOOK = 100

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

#: Error codes of the protocol.
_EXISTS = 36

_PUBLISHES = Hints(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
_CREATES = Hints(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)


def missing(environment: Environment) -> str:
    """Say what Kafka tools need and do not have."""
    if find_spec("aiokafka") is None:
        return "aiokafka is not installed; install ael[kafka]."
    if not environment.kafka_bootstrap_servers:
        return "set KAFKA_BOOTSTRAP_SERVERS to HOST:PORT of a broker."
    if environment.kafka_security_protocol not in _PROTOCOLS:
        return f"KAFKA_SECURITY_PROTOCOL is none of {', '.join(_PROTOCOLS)}."
    if environment.kafka_sasl_mechanism not in _MECHANISMS:
        return f"KAFKA_SASL_MECHANISM is none of {', '.join(_MECHANISMS)}."
    if environment.kafka_security_protocol.startswith("SASL") and not environment.kafka_sasl_username:
        return "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD."
    return ""


async def _publish(arguments: Arguments, environment: Environment) -> Result:
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415 # an extra

    topic = arguments["topic"]
    messages = [_encoded(one) for one in _given(arguments)]
    if sum(len(key or b"") + len(value or b"") for key, value, _, _ in messages) > _MOST_BYTES:
        raise ToolError(f"the messages have more than {_MOST_BYTES} bytes; publish them in several calls.")
    async with _reached(arguments, environment):
        producer = AIOKafkaProducer(**_connection(environment), acks="all")
        async with _started(producer):
            cluster = await producer.client.fetch_all_metadata()
            _check(topic, arguments.get("partition"), cluster)
            sent = [
                await producer.send(topic, value, key=key, partition=partition, headers=headers)
                for key, value, headers, partition in messages
            ]
            placed = [await one for one in sent]
    return {
        "topic": topic,
        "count": len(placed),
        "messages": [{"partition": one.partition, "offset": one.offset} for one in placed],
    }


def _given(arguments: Arguments) -> list[dict[str, Any]]:
    if ("messages" in arguments) == ("value" in arguments):
        raise ToolError("give either `value` for one message, or `messages`.")
    if "messages" in arguments:
        common: dict[str, Any] = {name: arguments[name] for name in ("encoding", "partition") if name in arguments}
        return [{**common, **one} for one in arguments["messages"]]
    return [{name: arguments[name] for name in _MESSAGE if name in arguments}]


_Encoded = tuple[bytes | None, bytes | None, list[tuple[str, bytes]], int | None]


def _encoded(message: dict[str, Any]) -> _Encoded:
    key, value = message.get("key"), message["value"]
    if value is None or message.get("encoding") != "base64":
        content = None if value is None else value.encode() if isinstance(value, str) else msgspec.json.encode(value)
    else:
        try:
            content = base64.b64decode(value, validate=True)
        except (TypeError, binascii.Error, ValueError) as error:
            raise ToolError("`value` is no base64, which `encoding` says it is.") from error
    headers = [(name, text.encode()) for name, text in message.get("headers", {}).items()]
    return None if key is None else key.encode(), content, headers, message.get("partition")


async def _consume(arguments: Arguments, environment: Environment) -> Result:
    from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 # an extra

    group = arguments.get("group")
    if group is not None and "offset" in arguments:
        raise ToolError("with `group`, Kafka knows where to go on; leave out `offset`.")
    if isinstance(arguments.get("offset"), int) and "partition" not in arguments:
        raise ToolError("an `offset` counts within one `partition`; give it too.")
    async with _reached(arguments, environment, arguments.get("wait", _WAIT)):
        consumer = AIOKafkaConsumer(
            **_connection(environment),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_MOST_BYTES,
        )
        async with _started(consumer):
            cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001 # `topics()` gives names only
            _check(arguments["topic"], arguments.get("partition"), cluster)
            ends = await _begin(consumer, arguments)
            records, cut = await _collect(consumer, ends, arguments)
            if group is not None and arguments.get("commit", True) and records:
                await consumer.commit(_after(records))
    return {
        "topic": arguments["topic"],
        "count": len(records),
        "messages": [_decoded(record) for record in records],
        "next_offsets": [
            {"partition": place.partition, "offset": offset} for place, offset in sorted(_after(records).items())
        ],
        "more": cut,
    }


async def _begin(consumer: Any, arguments: Arguments) -> dict[Any, int]:  # noqa: ANN401 # aiokafka has no types
    """Set where to read from; return where each partition ends now.

    A group is not joined: that takes seconds, and its members would have to share with us. Its place is read and moved.
    """
    from aiokafka import TopicPartition  # noqa: PLC0415 # an extra

    topic = arguments["topic"]
    chosen = [arguments["partition"]] if "partition" in arguments else consumer.partitions_for_topic(topic)
    places = [TopicPartition(topic, number) for number in sorted(chosen)]
    consumer.assign(places)
    offset = arguments.get("offset", "earliest")
    if "group" in arguments:
        pass  # the consumer begins where the group is, or else at the earliest
    elif offset == "latest":
        await consumer.seek_to_end(*places)
    elif offset == "earliest":
        await consumer.seek_to_beginning(*places)
    else:
        consumer.seek(places[0], offset)
    ends: dict[Any, int] = await consumer.end_offsets(places)
    return ends


async def _collect(consumer: Any, ends: dict[Any, int], arguments: Arguments) -> tuple[list[Any], bool]:  # noqa: ANN401
    """Return messages, and whether there are more: what is there now, or the first that come within `wait`."""
    most, wait = arguments.get("max_messages", 100), arguments.get("wait", _WAIT)
    records: list[Any] = []
    size = 0
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        found = await consumer.getmany(timeout_ms=_LOOK, max_records=most - len(records))
        for record in sorted((one for many in found.values() for one in many), key=lambda one: one.partition):
            size += len(record.key or b"") + len(record.value or b"")
            if size > _MOST_BYTES and records:
                return records, True
            records.append(record)
        if len(records) >= most:
            return records, True
        over = asyncio.get_running_loop().time() >= deadline
        if not found and (over or (records and await _is_read(consumer, ends))):
            return records, False


async def _is_read(consumer: Any, ends: dict[Any, int]) -> bool:  # noqa: ANN401 # as above
    """Return whether everything was read that was there at the start, as far as the broker says."""
    return all([await consumer.position(place) >= end for place, end in ends.items()])


def _after(records: list[Any]) -> dict[Any, int]:
    """Return the offset behind the last message of each partition."""
    from aiokafka import TopicPartition  # noqa: PLC0415 # an extra

    return {TopicPartition(one.topic, one.partition): one.offset + 1 for one in records}


def _decoded(record: Any) -> dict[str, Any]:  # noqa: ANN401 # as above
    made: dict[str, Any] = {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "value": None,
        "encoding": "utf-8",
        "headers": {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers},
    }
    if record.value is None:
        return made
    try:
        made["value"] = record.value.decode()
    except UnicodeError:
        return {**made, "value": base64.b64encode(record.value).decode("ascii"), "encoding": "base64"}
    return made | _data(made["value"])


def _data(text: str) -> dict[str, Any]:
    """Return the object or array that a text is as JSON, if it is one."""
    try:
        found = msgspec.json.decode(text) if text.lstrip()[:1] in {"{", "["} else None
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return {} if found is None else {"json": found}


async def _list(arguments: Arguments, environment: Environment) -> Result:
    async with _reached(arguments, environment), _administering(environment) as admin:
        every = await admin.describe_topics()
    shown = [one for one in every if arguments.get("internal", False) or not _is_internal(one)]
    return {
        "topics": [
            {
                "name": one["topic"],
                "partitions": len(one["partitions"]),
                "replication": max((len(part["replicas"]) for part in one["partitions"]), default=0),
                "internal": _is_internal(one),
            }
            for one in sorted(shown, key=lambda one: str(one["topic"]))
        ]
    }


def _is_internal(topic: dict[str, Any]) -> bool:
    return bool(topic["is_internal"]) or topic["topic"].startswith("__")


async def _create(arguments: Arguments, environment: Environment) -> Result:
    from aiokafka.admin import NewTopic  # noqa: PLC0415 # an extra
    from aiokafka.errors import for_code  # noqa: PLC0415 # as above

    name, partitions = arguments["topic"], arguments.get("partitions", 1)
    config = {key: _setting(value) for key, value in arguments.get("config", {}).items()}
    made = NewTopic(name, partitions, arguments.get("replication", 1), topic_configs=config)
    async with _reached(arguments, environment), _administering(environment) as admin:
        answer = await admin.create_topics([made], timeout_ms=int(arguments.get("timeout", _TIMEOUT) * 1000))
        (_, code, said), *_ = answer.topic_errors
        if code == _EXISTS and arguments.get("if_exists") == "keep":
            (found,) = await admin.describe_topics([name])
            return {"topic": name, "partitions": len(found["partitions"]), "created": False}
    if code == _EXISTS:
        raise ToolError(f"there is a topic '{name}' already; say `if_exists: keep` if that is fine.")
    if code != 0:
        error = for_code(code)
        raise ToolError(f"Kafka refused to create '{name}': {said or error.message}", retryable=bool(error.retriable))
    return {"topic": name, "partitions": partitions, "created": True}


def _setting(value: Any) -> str:  # noqa: ANN401 # any scalar of JSON's
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _check(topic: str, partition: int | None, cluster: Any) -> None:  # noqa: ANN401 # as above
    known = cluster.topics()
    if topic not in known:
        close = get_close_matches(topic, known, 1)
        hint = f"Did you mean '{close[0]}'?" if close else "kafka_list_topics lists them, kafka_create_topic makes one."
        raise ToolError(f"there is no topic '{topic}'. {hint}")
    partitions = sorted(cluster.partitions_for_topic(topic))
    if partition is not None and partition not in partitions:
        raise ToolError(f"topic '{topic}' has no partition {partition}, only {partitions[0]} to {partitions[-1]}.")


def _connection(environment: Environment) -> dict[str, Any]:
    protocol = environment.kafka_security_protocol
    secure: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        secure["ssl_context"] = ssl.create_default_context()
    if protocol.startswith("SASL"):
        secure["sasl_mechanism"] = environment.kafka_sasl_mechanism
        secure["sasl_plain_username"] = environment.kafka_sasl_username
        secure["sasl_plain_password"] = environment.kafka_sasl_password
    return {
        **secure,
        "bootstrap_servers": [one.strip() for one in environment.kafka_bootstrap_servers.split(",") if one.strip()],
        "client_id": "ael-native-tools",
    }


@asynccontextmanager
async def _administering(environment: Environment) -> AsyncIterator[Any]:
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 # an extra

    admin = AIOKafkaAdminClient(**_connection(environment))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _started(client: Any) -> AsyncIterator[None]:  # noqa: ANN401 # as above
    try:
        await client.start()
        yield
    finally:
        await client.stop()


@asynccontextmanager
async def _reached(arguments: Arguments, environment: Environment, waiting: float = 0) -> AsyncIterator[None]:
    """Limit a call in time, and make what Kafka says a `ToolError`."""
    from aiokafka.errors import KafkaConnectionError, KafkaError  # noqa: PLC0415 # an extra

    # Every attempt to connect is logged otherwise; what counts is in the error.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        async with asyncio.timeout(arguments.get("timeout", _TIMEOUT) + waiting):
            yield
    except TimeoutError as error:
        raise ToolError(
            f"Kafka at {environment.kafka_bootstrap_servers} did not answer in time.", retryable=True
        ) from error
    except KafkaConnectionError as error:
        # The client tells a refused user or certificate no other way.
        secured = environment.kafka_security_protocol != "PLAINTEXT"
        perhaps = f" by {environment.kafka_security_protocol}; are certificate and user right" if secured else ""
        raise ToolError(
            f"cannot reach Kafka at {environment.kafka_bootstrap_servers}{perhaps}{'?' if secured else '.'}",
            retryable=True,
        ) from error
    except KafkaError as error:
        said = " ".join(str(error).split())[:300]
        raise ToolError(f"Kafka refused: {said}", retryable=bool(error.retriable)) from error
    except ValueError as error:
        raise ToolError(f"KAFKA_BOOTSTRAP_SERVERS is not usable: {error}") from error


_TOPIC: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9._-]{1,249}$",
    "description": "The topic: letters, digits, dots, underscores and hyphens.",
}
_WITHIN: Schema = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 300,
    "default": _TIMEOUT,
    "description": "Seconds for the cluster to answer.",
}
_MESSAGE: dict[str, Schema] = {
    "value": {"description": "What it says: a text as it is, other values as JSON, null for a tombstone."},
    "key": {"type": ["string", "null"], "description": "Messages of one key keep their order, in one partition."},
    "headers": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Headers of the message.",
    },
    "partition": {"type": "integer", "minimum": 0, "description": "The partition; chosen by the key if not given."},
    "encoding": {
        "enum": ["text", "base64"],
        "default": "text",
        "description": "base64: `value` is bytes, as base64.",
    },
}
_PLACE: Schema = closed(
    ("partition", "offset"),
    partition={"type": "integer", "description": "The partition."},
    offset={"type": "integer", "description": "The offset in it."},
)

PUBLISH = Tool(
    name="kafka_publish",
    title="Publish to Kafka",
    description="Publish one message or several to a topic. It returns when every in-sync replica has them.",
    input_schema=closed(
        ("topic",),
        topic=_TOPIC,
        messages={
            "type": "array",
            "minItems": 1,
            "maxItems": _MOST_MESSAGES,
            "items": closed(("value",), **_MESSAGE),
            "description": "Several messages, published in this order; instead of `value`.",
        },
        timeout=_WITHIN,
        **_MESSAGE,
    ),
    output_schema=closed(
        ("topic", "count", "messages"),
        topic={"type": "string", "description": "The topic."},
        count={"type": "integer", "description": "How many were published."},
        messages={"type": "array", "items": _PLACE, "description": "Where each of them is, in their order."},
    ),
    annotations=_PUBLISHES,
    run=_publish,
    unavailable=missing,
)

CONSUME = Tool(
    name="kafka_consume",
    title="Read from Kafka",
    description=(
        "Read messages of a topic: those that are there, or the first that come within `wait`. Without `group` nothing "
        "is remembered, and `next_offsets` says where to go on; with one, the group's place is moved behind what is "
        "returned."
    ),
    input_schema=closed(
        ("topic",),
        topic=_TOPIC,
        group={"type": "string", "minLength": 1, "maxLength": 249, "description": "The consumer group to read as."},
        commit={
            "type": "boolean",
            "default": True,
            "description": "With a group: whether its place is moved; if not, the same messages come again.",
        },
        partition={"type": "integer", "minimum": 0, "description": "Read only this partition."},
        offset={
            "anyOf": [{"enum": ["earliest", "latest"]}, {"type": "integer", "minimum": 0}],
            "default": "earliest",
            "description": "Where to begin: earliest, latest (only what comes), or an offset of `partition`.",
        },
        max_messages={
            "type": "integer",
            "minimum": 1,
            "maximum": _MOST_MESSAGES,
            "default": 100,
            "description": "How many messages at most.",
        },
        wait={
            "type": "number",
            "minimum": 0,
            "maximum": 300,
            "default": _WAIT,
            "description": "Seconds to wait for messages when there are none.",
        },
        timeout=_WITHIN,
    ),
    output_schema=closed(
        ("topic", "count", "messages", "next_offsets", "more"),
        topic={"type": "string", "description": "The topic."},
        count={"type": "integer", "description": "How many messages were read."},
        messages={
            "type": "array",
            "description": "The messages; those of one partition in their order.",
            "items": closed(
                ("partition", "offset", "timestamp", "key", "value", "encoding", "headers"),
                partition={"type": "integer", "description": "The partition it is in."},
                offset={"type": "integer", "description": "Its offset in the partition."},
                timestamp={"type": "integer", "description": "Milliseconds since 1970."},
                key={"type": ["string", "null"], "description": "Its key."},
                value={
                    "type": ["string", "null"],
                    "description": "What it says, text or base64; null: a tombstone.",
                },
                json={"description": "What it says as data, when it is an object or an array of JSON."},
                encoding={"enum": ["utf-8", "base64"], "description": "What `value` is."},
                headers={
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "Its headers.",
                },
            ),
        },
        next_offsets={
            "type": "array",
            "items": _PLACE,
            "description": "Where to go on, for each partition that messages came from.",
        },
        more={"type": "boolean", "description": "Whether reading stopped at a limit, so that there may be more."},
    ),
    annotations=_PUBLISHES,
    run=_consume,
    unavailable=missing,
)

LIST = Tool(
    name="kafka_list_topics",
    title="List topics of Kafka",
    description="List the topics of the cluster, sorted by name.",
    input_schema=closed(
        internal={"type": "boolean", "default": False, "description": "Whether Kafka's own topics are listed too."},
        timeout=_WITHIN,
    ),
    output_schema=closed(
        ("topics",),
        topics={
            "type": "array",
            "description": "The topics.",
            "items": closed(
                ("name", "partitions", "replication", "internal"),
                name={"type": "string", "description": "Its name."},
                partitions={"type": "integer", "description": "How many partitions it has."},
                replication={"type": "integer", "description": "How many copies of each there are."},
                internal={"type": "boolean", "description": "Whether it is Kafka's own."},
            ),
        },
    ),
    annotations=READS_ELSEWHERE,
    run=_list,
    unavailable=missing,
)

CREATE = Tool(
    name="kafka_create_topic",
    title="Create a topic of Kafka",
    description="Create a topic. One that is there already is an error, unless `if_exists` is keep.",
    input_schema=closed(
        ("topic",),
        topic=_TOPIC,
        partitions={"type": "integer", "minimum": 1, "maximum": 1000, "default": 1, "description": "How many."},
        replication={
            "type": "integer",
            "minimum": -1,
            "maximum": 100,
            "default": 1,
            "description": "How many copies of each partition; -1: as the cluster is set.",
        },
        config={
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
            "description": "Settings of the topic, like `retention.ms`.",
        },
        if_exists={"enum": ["fail", "keep"], "default": "fail", "description": "What to do when it is there already."},
        timeout=_WITHIN,
    ),
    output_schema=closed(
        ("topic", "partitions", "created"),
        topic={"type": "string", "description": "The topic."},
        partitions={"type": "integer", "description": "How many partitions it has."},
        created={"type": "boolean", "description": "Whether it is new."},
    ),
    annotations=_CREATES,
    run=_create,
    unavailable=missing,
)

TOOLS = (PUBLISH, CONSUME, LIST, CREATE)
