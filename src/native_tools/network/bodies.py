"""Bodies of answers: read, decoded and capped piece by piece, so that no bomb is ever held; then text or base64."""

from __future__ import annotations

import base64
import codecs
import re
import zlib
from collections.abc import AsyncIterable
from typing import Any, Protocol

import msgspec

from native_tools.excerpts import excerpt

#: What we ask servers for.
ACCEPTED_ENCODINGS = "gzip, deflate"
_MOST_LAYERS = 3
#: Members of one gzip stream, and bytes of it that are looked at in one go: after each member the rest is copied.
_MOST_MEMBERS, _GO = 10_000, 4096
#: What encodings may add to a body that they cannot make smaller.
_SLACK = 64 * 1024

#: Content types whose bodies are text, though they do not begin with `text/`.
_TEXT = re.compile(
    r"text/.+|application/(?:json|xml|javascript|ecmascript|x-javascript|x-www-form-urlencoded|yaml|x-yaml|toml|sql"
    r"|graphql|x-ndjson|jsonl|json-seq|rtf)|[^;]+\+(?:json|xml|yaml)"
)
_JSON = re.compile(r"application/json|text/json|[^;]+\+json")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Python calls them text encodings; no server means them.
_NO_CHARSETS = frozenset(
    {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined", "mbcs", "oem"}
)
_UNPRINTED = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class BodyInvalid(Exception):
    """A body that cannot be decoded; the message says why."""


class TooLong(Exception):
    """A body that is longer than asked for; `begin` is what fits."""

    def __init__(self, begin: bytes) -> None:
        super().__init__()
        self.begin = begin


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A body as JSON can carry it."""

    content: str
    #: The character set it was decoded from, or `base64`.
    encoding: str


class _Layer(Protocol):
    def feed(self, data: bytes, most: int) -> bytes:
        """Decode a piece; raises `TooLong` when that gives more than `most` bytes."""
        ...

    def is_complete(self) -> bool: ...


async def read_body(pieces: AsyncIterable[bytes], content_encoding: str, most: int) -> bytes:
    """Read and decode a body; raises `BodyInvalid`, and `TooLong` where it has more than `most` bytes.

    No piece may grow beyond that in any layer of encoding, and no transfer may be much longer.
    """
    layers = _layers(content_encoding)
    whole = bytearray()
    received = 0
    async for piece in pieces:
        received += len(piece)
        try:
            whole += _decode(layers, piece, most, most - len(whole))
        except TooLong as error:
            raise TooLong(bytes(whole) + error.begin) from None
        if len(whole) > most or received > most + _SLACK:
            raise TooLong(bytes(whole[:most]))
    if received and not all(layer.is_complete() for layer in layers):
        raise BodyInvalid(f"its body, encoded as {excerpt(content_encoding, 80)}, ends early")
    return bytes(whole)


def _decode(layers: list[_Layer], data: bytes, most: int, left: int) -> bytes:
    """Undo all layers for a piece; `begin` of what it raises is what the last of them gave."""
    try:
        for layer in layers[:-1]:
            try:
                data = layer.feed(data, most)
            except TooLong:
                raise TooLong(b"") from None
        return layers[-1].feed(data, left) if layers else data
    except zlib.error as error:
        raise BodyInvalid(f"its body is not encoded as it says: {error}") from error


def _layers(content_encoding: str) -> list[_Layer]:
    """Return what undoes the encodings, the last applied first (RFC 9110, section 8.4)."""
    names = [name for part in content_encoding.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if len(names) > _MOST_LAYERS:
        raise BodyInvalid(f"its body is encoded {len(names)} times, at most {_MOST_LAYERS} are decoded")
    return [_layer(name) for name in reversed(names)]


def _layer(name: str) -> _Layer:
    if name in {"gzip", "x-gzip"}:
        return _Gzip()
    if name == "deflate":
        return _Deflate()
    raise BodyInvalid(f"its body is encoded as '{excerpt(name, 40)}', which was not asked for")


class _Gzip:
    """gzip, of one or several members."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(31)
        self._members = 1
        #: Whether padding has begun, which lasts until the end.
        self._is_over = False

    def feed(self, data: bytes, most: int) -> bytes:
        out = bytearray()
        for start in range(0, len(data), _GO):
            if not self._is_over:
                self._feed(data[start : start + _GO], most, out)
        return bytes(out)

    def _feed(self, data: bytes, most: int, out: bytearray) -> None:
        while data:
            if self._inflate.eof:
                if data[:1] != b"\x1f":
                    self._is_over = True
                    return
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    raise BodyInvalid(f"its body has more than {_MOST_MEMBERS} members of gzip")
                self._inflate = zlib.decompressobj(31)
            out += self._inflate.decompress(data, most + 1 - len(out))
            if len(out) > most or self._inflate.unconsumed_tail:
                raise TooLong(bytes(out[:most]))
            data = self._inflate.unused_data

    def is_complete(self) -> bool:
        return self._inflate.eof


class _Deflate:
    """deflate, with zlib's header as the standard says, or without as some servers send it."""

    def __init__(self) -> None:
        self._inflate: Any = None
        self._begin = b""

    def feed(self, data: bytes, most: int) -> bytes:
        if self._inflate is None:
            self._begin += data
            if len(self._begin) < 2:
                return b""
            first, second = self._begin[:2]
            has_header = first & 0x0F == 8 and (first << 8 | second) % 31 == 0
            self._inflate = zlib.decompressobj(15 if has_header else -15)
            data = self._begin
        out: bytes = self._inflate.decompress(data, most + 1)
        if len(out) > most or self._inflate.unconsumed_tail:
            raise TooLong(out[:most])
        return out

    def is_complete(self) -> bool:
        return self._inflate is not None and bool(self._inflate.eof)


def to_text(body: bytes, content_type: str) -> Text:
    """Return a body as text where its type, its character set or its content say that it is; else as base64."""
    kind, charset = _read_type(content_type)
    mark, named = next(((mark, name) for mark, name in _MARKS if body.startswith(mark)), (b"", charset))
    is_text = _TEXT.fullmatch(kind) is not None
    if is_text or charset:
        encoding = named or "utf-8"
        try:
            return Text(content=body[len(mark) :].decode(encoding), encoding=encoding)
        except UnicodeError:
            if is_text:
                fallback = named or "windows-1252"
                return Text(content=body[len(mark) :].decode(fallback, "replace"), encoding=fallback)
    if not kind:
        try:
            text = body.decode()
        except UnicodeError:
            text = "\x00"
        if not _UNPRINTED.search(text):
            return Text(content=text, encoding="utf-8")
    return Text(content=base64.b64encode(body).decode("ascii"), encoding="base64")


def is_json(content_type: str) -> bool:
    """Return whether a body of a type is JSON."""
    return _JSON.fullmatch(_read_type(content_type)[0]) is not None


def _read_type(content_type: str) -> tuple[str, str]:
    """Return the type without its parameters, and the charset as Python calls it; empty where there is none."""
    kind, *parameters = content_type.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "charset":
            continue
        try:
            found = codecs.lookup(value.strip().strip("\"'"))
        except (LookupError, ValueError, UnicodeError):
            break
        if found.name.replace("_", "-") in _NO_CHARSETS or not found._is_text_encoding:  # noqa: SLF001 # codecs says it nowhere else
            break
        return kind.strip().lower(), "windows-1252" if found.name == "iso8859-1" else found.name
    return kind.strip().lower(), ""
