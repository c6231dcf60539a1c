"""The process that reads documents: `python -m native_tools.extractor SECONDS BYTES`.

`confined` starts it for one of them. It reads a request from its input and writes an answer, both MessagePack:
`{operation, data, …}` → `{result}` or `{error}`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import select
import sys
from collections.abc import Callable
from typing import Any

import msgspec


class Unreadable(Exception):
    """A document, or what is asked of it, that makes no sense; the message says why."""


Request = dict[str, Any]
Answer = dict[str, Any]


def main() -> None:
    """Answer one request."""
    _end_with_the_reader(True)
    _limit(seconds=int(sys.argv[1]), memory=int(sys.argv[2]))
    logging.disable()
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=dict[str, Any])
    try:
        answer: Answer = {"result": _operations()[request["operation"]](request)}
    except Unreadable as error:
        answer = {"error": str(error)}
    except RecursionError:
        answer = {"error": "it is nested too deep."}
    except MemoryError:
        answer = {"error": "it takes too much memory."}
    encoded = _encoded(answer)
    _end_with_the_reader(False)
    sys.stdout.buffer.write(encoded)


def _encoded(answer: Answer) -> bytes:
    try:
        return msgspec.msgpack.encode(answer)
    except (OverflowError, TypeError, UnicodeError):
        why = "what is found is no data: it has an integer beyond 64 bits, half a character, or an expression in it."
        return msgspec.msgpack.encode({"error": why})


def _end_with_the_reader(wanted: bool) -> None:  # on or off
    """Have the kernel end us when nobody holds the other end of our output any more: the server was killed.

    It sends SIGIO then, and also when some of the output was read: so not while we write.
    """
    flags = fcntl.fcntl(1, fcntl.F_GETFL)
    fcntl.fcntl(1, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(1, fcntl.F_SETFL, flags | os.O_ASYNC if wanted else flags & ~os.O_ASYNC)
    before = select.poll()
    before.register(1, 0)
    if before.poll(0):
        sys.exit(1)


def _limit(*, seconds: int, memory: int) -> None:
    """Take no more than this from the machine; what goes beyond ends us, not the server."""
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    os.nice(5)


def _operations() -> dict[str, Callable[[Request], Answer]]:
    from native_tools import data_check, html_document, json_document, pdf_document  # noqa: PLC0415 # under the limits

    return {
        "check": data_check.check_request,
        "html_text": html_document.extract_text,
        "html_fields": html_document.extract_fields,
        "json_fields": json_document.extract_fields,
        "pdf_text": pdf_document.extract_text,
    }


if __name__ == "__main__":
    # Under its own name, so that the exceptions of the document modules are ours.
    from native_tools.extractor import main as started

    started()
