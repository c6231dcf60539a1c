"""What network tools may reach, by every spelling of it; nothing here leaves the process but to loopback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native_tools.environment import Environment
from native_tools.network.hosts import HostInvalid, read_host
from native_tools.network.policy import Policy, Refused
from native_tools.network.urls import UrlInvalid, host_of, read_url
from native_tools.server import NativeTools
from native_tools.tool import ToolError
from tests.native_tools.conftest import calls
from tests.native_tools.sites import Records, answer, site, zone


def reaching(allowed: tuple[str, ...] = (), blocked: tuple[str, ...] = (), nameserver: str = "127.0.0.1:1") -> Any:
    """Return a call of tools with these lists. The name server that nobody named is not there."""
    environment = Environment(workspace=Path(), allowed_hosts=allowed, blocked_hosts=blocked, nameservers=(nameserver,))
    return calls(NativeTools(environment))


async def refusal(call: Callable[..., Awaitable[Any]], url: str) -> str:
    with pytest.raises(ToolError) as caught:
        await call("http_request", url=url, timeout=60)
    return caught.value.message


NOT_PUBLIC = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.1", "CGNAT"),
    ("100.127.255.255", "CGNAT"),
    ("169.254.0.1", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.1", "reserved"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "reserved"),
    ("192.168.0.1", "private"),
    ("198.18.0.1", "benchmarks"),
    ("198.19.255.255", "benchmarks"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("169.254.169.254", "metadata"),
    ("169.254.170.2", "metadata"),
    ("100.100.100.200", "metadata"),
    ("168.63.129.16", "metadata"),
    ("192.0.0.192", "metadata"),
    ("[fd00:ec2::254]", "metadata"),
    ("[fd20:ce::254]", "metadata"),
    ("[::]", "unspecified"),
    ("[::1]", "loopback"),
    ("[0:0:0:0:0:0:0:1]", "loopback"),
    ("[fc00::1]", "unique local"),
    ("[fdff::1]", "unique local"),
    ("[fe80::1]", "link-local"),
    ("[febf::1]", "link-local"),
    ("[fec0::1]", "site-local"),
    ("[ff02::1]", "multicast"),
    ("[100::1]", "discarded"),
    ("[2001:2::1]", "benchmarks"),
    ("[2001:db8::1]", "documentation"),
    ("[3fff::1]", "documentation"),
    ("[2001:10::1]", "reserved"),
    ("[4000::1]", "reserved"),
    ("[5f00::1]", "reserved"),
    ("[1::1]", "reserved"),
    # What is inside an address.
    ("[::ffff:127.0.0.1]", "loopback"),
    ("[::ffff:7f00:1]", "loopback"),
    ("[::FFFF:A9FE:A9FE]", "metadata"),
    ("[0:0:0:0:0:ffff:10.0.0.1]", "private"),
    ("[::127.0.0.1]", "reserved"),
    ("[::8.8.8.8]", "reserved"),
    ("[::ffff:0:127.0.0.1]", "reserved"),
    ("[64:ff9b::127.0.0.1]", "loopback"),
    ("[64:ff9b::a9fe:a9fe]", "metadata"),
    ("[64:ff9b::10.0.0.1]", "private"),
    ("[64:ff9b:1::1.1.1.1]", "NAT64"),
    ("[64:ff9b:1:0a00:0000:0100::]", "NAT64"),
    ("[64:ff9b::]", "unspecified"),
    ("[64:ff9b::0.1.2.3]", "this network"),
    ("[2002::1]", "unspecified"),
    ("[2606:4700::5efe:0.0.0.0]", "unspecified"),
    ("[2002:7f00:1::]", "loopback"),
    ("[2002:a9fe:a9fe::1]", "metadata"),
    ("[2002:c0a8:1::1]", "private"),
    ("[2001:0:808:808::f5ff:fffe]", "private"),  # Teredo: the client 10.0.0.1, each bit turned
    ("[2001:0:a00:1::f7f7:f7f7]", "private"),  # Teredo: the server 10.0.0.1
    ("[2606:4700::5efe:10.0.0.1]", "private"),  # ISATAP
    ("[2606:4700::200:5efe:7f00:1]", "loopback"),
    ("[2606:4700::200:5efe:169.254.169.254]", "metadata"),
]

STRANGE = [
    # Spellings of addresses that resolvers take and people do not write.
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.1",
    "127.1",
    "127.0.1",
    "127",
    "0",
    "0177.0.0.1",
    "127.0.0.01",
    "127.0.0.0x1",
    "00000127.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "3232235521",
    "10.1",
    "192.168.257",
    "256.256.256.256",
    "999.1.1.1",
    "1.2.3.4.5",
    "127.0.0.1..",
    ".127.0.0.1",
    "8.8.8.8.0x",
    "4294967297",
    "127.0.0.1%00.example.org",
    "%31%32%37.0.0.1",
    "127%2e0.0.1",
    "localhost%2eexample.org",
    "[::1%25lo]",
    "[fe80::1%eth0]",
    "[::1]x",
    "[127.0.0.1]",
    "[v1.x]",
    "[::1",
    "::1",
    "[]",
    "",
    ".",
    "..",
    "a..b",
    "-a.example.org",
    "a-.example.org",
    "ex ample.org",
    "exa\tmple.org",
    "example.org\\@10.0.0.1",
    "example.org\\.evil.test",
    "user@10.0.0.1",
    "user:pass@example.org",
    "example.org:80@127.0.0.1",
    "127.0.0.1#@example.org:80x",
    "example.org:0",
    "example.org:65536",
    "example.org:",
    "example.org:8o",
    "example.org:-1",
    f"{'a' * 64}.example.org",
    f"{'a.' * 127}example.org",
]

MAPPED = [
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "𝟭𝟮𝟳.𝟬.𝟬.𝟭",
    "127.0.0.1\u00ad",
    "localhost",
    "LOCALHOST",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "localhost.",
    "localhost。",
    "ｌｏｃａｌｈｏｓｔ",
    "a.localhost",
    "printer.local",
    "vault.internal",
    "router.lan",
    "box.home.arpa",
    "intranet",
    "metadata",
    "metadata.google.internal",
    "METADATA.GOOGLE.INTERNAL.",
    "metadata.goog",
    "instance-data.ec2.internal",
]


@pytest.mark.parametrize(("host", "why"), NOT_PUBLIC)
async def test_an_address_that_is_not_public_is_refused_with_its_reason(host, why) -> None:
    said = await refusal(reaching(), f"http://{host}/")
    assert why in said
    assert "add" in said
    assert "security.allowed_hosts" in said


@pytest.mark.parametrize("host", STRANGE)
async def test_a_host_with_two_readings_or_none_is_refused_even_where_loopback_is_allowed(host) -> None:
    everything = ("0.0.0.0/0", "::/0", "localhost", "*.org", "*.test")
    for call in (reaching(), reaching(everything)):
        assert "cannot be resolved" not in await refusal(call, f"http://{host}/")


@pytest.mark.parametrize("host", MAPPED)
async def test_a_name_of_this_machine_is_refused_in_every_script_without_being_asked_for(host) -> None:
    async with zone({}) as names:
        said = await refusal(reaching(nameserver=names.address), f"http://{host}:8080/")
        assert "security.allowed_hosts" in said or "metadata" in said
        assert names.asked == []


@pytest.mark.parametrize("scheme", ["ftp", "file", "gopher", "dict", "ldap", "data", "javascript", "ws", "", "HTTPX"])
async def test_other_schemes_are_refused(scheme) -> None:
    assert "http" in await refusal(reaching(("*.org", "127.0.0.1")), f"{scheme}://example.org/")


async def test_ports_of_other_protocols_are_refused_unless_they_are_listed_themselves() -> None:
    for port in (22, 25, 6379, 11211):
        assert f"add 1.1.1.1:{port}" in await refusal(reaching(), f"http://1.1.1.1:{port}/")
    assert "add localhost:25" in await refusal(reaching(("localhost",)), "http://localhost:25/")
    listed = reaching(("127.0.0.1:25",))
    assert "cannot connect" in await refusal(listed, "http://127.0.0.1:25/")


NAMES: Records = {
    ("public.test", "A"): [["1.1.1.1"]],
    ("private.test", "A"): [["10.1.2.3"]],
    ("private.test", "AAAA"): [[]],
    ("mixed.test", "A"): [["1.1.1.1", "192.168.1.1"]],
    ("six.test", "AAAA"): [["64:ff9b::7f00:1"]],
    ("mapped.test", "AAAA"): [["::ffff:10.0.0.1"]],
    ("meta.test", "A"): [["169.254.169.254"]],
    ("sub.corp.test", "A"): [["127.0.0.1"]],
    ("here.test", "A"): [["127.0.0.1"]],
}


async def test_a_name_is_judged_by_all_the_addresses_that_it_leads_to() -> None:
    async with zone(NAMES) as names:
        call = reaching(nameserver=names.address)
        for name, address in (("private", "10.1.2.3"), ("mixed", "192.168.1.1"), ("mapped", "10.0.0.1")):
            said = await refusal(call, f"http://{name}.test/")
            assert f"leads to {address}, which is not public: it is private" in said
            assert f"add {name}.test to security.allowed_hosts" in said
        assert "127.0.0.1, which is not public: it is loopback" in await refusal(call, "http://six.test/")
        assert "add 169.254.169.254 to" in await refusal(call, "http://meta.test/")
        assert "cannot be resolved" in await refusal(call, "http://unknown.test/")


async def test_a_listed_name_or_network_opens_the_private_address_that_it_leads_to() -> None:
    async with zone(NAMES) as names, site({"/": answer("here")}) as web:
        for allowed in (
            ("here.test",),
            ("HERE.Test.",),
            ("ｈｅｒｅ．test",),
            (f"here.test:{web.port}",),
            ("127.0.0.0/8",),
            ("127.0.0.1",),
            ("::ffff:127.0.0.1",),
            ("::ffff:127.0.0.0/104",),
            (f"127.0.0.1:{web.port}",),
        ):
            call = reaching(allowed, nameserver=names.address)
            assert (await call("http_request", url=web.url(host="here.test")))["body"] == "here", allowed
        call = reaching(("*.corp.test",), nameserver=names.address)
        assert (await call("http_request", url=web.url(host="Sub.Corp.test.")))["body"] == "here"
        assert [asked.headers["host"] for asked in web.asked[-2:]] == [
            f"here.test:{web.port}",
            f"sub.corp.test:{web.port}",
        ]


async def test_a_listed_name_opens_no_metadata_service_and_neither_does_a_network() -> None:
    async with zone(NAMES) as names:
        for allowed in (("meta.test",), ("169.254.0.0/16",)):
            call = reaching(allowed, nameserver=names.address)
            assert "metadata" in await refusal(call, "http://meta.test/")


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("example.test", "sub.example.test"),
        ("example.test", "badexample.test"),
        ("example.test", "example.test.evil.test"),
        ("*.example.test", "example.test"),
        ("*.example.test", "badexample.test"),
        ("example.test:8443", "example.test"),
        ("1.1.1.1", "1.1.1.2"),
        ("1.1.1.0/30", "1.1.1.4"),
        ("1.1.1.1:8443", "1.1.1.1"),
        ("example.test", "1.1.1.1"),
        ("2606:4700::/32", "[2606:4701::1]"),
        ("127.0.0.1", "[64:ff9b::127.0.0.1]"),
    ],
)
async def test_with_a_list_nothing_else_is_reached(allowed, host) -> None:
    said = await refusal(reaching((allowed,)), f"http://{host}/")
    assert "is not in security.allowed_hosts" in said


@pytest.mark.parametrize(
    ("blocked", "host"),
    [
        ("here.test", "here.test"),
        ("*.corp.test", "sub.corp.test"),
        ("127.0.0.1", "here.test"),
        ("127.0.0.0/8", "here.test"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "[::ffff:127.0.0.1]"),
        ("::ffff:0:0/96", "127.0.0.1"),
        ("127.0.0.1", "six.test"),
        ("1.1.1.1", "[64:ff9b::1.1.1.1]"),
        ("1.1.1.1", "public.test"),
        ("1.1.1.1:80", "public.test"),
    ],
)
async def test_what_is_blocked_is_refused_though_it_is_allowed(blocked, host) -> None:
    allowed = ("*.test", "*.corp.test", "0.0.0.0/0", "::/0")
    async with zone(NAMES) as names:
        for lists in (allowed, ()) if host in {"public.test", "[64:ff9b::1.1.1.1]"} else (allowed,):
            said = await refusal(reaching(lists, (blocked,), names.address), f"http://{host}/")
            assert "is in security.blocked_hosts" in said


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "*.*.test",
        "http://example.test",
        "a b",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "[::1",
        "x:0",
        "*.10.0.0.1",
        "127.1",
        "",
    ],
)
async def test_a_list_with_an_entry_that_means_nothing_reaches_nothing(entry) -> None:
    for call in (reaching((entry,)), reaching((), (entry,))):
        assert "unavailable: security" in await refusal(call, "http://1.1.1.1/")


async def test_an_answer_that_changes_after_it_was_judged_changes_nothing() -> None:
    # The first answer is judged and connected to, whatever a second one would say.
    async with site({"/": answer("inside")}) as web:
        records: Records = {("rebind.test", "A"): [["10.9.9.9"], ["127.0.0.1"]], ("rebind.test", "AAAA"): [[]]}
        async with zone(records) as names:
            said = await refusal(reaching(nameserver=names.address), web.url(host="rebind.test"))
            assert "10.9.9.9" in said
        records = {("rebind.test", "A"): [["127.0.0.1"], ["10.9.9.9"]], ("rebind.test", "AAAA"): [[]]}
        async with zone(records) as names:
            call = reaching(("127.0.0.0/8",), nameserver=names.address)
            assert (await call("http_request", url=web.url(host="rebind.test")))["body"] == "inside"
            assert sorted(kind for _, kind in names.asked) == ["A", "AAAA"]
        assert web.connections == 1


NETWORKS = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
addresses = st.sampled_from(NETWORKS).flatmap(
    lambda text: st.integers(int(IPv4Network(text)[0]), int(IPv4Network(text)[-1])).map(IPv4Address)
)


def _six(form: str, address: IPv4Address) -> str:
    number = int(address)
    made = {
        "mapped": 0xFFFF << 32 | number,
        "compatible": number,
        "siit": 0xFFFF << 48 | number,
        "nat64": 0x64_FF9B << 96 | number,
        "6to4": 0x2002 << 112 | number << 80 | 1,
        "teredo": 0x2001_0000 << 96 | 0x0808_0808 << 64 | (number ^ 0xFFFF_FFFF),
        "isatap": 0x2606_4700 << 96 | 0x5EFE << 32 | number,
    }
    return f"[{IPv6Address(made[form])}]"


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """Write an address that is not public as an attacker could."""
    address = draw(addresses)
    form = draw(
        st.sampled_from(
            [
                "plain",
                "decimal",
                "hex",
                "octal",
                "parts",
                "short",
                "wide",
                "mapped",
                "compatible",
                "siit",
                "nat64",
                "6to4",
                "teredo",
                "isatap",
            ]
        )
    )
    parts = list(address.packed)
    number = int(address)
    simple = {
        "plain": str(address),
        "decimal": str(number),
        "hex": hex(number),
        "octal": f"0{number:o}",
        "short": f"{parts[0]}.{number & 0xFFFFFF}",
        "parts": ".".join(draw(st.sampled_from([str(part), hex(part), f"0{part:o}", f"0{part}"])) for part in parts),
        "wide": str(address).translate(
            {**{48 + n: 0xFF10 + n for n in range(10)}, 46: draw(st.sampled_from("。．｡."))}
        ),
    }
    text = simple[form] if form in simple else _six(form, address)
    return text + (draw(st.sampled_from(["", ".", "。"])) if form in simple else "")


@settings(max_examples=1000)
@given(host=spellings(), port=st.sampled_from(["", ":80", ":8080", ":443"]), path=st.sampled_from(["", "/", "/a?b#c"]))
def test_no_spelling_of_a_private_address_ever_passes(host, port, path) -> None:
    with pytest.raises((UrlInvalid, Refused)):
        target = read_url(f"http://{host}{port}{path}")
        Policy().judge_host(host_of(target), target.port)


@given(text=st.text(max_size=40))
def test_any_text_is_a_host_in_one_spelling_or_refused(text) -> None:
    try:
        host = read_host(text)
    except HostInvalid:
        return
    again = f"[{host}]" if isinstance(host, IPv6Address) else str(host)
    assert read_host(again) == host
    assert str(host) == str(host).lower()


@given(number=st.integers(0, 2**128 - 1))
def test_an_ipv6_address_passes_only_inside_what_is_public(number) -> None:
    address = IPv6Address(number)
    try:
        Policy().judge_host(read_host(f"[{address}]"), 80)
    except Refused:
        return
    mapped = address.ipv4_mapped
    inside = number >> 125 == 1 or number >> 32 == 0x64_FF9B << 64
    assert (mapped is not None and mapped.is_global) or inside
