"""Answers → results of `tools/call`, as JSON of the protocol."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import msgspec

from ael.app.serving.served import Answer
from ael.errors import ErrorRecord
from ael.values import JSONValue, encode

#: The first protocol version with structured content.
_STRUCTURED = "2025-06-18"

#: What only some errors have.
_WHERE_THEY_APPLY = ("detail", "suggestion", "tool_name", "attempt", "cause", "retry_after")


def result_of(answer: Answer, version: str, *, is_modern: bool) -> dict[str, Any]:
    """Return the result that a client of this protocol version understands."""
    if answer.raw is not None:
        result = dict(answer.raw)
        result.setdefault("content", [])
        if not isinstance(result.get("_meta", {}), dict):
            del result["_meta"]
    elif answer.error is not None:
        result = _failure(answer.error, answer.meta)
    else:
        result = _success(answer.value, answer.meta)
    if is_modern:
        result["resultType"] = "complete"
    else:
        result.pop("resultType", None)
        # Of any kind in the modern era, an object before it, unknown at first.
        if version < _STRUCTURED or not isinstance(result.get("structuredContent"), dict):
            result.pop("structuredContent", None)
    return result


def _success(value: JSONValue, meta: dict[str, JSONValue]) -> dict[str, Any]:
    return {
        "content": [{"type": "text", "text": value if isinstance(value, str) else encode(value).decode()}],
        "structuredContent": value if isinstance(value, dict) else {"result": value},
        "isError": False,
        "_meta": meta,
    }


def _failure(error: ErrorRecord, meta: dict[str, JSONValue]) -> dict[str, Any]:
    told = {
        "code": error.code,
        "category": error.category,
        "message": str(error),
        "step_id": error.step_id,
        "retryable": error.retryable,
    }
    more = {name: getattr(error, name) for name in _WHERE_THEY_APPLY}
    told |= {name: value for name, value in more.items() if value not in {None, ""}}
    if error.location is not None:
        told["location"] = msgspec.to_builtins(error.location)
    text = failure_text(error, meta)
    return {"content": [{"type": "text", "text": text}], "isError": True, "_meta": {**meta, "error": told}}


def failure_text(error: ErrorRecord, meta: dict[str, JSONValue]) -> str:
    """Return what an agent reads: what failed, at which step, what to do, and where the record is."""
    where = f"Step '{error.step_id}' failed. " if error.step_id else ""
    lines = [f"{where}{error.code}: {error}"]
    if error.location is not None and str(error.location) not in error.detail:
        lines.append(f"It is line {error.location.line} of {PurePath(error.location.file).name}.")
    if error.suggestion:
        lines.append(error.suggestion)
    if error.retryable:
        lines.append("Trying again may help.")
    if "execution_id" in meta:
        lines.append(f"Execution: {meta['execution_id']} (read ael://executions/{meta['execution_id']})")
    return "\n".join(lines)
