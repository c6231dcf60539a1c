"""URLs of http and https, read once and strictly: what was judged is what is asked for."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from native_tools.excerpts import excerpt
from native_tools.network.hosts import Host, HostInvalid, read_host, written

_LONGEST = 16_384
_PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
#: What stays as it is in a path or a query: RFC 3986's characters, and percent signs that were written.
_KEPT = "!$&'()*+,;=:@/?-._~%[]|^`{}\""
_KEPT_PATH = "!$&'()*+,;=:@/-._~%"


class UrlInvalid(Exception):
    """A URL that cannot be asked for; the message says why."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A URL in its parts."""

    scheme: str
    #: A `Host`, which msgspec does not know.
    host: object
    port: int
    #: Path and query, percent-encoded.
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Return whom credentials are meant for: scheme, host and port (RFC 6454)."""
        return self.scheme, str(self.host), self.port

    @property
    def authority(self) -> str:
        """Return host and port as the Host header has them."""
        host = written(self.host)  # type: ignore[arg-type] # a Host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """Return it as a URL, without a fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"


def read_url(text: str) -> Target:
    """Read a URL; raises `UrlInvalid`."""
    if len(text) > _LONGEST:
        raise UrlInvalid(f"the URL has {len(text)} characters, at most {_LONGEST} are taken")
    if _CONTROL.search(text):
        raise UrlInvalid("the URL has a backslash or a control character; percent-encode it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UrlInvalid(f"'{excerpt(text, 200)}' is no URL: {error}") from error
    if parts.scheme not in _PORTS:
        raise UrlInvalid(f"'{excerpt(text, 200)}' is no URL of http or https, the only ones that are asked for")
    if "@" in parts.netloc:
        raise UrlInvalid("the URL has a user name or password; send an Authorization header instead")
    if port == 0 or parts.netloc.endswith(":"):
        raise UrlInvalid("the URL has no port from 1 to 65535 behind its colon")
    try:
        host = read_host(_host_of(parts.netloc))
    except HostInvalid as error:
        raise UrlInvalid(f"{error}, in the URL '{excerpt(text, 200)}'") from error
    path = quote(parts.path or "/", safe=_KEPT_PATH) + ("?" + quote(parts.query, safe=_KEPT) if parts.query else "")
    return Target(scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme], path=path)


def joined(target: Target, reference: str) -> Target:
    """Return where a reference leads from a URL; raises `UrlInvalid`."""
    if _CONTROL.search(reference):
        raise UrlInvalid("it has a backslash or a control character")
    try:
        return read_url(urljoin(target.text, reference))
    except ValueError as error:
        raise UrlInvalid(f"'{excerpt(reference, 200)}' is no URL: {error}") from error


def host_of(target: Target) -> Host:
    """Return the host of a URL."""
    return target.host  # type: ignore[return-value] # a Host, by `read_url`


def _host_of(netloc: str) -> str:
    """Return the host with its brackets; `urlsplit` has read the port and counted the brackets."""
    if netloc.startswith("["):
        return netloc[: netloc.index("]") + 1]
    return netloc.rpartition(":")[0] if ":" in netloc else netloc
