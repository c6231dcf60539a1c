"""The tools kafka_list_topics and kafka_create_topic."""

from __future__ import annotations

from typing import Any

import msgspec

from native_tools.environment import Environment
from native_tools.kafka.clusters import TIMEOUT, TOPIC, WITHIN, administering, missing, reached
from native_tools.parameters import choice, switch, whole
from native_tools.tool import READS_ELSEWHERE, Arguments, Hints, Result, Tool, ToolError, closed

#: Error codes of the protocol.
_EXISTS = 36

_CREATES = Hints(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)


async def _list(arguments: Arguments, environment: Environment) -> Result:
    async with reached(arguments, environment), administering(environment) as admin:
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
    async with reached(arguments, environment), administering(environment) as admin:
        answer = await admin.create_topics([made], timeout_ms=int(arguments.get("timeout", TIMEOUT) * 1000))
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


LIST = Tool(
    name="kafka_list_topics",
    title="List topics of Kafka",
    description="List the topics of the cluster, sorted by name.",
    input_schema=closed(
        internal=switch(False, "Whether Kafka's own topics are listed too."),
        timeout=WITHIN,
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
        topic=TOPIC,
        partitions=whole(1, 1000, "How many.", default=1),
        replication=whole(-1, 100, "How many copies of each partition; -1: as the cluster is set.", default=1),
        config={
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
            "description": "Settings of the topic, like `retention.ms`.",
        },
        if_exists=choice(("fail", "keep"), "fail", "What to do when it is there already."),
        timeout=WITHIN,
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
