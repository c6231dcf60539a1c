"""One HTTP request and its redirects: each hop is judged anew, limited in time and size, and free of the environment.

No proxy, no .netrc and no cookie is taken from anywhere. The certificates of servers are checked against those of the
system, or of SSL_CERT_FILE and SSL_CERT_DIR where the operator set them.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import anyio
import httpcore2
import msgspec

from native_tools import __version__
from native_tools.excerpts import excerpt
from native_tools.network.bodies import ACCEPTED_ENCODINGS, BodyInvalid, TooLong, read_body
from native_tools.network.connections import JudgedBackend, judge
from native_tools.network.names import NameUnknown, Resolver
from native_tools.network.policy import Policy, Refused
from native_tools.network.urls import Target, UrlInvalid, host_of, joined
from native_tools.tool import ToolError

MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Statuses of a client's error after which the same request may succeed.
_RETRYABLE = frozenset({408, 425, 429})
#: Seconds, as a header has them (RFC 9110, section 10.2.3).
_SECONDS = re.compile(r"[0-9]{1,9}")

#: Headers that may go to another origin than the caller meant them for; everything else may hold a credential.
_GO_ANYWHERE = frozenset({b"accept", b"accept-language", b"user-agent"})
_ABOUT_BODY = frozenset({b"content-type", b"content-language", b"content-encoding", b"content-location", b"digest"})

Headers = tuple[tuple[bytes, bytes], ...]


class FetchFailed(Exception):
    """A request that got no answer; the message says why and what to do."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    method: str
    target: Target
    #: Names in lower case, without those that are ours (host, length, encoding).
    headers: Headers = ()
    body: bytes = b""
    follow_redirects: bool = True
    #: Seconds for all of it.
    timeout: float = 20.0
    #: Bytes of the body, decoded.
    max_bytes: int
    #: Whether a longer body is cut; otherwise it is an error.
    truncate: bool = False


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What came back from the last hop."""

    status: int
    headers: Headers
    body: bytes
    truncated: bool
    #: Where it came from.
    target: Target
    #: The URLs that led there.
    redirects: tuple[str, ...]

    def header(self, name: bytes) -> str:
        """Return a header's values, joined with commas; empty where there is none."""
        return ", ".join(value.decode("latin-1") for key, value in self.headers if key == name)

    def failure(self, who: str, said: str) -> ToolError:
        """Return the error for a status: whether the same request may succeed later, and when at the earliest."""
        may_retry = self.status >= 500 or self.status in _RETRYABLE
        asked = self._retry_after() if may_retry else None
        wait = "" if asked is None else f" and asks to wait {math.ceil(asked)} s before the next try"
        message = f"{who} answered with HTTP status {self.status}{wait}{f': {said}' if said else '.'}"
        return ToolError(message, status=self.status, retryable=may_retry, retry_after=asked)

    def _retry_after(self) -> float | None:
        """Return the seconds that the server asks to wait, if it does; a date is compared with the server's own."""
        said = self.header(b"retry-after").strip()
        if _SECONDS.fullmatch(said):
            return float(said) or None
        at = _date(said)
        if at is None:
            return None
        left = (at - (_date(self.header(b"date")) or datetime.now(UTC))).total_seconds()
        return left if left > 0 else None


class Fetcher:
    """Sends requests wherever a policy lets them go."""

    def __init__(
        self,
        policy: Policy,
        resolver: Resolver,
        certificates: Callable[[], ssl.SSLContext] = httpcore2.default_ssl_context,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._certificates = certificates
        self._ssl_context: ssl.SSLContext | None = None

    async def fetch(self, request: Request) -> Response:
        """Return the answer to a request, whatever its status; raises `FetchFailed`."""
        with anyio.move_on_after(request.timeout):
            return await self._follow(request)
        raise FetchFailed(
            f"{request.target.authority} did not answer in full within {request.timeout:g} s; give it a longer timeout",
            retryable=True,
        )

    async def _follow(self, request: Request) -> Response:
        redirects: list[str] = []
        while True:
            response = await self._hop(request, tuple(redirects))
            location = response.header(b"location")
            if not request.follow_redirects or response.status not in _REDIRECTS or not location:
                return response
            redirects.append(request.target.text)
            if len(redirects) > MOST_REDIRECTS:
                raise FetchFailed(f"more than {MOST_REDIRECTS} redirects, the last to {excerpt(location, 200)}")
            request = redirected(request, response.status, location)

    async def _hop(self, request: Request, redirects: tuple[str, ...]) -> Response:
        target = request.target
        with _told(target, redirects):
            async with self._send(request) as answer:
                headers = tuple((name.lower(), value) for name, value in answer.headers)
                encoding = b",".join(value for name, value in headers if name == b"content-encoding").decode("latin-1")
                follows = request.follow_redirects and answer.status in _REDIRECTS
                # What a redirect says besides its location is not looked at.
                most = request.max_bytes if not follows or not any(name == b"location" for name, _ in headers) else 0
                truncated = False
                body = b""
                if most:
                    try:
                        body = await read_body(
                            answer.aiter_stream(), "" if request.method == "HEAD" else encoding, most
                        )
                    except TooLong as error:
                        body, truncated = error.begin, True
            if truncated and not request.truncate:
                raise FetchFailed(
                    f"the body from {target.authority} has more than {request.max_bytes} bytes; take its beginning "
                    "with `truncate: true`, or raise `max_bytes` if it is not at its maximum"
                )
        return Response(
            status=answer.status,
            headers=headers,
            body=body,
            truncated=truncated,
            target=target,
            redirects=redirects,
        )

    @asynccontextmanager
    async def _send(self, request: Request) -> AsyncIterator[httpcore2.Response]:
        target = request.target
        host = host_of(target)
        addresses = await judge(self._policy, self._resolver, host, target.port)
        self._policy.judge_port(host, target.port)
        if target.scheme == "https" and self._ssl_context is None:
            self._ssl_context = self._certificates()
        name = str(host).encode("ascii")
        url = httpcore2.URL(
            scheme=target.scheme.encode(), host=name, port=target.port, target=target.path.encode("ascii")
        )
        connection = httpcore2.AsyncHTTPConnection(
            httpcore2.Origin(url.scheme, name, target.port),
            ssl_context=self._ssl_context,
            network_backend=JudgedBackend(addresses),
        )
        async with connection:
            answer = await connection.handle_async_request(
                httpcore2.Request(request.method, url, headers=_headers(request), content=request.body)
            )
            try:
                yield answer
            finally:
                with anyio.CancelScope(shield=True):
                    await answer.aclose()


def _date(said: str) -> datetime | None:
    with suppress(ValueError, OverflowError):
        at = parsedate_to_datetime(said)
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return None


def redirected(request: Request, status: int, location: str) -> Request:
    """Return what to ask after a redirect (RFC 9110, section 15.4); raises `FetchFailed`. Pure."""
    before = request.target
    try:
        after = joined(before, _as_text(location))
    except UrlInvalid as error:
        raise FetchFailed(f"{before.text} redirects where nothing may follow: {error}") from error
    if before.scheme == "https" and after.scheme == "http":
        raise FetchFailed(
            f"{before.text} redirects to {after.text}, which is not encrypted; ask for that URL itself if it is meant"
        )
    method, body, headers = request.method, request.body, request.headers
    if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
        method, body = "GET", b""
        headers = tuple(pair for pair in headers if pair[0] not in _ABOUT_BODY)
    if before.origin != after.origin and not _is_upgrade(before, after):
        if body:
            raise FetchFailed(
                f"{before.text} redirects a request with a body to another origin, {after.text}; ask for that URL "
                "itself if it is meant"
            )
        headers = tuple(pair for pair in headers if pair[0] in _GO_ANYWHERE)
    return msgspec.structs.replace(request, method=method, body=body, headers=headers, target=after)


def _is_upgrade(before: Target, after: Target) -> bool:
    """Return whether only the scheme changes, to https, both at their usual port."""
    return (before.origin[1], before.scheme, before.port, after.scheme, after.port) == (
        after.origin[1],
        "http",
        80,
        "https",
        443,
    )


def _as_text(location: str) -> str:
    """Return a Location as text: it came as bytes, which most servers mean as UTF-8."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    given = {name for name, _ in request.headers}
    ours = [
        (b"host", request.target.authority.encode("ascii")),
        (b"accept-encoding", ACCEPTED_ENCODINGS.encode()),
        (b"connection", b"close"),
    ]
    if b"user-agent" not in given:
        ours.append((b"user-agent", f"ael-native-tools/{__version__}".encode()))
    if b"accept" not in given:
        ours.append((b"accept", b"*/*"))
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        ours.append((b"content-length", str(len(request.body)).encode()))
    return [*ours, *request.headers]


@contextmanager
def _told(target: Target, redirects: tuple[str, ...]) -> Iterator[None]:
    """Make every failure of a hop a `FetchFailed` that says where it happened."""
    via = f" (redirected from {excerpt(redirects[-1], 200)})" if redirects else ""
    at = target.authority
    try:
        yield
    except Refused as error:
        raise FetchFailed(f"{error}{via}") from error
    except NameUnknown as error:
        raise FetchFailed(f"{error}{via}", retryable=error.retryable) from error
    except BodyInvalid as error:
        raise FetchFailed(f"the answer of {at}{via} is not usable: {error}") from error
    except httpcore2.ConnectError as error:
        why = _why(error)
        if isinstance(error.__context__, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            raise FetchFailed(f"no safe connection to {at}{via}: {why}") from error
        raise FetchFailed(f"cannot connect to {at}{via}: {why}", retryable=True) from error
    except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
        raise FetchFailed(f"the exchange with {at}{via} failed: {_why(error)}", retryable=True) from error


def _why(error: BaseException) -> str:
    """Return what is at the bottom of an error: the system's own words."""
    deepest = error
    while (below := deepest.__cause__ or deepest.__context__) is not None:
        deepest = below.exceptions[0] if isinstance(below, BaseExceptionGroup) else below
    text = getattr(deepest, "strerror", None) or str(deepest) or str(error)
    return excerpt(" ".join(str(text).split()), 300) or type(error).__name__
