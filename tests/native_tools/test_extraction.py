"""Extraction tools: text and values out of documents that anybody may have written."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter

from native_tools import confined
from native_tools.tool import ToolError
from tests.native_tools.conftest import refused

PAGE = """<!doctype html><html><head><title> A
  page </title><style>p { color: red }</style></head><body>
<h1>Prices</h1><p>Some <b>are</b> high.<br>Others not.</p><script>steal()</script>
<ul><li>one</li><li>two <a href="/more">more</a></li></ul>
<table><tr><th>what</th><th>price</th></tr>
<tr><td>tea</td><td> €1,234.50 </td></tr><tr><td>water</td><td>free</td></tr></table>
<pre>  kept
    as it is</pre><template><p>hidden</p></template></body></html>"""

TEXT = """Prices

Some are high.
Others not.

- one
- two more

what\tprice
tea\t€1,234.50
water\tfree

  kept
    as it is"""


def pdf(*pages: str, password: str = "") -> str:
    """Return a PDF as base64, written by hand and taken over by pypdf for its title."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        font = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources %s >>"
            % (len(objects), font)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    made, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    made += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, made.rindex(b"xref"))
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(made)))
    writer.add_metadata({"/Title": "On tea"})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return base64.b64encode(out.getvalue()).decode()


async def test_a_page_is_read_as_a_person_reads_it(call, workspace: Path) -> None:
    (workspace / "page.html").write_text(PAGE)
    found = await call("extract_text", path="page.html")
    assert found == {"text": TEXT, "format": "html", "title": "A page", "page_count": None, "truncated": False}
    rows = await call(
        "extract_structured",
        content=PAGE,
        each="tr:has(td)",
        fields={"what": "td", "price": {"select": "td:nth-child(2)", "type": "number"}, "none": "b"},
    )
    assert rows["data"] == [
        {"what": "tea", "price": 1234.5, "none": None},
        {"what": "water", "price": None, "none": None},
    ]
    assert (rows["missing"], rows["format"]) == (["none"], "html")


async def test_a_pdf_is_read_page_by_page(tools) -> None:
    content = pdf("Tea is hot", "Water is wet", "The end")
    found = await tools("extract_text", content=content, encoding="base64")
    assert found == {
        "text": "Tea is hot\fWater is wet\fThe end",
        "format": "pdf",
        "title": "On tea",
        "page_count": 3,
        "truncated": False,
    }
    some = await tools("extract_text", content=content, encoding="base64", pages="2-9", max_chars=14)
    assert (some["text"], some["truncated"]) == ("Water is wet\fT", True)


async def test_parts_encodings_and_plain_text(tools) -> None:
    part = await tools("extract_text", content=PAGE, selector="li")
    assert part["text"] == "- one\n\n- two more"
    latin = base64.b64encode('<meta charset="latin-1"><p>é</p>'.encode("latin-1")).decode()
    assert (await tools("extract_text", content=latin, encoding="base64"))["text"] == "é"
    marked = base64.b64encode("\ufeff<p>é</p>".encode("utf-16-le")).decode()
    assert (await tools("extract_text", content=marked, encoding="base64"))["text"] == "é"
    assert (await tools("extract_text", content="just < text", max_chars=4))["text"] == "just"


async def test_values_of_attributes_lists_and_json(tools) -> None:
    fields = {
        "links": {"select": "a", "attribute": "href", "all": True},
        "items": {"select": "li", "all": True},
        "markup": {"select": "b", "type": "html"},
    }
    found = await tools("extract_structured", content=PAGE, fields=fields)
    assert found["data"] == {"links": ["/more"], "items": ["- one", "- two more"], "markup": "<b>are</b>"}
    document = '{"items": [{"n": 1, "tags": ["a"]}, {"n": "2 pieces", "tags": []}], "name": "x"}'
    fields = {"n": {"select": "n", "type": "integer"}, "tags": "tags", "none": {"select": "m", "all": True}}
    found = await tools("extract_structured", content=document, each="items", fields=fields)
    assert found["data"] == [{"n": 1, "tags": ["a"], "none": []}, {"n": 2, "tags": [], "none": []}]
    found = await tools("extract_structured", content=PAGE, each="li", fields={"self": ":self"})
    assert [one["self"] for one in found["data"]] == ["- one", "- two more"]


@pytest.mark.parametrize(
    ("tool", "params", "part"),
    [
        ("extract_text", {}, "exactly one of `content` and `path`"),
        ("extract_text", {"content": "a", "path": "b"}, "exactly one"),
        ("extract_text", {"path": "absent"}, "does not exist"),
        ("extract_text", {"path": "../x"}, "'..'"),
        ("extract_text", {"content": "!", "encoding": "base64"}, "not base64"),
        ("extract_text", {"content": "gICA", "encoding": "base64"}, "not UTF-8 text at byte 0"),
        ("extract_text", {"content": "<p>", "selector": "p["}, "no CSS selector"),
        ("extract_text", {"content": "<p>", "selector": "b"}, "finds nothing"),
        ("extract_text", {"content": "%PDF-1.4 nonsense"}, "the PDF"),
        ("extract_text", {"content": pdf("x"), "encoding": "base64", "pages": "2"}, "has 1 pages"),
        ("extract_text", {"content": pdf("x"), "encoding": "base64", "pages": "3-1"}, "a page or a range"),
        ("extract_text", {"content": pdf("x", password="secret"), "encoding": "base64"}, "encrypted"),
        ("extract_text", {"format": "doc", "max_chars": 0}, "format:"),
        ("extract_structured", {"content": "<p>"}, '"fields" is a required property'),
        (
            "extract_structured",
            {"content": "<p>", "fields": {"a": {"select": "b", "required": True}}},
            "'a' is required",
        ),
        ("extract_structured", {"content": "<p>", "fields": {"a": {}}}, "fields.a:"),
        ("extract_structured", {"content": "{", "fields": {"a": "b"}}, "not JSON"),
        ("extract_structured", {"content": "{}", "fields": {"a": "["}}, "JMESPath"),
        ("extract_structured", {"content": '{"a": 1}', "fields": {"a": "length(a)"}}, "JMESPath"),
        ("extract_structured", {"content": "{}", "fields": {"a": {"select": "a", "attribute": "b"}}}, "for HTML"),
        ("extract_structured", {"content": '{"a": 99999999999999999999}', "fields": {"a": "a"}}, "beyond 64 bits"),
        ("extract_structured", {"content": "{}", "fields": {"a": r'`"\ud800"`'}}, "half a character"),
        ("extract_structured", {"content": "{}", "fields": {"a": "&a"}}, "an expression"),
    ],
)
async def test_what_is_wrong_with_a_document_or_a_question_is_told(tools, tool, params, part) -> None:
    assert part in await refused(tools, tool, **params)


async def test_a_whole_number_in_a_text_is_exact_or_none(tools) -> None:
    page = "<p>12345678901234567.9</p><b>-9223372036854775808</b><i>18446744073709551616</i>"
    fields = {name: {"select": name, "type": "integer"} for name in ("p", "b", "i")}
    found = await tools("extract_structured", content=page, fields=fields)
    assert found["data"] == {"p": 12345678901234567, "b": -(2**63), "i": None}


async def test_a_page_that_takes_for_ever_is_given_up_and_the_server_lives(tools, monkeypatch) -> None:
    # Each div has all the others above it: three hundred thousand to the power of three.
    deep = "<div>" * 300_000
    with monkeypatch.context() as impatient:
        impatient.setattr(confined, "SECONDS", 1)
        message = await refused(tools, "extract_structured", content=deep, fields={"a": "div div div b"})
    assert "takes longer than 1 seconds" in message
    assert (await tools("extract_text", content="<p>x"))["text"] == "x"


class Processes:
    """Notes the processes that are started and how many there are at once, and starts none while it is shut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = 0
        self.any_asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self._starting = 0
        self._started: list[asyncio.subprocess.Process] = []
        self._start = asyncio.create_subprocess_exec
        monkeypatch.setattr(asyncio, "create_subprocess_exec", self)

    async def __call__(self, *command: str, **options: Any) -> asyncio.subprocess.Process:
        self._starting += 1
        self.most = max(self.most, self._starting + sum(one.returncode is None for one in self._started))
        self.any_asked.set()
        await self.open.wait()
        self._started.append(await self._start(*command, **options))
        self._starting -= 1
        return self._started[-1]


async def test_more_documents_than_processors_take_turns(tools, monkeypatch) -> None:
    monkeypatch.setattr(confined, "MOST", 2)
    processes = Processes(monkeypatch)
    found = await asyncio.gather(*(tools("extract_text", content=f"<p>{number}") for number in range(6)))
    assert [one["text"] for one in found] == list("012345")
    assert processes.most == 2


@pytest.fixture
async def at_work(tools, monkeypatch) -> AsyncIterator[Processes]:
    """Take the only turn, with a document that is done when the processes are opened."""
    monkeypatch.setattr(confined, "MOST", 1)
    processes = Processes(monkeypatch)
    processes.open.clear()
    first = asyncio.ensure_future(tools("extract_text", content="<p>first"))
    await processes.any_asked.wait()
    yield processes
    processes.open.set()
    assert (await first)["text"] == "first"
    assert (await tools("extract_text", content="<p>x"))["text"] == "x"


@pytest.mark.usefixtures("at_work")
async def test_whoever_has_waited_too_long_is_told_to_come_again(tools, monkeypatch) -> None:
    monkeypatch.setattr(confined, "PATIENCE", 0.05)
    told = await refused(tools, "extract_text", content="<p>x")
    assert "1 documents are worked on, and none of them was done within 0.05 seconds" in told


async def test_whoever_would_wait_behind_too_many_is_told_to_come_again(tools, monkeypatch, at_work) -> None:
    monkeypatch.setattr(confined, "MOST_WAITING", 1)
    monkeypatch.setattr(confined, "PATIENCE", 600)
    two = [asyncio.ensure_future(tools("extract_text", content="<p>x")) for _ in range(2)]
    (refusal,), (waiting,) = await asyncio.wait(two, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(ToolError, match="1 documents are worked on, and 1 wait"):
        refusal.result()
    at_work.open.set()
    assert (await waiting)["text"] == "x"


async def test_a_page_as_deep_as_it_gets_is_read(tools) -> None:
    assert (await tools("extract_text", content="<b>" * 100_000 + "deep"))["text"] == "deep"


async def test_a_document_that_needs_more_memory_than_there_is_fails(tools, monkeypatch) -> None:
    monkeypatch.setattr(confined, "MEMORY", 96 * 1024 * 1024)
    message = await refused(tools, "extract_text", content="<p>x</p>" * 500_000)
    assert "too much memory" in message
