"""Structured logging on standard error: one event, one line, bound to the execution that it belongs to."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

from ael.observe.masking import Masker

_bound: ContextVar[dict[str, str]] = ContextVar("ael_log_fields", default={})  # noqa: B039 # replaced, never changed
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

COMPONENTS = ("workflow", "step", "tool", "sandbox")


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Add fields (execution_id, workflow, step_id, principal) to every event logged in this task."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def escape(text: str) -> str:
    """Return a text without control characters, so that one event stays one line."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def configure(
    level: str = "WARNING",
    style: Literal["text", "json"] = "text",
    off: tuple[str, ...] = (),
    secrets: Iterable[str] = (),
) -> None:
    """Send the events of `ael` to standard error, without secrets; `off` names components that stay silent.

    Warnings and errors of libraries go the same way: Python would print them as they are, over many lines.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(as_json=style == "json", masker=Masker(secrets)))
    root = logging.getLogger("ael")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
    libraries = logging.getLogger()
    libraries.handlers[:] = [*(one for one in libraries.handlers if not isinstance(one.formatter, _Lines)), handler]
    libraries.setLevel(max(logging.WARNING, root.level))
    for component in COMPONENTS:
        logging.getLogger(f"ael.{component}").disabled = component in off


class _Lines(logging.Formatter):
    def __init__(self, *, as_json: bool, masker: Masker) -> None:
        super().__init__()
        self._as_json = as_json
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        message = self._masker.text(message)
        fields = _bound.get()
        if self._as_json:
            return json.dumps(
                {"at": moment, "level": record.levelname, "logger": record.name, "message": message, **fields}
            )
        shown = "".join(f" {key}={value}" for key, value in fields.items())
        return escape(f"{moment} {record.levelname} {record.name}: {message}{shown}")
