"""The tools of this installation: who offers what, and a call of one of them from outside of a workflow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ael.app.application import App, Prepared
from ael.app.native_tools import NATIVE
from ael.app.tool_check import parameter_hint
from ael.errors import AelError, ConfigInvalid, ErrorRecord, InputInvalid, OutputInvalid, ParamInvalid
from ael.journal.fold import Execution
from ael.observe.masking import Masker
from ael.plan import Plan
from ael.tools import ToolInfo
from ael.tools.pins import ToolPins
from ael.tools.servers import McpServer, Status
from ael.values import JSONValue, check
from ael.workflow.load import load_text
from ael.workflow.model import Definition

Source = Literal["mcp", "system", "native"]
ToolStatus = Literal["available", "unavailable"]

_SYSTEM = "ael"
_CALL = "tool-call"

#: Seconds that the execution of a call may take beside the call, so that it is the call that ends in time.
_AROUND = 5.0

#: Plans of calls that are remembered.
_PLANS_KEPT = 1024

#: Bytes of a parameter's name, as JSON.
_LONGEST_KEY = 1000


class ToolRow(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as a listing shows it."""

    #: The name by which a workflow calls it: bare where one server offers it, else `server__tool`.
    name: str
    source: Source
    server: str
    status: ToolStatus
    description: str = ""
    #: Why it is unavailable.
    reason: str = ""
    input_schema: dict[str, JSONValue] = {}
    output_schema: dict[str, JSONValue] | None = None


class ServerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A server as a listing shows it."""

    name: str
    status: Status
    tools: int = 0
    #: Why it is not ready.
    error: ErrorRecord | None = None
    #: The last lines of its standard error.
    stderr: tuple[str, ...] = ()


class ToolReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is offered: tools in the order of servers and names."""

    tools: tuple[ToolRow, ...]
    servers: tuple[ServerRow, ...]


PYTHON_EXEC = ToolRow(
    name="python_exec",
    source="system",
    server=_SYSTEM,
    status="available",
    description="Run Python in the sandbox, without files or network: to compute, and to call tools and work on their "
    "answers in one go. The answer is what the program returns, as JSON.",
    input_schema={
        "type": "object",
        "properties": {
            "code": {
                "type": "string",
                "description": "The body of an async function: `return VALUE` gives the answer, "
                "`await tools.call(NAME, {…})` calls a server's tool, `asyncio.gather` several together; json, re, "
                "math, datetime, statistics, collections and their like can be imported.",
            }
        },
        "required": ["code"],
        "additionalProperties": False,
    },
)


async def list_tools(app: App, server: str | None = None) -> ToolReport:
    """Return what the enabled servers offer, starting them at once; a server that fails is part of the report."""
    sources = app.parts.catalog().sources
    names = [name for name in sources if server in {None, name}]
    looked = await asyncio.gather(*(_look(app, name) for name in names))
    masker = Masker(app.settings.secrets)
    rows = [_masked(row, masker) for _, found in looked for row in found]
    if server in {None, _SYSTEM} and "python_exec" in app.settings.file.tools.builtins:
        rows.append(PYTHON_EXEC)
    bare = Counter(row.name for row in rows)
    named = [
        msgspec.structs.replace(row, name=f"{row.server}__{row.name}") if bare[row.name] > 1 else row for row in rows
    ]
    order = sorted(named, key=lambda row: (row.server, row.name))
    servers = (
        msgspec.structs.replace(masker.record(row), stderr=tuple(map(masker.text, row.stderr))) for row, _ in looked
    )
    return ToolReport(tools=tuple(order), servers=tuple(servers))


def _masked(row: ToolRow, masker: Masker) -> ToolRow:
    """Return a tool without secrets: a server that was given one may write it anywhere."""
    if not masker:
        return row
    return msgspec.structs.replace(
        row,
        name=masker.text(row.name),
        description=masker.text(row.description),
        reason=masker.text(row.reason),
        input_schema=masker.value(row.input_schema),
        output_schema=masker.value(row.output_schema),
    )


async def _look(app: App, name: str) -> tuple[ServerRow, list[ToolRow]]:
    """Return how one server is doing, and its tools: those that cannot be used with the reason."""
    catalog = app.parts.catalog()
    source = catalog.sources[name]
    error: ErrorRecord | None = None
    offered: list[ToolInfo] = []
    config = app.settings.servers[name]
    if config.enabled:
        try:
            offered = await catalog.offered(name)
        except AelError as failure:
            error = failure.record()
    rows = [_row(config.prefix, info, app.parts.pins) for info in offered]
    status: Status = "ready"
    stderr: tuple[str, ...] = ()
    if isinstance(source, McpServer):
        status, stderr = source.status, tuple(source.stderr())
        rows += [
            ToolRow(name=config.prefix + tool, source="mcp", server=name, status="unavailable", reason=why)
            for tool, why in source.broken.items()
        ]
    row = ServerRow(name=name, status=status, tools=len(offered), error=error, stderr=stderr)
    return row, rows


def _row(prefix: str, info: ToolInfo, pins: ToolPins | None) -> ToolRow:
    """Return a tool that is offered.

    One that is not what was accepted is not called, and nothing that it says about itself is passed on: `tool_lock`
    shows that, to people.
    """
    row = ToolRow(name=prefix + info.ref.name, source="mcp", server=info.ref.server, status="unavailable")
    try:
        changed = () if pins is None else pins.changes(info)
    except ConfigInvalid as error:
        return msgspec.structs.replace(row, reason=error.problems[0].message)
    if changed:
        return msgspec.structs.replace(row, reason=f"{', '.join(changed)} changed since it was accepted")
    return msgspec.structs.replace(
        row,
        status="available",
        description=info.description,
        input_schema=info.input_schema,
        output_schema=info.output_schema,
    )


def select(report: ToolReport, *, source: str | None, status: str | None) -> list[ToolRow]:
    """Return the tools of a source and in a status; `native` means those of AEL's own server."""
    return [
        row
        for row in report.tools
        if (source is None or row.source == source or (source == "native" and row.server == NATIVE))
        and status in {None, row.status}
    ]


def find(app: App, report: ToolReport, name: str) -> ToolRow | None:
    """Return the tool that a name or `server__tool` means, if it is offered; a secret in it may be masked or not.

    Behind `server__` the tool's name may be its own or the one with the server's prefix.
    """
    masker = Masker(app.settings.secrets)
    server, separator, tool = name.partition("__")
    prefix = app.settings.servers[server].prefix if server in app.settings.servers else ""
    spelled = {f"{server}{separator}{one}" for one in (tool, masker.text(tool))} | {name, masker.text(name)}
    prefixed = {f"{server}__{prefix}{one}" for one in (tool, masker.text(tool))} if separator and prefix else set()
    rows = [(row, {row.name, f"{row.server}__{row.name}"}) for row in report.tools]
    return next((row for wanted in (prefixed, spelled) for row, names in rows if wanted & names), None)


async def call_tool(
    app: App,
    name: str,
    params: Mapping[str, JSONValue],
    timeout: float | None = None,  # noqa: ASYNC109 # the step's limit, recorded with it
    *,
    scope: tuple[str, ...] | None = None,
    **watched: Any,  # noqa: ANN401 # as `App.run` takes them
) -> Execution:
    """Call a tool as a workflow of one step would: through the gateway, with a record. A failed call is a result.

    `timeout` is the call's, else what the configuration gives a step; `scope` limits what the program of `python_exec`
    may call; `watched` goes to `App.run`. Raises `ParamInvalid` for
    `python_exec` without its program, else as `App.run` does.
    """
    if name == PYTHON_EXEC.name:
        code = params.get("code")
        if not isinstance(code, str) or not code.strip() or len(params) > 1:
            raise ParamInvalid("python_exec takes one parameter: `code`, a text, its program", tool_name=name)
        plan = await _plan_call(app, name, {"code": code}, timeout, scope)
    else:
        # No schema has such names, and YAML takes none as the key of one line.
        if any(len(msgspec.json.encode(key)) > _LONGEST_KEY for key in params):
            raise ParamInvalid(f"a parameter's name is longer than {_LONGEST_KEY} bytes", tool_name=name)
        plan = await _known_plan(app, name, tuple(params), timeout)
    prepared = Prepared(plan=plan, file=name)
    limit = None if timeout is None else timeout + _AROUND
    try:
        return await app.run(prepared, {"values": list(params.values())}, timeout=limit, **watched)
    except InputInvalid as error:
        # They are inputs only here: what is wrong is told by the parameter's name.
        try:
            check(dict(params), "parameters")
        except OutputInvalid as wrong:
            raise ParamInvalid(wrong.detail, tool_name=name) from error
        raise


async def _known_plan(app: App, name: str, keys: tuple[str, ...], seconds: float | None) -> Plan:
    """Return the plan of a call with such parameters; their values go in as inputs: a template in one is text."""
    plans = app.parts.call_plans
    plan = plans.get((name, keys, seconds))
    if plan is None:
        if len(plans) >= _PLANS_KEPT:
            plans.clear()
        params = {key: f"{{{{ inputs.values[{at}] }}}}" for at, key in enumerate(keys)}
        plan = plans[name, keys, seconds] = await _plan_call(app, name, params, seconds)
    return plan


async def _plan_call(
    app: App, name: str, params: dict[str, str], seconds: float | None, scope: tuple[str, ...] | None = None
) -> Plan:
    step: dict[str, Any] = {"id": "call", "tool": name, "params": params}
    if seconds is not None:
        step["timeout"] = seconds
    document: dict[str, Any] = {
        "name": _CALL,
        "version": "1",
        "inputs": {"values": {"type": "array", "default": []}},
        "steps": [step],
        "output": "{{ steps.call.output }}",
    }
    definition = load_text(msgspec.json.encode(document).decode(), name).definition
    # Listings name the tool by the version; it may be a stranger's word, and they are not sealed.
    version = Masker(app.settings.secrets).text(name)
    # The scope is not read from the document: servers may have names that no file can write.
    workflow = msgspec.structs.replace(definition.workflow, version=version, tools=scope)
    source = definition.source
    if name == PYTHON_EXEC.name:
        # What is wrong with a program is told by its own lines.
        source = msgspec.structs.replace(source, text=params["code"], marks={"steps[0].params.code": (1, 1)})
    return await app.parts.definitions.plan(Definition(workflow=workflow, source=source))


def parse_params(tool: ToolRow, pairs: Mapping[str, str]) -> dict[str, JSONValue]:
    """Return parameters written as `K=V`, as the tool's schema reads them; raises `ParamInvalid` for all at once."""
    properties = tool.input_schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    found: dict[str, JSONValue] = {}
    wrong: list[str] = []
    for name, text in pairs.items():
        types = types_of(known.get(name))
        if types == {"string"}:
            found[name] = text
            continue
        try:
            value: JSONValue = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            if types and "string" not in types:
                wrong.append(f"'{name}' is of type {' or '.join(sorted(types))}, not {text[:80]!r}")
            value = text
        found[name] = value
    if wrong:
        raise ParamInvalid("; ".join(wrong), suggestion=parameter_hint(tool.input_schema), tool_name=tool.name)
    return found


def types_of(schema: object) -> set[str]:
    """Return the JSON types that a property's schema allows by `type` or `anyOf`; none where it does not say."""
    if not isinstance(schema, dict):
        return set()
    said = schema.get("type")
    if isinstance(said, list):
        return {one for one in said if isinstance(one, str)}
    if isinstance(said, str):
        return {said}
    options = schema.get("anyOf")
    if not isinstance(options, list):
        return set()
    types = [types_of(option) for option in options]
    return set().union(*types) if all(types) else set()
