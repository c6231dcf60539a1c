"""What an address is for: the special ones by the registries of IANA, and the IPv4 addresses inside IPv6 ones.

The tables are our own: `ipaddress.is_global` changes with Python's version and calls addresses of translators global.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

#: The services that hand out credentials of a machine in a cloud. Some have addresses that are otherwise public.
METADATA = frozenset(
    {
        IPv4Address("169.254.169.254"),  # most clouds
        IPv4Address("169.254.169.253"),
        IPv4Address("169.254.169.123"),
        IPv4Address("169.254.170.2"),  # containers
        IPv4Address("169.254.170.23"),
        IPv4Address("169.254.42.42"),
        IPv4Address("169.254.0.23"),
        IPv4Address("100.100.100.200"),
        IPv4Address("168.63.129.16"),
        IPv4Address("192.0.0.192"),
        IPv6Address("fd00:ec2::254"),
        IPv6Address("fd00:ec2::253"),
        IPv6Address("fd00:ec2::23"),
        IPv6Address("fd20:ce::254"),
        IPv6Address("fd00:42::42"),
    }
)

#: The first that contains an address says what it is.
_SPECIAL_4 = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "of this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a provider (CGNAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "reserved (6to4 relays)"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_SPECIAL_6 = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "of a local translator (NAT64)"),
        ("100::/64", "discarded"),
        ("2001:2::/48", "for benchmarks"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "unique local (private)"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local (private)"),
        ("ff00::/8", "multicast"),
    )
)
#: Everything public is in here, but for what `_TRANSLATED` leads to.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_PROTOCOLS = IPv6Network("2001::/23")

_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED_SIIT = IPv6Network("::ffff:0:0:0/96")
_TRANSLATED = IPv6Network("64:ff9b::/96")
_TRANSLATED_LOCAL = IPv6Network("64:ff9b:1::/48")
_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
#: The middle of an interface identifier of ISATAP, without the bit that says whether it is global (RFC 5214).
_ISATAP = 0x0000_5EFE


def plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv4-mapped one stands for; the kernel would connect to it."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def faces(address: Address) -> tuple[Address, ...]:
    """Return an address and every IPv4 address inside it: a packet may come out there."""
    address = plain(address)
    if isinstance(address, IPv4Address):
        return (address,)
    found = {IPv4Address(number) for number in _embedded(address)}
    return (address, *sorted(found))


def kind_of(address: Address) -> str:
    """Return what an address is for when it is not public, else an empty text. Does not look inside."""
    if address in METADATA:
        return "a cloud's metadata service"
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _SPECIAL_4 if address in network), "")
    for network, kind in _SPECIAL_6:
        if address in network:
            return kind
    if address in _TRANSLATED or address in _TEREDO:
        return ""  # what is inside decides
    return "" if address in _GLOBAL_UNICAST and address not in _PROTOCOLS else "reserved"


def _embedded(address: IPv6Address) -> list[int]:
    number = int(address)
    low = number & 0xFFFF_FFFF
    found: list[int] = []
    if any(address in network for network in (_COMPATIBLE, _TRANSLATED_SIIT, _TRANSLATED)) and number > 1:
        found.append(low)
    if address in _TRANSLATED_LOCAL:
        # RFC 6052: behind 96 bits, or behind 48 around an octet that is not used.
        both = (low, ((number >> 64) & 0xFFFF) << 16 | (number >> 40) & 0xFFFF)
        # Where nothing stands in one of the places, the other is meant.
        found += [one for one in both if one] or [0]
    if address in _TEREDO:
        found += [(number >> 64) & 0xFFFF_FFFF, low ^ 0xFFFF_FFFF]
    if address in _SIX_TO_FOUR:
        found.append((number >> 80) & 0xFFFF_FFFF)
    if (number >> 32) & 0xFDFF_FFFF == _ISATAP:
        found.append(low)
    return found
