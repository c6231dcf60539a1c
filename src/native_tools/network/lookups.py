"""The tool network_dns_lookup: records of public names, from the name servers of this machine or the operator's.

The caller chooses no name server, and names are judged like those of requests: what is private stays unknown.
"""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from native_tools.environment import Environment
from native_tools.excerpts import excerpt
from native_tools.network.hosts import HostInvalid, Name, read_host
from native_tools.network.policy import Policy, Refused
from native_tools.network.settings import policy_of, unusable
from native_tools.parameters import choice, seconds
from native_tools.tool import READS_ELSEWHERE, Arguments, Result, Tool, ToolError, closed

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as DnsClient
    from dns.resolver import Answer

_TYPES = ("A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "SVCB", "TXT")
#: Records whose addresses are judged.
_OF_ADDRESSES = frozenset({"A", "AAAA"})
_TIMEOUT = 5
_MOST_RECORDS = 100
#: Trees of names that stand for addresses.
_REVERSE = (".in-addr.arpa", ".ip6.arpa")


async def _look_up(arguments: Arguments, environment: Environment) -> Result:
    from dns.exception import DNSException, Timeout  # noqa: PLC0415 # for those who need it
    from dns.resolver import NXDOMAIN, YXDOMAIN, NoNameservers  # noqa: PLC0415 # as above

    kind = arguments.get("type", "A")
    policy = policy_of(environment)
    try:
        asked = _asked(policy, arguments["name"], kind)
        answer = await _client(environment.nameservers).resolve(
            f"{asked}.", kind, raise_on_no_answer=False, lifetime=arguments.get("timeout", _TIMEOUT)
        )
        return _result(policy, asked, kind, answer)
    except Refused as error:
        raise ToolError(f"{error}.") from error
    except NXDOMAIN:
        return {"name": asked, "type": kind, "status": "no_such_name", "records": [], "truncated": False}
    except Timeout as error:
        raise ToolError(f"no name server answered for {asked} in time.", retryable=True) from error
    except (NoNameservers, YXDOMAIN, DNSException) as error:
        said = excerpt(" ".join(str(error).split()), 300)
        raise ToolError(f"the name servers cannot answer for {asked}: {said}", retryable=True) from error


def _asked(policy: Policy, name: str, kind: str) -> str:
    """Return the name to ask for; raises `Refused`, and `ToolError` for what is no name."""
    try:
        host = read_host(f"[{name}]" if ":" in name else name)
    except HostInvalid as error:
        raise ToolError(f"{error}.") from error
    if not isinstance(host, str):
        policy.judge_host(host, None)
        if kind != "PTR":
            raise ToolError(f"{host} is an address; ask for its name with type PTR.")
        return host.reverse_pointer
    if host.endswith(_REVERSE):
        raise ToolError("names of addresses are asked for by the address itself, with type PTR.")
    if kind == "PTR":
        raise ToolError(f"{host} is no address; type PTR asks for the name of an address.")
    if kind in _OF_ADDRESSES:
        policy.judge_host(host, None)
    else:
        policy.judge_name(host)
    return host


def _result(policy: Policy, asked: str, kind: str, answer: Answer) -> Result:
    rrset = answer.rrset
    records = [] if rrset is None else list(rrset)
    if kind in _OF_ADDRESSES:
        policy.judge_addresses(Name(asked), None, [ip_address(record.address) for record in records])
    ttl = 0 if rrset is None else rrset.ttl
    made = sorted(
        (_record(kind, record, ttl) for record in records), key=lambda one: (one.get("priority", 0), one["value"])
    )
    return {
        "name": asked,
        "type": kind,
        "status": "found" if records else "no_data",
        "canonical_name": answer.canonical_name.to_text(omit_final_dot=True),
        "records": made[:_MOST_RECORDS],
        "truncated": len(records) > _MOST_RECORDS,
    }


def _record(kind: str, record: Any, ttl: int) -> dict[str, Any]:  # noqa: ANN401 # dnspython's, a class for each type
    if kind == "TXT":
        return {"value": b"".join(record.strings).decode("utf-8", "replace"), "ttl": ttl}
    made = {"value": _without_dot(record.to_text()), "ttl": ttl}
    if kind == "MX":
        made |= {"value": _name(record.exchange), "priority": record.preference}
    elif kind == "SRV":
        made |= {"value": _name(record.target), "priority": record.priority, "weight": record.weight}
        made["port"] = record.port
    return made


def _name(name: Any) -> str:  # noqa: ANN401 # as above
    return _without_dot(name.to_text())


def _without_dot(text: str) -> str:
    return text[:-1] if text.endswith(".") and len(text) > 1 else text


@cache
def _client(nameservers: tuple[str, ...]) -> DnsClient:
    from dns.exception import DNSException  # noqa: PLC0415 # for those who need it

    from native_tools.network.names import asking  # noqa: PLC0415 # with its client

    try:
        return asking(nameservers)
    except DNSException as error:
        raise ToolError(f"this machine names no usable name server: {error}") from error


LOOKUP = Tool(
    name="network_dns_lookup",
    title="Look up a name",
    description=(
        "Ask the domain name system for the records of a name, or for the name of an address (type PTR). "
        "Internal names and addresses are refused unless the operator listed them in security.allowed_hosts."
    ),
    input_schema=closed(
        ("name",),
        name={"type": "string", "minLength": 1, "maxLength": 1000, "description": "A host name; an address for PTR."},
        type=choice(_TYPES, "A", "Which records."),
        timeout=seconds(_TIMEOUT, 60, "Seconds to wait for an answer."),
    ),
    output_schema=closed(
        ("name", "type", "status", "records", "truncated"),
        name={"type": "string", "description": "The name that was asked for, as it is written in the system."},
        type={"type": "string", "description": "The type that was asked for."},
        status={
            "enum": ["found", "no_data", "no_such_name"],
            "description": "no_data: the name exists, but has no such records.",
        },
        canonical_name={"type": "string", "description": "The name at the end of the aliases (CNAME)."},
        records={
            "type": "array",
            "description": "The records: by priority, then in the order of their values, since name servers turn them.",
            "items": closed(
                ("value", "ttl"),
                value={"type": "string", "description": "The address, name or text of the record."},
                ttl={"type": "integer", "description": "Seconds for which it may be kept."},
                priority={"type": "integer", "description": "Of MX and SRV: the lowest comes first."},
                weight={"type": "integer", "description": "Of SRV: the share among those of one priority."},
                port={"type": "integer", "description": "Of SRV: the service's port."},
            ),
        },
        truncated={"type": "boolean", "description": f"Whether there are more than {_MOST_RECORDS} records."},
    ),
    annotations=READS_ELSEWHERE,
    run=_look_up,
    unavailable=unusable,
)
