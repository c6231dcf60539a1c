"""The Kafka tools, in the order of the listing."""

from __future__ import annotations

from native_tools.kafka.publishing import PUBLISH
from native_tools.kafka.reading import CONSUME
from native_tools.kafka.topics import CREATE, LIST

TOOLS = (PUBLISH, CONSUME, LIST, CREATE)
