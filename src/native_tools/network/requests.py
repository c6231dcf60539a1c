"""The tool http_request: parameters to a request, an answer to a result."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from native_tools.environment import Environment
from native_tools.excerpts import excerpt
from native_tools.network.settings import policy_of, resolver_of, unusable
from native_tools.network.urls import Target, UrlInvalid, read_url
from native_tools.parameters import choice, seconds, switch, whole
from native_tools.tool import Arguments, Hints, Result, Schema, Tool, ToolError, closed

if TYPE_CHECKING:
    from native_tools.network.fetch import Fetcher, Request, Response

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TIMEOUT = 20
_MOST_BYTES = 10 * 1024 * 1024
_MOST_BODY = 10 * 1024 * 1024
_LARGE = 256 * 1024
_MOST_HEADERS = 100
_MOST_HEADER_BYTES = 32 * 1024
#: Characters of an error's body that are told.
_TOLD = 1000

#: A token of RFC 9110, section 5.6.2, and what may stand behind the colon.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: Headers that say how the message itself travels: ours to write.
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection"}
    | {"proxy-authorization", "proxy-authenticate", "te", "trailer", "upgrade", "expect", "accept-encoding"}
    | {"http2-settings"}
)


#: A request may change something; what the method says, a client cannot know before.
_ASKS = Hints(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)


@cache
def _fetcher(environment: Environment) -> Fetcher:
    from native_tools.network.fetch import Fetcher  # noqa: PLC0415 # the client costs 0.2 s to import

    return Fetcher(policy_of(environment), resolver_of(environment))


async def _request(arguments: Arguments, environment: Environment) -> Result:
    from native_tools.network.fetch import FetchFailed, Request  # noqa: PLC0415 # as above

    body, content_type = _body(arguments)
    headers = _headers(arguments.get("headers", {}), content_type)
    try:
        target = _with_params(read_url(arguments["url"]), arguments.get("params", {}))
    except UrlInvalid as error:
        raise ToolError(f"{error}.") from error
    request = Request(
        method=arguments.get("method", "GET"),
        target=target,
        headers=headers,
        body=body,
        follow_redirects=arguments.get("follow_redirects", True),
        timeout=arguments.get("timeout", _TIMEOUT),
        max_bytes=arguments.get("max_bytes", _MOST_BYTES),
        truncate=arguments.get("truncate", False),
    )
    try:
        response = await _fetcher(environment).fetch(request)
    except FetchFailed as error:
        raise ToolError(f"{error}.", retryable=error.retryable) from error
    # Megabytes of text are decoded beside the event loop.
    result = await asyncio.to_thread(_result, response) if len(response.body) > _LARGE else _result(response)
    if response.status >= 400 and arguments.get("fail_on_status", True):
        raise _status_error(request, response, result)
    return result


def _status_error(request: Request, response: Response, result: Result) -> ToolError:
    said = "" if result["encoding"] == "base64" else excerpt(" ".join(result["body"][: 2 * _TOLD].split()), _TOLD)
    # Without the query: it may hold what errors should not repeat.
    where = response.target.text.partition("?")[0]
    return response.failure(f"{request.method} {where}", said)


def _result(response: Response) -> Result:
    from native_tools.network.bodies import is_json, to_text  # noqa: PLC0415 # with its caller

    content_type = response.header(b"content-type")
    text = to_text(response.body, content_type)
    headers: dict[str, str] = {}
    for name, value in response.headers:
        key, said = name.decode("latin-1"), value.decode("latin-1")
        joint = "\n" if key == "set-cookie" else ", "
        headers[key] = f"{headers[key]}{joint}{said}" if key in headers else said
    result: Result = {
        "status": response.status,
        "headers": headers,
        "content_type": content_type,
        "body": text.content,
        "encoding": text.encoding,
        "size": len(response.body),
        "truncated": response.truncated,
        "url": response.target.text,
        "redirects": list(response.redirects),
    }
    if is_json(content_type) and not response.truncated:
        result |= _data(text.content)
    return result


def _data(text: str) -> Result:
    """Return what JSON says, or nothing where the body is not what its type says: the body itself tells."""
    try:
        return {"json": msgspec.json.decode(text)}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def _body(arguments: Arguments) -> tuple[bytes, bytes]:
    """Return the body and its content type; raises `ToolError`."""
    given = [name for name in ("json", "form", "body") if name in arguments]
    if len(given) > 1:
        raise ToolError(f"`{given[0]}` and `{given[1]}` are both given; a request has one body.")
    body, content_type = b"", b""
    if "json" in arguments:
        body, content_type = msgspec.json.encode(arguments["json"]), b"application/json"
    elif "form" in arguments:
        body, content_type = _pairs(arguments["form"]).encode("ascii"), b"application/x-www-form-urlencoded"
    elif arguments.get("body_encoding") == "base64":
        try:
            body = base64.b64decode(arguments["body"], validate=True)
        except (KeyError, binascii.Error, ValueError) as error:
            raise ToolError("`body` is no base64, which `body_encoding` says it is.") from error
    elif "body" in arguments:
        body, content_type = arguments["body"].encode(), b"text/plain; charset=utf-8"
    if len(body) > _MOST_BODY:
        raise ToolError(f"the body has {len(body)} bytes, at most {_MOST_BODY} are sent.")
    return body, content_type


def _headers(given: dict[str, Any], content_type: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers to send; raises `ToolError` for those that could change the message around them."""
    headers: dict[bytes, bytes] = {}
    for name, value in given.items():
        text = _scalar(value)
        if not _HEADER_NAME.fullmatch(name):
            raise ToolError(f"'{excerpt(name, 80)}' is no name of a header.")
        if name.lower() in _OURS:
            raise ToolError(f"the header {name} says how the request travels and is not yours to set; leave it out.")
        if not _HEADER_VALUE.fullmatch(text):
            raise ToolError(f"the header {name} has a line break, a control character or one beyond Latin-1.")
        key = name.lower().encode("ascii")
        if key in headers:
            raise ToolError(f"the header {name} is given twice.")
        headers[key] = text.strip(" \t").encode("latin-1")
    if sum(len(key) + len(value) + 4 for key, value in headers.items()) > _MOST_HEADER_BYTES:
        raise ToolError(f"the headers have more than {_MOST_HEADER_BYTES} bytes.")
    if content_type and b"content-type" not in headers:
        headers[b"content-type"] = content_type
    return tuple(headers.items())


def _with_params(target: Target, params: dict[str, Any]) -> Target:
    query = _pairs(params)
    if not query:
        return target
    joint = "&" if "?" in target.path else "?"
    return msgspec.structs.replace(target, path=f"{target.path}{joint}{query}")


def _pairs(values: dict[str, Any]) -> str:
    """Return names and values as a query has them: a list repeats its name, null leaves it out."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        pairs += [(name, _scalar(one)) for one in (value if isinstance(value, list) else [value]) if one is not None]
    return urlencode(pairs)


def _scalar(value: Any) -> str:  # noqa: ANN401 # any of JSON's
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _scalars(description: str) -> Schema:
    one = {"type": ["string", "number", "boolean", "null"]}
    return {
        "type": "object",
        "description": description,
        "additionalProperties": {"anyOf": [one, {"type": "array", "items": one}]},
    }


REQUEST = Tool(
    name="http_request",
    title="Make an HTTP request",
    description=(
        "Ask a URL and return its answer. Statuses from 400 are errors (500 and above, 408, 425 and 429 may be "
        "retried) unless `fail_on_status` is false. Redirects are followed, without credentials to another origin. "
        "Private and internal addresses are refused unless the operator listed them in security.allowed_hosts."
    ),
    input_schema=closed(
        ("url",),
        url={"type": "string", "minLength": 1, "description": "A URL of http or https, without user and password."},
        method=choice(_METHODS, "GET", "The method."),
        headers={
            "type": "object",
            "maxProperties": _MOST_HEADERS,
            "additionalProperties": {"type": ["string", "number", "boolean"]},
            "description": "Headers to send. Those about connection, host and length are written for you.",
        },
        params=_scalars("What is appended to the URL's query; a list repeats its name, null leaves it out."),
        json={"description": "The body, any JSON; sent as application/json."},
        form=_scalars("The body, sent as application/x-www-form-urlencoded."),
        body={"type": "string", "description": "The body, text or base64; give its Content-Type by `headers`."},
        body_encoding=choice(("text", "base64"), "text", "base64: `body` is bytes, as base64."),
        timeout=seconds(_TIMEOUT, 600, "Seconds for the whole call, redirects included."),
        follow_redirects=switch(True, "Whether redirects are followed, up to 10."),
        fail_on_status=switch(True, "Whether a status from 400 is an error; if not, it is a result like any other."),
        max_bytes=whole(1, _MOST_BYTES, "Bytes of the answer's body at most, decoded.", default=_MOST_BYTES),
        truncate=switch(False, "Whether a longer body is cut; if not, it is an error."),
    ),
    output_schema=closed(
        ("status", "headers", "content_type", "body", "encoding", "size", "truncated", "url", "redirects"),
        status={"type": "integer", "description": "The HTTP status."},
        headers={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "The answer's headers, names in lower case; several of a name are joined with commas, "
            "Set-Cookie with line breaks.",
        },
        content_type={"type": "string", "description": "The Content-Type; empty where there is none."},
        body={"type": "string", "description": "The body: text, or base64 where it is none."},
        json={"description": "The body as data, when it is JSON."},
        encoding={"type": "string", "description": "The character set the body came in; `base64` where it is no text."},
        size={"type": "integer", "description": "Bytes of the body, decoded."},
        truncated={"type": "boolean", "description": "Whether the body was cut at `max_bytes`."},
        url={"type": "string", "description": "The URL that answered, after redirects."},
        redirects={
            "type": "array",
            "items": {"type": "string"},
            "description": "The URLs that led there, in order; empty without redirects.",
        },
    ),
    annotations=_ASKS,
    run=_request,
    unavailable=unusable,
)
