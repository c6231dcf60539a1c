"""The choke point: every tool call of every step goes through `Gateway.call`.

scope → resolve → pinned definition → schema of the parameters → record → call → size → data → schema of the result
→ record
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import msgspec

from ael.errors import AelError, OutputInvalid, ParamInvalid, ToolFailed, ToolRejected, did_you_mean
from ael.tools import CallContext, Refusal, ToolCallEnded, ToolCallStarted, ToolInfo
from ael.tools.catalog import ToolCatalog
from ael.tools.client import CallResult, ContentBlock
from ael.tools.connections import asked_pause, wait_hint
from ael.tools.jsonrpc import RpcError
from ael.tools.pins import ToolPins
from ael.tools.schema_process import Found
from ael.tools.schemas import Schemas
from ael.tools.servers import RETRYABLE_STATUS, ToolSource
from ael.values import JSONValue, bulk, check, digest, shortened

#: Where `_meta` of a call carries what makes it one call across retries and resumes.
IDEMPOTENCY_KEY, ATTEMPT = "ael/idempotency_key", "ael/attempt"

#: Raises `OutputInvalid` for what is no JSON; may count it on the way.
_Judge = Callable[[JSONValue, str], bulk.Extent | None]


class Gateway:
    """Implements `ToolGateway`."""

    def __init__(self, catalog: ToolCatalog, pins: ToolPins | None = None) -> None:
        self._catalog = catalog
        self._pins = pins
        self._schemas = Schemas()

    async def call(self, name: str, params: dict[str, JSONValue], context: CallContext) -> JSONValue:
        """See `ToolGateway.call`."""
        context.calls += 1
        number = context.calls
        begun = time.perf_counter()
        try:
            info, source = await self._admit(name, params, context)
        except AelError as error:
            # What was refused is on record too: who reads it sees what was tried, and a replay refuses it again.
            shown = None if isinstance(error.__cause__, OutputInvalid) else params
            await context.record(ToolCallStarted(call=number, tool=name, resolved="", params=shown, repeatable=True))
            await self._failed(name, context, number, begun, error)
            raise
        await context.record(
            ToolCallStarted(call=number, tool=name, resolved=str(info.ref), params=params, repeatable=info.repeatable)
        )
        try:
            value = await self._answer(name, params, context, info, source, number)
        except AelError as error:
            await self._failed(name, context, number, begun, error)
            raise
        await context.record(ToolCallEnded(call=number, tool=name, duration_ms=_since(begun), result=value))
        return value

    async def _admit(
        self, name: str, params: dict[str, JSONValue], context: CallContext
    ) -> tuple[ToolInfo, ToolSource]:
        check_scope(name, context)
        info, source = await self._catalog.resolve(name, context.resolved, context.timeout_seconds)
        if self._pins is not None:
            self._pins.check(info, name)
        await self._check_params(name, params, info)
        return info, source

    async def _failed(self, name: str, context: CallContext, number: int, begun: float, error: AelError) -> None:
        error.of_tool(name)
        await context.record(ToolCallEnded(call=number, tool=name, duration_ms=_since(begun), error=error.record()))

    async def _answer(
        self,
        name: str,
        params: dict[str, JSONValue],
        context: CallContext,
        info: ToolInfo,
        source: ToolSource,
        number: int,
    ) -> JSONValue:
        key = f"{context.key}/{number}"
        meta: dict[str, Any] = {IDEMPOTENCY_KEY: key, ATTEMPT: context.attempt, "traceparent": _trace(key, context)}
        try:
            result = await source.call(
                info.ref.name,
                dict(params),
                timeout_seconds=context.timeout_seconds,
                meta=meta,
                on_progress=context.on_progress,
            )
        except ToolFailed as failed:
            refusal = failed.__cause__
            if context.on_result is not None and isinstance(refusal, RpcError):
                context.on_result(Refusal(code=refusal.code, message=refusal.message, data=refusal.data))
            raise
        if context.on_result is not None:
            context.on_result(result.raw)
        if result.is_error:
            raise _tool_error(name, result)
        if bulk.is_large(result.raw):
            judge: _Judge = bulk.check_decoded if result.is_strict else check
            value, extent = await bulk.in_thread(_usable, name, result, judge)
        else:
            value, extent = _usable(name, result, check)
        await self._check_result(name, value, info, extent)
        return value

    # -- schemas ------------------------------------------------------------------------------------------------

    async def _check_params(self, name: str, params: dict[str, JSONValue], info: ToolInfo) -> None:
        try:
            if bulk.is_large(params):
                await bulk.in_thread(check, params, "params")
            else:
                check(params, path="params")
        except OutputInvalid as error:
            raise ParamInvalid(error.detail, tool_name=name) from error
        found = await self._schemas.violations(info.input_schema, params, 20)
        if found.count:
            raise ParamInvalid(_listed(found, "params"), suggestion=_expected(params, info), tool_name=name)

    async def _check_result(self, name: str, value: JSONValue, info: ToolInfo, extent: bulk.Extent | None) -> None:
        if info.output_schema is None:
            return
        found = await self._schemas.violations(info.output_schema, value, 10, extent)
        if found.count:
            raise OutputInvalid(
                "the tool's answer does not match its own schema: " + _listed(found, "result"), tool_name=name
            )


def _usable(name: str, result: CallResult, judge: _Judge) -> tuple[JSONValue, bulk.Extent | None]:
    """Return a result's data, checked, and how much it is where that was counted; may run in a thread."""
    value = to_data(result)
    try:
        extent = judge(value, "result")
    except OutputInvalid as error:
        detail = f"the tool's answer is not usable: {error.detail}"
        raise ToolFailed(detail, tool_name=name, retryable=False) from error
    return value, extent


def _trace(key: str, context: CallContext) -> str:
    """Return the call's place in the trace of its execution, as W3C Trace Context has it (MCP, SEP-414).

    Both ids come from the record, so that whoever finds them elsewhere finds the execution.
    """
    return f"00-{_trace_id(context.key.partition('/')[0])}-{digest(f'{key}/{context.attempt}'.encode())[:16]}-01"


@lru_cache(maxsize=1024)
def _trace_id(execution_id: str) -> str:
    return digest(execution_id.encode())


def _listed(found: Found, root: str) -> str:
    said = [f"{root}{one.path}: {one.message}" for one in found.violations]
    rest = f"; and {found.count - len(said)} more" if found.count > len(said) else ""
    return "; ".join(said) + rest


def _expected(params: dict[str, JSONValue], info: ToolInfo) -> str:
    """Return what the tool takes, and the nearest name for a parameter that it does not know."""
    properties = info.input_schema.get("properties")
    known = list(properties) if isinstance(properties, dict) else []
    required = info.input_schema.get("required")
    needed = [str(name) for name in required] if isinstance(required, list) else []
    unknown = next((name for name in params if name not in known), None)
    close = did_you_mean(unknown, known, "parameter") if unknown and known else ""
    listed = ", ".join(f"{name}{' (required)' if name in needed else ''}" for name in known[:20])
    schema = msgspec.json.encode(_without_prose(info.input_schema)).decode()
    tail = f" Its schema: {schema}" if len(schema) <= 600 else ""
    return " ".join(part for part in (close, f"The tool takes: {listed or 'nothing'}.{tail}") if part)


#: Keywords of a schema that say what a value may be. All others may say anything.
_JUDGING = frozenset(
    {"type", "enum", "const", "required", "items", "prefixItems", "additionalItems", "contains", "uniqueItems"}
    | {f"{bound}{what}" for bound in ("min", "max") for what in ("imum", "Items", "Length", "Properties", "Contains")}
    | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern", "properties", "patternProperties"}
    | {"additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "dependentRequired"}
    | {"dependentSchemas", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "$defs", "definitions"}
)

#: Keywords whose value is schemas by names that are no keywords.
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


def _without_prose(schema: JSONValue) -> JSONValue:
    """Return a schema without its texts: a suggestion says what fits, and forwards no words of a stranger."""
    if isinstance(schema, list):
        return [_without_prose(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_prose(one) for name, one in value.items()}
        if key in _NAMED and isinstance(value, dict)
        else _without_prose(value)
        for key, value in schema.items()
        if key in _JUDGING
    }


# -- results ---------------------------------------------------------------------------------------------------------


def check_scope(name: str, context: CallContext) -> None:
    """Raise `ToolRejected` for a tool that the workflow, or its code, may not call."""
    if name == "python_exec" and context.origin == "code":
        raise ToolRejected("code cannot run code: python_exec is not for code steps", tool_name=name)
    if name not in context.scope and not any(fnmatchcase(name, pattern) for pattern in context.scope):
        hint = did_you_mean(name, context.scope, "tool")
        raise ToolRejected(
            "the tool is none of those that this workflow may call",
            suggestion=f"{hint} Add '{name}' to `tools` of the workflow if it shall call it.".strip(),
            tool_name=name,
        )


def to_data(result: CallResult) -> JSONValue:
    """Return a result's data: structured content; else JSON or text of a single block; else the blocks."""
    if result.structured_content is not None:
        structured: JSONValue = result.structured_content
        return structured
    blocks = result.content
    if len(blocks) == 1 and blocks[0].type == "text" and blocks[0].text is not None:
        return _parsed(blocks[0].text)
    return [_block(block) for block in blocks]


def _parsed(text: str) -> JSONValue:
    if text.lstrip()[:1] not in {"{", "["}:
        return text
    try:
        found = bulk.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
    return found if isinstance(found, dict | list) else text


def _block(block: ContentBlock) -> JSONValue:
    """Return a block as data; a resource that is in it is flat, with a blob where images have theirs."""
    made: dict[str, JSONValue] = {"type": block.type}
    if block.type == "resource" and block.resource is not None:
        for key, shown in (("uri", "uri"), ("mimeType", "mime_type"), ("text", "text"), ("blob", "data")):
            if key in block.resource:
                made[shown] = block.resource[key]
        return made
    for field in ("text", "data", "mime_type", "uri", "name", "description"):
        value = getattr(block, field)
        if value is not None:
            made[field] = value
    return made


def _tool_error(name: str, result: CallResult) -> AelError:
    said = "\n".join(block.text for block in result.content if block.text)
    if not said and result.structured_content is not None:
        said = msgspec.json.encode(result.structured_content).decode()
    detail = shortened(said) or "the tool does not say why"
    meta = result.raw.get("_meta")
    told = meta.get("error") if isinstance(meta, dict) else None
    data = to_data(result) if told is None else told
    if not _may_retry(data):
        return ToolFailed(detail, tool_name=name, retryable=False)
    asked = asked_pause(data)
    return ToolFailed(detail, suggestion=wait_hint(asked), retry_after=asked, tool_name=name)


def _may_retry(data: JSONValue) -> bool:
    """Return whether trying again may help: not when the tool says no, nor after most HTTP 4xx."""
    if not isinstance(data, dict):
        return True
    said = data.get("retryable")
    if isinstance(said, bool):
        return said
    status = data.get("status", data.get("status_code"))
    if isinstance(status, int) and 400 <= status < 500:
        return status in RETRYABLE_STATUS
    return True


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000
