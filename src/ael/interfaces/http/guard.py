"""Which requests are let in at all: by Host and Origin, on every address.

A web page can make a browser send requests to us, and by a name whose address it changes also read the answers (DNS
rebinding). A Host that is an address cannot be changed so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ael.app.serving.served import Presence
from ael.values import encode

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """Refuses what comes by a strange name or from a strange page. An ASGI application."""

    def __init__(self, app: Application, names: Iterable[str], presence_key: str) -> None:
        """Take the names by which we are known, besides localhost and addresses."""
        self._app = app
        self._names = {"localhost", *(name.lower() for name in names if name)}
        self._presence_key = presence_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        twice = any(sum(name == one for name, _ in scope["headers"]) > 1 for one in (b"host", b"origin"))
        # Which of two counts is nobody's to guess.
        why = "a request has one Host and one Origin" if twice else self.refusal(headers)
        if why:
            return await _refuse(why, send)
        scope[self._presence_key] = Presence()
        return await self._app(scope, receive, send)

    def refusal(self, headers: dict[bytes, bytes]) -> str:
        """Return why a request with these headers is refused; empty when it is not."""
        host = name_of("//" + headers.get(b"host", b"").decode("latin-1"))
        if host not in self._names and not _is_address(host):
            return "this server is not known by that name; start it with --allow-host NAME if it is"
        origin = headers.get(b"origin")
        if origin is None:
            return ""
        page = name_of(origin.decode("latin-1"))
        if page == host or page in self._names - {"localhost"} or (is_loopback(page) and is_loopback(host)):
            return ""
        return "pages of other sites may not use this server"


async def _refuse(why: str, send: Send) -> None:
    body = encode({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": why}})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def name_of(url: str) -> str:
    """Return the host of a URL, empty where there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether a name or address means this machine to itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
