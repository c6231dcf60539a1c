"""The cluster that the operator named: how it is reached, what it wants, and its errors as ours."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from native_tools.environment import Environment
from native_tools.excerpts import excerpt
from native_tools.parameters import seconds
from native_tools.tool import Arguments, Hints, Schema, ToolError, closed

TIMEOUT = 15
MOST_MESSAGES = 1000
#: Bytes of the messages of a call, as they are in the topic.
MOST_BYTES = 8 * 1024 * 1024

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

#: It leaves something behind, each time.
CHANGES = Hints(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)

TOPIC: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9._-]{1,249}$",
    "description": "The topic: letters, digits, dots, underscores and hyphens.",
}
WITHIN: Schema = seconds(TIMEOUT, 300, "Seconds for the cluster to answer.")
PLACE: Schema = closed(
    ("partition", "offset"),
    partition={"type": "integer", "description": "The partition."},
    offset={"type": "integer", "description": "The offset in it."},
)


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


def _check_place(topic: str, partition: int | None, cluster: Any) -> None:  # noqa: ANN401 # aiokafka has no types
    """Refuse a topic or a partition that is not there; raises `ToolError`."""
    known = cluster.topics()
    if topic not in known:
        close = get_close_matches(topic, known, 1)
        hint = f"Did you mean '{close[0]}'?" if close else "kafka_list_topics lists them, kafka_create_topic makes one."
        raise ToolError(f"there is no topic '{topic}'. {hint}")
    partitions = sorted(cluster.partitions_for_topic(topic))
    if partition is not None and partition not in partitions:
        raise ToolError(f"topic '{topic}' has no partition {partition}, only {partitions[0]} to {partitions[-1]}.")


def connection(environment: Environment) -> dict[str, Any]:
    """Return what every client of aiokafka is made with."""
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
async def administering(environment: Environment) -> AsyncIterator[Any]:
    """Start a client for topics, and close it."""
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 # an extra

    admin = AIOKafkaAdminClient(**connection(environment))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def at_place(client: Any, arguments: Arguments) -> AsyncIterator[None]:  # noqa: ANN401 # as above
    """Start a producer or consumer, at a topic and perhaps a partition that are there, and stop it."""
    try:
        await client.start()
        # Both have the same client within, by different names; a consumer's `topics()` gives names only.
        within = client.client if hasattr(client, "client") else client._client  # noqa: SLF001 # as above
        _check_place(arguments["topic"], arguments.get("partition"), await within.fetch_all_metadata())
        yield
    finally:
        await client.stop()


@asynccontextmanager
async def reached(arguments: Arguments, environment: Environment, waiting: float = 0) -> AsyncIterator[None]:
    """Limit a call in time, and make what Kafka says a `ToolError`."""
    from aiokafka.errors import KafkaConnectionError, KafkaError  # noqa: PLC0415 # an extra

    # Every attempt to connect is logged otherwise; what counts is in the error.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        async with asyncio.timeout(arguments.get("timeout", TIMEOUT) + waiting):
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
        said = excerpt(" ".join(str(error).split()), 300)
        raise ToolError(f"Kafka refused: {said}", retryable=bool(error.retriable)) from error
    except ValueError as error:
        raise ToolError(f"KAFKA_BOOTSTRAP_SERVERS is not usable: {error}") from error
