"""Extraction tools: text out of HTML, PDF and text files; values out of HTML and JSON."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re

from native_tools import confined
from native_tools.environment import Environment
from native_tools.file_contents import MOST_BYTES, read_part
from native_tools.parameters import choice, switch, whole
from native_tools.tool import READS, Arguments, Result, Schema, Tool, ToolError, closed
from native_tools.workspace import open_workspace

_MOST_CHARS = 4_000_000
_PAGES = re.compile(r"([1-9][0-9]{0,5})(?:-([1-9][0-9]{0,5}))?")


def _document(arguments: Arguments, environment: Environment) -> bytes:
    """Return the bytes that are given, or in the file that is named; blocks."""
    if ("content" in arguments) == ("path" in arguments):
        raise ToolError("give exactly one of `content` and `path`.")
    if "path" in arguments:
        with open_workspace(environment) as workspace:
            return read_part(workspace, arguments["path"]).data
    content: str = arguments["content"]
    try:
        if arguments.get("encoding") == "base64":
            return base64.b64decode(content, validate=True)
        return content.encode()
    except binascii.Error as error:
        raise ToolError(f"`content` is not base64: {error}.") from error
    except UnicodeEncodeError as error:
        raise ToolError(f"`content` is not Unicode text at character {error.start}.") from error


def _format(data: bytes) -> str:
    """Return what a document is, by how it begins."""
    if b"%PDF-" in data[:1024]:
        return "pdf"
    begins = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if begins[:1] in {b"{", b"["}:
        return "json"
    return "html" if begins.startswith(b"<") or data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "text"


async def _extract_text(arguments: Arguments, environment: Environment) -> Result:
    data = await asyncio.to_thread(_document, arguments, environment)
    kind = arguments.get("format") or _format(data)
    most = arguments.get("max_chars", 1_000_000)
    if kind == "pdf":
        request = {"operation": "pdf_text", "data": data, "max_chars": most, "pages": _pages(arguments.get("pages"))}
        found = await confined.run(request)
    elif kind == "html":
        selector = arguments.get("selector")
        found = await confined.run({"operation": "html_text", "data": data, "max_chars": most, "selector": selector})
    else:
        kind = "text"
        found = _plain(data, most)
    return {"format": kind, "title": None, "page_count": None, **found}


def _plain(data: bytes, most: int) -> Result:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ToolError(f"the document is not UTF-8 text at byte {error.start}. Say its `format`.") from error
    return {"text": text[:most], "truncated": len(text) > most}


def _pages(text: str | None) -> list[int] | None:
    if text is None:
        return None
    found = _PAGES.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if last < first:
        raise ToolError(f"`pages` is '{text}'. Write a page or a range, such as 3 or 1-10.")
    return [first, last]


async def _extract_structured(arguments: Arguments, environment: Environment) -> Result:
    data = await asyncio.to_thread(_document, arguments, environment)
    kind = arguments.get("format") or ("json" if _format(data) == "json" else "html")
    request = {
        "operation": f"{kind}_fields",
        "data": data,
        "fields": arguments["fields"],
        "each": arguments.get("each"),
    }
    return {"format": kind, **await confined.run(request)}


# -- the tools --------------------------------------------------------------------------------------------------------

_DOCUMENT: dict[str, Schema] = {
    "content": {"type": "string", "maxLength": 12 * 1024 * 1024, "description": "The document itself."},
    "encoding": choice(("utf-8", "base64"), "utf-8", "How `content` is written: as text, or as base64 of its bytes."),
    "path": {
        "type": "string",
        "minLength": 1,
        "maxLength": 4096,
        "description": f"Instead of `content`: a file of the workspace, at most {MOST_BYTES // 1024**2} MiB.",
    },
}

TEXT = Tool(
    name="extract_text",
    title="Extract text",
    description=(
        "Return the text of an HTML page, a PDF or a text file, as a person reads it: no scripts, no markup. "
        f"What takes longer than {confined.SECONDS} seconds is given up."
    ),
    input_schema=closed(
        **_DOCUMENT,
        format={"enum": ["html", "pdf", "text"], "description": "What it is; without it its beginning tells."},
        selector={
            "type": "string",
            "maxLength": 1000,
            "description": "HTML: only within what this CSS selector finds.",
        },
        pages={"type": "string", "maxLength": 20, "description": "PDF: only this page, or this range: `3`, `1-10`."},
        max_chars=whole(1, _MOST_CHARS, "How many characters at most.", default=1_000_000),
    ),
    output_schema=closed(
        ("text", "format", "title", "page_count", "truncated"),
        text={"type": "string", "description": "The text; a form feed between the pages of a PDF."},
        format={"enum": ["html", "pdf", "text"], "description": "What the document is."},
        title={"type": ["string", "null"], "description": "Its title, where it has one."},
        page_count={"type": ["integer", "null"], "description": "How many pages a PDF has."},
        truncated={"type": "boolean", "description": "Whether there is more than `max_chars`."},
    ),
    annotations=READS,
    run=_extract_text,
)

_FIELD = closed(
    ("select",),
    select={"type": "string", "minLength": 1, "maxLength": 1000, "description": "A CSS selector, or a JMESPath."},
    attribute={"type": "string", "maxLength": 200, "description": "HTML: this attribute instead of the text."},
    all=switch(False, "All that is found, as a list, instead of the first."),
    required=switch(False, "Fail where nothing is found."),
    type=choice(
        ("text", "number", "integer", "html"),
        "text",
        "What becomes of a text: itself, the first number in it, or (HTML) its markup.",
    ),
)

STRUCTURED = Tool(
    name="extract_structured",
    title="Extract values",
    description=(
        "Return values out of an HTML page by CSS selectors, or out of JSON by JMESPath: one object, or with `each` "
        "a list of them."
    ),
    input_schema=closed(
        ("fields",),
        **_DOCUMENT,
        format={"enum": ["html", "json"], "description": "What it is; without it its beginning tells."},
        fields={
            "type": "object",
            "minProperties": 1,
            "maxProperties": 100,
            "additionalProperties": {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 1000}, _FIELD]},
            "description": (
                "Name → selector or path, or an object that says more: `select`, `attribute`, `all`, `required`, "
                "`type`. `:self` is the element of `each` itself."
            ),
        },
        each={
            "type": "string",
            "minLength": 1,
            "maxLength": 1000,
            "description": "A selector or path: the fields are looked for in each of what it finds.",
        },
    ),
    output_schema=closed(
        ("data", "missing", "format"),
        data={"type": ["object", "array"], "description": "The values: an object, or with `each` a list of them."},
        missing={
            "type": "array",
            "items": {"type": "string"},
            "description": "Fields that were not found, at least once.",
        },
        format={"enum": ["html", "json"], "description": "What the document is."},
    ),
    annotations=READS,
    run=_extract_structured,
)

TOOLS = (TEXT, STRUCTURED)
