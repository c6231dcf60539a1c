"""Which hosts, ports and addresses may be reached, by what the operator listed. Pure: it resolves nothing.

- `blocked` always wins: a name, or an address that a name leads to or that is inside an address.
- `allowed`, when there is any, is all that may be reached.
- An address that is not public needs to be listed, by itself or by the name that leads to it; the addresses of clouds'
  metadata services need to be listed by themselves, one by one.

Entries: `example.org` (itself), `*.example.org` (its subdomains), `10.1.2.3`, `[fd00::1]`, `10.0.0.0/8`; names and
addresses with a port too, `example.org:8443`, which then are about that port alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

import msgspec

from native_tools.excerpts import excerpt
from native_tools.network.addresses import METADATA, Address, faces, kind_of
from native_tools.network.hosts import Host, HostInvalid, Name, read_host, written

_Network = IPv4Network | IPv6Network

_PORT = re.compile(r"(.*):([0-9]{1,5})", re.DOTALL)

#: Names of clouds' metadata services, whatever address they lead to.
_METADATA_NAMES = frozenset(
    Name(name)
    for name in (
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "api.metadata.cloud.ibm.com",
    )
)
#: Suffixes that exist inside one machine or network only (RFC 6761, RFC 6762, RFC 8375, RFC 9476 and habits).
_LOCAL_SUFFIXES = (
    ".localhost",
    ".local",
    ".internal",
    ".home.arpa",
    ".localdomain",
    ".lan",
    ".home",
    ".corp",
    ".intranet",
)

#: Ports that other protocols speak on, which could take a request for their own (the Fetch standard, "bad port").
# fmt: off
_OTHER_PROTOCOLS = frozenset({
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514,
    515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723,
    2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
    11211,
})
# fmt: on


class PolicyInvalid(Exception):
    """An entry of a list that means nothing; the message says which and what to write."""


class Refused(Exception):
    """A host, a port or an address that may not be reached; the message says why and what to do."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a list; either `name` or `network` is set."""

    name: Name | None = None
    subdomains: bool = False
    network: Any = None  # an _Network, which msgspec does not know
    port: int | None = None

    def has_name(self, name: Name, port: int | None) -> bool:
        """Return whether it lists a name. `port` is None where no port is meant (a look-up)."""
        if self.name is None or not self._has_port(port):
            return False
        return name.endswith(f".{self.name}") if self.subdomains else name == self.name

    def has_address(self, address: Address, port: int | None) -> bool:
        """Return whether it lists an address."""
        return self.network is not None and self._has_port(port) and address in self.network

    def _has_port(self, port: int | None) -> bool:
        return self.port is None or port is None or self.port == port


class Policy:
    """The lists, ready to judge. Raises `PolicyInvalid`."""

    def __init__(self, allowed: Iterable[str] = (), blocked: Iterable[str] = ()) -> None:
        self._allowed = tuple(_read_entry("allowed_hosts", text) for text in allowed)
        self._blocked = tuple(_read_entry("blocked_hosts", text) for text in blocked)

    def judge_host(self, host: Host, port: int | None) -> None:
        """Judge a host before it is resolved, so that names which are refused are not even asked for."""
        if not isinstance(host, str):
            return self.judge_addresses(host, port, (host,))
        if any(entry.has_name(host, port) for entry in self._blocked):
            raise Refused(f"the host {_at(host, port)} is in security.blocked_hosts")
        if self.lists_name(host, port):
            return None
        if host in _METADATA_NAMES:
            raise Refused(f"the host {host} is a cloud's metadata service, which holds credentials")
        if self._allowed:
            if all(entry.network is None for entry in self._allowed):
                raise Refused(_unlisted(host, port))
        elif "." not in host or host.endswith(_LOCAL_SUFFIXES):
            raise Refused(
                f"the host {host} is a name of this machine or network; if it may be reached, "
                "add it to security.allowed_hosts"
            )
        return None

    def judge_name(self, name: Name) -> None:
        """Judge a name that is only looked up: without addresses to judge, it has to be listed where anything is."""
        self.judge_host(name, None)
        if self._allowed and not self.lists_name(name, None):
            raise Refused(_unlisted(name, None))

    def judge_addresses(self, host: Host, port: int | None, addresses: Iterable[Address]) -> None:
        """Judge all addresses that a host leads to: one that may not be reached refuses them all."""
        named = isinstance(host, str) and self.lists_name(host, port)
        for address in addresses:
            self._judge_address(host, port, address, named=named)

    def judge_port(self, host: Host, port: int) -> None:
        """Judge a port that HTTP is to be spoken on."""
        if port not in _OTHER_PROTOCOLS:
            return
        for entry in self._allowed:
            if entry.port == port and (
                entry.has_name(host, port) if isinstance(host, str) else entry.has_address(host, port)
            ):
                return
        raise Refused(
            f"port {port} is another protocol's; if HTTP is spoken there, "
            f"add {written(host)}:{port} to security.allowed_hosts"
        )

    def lists_name(self, name: Name, port: int | None) -> bool:
        """Return whether a name is among those allowed."""
        return any(entry.has_name(name, port) for entry in self._allowed)

    def _judge_address(self, host: Host, port: int | None, address: Address, *, named: bool) -> None:
        inside = faces(address)
        for face in inside:
            if any(entry.has_address(face, port) for entry in self._blocked):
                raise Refused(f"{_leads(host, port, face)} is in security.blocked_hosts")
        listed = named or any(entry.has_address(inside[0], port) for entry in self._allowed)
        if self._allowed and not listed:
            raise Refused(_unlisted(host if isinstance(host, str) else inside[0], port))
        for face in inside:
            kind = kind_of(face)
            if not kind or self._lists(face, port) or (named and face not in METADATA):
                continue
            what = host if isinstance(host, str) and face not in METADATA else face
            raise Refused(
                f"{_leads(host, port, face)} is not public: it is {kind}; if it may be reached, "
                f"add {written(what)} to security.allowed_hosts"
            )

    def _lists(self, address: Address, port: int | None) -> bool:
        """Return whether an address is among those allowed; one of `METADATA` only when it is listed by itself."""
        return any(
            entry.has_address(address, port) and (address not in METADATA or entry.network.num_addresses == 1)
            for entry in self._allowed
        )


def _unlisted(host: Host, port: int | None) -> str:
    return f"the host {_at(host, port)} is not in security.allowed_hosts; add it there if it may be reached"


def _at(host: Host, port: int | None) -> str:
    return written(host) if port is None else f"{written(host)}:{port}"


def _leads(host: Host, port: int | None, face: Address) -> str:
    if host == face:
        return f"the address {_at(host, port)}"
    return f"the host {_at(host, port)} leads to {face}, which"


def _read_entry(list_name: str, text: str) -> _Entry:
    if "/" in text:
        try:
            return _Entry(network=_plain_network(ip_network(text.replace("[", "").replace("]", ""))))
        except ValueError as error:
            raise PolicyInvalid(
                f"security.{list_name}: '{excerpt(text, 80)}' is no network ({error}). Write 10.0.0.0/8, or a host "
                "without scheme and path."
            ) from error
    host, port = _split_port(text)
    subdomains = host.startswith("*.")
    try:
        read = read_host(host.removeprefix("*."))
    except HostInvalid as error:
        raise PolicyInvalid(f"security.{list_name}: {error}. {_HOW}") from error
    if not isinstance(read, str):
        if subdomains:
            raise PolicyInvalid(f"security.{list_name}: '{excerpt(text, 80)}' has a pattern before an address. {_HOW}")
        return _Entry(network=ip_network(read), port=port)
    return _Entry(name=read, subdomains=subdomains, port=port)


def _plain_network(network: _Network) -> _Network:
    """Return the IPv4 network that an IPv4-mapped one means, as `plain` does for addresses."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((mapped, network.prefixlen - 96))


_HOW = "Write a name, *.name, an address, or a network like 10.0.0.0/8."


def _split_port(text: str) -> tuple[str, int | None]:
    """Take a port off an entry; IPv6 addresses may come without brackets, then without a port."""
    try:
        return f"[{IPv6Address(text)}]", None
    except ValueError:
        pass
    match = _PORT.fullmatch(text)
    if match is None:
        return text, None
    if not 0 < int(match[2]) <= 65535:
        raise PolicyInvalid(f"security: '{excerpt(text, 80)}' has no port from 1 to 65535")
    return match[1], int(match[2])
