"""The network tools, in the order of the listing."""

from __future__ import annotations

from native_tools.network.lookups import LOOKUP
from native_tools.network.probes import PING
from native_tools.network.requests import REQUEST

TOOLS = (REQUEST, PING, LOOKUP)
