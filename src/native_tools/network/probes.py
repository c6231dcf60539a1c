"""The tool network_ping: whether a host answers, by ICMP where the system lets ordinary users, or by connecting."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from ipaddress import IPv4Address

from native_tools.environment import Environment
from native_tools.network.addresses import Address
from native_tools.network.hosts import Host, HostInvalid, read_host
from native_tools.network.policy import Refused
from native_tools.network.settings import policy_of, resolver_of, unusable
from native_tools.parameters import seconds, whole
from native_tools.tool import READS_ELSEWHERE, Arguments, Result, Tool, ToolError, closed

_PORT = 443
_COUNT = 3
_TIMEOUT = 3.0
#: Type of an echo request and of its answer, for IPv4 and IPv6.
_ECHO_4, _ECHO_6 = (8, 0), (128, 129)


async def _ping(arguments: Arguments, environment: Environment) -> Result:
    from native_tools.network.connections import judge  # noqa: PLC0415 # the client costs 0.2 s to import
    from native_tools.network.names import NameUnknown  # noqa: PLC0415 # as above

    text = arguments["host"]
    try:
        host: Host = read_host(f"[{text}]" if text.count(":") > 1 and "[" not in text else text)
    except HostInvalid as error:
        raise ToolError(f"{error}. Give a name or an address, and the port by `port`.") from error
    port = arguments.get("port")
    method = arguments.get("method") or ("icmp" if port is None and _may_echo() else "tcp")
    if method == "tcp":
        port = port or _PORT
    elif port is not None:
        raise ToolError("ICMP has no ports; leave out `port`, or take method tcp.")
    try:
        address = (await judge(policy_of(environment), resolver_of(environment), host, port))[0]
    except (Refused, NameUnknown) as error:
        raise ToolError(f"{error}.", retryable=getattr(error, "retryable", False)) from error
    times, failures = await _probe_all(address, port, arguments)
    return {
        "host": str(host),
        "address": str(address),
        "method": method,
        **({} if port is None else {"port": port}),
        "reachable": bool(times),
        "sent": len(times) + len(failures),
        "received": len(times),
        **({"failure": failures[-1]} if failures else {}),
        **({"min_ms": min(times), "avg_ms": round(sum(times) / len(times), 3), "max_ms": max(times)} if times else {}),
    }


async def _probe_all(address: Address, port: int | None, arguments: Arguments) -> tuple[list[float], list[str]]:
    """Probe one time after the other; return the milliseconds of those answered, and why others were not."""
    times: list[float] = []
    failures: list[str] = []
    for number in range(arguments.get("count", _COUNT)):
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(arguments.get("timeout", _TIMEOUT)):
                await (_echo(address, number + 1) if port is None else _connect(address, port))
        except TimeoutError:
            failures.append("no answer in time")
        except PermissionError as error:
            if port is None:
                raise ToolError("this system lets ordinary users send no ICMP; give a `port`.") from error
            failures.append(os.strerror(error.errno or 0))
        except OSError as error:
            failures.append(os.strerror(error.errno) if error.errno else str(error))
        else:
            times.append(round((time.perf_counter() - begun) * 1000, 3))
    return times, failures


async def _connect(address: Address, port: int) -> None:
    with _socket(address, socket.SOCK_STREAM, 0) as connecting:
        await asyncio.get_running_loop().sock_connect(connecting, (str(address), port))


async def _echo(address: Address, number: int) -> None:
    """Send an echo request and wait for its answer (RFC 792, RFC 4443); the kernel fills in whose it is."""
    asks, answers = _ECHO_4 if isinstance(address, IPv4Address) else _ECHO_6
    loop = asyncio.get_running_loop()
    with _socket(address, socket.SOCK_DGRAM, _protocol(address)) as sending:
        await loop.sock_connect(sending, (str(address), 0))
        await loop.sock_sendall(sending, _packet(asks, number))
        while True:
            answer = await loop.sock_recv(sending, 1024)
            if len(answer) >= 8 and answer[0] == answers and int.from_bytes(answer[6:8], "big") == number:
                return


def _packet(kind: int, number: int) -> bytes:
    """Return an echo request; its checksum is for IPv4, the kernel writes that of IPv6."""
    words = struct.pack("!BBHHH", kind, 0, 0, 0, number)
    total = sum(struct.unpack("!4H", words))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", kind, 0, ~total & 0xFFFF, 0, number)


def _protocol(address: Address) -> int:
    return socket.IPPROTO_ICMP if isinstance(address, IPv4Address) else socket.IPPROTO_ICMPV6


def _socket(address: Address, kind: int, protocol: int) -> socket.socket:
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


def _may_echo() -> bool:
    """Return whether the system gives ordinary users sockets for ICMP (Linux: net.ipv4.ping_group_range)."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).close()
    except OSError:
        return False
    return True


PING = Tool(
    name="network_ping",
    title="Ping a host",
    description=(
        "Say whether a host answers and how fast: by ICMP where the system permits it and no port is given, else by "
        "opening a TCP connection. A host that does not answer is a result, not an error. Private and internal "
        "addresses are refused unless the operator listed them in security.allowed_hosts."
    ),
    input_schema=closed(
        ("host",),
        host={"type": "string", "minLength": 1, "maxLength": 1000, "description": "A host name or an address."},
        port=whole(1, 65535, f"The TCP port to connect to; {_PORT} where ICMP is not possible."),
        method={"enum": ["icmp", "tcp"], "description": "How; chosen by itself where it is not given."},
        count=whole(1, 10, "How many times.", default=_COUNT),
        timeout=seconds(_TIMEOUT, 10, "Seconds to wait each time."),
    ),
    output_schema=closed(
        ("host", "address", "method", "reachable", "sent", "received"),
        host={"type": "string", "description": "The host that was asked for."},
        address={"type": "string", "description": "The address that was probed."},
        method={"enum": ["icmp", "tcp"], "description": "How it was probed."},
        port={"type": "integer", "description": "The port that was connected to."},
        reachable={"type": "boolean", "description": "Whether it answered at least once."},
        sent={"type": "integer", "description": "How many times it was probed."},
        received={"type": "integer", "description": "How many times it answered."},
        failure={"type": "string", "description": "Why it did not, the last time it did not."},
        min_ms={"type": "number", "description": "Milliseconds of the fastest answer."},
        avg_ms={"type": "number", "description": "Milliseconds on average."},
        max_ms={"type": "number", "description": "Milliseconds of the slowest answer."},
    ),
    annotations=READS_ELSEWHERE,
    run=_ping,
    unavailable=unusable,
)
