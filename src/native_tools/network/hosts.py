"""What a host is: a name in one spelling, or an address. Whatever has two readings is refused.

Names are compared as their labels in lower case, after the mapping of UTS 46 (full-width digits and dots, ß, case).
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NewType

from native_tools.excerpts import excerpt
from native_tools.network.addresses import Address, plain

#: A name as it is compared and asked for: labels in lower case, `xn--` where they are not ASCII, no dot at the end.
Name = NewType("Name", str)
Host = Name | Address

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
#: What a resolver may take for a number, and so the whole for an address (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CANONICAL = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")


class HostInvalid(Exception):
    """A host that has no reading, or two; the message says what to write."""


def read_host(text: str) -> Host:
    """Read a host as URLs have it, IPv6 addresses in brackets; raises `HostInvalid`."""
    if text.startswith("[") and text.endswith("]"):
        return _read_6(text[1:-1])
    if "%" in text:
        raise HostInvalid(f"the host '{excerpt(text, 80)}' has a percent sign; write it plainly")
    name = _mapped(text).removesuffix(".")
    if not name or len(name) > 253:
        raise HostInvalid(f"'{excerpt(text, 80)}' is no host name")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _read_4(name)
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise HostInvalid(f"'{excerpt(text, 80)}' is no host name: '{excerpt(label, 63)}' is no label")
    return Name(name)


def written(host: Host) -> str:
    """Return a host as URLs have it."""
    return f"[{host}]" if isinstance(host, IPv6Address) else str(host)


def _mapped(text: str) -> str:
    if text.isascii():
        return text.lower()
    import idna  # noqa: PLC0415 # 10 ms for its tables, for names that need them

    try:
        mapped = idna.uts46_remap(text, std3_rules=False, transitional=False)
        return mapped.lower() if mapped.isascii() else idna.encode(mapped).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError, ValueError) as error:
        raise HostInvalid(f"'{excerpt(text, 80)}' is no host name: {error}") from error


def _read_4(text: str) -> Address:
    if _CANONICAL.fullmatch(text):
        try:
            return IPv4Address(text)
        except AddressValueError:
            pass
    raise HostInvalid(
        f"'{excerpt(text, 80)}' is no address as it is usually written: four numbers, 0 to 255, with dots"
    )


def _read_6(text: str) -> Address:
    if "%" in text:
        raise HostInvalid(f"the address '{excerpt(text, 80)}' names a zone; addresses of one link are not reached")
    try:
        return plain(IPv6Address(text))
    except (AddressValueError, ValueError) as error:
        raise HostInvalid(f"'[{excerpt(text, 80)}]' is no IPv6 address") from error
