"""Host names to addresses: by the system, or by the name servers that the operator gave.

A name is asked for as it is, without the search domains of this machine, unless the operator listed it: otherwise
`secret` could lead to `secret.corp.example`, which may be blocked.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from native_tools.network.addresses import Address, plain
from native_tools.network.hosts import Name

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as DnsClient

#: Addresses of a name that are looked at.
_MOST_ADDRESSES = 64
#: Look-ups by the system at a time; each holds a thread until the system gives up.
_MOST_LOOKUPS = 16
#: Seconds for a name server to answer.
_LIFETIME = 5.0


class NameUnknown(Exception):
    """A name that leads nowhere; `retryable` when its name server may only be out of reach."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class Resolver(Protocol):
    """What knows the addresses of names."""

    async def resolve(self, name: Name, *, listed: bool) -> list[Address]:
        """Return the addresses of a name, the best first; raises `NameUnknown`.

        `listed`: the operator listed the name, so what this machine makes of it is meant.
        """
        ...


class SystemResolver:
    """Asks the system: /etc/hosts for listed names, and the name servers of this machine."""

    def __init__(self) -> None:
        from anyio import CapacityLimiter  # noqa: PLC0415 # with the first request

        self._limiter = CapacityLimiter(_MOST_LOOKUPS)

    async def resolve(self, name: Name, *, listed: bool) -> list[Address]:
        """See `Resolver`."""
        from anyio.to_thread import run_sync  # noqa: PLC0415 # with the first request

        asked = name if listed else f"{name}."
        try:
            found = await run_sync(_look_up, asked, abandon_on_cancel=True, limiter=self._limiter)
        except (OSError, UnicodeError) as error:
            again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            why = getattr(error, "strerror", None) or str(error)
            raise NameUnknown(f"the host {name} cannot be resolved: {why}", retryable=again) from error
        addresses = [plain(ip_address(text)) for text in dict.fromkeys(found) if "%" not in text]
        if not addresses:
            raise NameUnknown(f"the host {name} has no address", retryable=False)
        return addresses[:_MOST_ADDRESSES]


def _look_up(name: str) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]


class DnsResolver:
    """Asks the name servers that the operator gave, `ADDRESS` or `ADDRESS:PORT`, and nothing else."""

    def __init__(self, nameservers: tuple[str, ...]) -> None:
        self._dns = asking(nameservers)

    async def resolve(self, name: Name, *, listed: bool) -> list[Address]:
        """See `Resolver`."""
        if name == "localhost" or name.endswith(".localhost"):
            return [ip_address("127.0.0.1"), ip_address("::1")]  # RFC 6761: no name server is to be asked
        found: list[Address] = []
        failed: BaseException | None = None
        for answer in await asyncio.gather(self._ask(name, "A"), self._ask(name, "AAAA"), return_exceptions=True):
            if isinstance(answer, BaseException):
                failed = answer
            else:
                found += answer
        if found:
            return found[:_MOST_ADDRESSES]
        if failed is None:
            raise NameUnknown(f"the host {name} has no address", retryable=False)
        from dns.exception import DNSException  # noqa: PLC0415 # with its user
        from dns.resolver import NXDOMAIN  # noqa: PLC0415 # as above

        if not isinstance(failed, DNSException):
            raise failed
        raise NameUnknown(
            f"the host {name} cannot be resolved: {failed}", retryable=not isinstance(failed, NXDOMAIN)
        ) from failed

    async def _ask(self, name: Name, kind: str) -> list[Address]:
        answer = await self._dns.resolve(f"{name}.", kind, raise_on_no_answer=False, lifetime=_LIFETIME)
        return [ip_address(record.address) for record in answer]


def asking(nameservers: tuple[str, ...]) -> DnsClient:
    """Return a client of name servers, those of this machine where none are given; raises `ValueError`."""
    from dns.asyncresolver import Resolver as Client  # noqa: PLC0415 # 0.1 s to import, for those who need it
    from dns.nameserver import Do53Nameserver  # noqa: PLC0415 # as above

    client = Client(configure=not nameservers)
    if nameservers:
        client.nameservers = [Do53Nameserver(*read_server(text)) for text in nameservers]
    return client


def read_server(text: str) -> tuple[str, int]:
    """Read `ADDRESS` or `ADDRESS:PORT`; raises `ValueError`."""
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.startswith("[")):
        return str(ip_address(host.strip("[]"))), int(port)
    return str(ip_address(text.strip("[]"))), 53
