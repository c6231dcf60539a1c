"""HTML: its text as a reader sees it, and values by CSS selectors. For `extractor` only: it may take for ever."""

from __future__ import annotations

import codecs
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from native_tools.extractor import Answer, Request, Unreadable
from native_tools.fields import Field, extract, typed

_HIDDEN = frozenset({"script", "style", "noscript", "template", "head", "iframe", "object", "svg", "math"})
# fmt: off
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "dd", "details", "dialog", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "legend",
    "li", "main", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr",
    "ul",
})
# fmt: on
_APART = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "pre", "blockquote"})
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")


def parse(data: bytes) -> LexborHTMLParser:
    """Return a page; its bytes are what it says they are, else UTF-8."""
    return LexborHTMLParser(_decoded(data))


def _decoded(data: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace").removeprefix("\ufeff")
    declared = _DECLARED.search(data[:2048])
    try:
        return data.decode(declared[1].decode("ascii") if declared else "utf-8", "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def extract_text(request: Request) -> Answer:
    """Return `{text, title, truncated}`."""
    page = parse(request["data"])
    selector = request.get("selector")
    roots = [page.root] if selector is None else _find(page.root, selector)
    if selector is not None and not roots:
        raise Unreadable(f"`selector` finds nothing: {selector}")
    heading = page.css_first("title")
    texts = [_text(root) for root in roots if root is not None]
    text = "\n\n".join(one for one in texts if one)
    most = request["max_chars"]
    title = None if heading is None else _SPACE.sub(" ", heading.text()).strip()
    return {"text": text[:most], "title": title or None, "truncated": len(text) > most}


def _text(root: LexborNode) -> str:
    """Return what a reader sees: paragraphs apart, lists with dashes, cells with tabs. Walks without recursion."""
    lines = _Lines()
    stack: list[tuple[LexborNode, bool]] = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        tag = node.tag or ""
        if leaving:
            lines.leave(tag)
            continue
        if tag == "-text":
            lines.add(node.text_content or "")
        elif tag not in _HIDDEN and not tag.startswith("-co"):
            lines.enter(tag)
            stack.append((node, True))
            child = node.last_child
            while child is not None:
                stack.append((child, False))
                child = child.prev
    return lines.text()


class _Lines:
    def __init__(self) -> None:
        self._done: list[str] = []
        self._parts: list[str] = []
        self._raw = 0

    def enter(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._break(apart=tag in _APART)
        if tag == "pre":
            self._raw += 1
        elif tag == "li":
            self._parts.append("- ")
        elif tag == "br":
            self._break(apart=False)

    def leave(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._break(apart=tag in _APART)
        if tag == "pre":
            self._raw -= 1
        elif tag in {"td", "th"}:
            self._parts.append("\t")

    def add(self, text: str) -> None:
        if not self._raw:
            self._parts.append(_SPACE.sub(" ", text))
            return
        first, *others = text.split("\n")
        self._parts.append(first)
        for line in others:
            self._done.append("".join(self._parts).rstrip())
            self._parts = [line]

    def _break(self, *, apart: bool) -> None:
        line = "".join(self._parts)
        # Spaces of one text and the next meet where an element begins.
        line = line.rstrip() if self._raw else re.sub(r" *\t *", "\t", re.sub(r"  +", " ", line)).strip(" ").rstrip()
        self._parts = []
        if line:
            self._done.append(line)
        if apart and self._done and self._done[-1]:
            self._done.append("")

    def text(self) -> str:
        self._break(apart=False)
        return "\n".join(self._done).strip("\n")


def extract_fields(request: Request) -> Answer:
    """Return `{data, missing}` (see `fields.extract`)."""
    return extract(request, parse(request["data"]).root, _find, _values)


def _find(node: LexborNode | None, selector: str) -> list[LexborNode]:
    if node is None:
        return []
    if selector == ":self":
        return [node]
    try:
        return node.css(selector)
    except SelectolaxError as error:
        raise Unreadable(f"'{selector}' is no CSS selector: {error}") from error


def _values(place: LexborNode, field: Field) -> list[object]:
    return [_take(node, field) for node in _find(place, field.select)]


def _take(node: LexborNode, field: Field) -> object:
    if field.attribute is not None:
        value = node.attributes.get(field.attribute, None)
        return None if value is None else typed(value, field)
    if field.type == "html":
        return node.html
    return typed(_SPACE.sub(" ", _text(node)).strip(), field)
