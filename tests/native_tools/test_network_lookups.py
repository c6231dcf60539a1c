"""network_dns_lookup and network_ping: a name server and ports of loopback."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from native_tools.environment import Environment
from native_tools.network.probes import _may_echo
from native_tools.server import NativeTools
from native_tools.tool import ToolError
from tests.native_tools.conftest import calls, failing
from tests.native_tools.sites import Records, deserted, site, zone

RECORDS: Records = {
    ("www.public.test", "A"): [["1.1.1.1", "1.0.0.1"]],
    ("www.public.test", "MX"): [["10 mail.public.test.", "20 other.test."]],
    ("www.public.test", "TXT"): [['"v=spf1 " "-all"', '"d\\195\\188"']],
    ("www.public.test", "CAA"): [['0 issue "ca.test"']],
    ("_sip._tcp.public.test", "SRV"): [["1 2 5060 sip.public.test."]],
    ("www.private.test", "A"): [["10.0.0.1"]],
    ("many.test", "A"): [[f"1.1.{number}.1" for number in range(150)]],
    ("1.1.1.1.in-addr.arpa", "PTR"): [["one.test."]],
}


def reaching(*allowed: str, blocked: tuple[str, ...] = (), nameserver: str = "127.0.0.1:1") -> Any:
    return calls(
        NativeTools(
            Environment(workspace=Path(), allowed_hosts=allowed, blocked_hosts=blocked, nameservers=(nameserver,))
        )
    )


async def refused(call: Any, tool: str, **params: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await call(tool, **params)
    return caught.value


async def test_records_are_looked_up_by_type() -> None:
    async with zone(RECORDS) as names:
        call = reaching(nameserver=names.address)
        found = await call("network_dns_lookup", name="WWW.Public.test.")
        assert found == {
            "name": "www.public.test",
            "type": "A",
            "status": "found",
            "canonical_name": "www.public.test",
            "records": [{"value": "1.0.0.1", "ttl": 60}, {"value": "1.1.1.1", "ttl": 60}],
            "truncated": False,
        }

        async def records(name: str, kind: str) -> list[dict[str, Any]]:
            answer = await call("network_dns_lookup", name=name, type=kind)
            return [{key: value for key, value in one.items() if key != "ttl"} for one in answer["records"]]

        assert await records("www.public.test", "MX") == [
            {"value": "mail.public.test", "priority": 10},
            {"value": "other.test", "priority": 20},
        ]
        assert await records("www.public.test", "TXT") == [{"value": "dü"}, {"value": "v=spf1 -all"}]
        assert await records("www.public.test", "CAA") == [{"value": '0 issue "ca.test"'}]
        assert await records("_sip._tcp.public.test", "SRV") == [
            {"value": "sip.public.test", "priority": 1, "weight": 2, "port": 5060}
        ]
        assert await records("1.1.1.1", "PTR") == [{"value": "one.test"}]
        assert (await call("network_dns_lookup", name="www.public.test", type="NS"))["status"] == "no_data"
        assert (await call("network_dns_lookup", name="none.test"))["status"] == "no_such_name"
        many = await call("network_dns_lookup", name="many.test")
        assert (len(many["records"]), many["truncated"]) == (100, True)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"name": "www.private.test"}, "10.0.0.1, which is not public"),
        ({"name": "blocked.test"}, "blocked_hosts"),
        ({"name": "vault.internal"}, "add it to security.allowed_hosts"),
        ({"name": "localhost"}, "add it to security.allowed_hosts"),
        ({"name": "10.0.0.1", "type": "PTR"}, "private"),
        ({"name": "::1", "type": "PTR"}, "loopback"),
        ({"name": "1.0.0.10.in-addr.arpa", "type": "PTR"}, "address itself"),
        ({"name": "1.0.0.10.in-addr.arpa", "type": "TXT"}, "address itself"),
        ({"name": "www.public.test", "type": "PTR"}, "no address"),
        ({"name": "1.1.1.1"}, "type PTR"),
        ({"name": "a..b"}, "no host name"),
        ({"name": "www.public.test", "type": "AXFR"}, "AXFR"),
        ({"name": "www.public.test", "server": "10.0.0.1"}, "server"),
    ],
)
async def test_names_are_judged_like_those_of_requests(params, why) -> None:
    async with zone(RECORDS) as names:
        call = reaching(blocked=("blocked.test",), nameserver=names.address)
        assert why in (await refused(call, "network_dns_lookup", **params)).message


async def test_a_listed_name_may_lead_to_a_private_address() -> None:
    async with zone(RECORDS) as names:
        call = reaching("*.private.test", nameserver=names.address)
        found = await call("network_dns_lookup", name="www.private.test")
        assert [one["value"] for one in found["records"]] == ["10.0.0.1"]
        assert "not in security.allowed_hosts" in (await refused(call, "network_dns_lookup", name="many.test")).message


async def test_where_networks_are_listed_only_addresses_in_them_are_told() -> None:
    async with zone(RECORDS) as names:
        call = reaching("10.0.0.0/8", nameserver=names.address)
        found = await call("network_dns_lookup", name="www.private.test")
        assert [one["value"] for one in found["records"]] == ["10.0.0.1"]
        for params in ({"name": "www.public.test"}, {"name": "www.public.test", "type": "TXT"}):
            error = await refused(call, "network_dns_lookup", **params)
            assert "not in security.allowed_hosts" in error.message
        assert ("www.public.test", "TXT") not in names.asked


async def test_a_name_server_that_is_silent_may_answer_later() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        call = reaching(nameserver=f"127.0.0.1:{silent.getsockname()[1]}")
        error = await refused(call, "network_dns_lookup", name="www.public.test", timeout=0.2)
    assert error.retryable
    assert "no name server answered" in error.message


async def test_a_host_answers_at_a_port_or_says_why_not() -> None:
    call = reaching("127.0.0.1", "localhost")
    async with site({}) as web:
        found = await call("network_ping", host="localhost", port=web.port, count=2)
    assert {key: found[key] for key in ("host", "method", "reachable", "sent", "received")} == {
        "host": "localhost",
        "method": "tcp",
        "reachable": True,
        "sent": 2,
        "received": 2,
    }
    assert 0 <= found["min_ms"] <= found["avg_ms"] <= found["max_ms"]
    with deserted() as gone:
        found = await call("network_ping", host="127.0.0.1", port=gone, count=1)
    assert (found["reachable"], found["failure"], "avg_ms" in found) == (False, "Connection refused", False)


async def test_a_host_answers_by_icmp_where_the_system_lets_it() -> None:
    call = reaching("127.0.0.1")
    if _may_echo():
        found = await call("network_ping", host="127.0.0.1", count=2)
        assert (found["method"], found["received"], "port" in found) == ("icmp", 2, False)
    else:
        found = await call("network_ping", host="127.0.0.1", count=1)
        assert (found["method"], found["port"]) == ("tcp", 443)
        error = await refused(call, "network_ping", host="127.0.0.1", method="icmp")
        assert "give a `port`" in error.message


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"host": "10.0.0.1", "port": 22}, "private"),
        ({"host": "::1"}, "loopback"),
        ({"host": "[::ffff:127.0.0.1]"}, "loopback"),
        ({"host": "127.1"}, "usually written"),
        ({"host": "metadata.google.internal"}, "metadata"),
        ({"host": "http://1.1.1.1/"}, "Give a name or an address"),
        ({"host": "1.1.1.1", "port": 443, "method": "icmp"}, "no ports"),
    ],
)
async def test_only_what_a_request_may_reach_is_pinged(params, why) -> None:
    assert why in (await refused(reaching(), "network_ping", **params)).message


async def test_through_the_server_names_and_hosts_are_looked_at(native) -> None:
    async with zone(RECORDS) as names, site({}) as web:
        call = native(NATIVE_TOOLS_NAMESERVERS=names.address, NATIVE_TOOLS_ALLOWED_HOSTS="127.0.0.1,*.public.test")
        found = await call("network_dns_lookup", name="www.public.test")
        assert [one["value"] for one in found["records"]] == ["1.0.0.1", "1.1.1.1"]
        assert (await call("network_ping", host="127.0.0.1", port=web.port, count=1))["reachable"]
        assert "allowed_hosts" in (await failing(call, "network_ping", host="127.0.0.2", port=web.port)).detail


async def test_a_name_server_that_is_none_makes_the_tools_unavailable() -> None:
    error = await refused(reaching(nameserver="dns.example"), "network_ping", host="1.1.1.1")
    assert error.message.startswith("network_ping is unavailable: NATIVE_TOOLS_NAMESERVERS")
