"""Connections to addresses that the policy has judged, and to no other.

The name is resolved once; what is judged is what is connected to, so a name server that changes its answer in between
(DNS rebinding) changes nothing. TLS and the Host header still speak of the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

import httpcore2

from native_tools.network.addresses import Address, plain
from native_tools.network.hosts import Host
from native_tools.network.names import Resolver
from native_tools.network.policy import Policy

#: Seconds for one of several addresses to answer.
_CONNECT_TIMEOUT = 10.0

_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


async def judge(policy: Policy, resolver: Resolver, host: Host, port: int | None) -> tuple[Address, ...]:
    """Return the addresses at which a host may be reached; raises `Refused`, `NameUnknown`."""
    policy.judge_host(host, port)
    if not isinstance(host, str):
        return (host,)
    found = [plain(one) for one in await resolver.resolve(host, listed=policy.lists_name(host, port))]
    policy.judge_addresses(host, port, found)
    return tuple(found)


class JudgedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections for httpcore to given addresses, whatever the host of the request."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers."""
        failed: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in self._addresses:
            limit = _CONNECT_TIMEOUT if len(self._addresses) > 1 else timeout
            try:
                stream = await self._plain.connect_tcp(str(address), port, limit, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
                continue
            peer = stream.get_extra_info("server_addr")
            if plain(ip_address(peer[0])) != address:
                await stream.aclose()
                raise httpcore2.ConnectError(f"connected to {peer[0]} instead of {address}")
            return stream
        raise failed or httpcore2.ConnectError("there is no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 # httpcore's signature
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: a path has no address that could be judged."""
        raise httpcore2.UnsupportedProtocol("sockets in the file system are not connected to")

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore asks for between attempts."""
        await self._plain.sleep(seconds)
