"""http_request against web servers on loopback: what is sent, what comes back, and what hostile ones try."""

from __future__ import annotations

import asyncio
import base64
import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest

from native_tools.environment import Environment
from native_tools.server import NativeTools
from native_tools.tool import ToolError
from tests.native_tools.conftest import calls, failing
from tests.native_tools.sites import Asked, Records, answer, deserted, site, zone

ALLOWED = ("127.0.0.1", "localhost")


def reaching(*allowed: str, nameserver: str = "127.0.0.1:1") -> Any:
    """Return a call of tools that may reach these hosts."""
    lists = allowed or ALLOWED
    return calls(NativeTools(Environment(workspace=Path(), allowed_hosts=lists, nameservers=(nameserver,))))


async def refused(url: str, **params: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await reaching()("http_request", url=url, **params)
    return caught.value


async def test_a_request_says_what_was_asked_for_and_its_answer_comes_back_as_data() -> None:
    page = answer('{"a": [1, "ü"]}', content_type="application/json; charset=utf-8", x_more="1")
    async with site({"/items": page}) as web:
        found = await reaching()(
            "http_request",
            method="POST",
            url=web.url("/items?a=1"),
            params={"q": "a b&c", "n": 3, "yes": True, "none": None, "tags": ["x", "y"]},
            headers={"Authorization": "Bearer t0ken", "X-Number": 7},
            json={"name": "Ada"},
        )
    (asked,) = web.asked
    assert asked.target == "/items?a=1&q=a+b%26c&n=3&yes=true&tags=x&tags=y"
    assert (asked.method, asked.body) == ("POST", b'{"name":"Ada"}')
    assert asked.headers["host"] == f"127.0.0.1:{web.port}"
    assert (asked.headers["authorization"], asked.headers["x-number"]) == ("Bearer t0ken", "7")
    assert asked.headers["content-type"] == "application/json"
    assert found == {
        "status": 200,
        "headers": {
            "content-length": "16",
            "content-type": "application/json; charset=utf-8",
            "x-more": "1",
        },
        "content_type": "application/json; charset=utf-8",
        "body": '{"a": [1, "ü"]}',
        "json": {"a": [1, "ü"]},
        "encoding": "utf-8",
        "size": 16,
        "truncated": False,
        "url": web.url("/items?a=1&q=a+b%26c&n=3&yes=true&tags=x&tags=y"),
        "redirects": [],
    }


@pytest.mark.parametrize(
    ("params", "body", "kind"),
    [
        ({"body": "täxt"}, "täxt".encode(), "text/plain; charset=utf-8"),
        ({"body": "<a/>", "headers": {"content-type": "text/xml"}}, b"<a/>", "text/xml"),
        ({"body": "AAH/", "body_encoding": "base64"}, b"\x00\x01\xff", None),
        ({"form": {"a": "1 2", "b": ["x", "y"]}}, b"a=1+2&b=x&b=y", "application/x-www-form-urlencoded"),
        ({"json": None}, b"null", "application/json"),
        ({}, b"", None),
    ],
)
async def test_a_body_is_text_bytes_a_form_or_json(params, body, kind) -> None:
    async with site({"/": answer()}) as web:
        await reaching()("http_request", method="PUT", url=web.url(), **params)
    assert (web.asked[0].body, web.asked[0].headers.get("content-type")) == (body, kind)
    assert web.asked[0].headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"headers": {"X": "a\r\nY: b"}}, "line break"),
        ({"headers": {"X": "a\nb"}}, "line break"),
        ({"headers": {"X": "a\x00"}}, "control"),
        ({"headers": {"X": "€"}}, "Latin-1"),
        ({"headers": {"X\r\nY": "b"}}, "no name of a header"),
        ({"headers": {"X:": "b"}}, "no name of a header"),
        ({"headers": {"": "b"}}, "no name of a header"),
        ({"headers": {"Host": "other.test"}}, "not yours to set"),
        ({"headers": {"content-LENGTH": "3"}}, "not yours to set"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "not yours to set"),
        ({"headers": {"Connection": "x"}}, "not yours to set"),
        ({"headers": {"Upgrade": "h2c"}}, "not yours to set"),
        ({"headers": {"Proxy-Authorization": "x"}}, "not yours to set"),
        ({"headers": {"a": "1", "A": "2"}}, "twice"),
        ({"headers": {"a": "x" * 40_000}}, "bytes"),
        ({"json": 1, "body": "x"}, "one body"),
        ({"body": "%", "body_encoding": "base64"}, "no base64"),
        ({"body_encoding": "base64"}, "no base64"),
        ({"method": "CONNECT"}, "method"),
        ({"timeout": 0}, "timeout"),
        ({"verify": False}, "verify"),
    ],
)
async def test_what_could_change_the_message_around_it_is_refused(params, why) -> None:
    async with site({"/": answer()}) as web:
        assert why in (await refused(web.url(), **params)).message
    assert web.asked == []


async def test_a_line_break_in_a_url_reaches_no_server() -> None:
    async with site({"/": answer()}) as web:
        for path in ("/\r\nX: y", "/ HTTP/1.1\r\nHost: x", "/\n", "/\x00"):
            assert "control character" in (await refused(web.url(path))).message
        await reaching()("http_request", url=web.url("/?a=b c%0d%0a\u2028ü"))
    assert [asked.target for asked in web.asked] == ["/?a=b%20c%0d%0a%E2%80%A8%C3%BC"]


@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (404, False), (408, True), (429, True), (500, True), (503, True)]
)
async def test_a_status_from_400_is_an_error_that_says_whether_to_try_again(status, again) -> None:
    async with site({"/": answer("because\n of this", status, content_type="text/plain")}) as web:
        error = await refused(web.url("/?key=secret"))
        assert (error.status, error.retryable) == (status, again)
        assert error.message == f"GET {web.url()} answered with HTTP status {status}: because of this"
        found = await reaching()("http_request", url=web.url(), fail_on_status=False)
        assert (found["status"], found["body"]) == (status, "because\n of this")


@pytest.mark.parametrize(
    ("body", "kind", "content", "encoding"),
    [
        ("ü".encode(), "text/plain", "ü", "utf-8"),
        ("ü".encode("latin-1"), "text/html; charset=ISO-8859-1", "ü", "windows-1252"),
        ("ü".encode("latin-1"), "text/html", "ü", "windows-1252"),
        ("日本".encode("shift_jis"), "text/html; charset=Shift_JIS", "日本", "shift_jis"),
        (b"\xef\xbb\xbfa", "text/plain", "a", "utf-8"),
        ("\ufeffa".encode("utf-16-le"), "text/plain; charset=utf-8", "a", "utf-16-le"),
        (b"a\xff", "text/plain; charset=utf-8", "a\ufffd", "utf-8"),
        (b"+AGE-", "text/plain; charset=utf-7", "+AGE-", "utf-8"),
        (b"\\u0041", "text/plain; charset=unicode_escape", "\\u0041", "utf-8"),
        (b"61", "text/plain; charset=hex", "61", "utf-8"),
        (b"\x89PNG", "image/png", base64.b64encode(b"\x89PNG").decode(), "base64"),
        (b"plain", "application/octet-stream", base64.b64encode(b"plain").decode(), "base64"),
        (b"<a/>", "application/atom+xml", "<a/>", "utf-8"),
        (b"plain", "", "plain", "utf-8"),
        (b"\x00\x01", "", "AAE=", "base64"),
        (b"{", "application/json", "{", "utf-8"),
        (b"[" * 100_000, "application/json", "[" * 100_000, "utf-8"),
    ],
)
async def test_bodies_are_text_where_they_say_so_and_base64_where_they_are_none(body, kind, content, encoding) -> None:
    async with site({"/": answer(body, **({"content_type": kind} if kind else {}))}) as web:
        found = await reaching()("http_request", url=web.url())
    assert (found["body"], found["encoding"]) == (content, encoding)
    assert "json" not in found


@pytest.mark.parametrize(
    ("status", "said", "date", "seconds"),
    [
        (429, "7", "", 7.0),
        (503, "Wed, 21 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", 30.0),
        (503, "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:30 GMT", None),
        (503, "Wed, 21 Oct 2015 07:28:00 GMT", "", None),
        (503, "0", "", None),
        (503, "soon", "never", None),
        (503, "9" * 400, "", None),
        (404, "7", "", None),
    ],
)
async def test_how_long_a_server_asks_to_wait_is_told(status, said, date, seconds) -> None:
    more = {"date": date} if date else {}
    async with site({"/": answer("no", status, content_type="text/plain", retry_after=said, **more)}) as web:
        error = await refused(web.url())
    assert error.retry_after == seconds
    asks = f" and asks to wait {seconds:g} s before the next try" if seconds else ""
    assert error.message == f"GET {web.url()} answered with HTTP status {status}{asks}: no"


async def test_a_redirect_is_followed_as_its_status_says() -> None:
    pages = {f"/{status}": answer("", status, location="/end?ü") for status in (301, 302, 303, 307, 308)}
    async with site({**pages, "/end": answer("end")}) as web:
        call = reaching()
        for status in (301, 302, 303, 307, 308):
            found = await call("http_request", method="POST", url=web.url(f"/{status}"), json=1)
            kept = status in {307, 308}
            last = web.asked[-1]
            assert (last.method, last.body) == (("POST", b"1") if kept else ("GET", b""))
            assert ("content-type" in last.headers) == kept
            assert last.target == "/end?%C3%BC"
            assert (found["body"], found["redirects"]) == ("end", [web.url(f"/{status}")])
            assert found["url"] == web.url("/end?%C3%BC")
        found = await call("http_request", method="HEAD", url=web.url("/303"))
        assert (web.asked[-1].method, found["body"]) == ("HEAD", "")
        found = await call("http_request", url=web.url("/301"), follow_redirects=False)
        assert (found["status"], found["headers"]["location"]) == (301, "/end?ü".encode("latin-1").decode("latin-1"))


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://10.0.0.1/", "10.0.0.1:80 is not in security.allowed_hosts"),
        ("//169.254.169.254/latest/", "169.254.169.254:80 is not in"),
        ("http://[::ffff:10.0.0.1]/", "10.0.0.1:80 is not in"),
        ("http://2130706433/", "usually written"),
        ("http://user@127.0.0.1/", "user name"),
        ("file:///etc/passwd", "http"),
        ("gopher://127.0.0.1/", "http"),
        ("http://127.0.0.1:6379/", "another protocol's"),
        ("/\\evil.test", "backslash"),
        ("http://[", "no URL"),
    ],
)
async def test_a_redirect_is_judged_like_the_url_that_led_to_it(location, why) -> None:
    async with site({"/": answer("", 302, location=location)}) as web:
        error = await refused(web.url())
        assert why in error.message
        assert not error.retryable
        assert len(web.asked) == 1


async def test_redirects_without_end_end() -> None:
    async with site({"/": answer("", 302, location="/")}) as web:
        assert "more than 10 redirects" in (await refused(web.url())).message
        assert len(web.asked) == 11


async def test_credentials_stay_with_the_origin_that_they_were_meant_for() -> None:
    headers = {
        "Authorization": "Bearer secret",
        "Cookie": "secret=1",
        "X-Api-Key": "secret",
        "Accept": "text/plain",
        "User-Agent": "test",
    }
    async with site({"/": answer("", 302, location="/again"), "/again": answer("other")}) as other:
        pages = {
            "/": answer("", 302, location="/here"),
            "/here": answer("", 302, location=other.url()),
            "/post": answer("", 307, location=other.url("/again")),
        }
        async with site(pages) as web:
            assert (await reaching()("http_request", url=web.url(), headers=headers))["body"] == "other"
            for asked in web.asked:
                assert asked.headers["authorization"] == "Bearer secret"
            for asked in other.asked:
                assert "secret" not in str(asked.headers)
                assert (asked.headers["accept"], asked.headers["user-agent"]) == ("text/plain", "test")
            # The same address by another name is another origin too.
            web.pages["/name"] = answer("", 302, location=web.url("/end", host="localhost"))
            web.pages["/end"] = answer("end")
            await reaching()("http_request", url=web.url("/name"), headers=headers)
            assert "secret" not in str(web.asked[-1].headers)
            error = await refused(web.url("/post"), method="POST", body="secret")
            assert "another origin" in error.message
        assert not any(b"secret" in asked.body for asked in other.asked)


async def test_the_environment_of_the_process_changes_nothing(monkeypatch, tmp_path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ada password secret\n")
    netrc.chmod(0o600)
    async with site({"/": answer("direct")}) as web, site({}) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HOME", str(tmp_path))
        assert (await reaching()("http_request", url=web.url()))["body"] == "direct"
    assert "authorization" not in web.asked[0].headers
    assert proxy.connections == 0


def encoded(text: bytes, encoding: str) -> bytes:
    bare = zlib.compressobj(wbits=-15)
    return {
        "gzip": gzip.compress(text),
        "x-gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "raw": bare.compress(text) + bare.flush(),
        "members": gzip.compress(text[:3]) + gzip.compress(text[3:]),
        "padded": gzip.compress(text) + bytes(5000) + b"\x1f" * 5000,
        "gzip, deflate": zlib.compress(gzip.compress(text)),
        "GZIP,gzip,gzip": gzip.compress(gzip.compress(gzip.compress(text))),
    }[encoding]


@pytest.mark.parametrize(
    "encoding", ["gzip", "x-gzip", "deflate", "raw", "members", "padded", "gzip, deflate", "GZIP,gzip,gzip"]
)
async def test_encoded_bodies_are_decoded(encoding) -> None:
    named = {"raw": "deflate", "members": "gzip", "padded": "gzip"}.get(encoding, encoding)
    page = answer(encoded(b"some text", encoding), content_encoding=named, content_type="text/plain")
    async with site({"/": page}) as web:
        assert (await reaching()("http_request", url=web.url()))["body"] == "some text"
        assert web.asked[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("body", "encoding", "why"),
    [
        (b"x", "br", "which was not asked for"),
        (b"x", "zstd", "which was not asked for"),
        (b"no gzip", "gzip", "not encoded as it says"),
        (gzip.compress(b"text", mtime=0)[:-4], "gzip", "ends early"),
        (gzip.compress(b"text", mtime=0), "gzip, gzip, gzip, gzip", "at most 3"),
        (gzip.compress(gzip.compress(b"", mtime=0) * 500_000, mtime=0), "gzip, gzip", "more than 10000 members"),
    ],
)
async def test_bodies_that_cannot_be_decoded_are_errors(body, encoding, why) -> None:
    async with site({"/": answer(body, content_encoding=encoding)}) as web:
        assert why in (await refused(web.url())).message


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw", "gzip, deflate", "GZIP,gzip,gzip", "members"])
async def test_a_bomb_is_never_unpacked(encoding, peak_memory) -> None:
    bomb = encoded(b"\0" * 30_000_000, encoding)
    named = {"raw": "deflate", "members": "gzip"}.get(encoding, encoding)
    async with site({"/": answer(bomb, content_encoding=named, content_type="text/plain")}) as web:
        with peak_memory(12_000_000):
            assert "more than 1000000 bytes" in (await refused(web.url(), max_bytes=1_000_000)).message
            found = await reaching()("http_request", url=web.url(), max_bytes=1000, truncate=True)
    assert (found["truncated"], found["size"]) == (True, 1000 if "," not in encoding else found["size"])
    assert found["size"] <= 1000


async def test_a_body_without_end_is_cut_or_refused() -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b"1" * 65_536)
            await writer.drain()

    async with site({"/": endless}) as web:
        assert "raise `max_bytes`" in (await refused(web.url(), max_bytes=100_000)).message
        found = await reaching()("http_request", url=web.url(), max_bytes=10, truncate=True)
    assert (found["body"], found["truncated"], "json" in found) == ("1" * 10, True, False)


async def test_a_body_as_long_as_allowed_is_whole() -> None:
    async with site({"/": answer(b"x" * 1000, content_type="text/plain")}) as web:
        found = await reaching()("http_request", url=web.url(), max_bytes=1000)
        assert (found["size"], found["truncated"]) == (1000, False)
        assert "more than 999" in (await refused(web.url(), max_bytes=999)).message


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nshort!", "ontent-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "ontent-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "closed"),
        (b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", "header"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
        (b"", "without sending a response"),
    ],
)
async def test_an_answer_that_is_no_http_is_an_error(sent, why) -> None:
    async def garbage(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()

    async with site({"/": garbage}) as web:
        error = await refused(web.url())
        assert f"the exchange with 127.0.0.1:{web.port} failed" in error.message
        assert why in error.message
        assert error.retryable


async def test_headers_without_end_are_an_error() -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
            await writer.drain()

    async with site({"/": endless}) as web:
        assert "failed" in (await refused(web.url())).message


@pytest.mark.parametrize(
    "begin", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 103 Hint\r\n\r\n"]
)
async def test_an_answer_that_drips_ends_with_the_time_of_the_call(begin) -> None:
    async def drip(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        await writer.drain()
        await asyncio.Event().wait()

    async with site({"/": drip}) as web:
        error = await refused(web.url(), timeout=0.2)
    assert "did not answer in full within 0.2 s" in error.message
    assert error.retryable


async def test_a_server_that_is_not_there_may_be_there_later() -> None:
    with deserted() as port:
        error = await refused(f"http://127.0.0.1:{port}/")
    assert "cannot connect to 127.0.0.1" in error.message
    assert error.retryable


async def test_the_next_address_of_a_name_is_tried() -> None:
    async with site({"/": answer("second")}) as web:
        records: Records = {("two.test", "A"): [["127.0.0.77", "127.0.0.1"]], ("two.test", "AAAA"): [[]]}
        async with zone(records) as names:
            call = reaching("two.test", nameserver=names.address)
            assert (await call("http_request", url=web.url(host="two.test")))["body"] == "second"


async def test_a_server_is_known_by_its_name_though_it_is_reached_by_its_address(certified, monkeypatch) -> None:
    context, public = certified
    names_seen: list[str | None] = []
    context.sni_callback = lambda _, name, __: names_seen.append(name)
    records: Records = {(f"{name}.test", "A"): [["127.0.0.1"]] for name in ("safe", "other")}
    async with site({"/": answer("safe")}, tls=context) as web, zone(records) as names:
        stranger = reaching("*.test", nameserver=names.address)
        error = await failing_with(stranger, web.url(host="safe.test", scheme="https"))
        assert "no safe connection" in error.message
        assert not error.retryable
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        call = reaching("*.test", "127.0.0.1", nameserver=names.address)
        assert (await call("http_request", url=web.url(host="safe.test", scheme="https")))["body"] == "safe"
        assert (web.asked[-1].headers["host"], names_seen[-1]) == (f"safe.test:{web.port}", "safe.test")
        error = await failing_with(call, web.url(host="other.test", scheme="https"))
        assert "no safe connection to other.test" in error.message
        assert (await call("http_request", url=web.url(scheme="https")))["body"] == "safe"
        web.pages["/down"] = answer("", 302, location="http://127.0.0.1:9/")
        assert "is not encrypted" in (await failing_with(call, web.url("/down", scheme="https"))).message


async def failing_with(call: Any, url: str) -> ToolError:
    with pytest.raises(ToolError) as caught:
        await call("http_request", url=url)
    return caught.value


async def test_through_the_server_a_request_is_judged_made_and_failed(native) -> None:
    pages = {
        "/": answer('{"ok": true}', content_type="application/json"),
        "/away": answer("", 302, location="http://169.254.169.254/latest/meta-data/"),
        "/busy": answer("later", 503),
        "/gone": answer("never", 410),
    }
    async with site(pages) as web:
        call = native(NATIVE_TOOLS_ALLOWED_HOSTS="127.0.0.1")
        assert (await call("http_request", url=web.url()))["json"] == {"ok": True}
        for path, again, why in (
            ("/away", False, "169.254.169.254:80 is not in security.allowed_hosts"),
            ("/busy", True, "HTTP status 503"),
            ("/gone", False, "HTTP status 410"),
        ):
            error = await failing(call, "http_request", url=web.url(path))
            assert (error.code, error.retryable) == ("TOOL_FAILED", again)
            assert why in error.detail
        nothing_listed = native()
        error = await failing(nothing_listed, "http_request", url=web.url())
        assert "add 127.0.0.1 to security.allowed_hosts" in error.detail
        assert len(web.asked) == 4
