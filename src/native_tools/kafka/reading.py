"""The tool kafka_consume: what is in a topic, from a place or from where a group is."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import msgspec

from native_tools.environment import Environment
from native_tools.kafka.clusters import (
    CHANGES,
    MOST_BYTES,
    MOST_MESSAGES,
    PLACE,
    TOPIC,
    WITHIN,
    at_place,
    connection,
    missing,
    reached,
)
from native_tools.parameters import seconds, switch, whole
from native_tools.tool import Arguments, Result, Tool, ToolError, closed

_WAIT = 5
#: Milliseconds of a look for messages; a topic is read when one finds none.
_LOOK = 100


async def _consume(arguments: Arguments, environment: Environment) -> Result:
    from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 # an extra

    group = arguments.get("group")
    if group is not None and "offset" in arguments:
        raise ToolError("with `group`, Kafka knows where to go on; leave out `offset`.")
    if isinstance(arguments.get("offset"), int) and "partition" not in arguments:
        raise ToolError("an `offset` counts within one `partition`; give it too.")
    async with reached(arguments, environment, arguments.get("wait", _WAIT)):
        consumer = AIOKafkaConsumer(
            **connection(environment),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MOST_BYTES,
        )
        async with at_place(consumer, arguments):
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
            if size > MOST_BYTES and records:
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
        topic=TOPIC,
        group={"type": "string", "minLength": 1, "maxLength": 249, "description": "The consumer group to read as."},
        commit=switch(True, "With a group: whether its place is moved; if not, the same messages come again."),
        partition={"type": "integer", "minimum": 0, "description": "Read only this partition."},
        offset={
            "anyOf": [{"enum": ["earliest", "latest"]}, {"type": "integer", "minimum": 0}],
            "default": "earliest",
            "description": "Where to begin: earliest, latest (only what comes), or an offset of `partition`.",
        },
        max_messages=whole(1, MOST_MESSAGES, "How many messages at most.", default=100),
        wait=seconds(_WAIT, 300, "Seconds to wait for messages when there are none.", least=0),
        timeout=WITHIN,
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
            "items": PLACE,
            "description": "Where to go on, for each partition that messages came from.",
        },
        more={"type": "boolean", "description": "Whether reading stopped at a limit, so that there may be more."},
    ),
    annotations=CHANGES,
    run=_consume,
    unavailable=missing,
)
