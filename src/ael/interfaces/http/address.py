"""Where `ael serve` listens: the port, and its certificate. Checked before anything heavy is imported."""

from __future__ import annotations

import errno
import socket
import ssl

import msgspec

from ael.errors import ConfigInvalid, Problem
from ael.interfaces.http.guard import is_loopback

#: Connections that the kernel keeps for us while we are busy.
BACKLOG = 1024


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to listen."""

    host: str
    port: int
    #: Other machines may reach us without authentication.
    insecure: bool = False
    #: Names by which we are known, for the Host header.
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None


def listen(address: Address) -> socket.socket:
    """Open the port; raises `ConfigInvalid` where that is not possible, or not allowed."""
    if not is_loopback(address.host) and not address.insecure:
        raise _refused(
            f"{address.host} is reached from other machines, and there is no authentication",
            "Listen at 127.0.0.1, or say --insecure (AEL_INSECURE=1) if something else keeps strangers away.",
        )
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(where)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        shown = f"[{address.host}]" if ":" in address.host else address.host
        told = f"cannot listen at {shown}:{address.port}: {error.strerror or error}"
        raise _refused(told, _hint(error)) from error
    return listening


def _hint(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "Give an address of this machine with --host, such as 127.0.0.1 or ::1."
    if error.errno == errno.EACCES:
        return "Choose another with --port: those below 1024 are for the administrator."
    return "Choose another with --port, or stop what listens there."


def tls_context(address: Address) -> ssl.SSLContext | None:
    """Return what speaks TLS, None without a certificate; raises `ConfigInvalid` where it or its key is not usable."""
    if address.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(address.tls_cert, address.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise _refused(f"the certificate or its key is not usable: {error}", "Give both as PEM files.") from error
    return context


def _refused(message: str, suggestion: str) -> ConfigInvalid:
    return ConfigInvalid([Problem(message=message, suggestion=suggestion)])
