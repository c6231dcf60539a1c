"""Services that the operator named by a base URL: asked in JSON, with the limits of `network.fetch`, not its policy.

What an operator writes into the environment is meant, wherever it leads; nothing that a service answers is followed.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from native_tools.excerpts import excerpt
from native_tools.network.settings import resolver_of
from native_tools.network.urls import Target, UrlInvalid, read_url
from native_tools.tool import ToolError

if TYPE_CHECKING:
    from native_tools.environment import Environment
    from native_tools.network.fetch import Fetcher, Request, Response

#: Bytes of an answer.
_MOST_BYTES = 20 * 1024 * 1024
#: Characters of an error that are told.
_TOLD = 500
_STOP = ". "


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service, and how it is reached."""

    #: What it is called in errors.
    name: str
    #: The variable that names it.
    variable: str
    base_url: str
    #: Sent as a bearer token; empty: none.
    key: str = ""

    def problem(self) -> str:
        """Say what is wrong with the base URL, if anything is."""
        try:
            read_url(self.base_url)
        except UrlInvalid as error:
            return f"{self.variable} is not usable: {error}."
        return ""


async def ask(
    service: Service,
    environment: Environment,
    path: str,
    body: dict[str, Any] | None,
    timeout: float,  # noqa: ASYNC109
) -> dict[str, Any]:
    """Ask a service, by POST where there is a body; return the object that it answers. Raises `ToolError`."""
    from native_tools.network.fetch import FetchFailed, Request  # noqa: PLC0415 # the client costs 0.2 s to import

    target = _target(service, path)
    headers = [(b"accept", b"application/json")]
    if service.key:
        headers.append((b"authorization", b"Bearer " + service.key.encode()))
    if body is not None:
        headers.append((b"content-type", b"application/json"))
    request = Request(
        method="GET" if body is None else "POST",
        target=target,
        headers=tuple(headers),
        body=b"" if body is None else msgspec.json.encode(body),
        follow_redirects=False,
        timeout=timeout,
        max_bytes=_MOST_BYTES,
    )
    try:
        response = await _fetcher(target.authority, target.port, environment).fetch(request)
    except FetchFailed as error:
        raise ToolError(f"{service.name}: {error}.", retryable=error.retryable) from error
    # A large answer is decoded beside the event loop.
    return await asyncio.to_thread(_read, service, request, response)


def _read(service: Service, request: Request, response: Response) -> dict[str, Any]:
    where = f"{service.name} at {request.target.text}"
    try:
        answer = msgspec.json.decode(response.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        answer = None
    if response.status != 200:
        said = answer.get("error") if isinstance(answer, dict) else None
        text = excerpt(" ".join(str(said or response.body[: 4 * _TOLD].decode("utf-8", "replace")).split()), _TOLD)
        raise response.failure(where, f"{text.rstrip(_STOP)}.")
    if not isinstance(answer, dict):
        raise ToolError(f"{where} answered with what is no JSON object; is {service.variable} right?")
    return answer


def _target(service: Service, path: str) -> Target:
    base = read_url(service.base_url)
    return read_url(f"{base.scheme}://{base.authority}{base.path.partition('?')[0].rstrip('/')}{path}")


@cache
def _fetcher(authority: str, port: int, environment: Environment) -> Fetcher:
    from native_tools.network.fetch import Fetcher  # noqa: PLC0415 # as above
    from native_tools.network.policy import Policy  # noqa: PLC0415 # with its user

    host = authority if authority.endswith(f":{port}") else f"{authority}:{port}"
    return Fetcher(Policy([host]), resolver_of(environment))
