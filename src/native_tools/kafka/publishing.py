"""The tool kafka_publish."""

from __future__ import annotations

import base64
import binascii
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
from native_tools.parameters import choice, several
from native_tools.tool import Arguments, Result, Schema, Tool, ToolError, closed

_Encoded = tuple[bytes | None, bytes | None, list[tuple[str, bytes]], int | None]

_MESSAGE: dict[str, Schema] = {
    "value": {"description": "What it says: a text as it is, other values as JSON, null for a tombstone."},
    "key": {"type": ["string", "null"], "description": "Messages of one key keep their order, in one partition."},
    "headers": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Headers of the message.",
    },
    "partition": {"type": "integer", "minimum": 0, "description": "The partition; chosen by the key if not given."},
    "encoding": choice(("text", "base64"), "text", "base64: `value` is bytes, as base64."),
}


async def _publish(arguments: Arguments, environment: Environment) -> Result:
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415 # an extra

    topic = arguments["topic"]
    messages = [_encoded(one) for one in _given(arguments)]
    if sum(len(key or b"") + len(value or b"") for key, value, _, _ in messages) > MOST_BYTES:
        raise ToolError(f"the messages have more than {MOST_BYTES} bytes; publish them in several calls.")
    async with reached(arguments, environment):
        producer = AIOKafkaProducer(**connection(environment), acks="all")
        async with at_place(producer, arguments):
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


PUBLISH = Tool(
    name="kafka_publish",
    title="Publish to Kafka",
    description="Publish one message or several to a topic. It returns when every in-sync replica has them.",
    input_schema=closed(
        ("topic",),
        topic=TOPIC,
        messages=several(
            closed(("value",), **_MESSAGE),
            MOST_MESSAGES,
            "Several messages, published in this order; instead of `value`.",
        ),
        timeout=WITHIN,
        **_MESSAGE,
    ),
    output_schema=closed(
        ("topic", "count", "messages"),
        topic={"type": "string", "description": "The topic."},
        count={"type": "integer", "description": "How many were published."},
        messages={"type": "array", "items": PLACE, "description": "Where each of them is, in their order."},
    ),
    annotations=CHANGES,
    run=_publish,
    unavailable=missing,
)
