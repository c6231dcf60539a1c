"""Checks the tools of a plan against the servers: whether they exist, and the parameters fit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from ael.errors import AelError, Problem, did_you_mean
from ael.plan import SECTIONS, Plan
from ael.plan.places import problem_at
from ael.tools import ToolInfo
from ael.tools.catalog import ToolCatalog
from ael.tools.pins import ToolPins
from ael.tools.schema_process import make_validator, message_of
from ael.tools.schemas import may_take_long, parts_of
from ael.values import JSONValue
from ael.workflow.expressions import has_template
from ael.workflow.model import CodeStep, Step, ToolStep

#: Keywords that judge a value as a whole: a template in it makes their verdict worthless.
_OF_THE_WHOLE = frozenset({"anyOf", "oneOf", "not", "allOf", "if", "const", "enum", "minProperties", "maxProperties"})

_Resolve = Callable[[str], Awaitable[ToolInfo | AelError]]


async def check_tools(plan: Plan, catalog: ToolCatalog, pins: ToolPins | None = None) -> list[Problem]:
    """Return what is wrong with the tools that a plan names; starts the servers that offer them."""
    resolve = partial(_resolve, catalog, pins)
    found: list[Problem] = []
    for section in SECTIONS:
        for index, step in enumerate(plan.section(section)):
            path = f"{section}[{index}]"
            if isinstance(step, ToolStep):
                found += await _tool_step(plan, resolve, path, step)
            elif isinstance(step, CodeStep):
                found += await _code_step(plan, resolve, path, step)
    return found


async def _tool_step(plan: Plan, resolve: _Resolve, path: str, step: ToolStep) -> list[Problem]:
    info = await resolve(step.tool)
    if isinstance(info, AelError):
        return [_problem(plan, f"{path}.tool", f"tool '{step.tool}': {info.detail}", info.suggestion)]
    return [_problem(plan, f"{path}.{where}", said, hint) for where, said, hint in _violations(step.params, info)]


async def _code_step(plan: Plan, resolve: _Resolve, path: str, step: Step) -> list[Problem]:
    found: list[Problem] = []
    for name in plan.code[step.id].tools:
        if not any(name == allowed or fnmatchcase(name, allowed) for allowed in plan.tools):
            said = f"the code calls tool '{name}', which `tools` does not allow"
            found.append(_problem(plan, f"{path}.code", said, f"Add '{name}' to `tools`."))
            continue
        info = await resolve(name)
        if isinstance(info, AelError):
            found.append(_problem(plan, f"{path}.code", f"tool '{name}': {info.detail}", info.suggestion))
    return found


async def _resolve(catalog: ToolCatalog, pins: ToolPins | None, name: str) -> ToolInfo | AelError:
    try:
        info = (await catalog.resolve(name, {}))[0]
        if pins is not None:
            pins.check(info, name)
    except AelError as error:
        return error
    return info


def _violations(params: Mapping[str, JSONValue], info: ToolInfo) -> Iterator[tuple[str, str, str]]:
    """Yield place, message and suggestion of what a tool's schema forbids, as far as no template decides it."""
    parts = parts_of(info.input_schema)
    if parts is None or may_take_long(parts, dict(params)):
        yield "tool", "the tool's schema is too costly to check parameters by it here; a call does", ""
        return
    try:
        validator = make_validator(info.input_schema)
    except ValueError as error:
        yield "tool", f"the tool's schema is not usable: {error}", ""
        return
    for violation in validator.iter_errors(dict(params)):
        value = _at(params, violation.instance_path)
        if _has_template(value) and (violation.instance_path or _keyword(violation) in _OF_THE_WHOLE):
            continue
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in violation.instance_path)
        yield f"params{where}", message_of(violation), parameter_hint(info.input_schema)
    known = info.input_schema.get("properties")
    if isinstance(known, dict) and "additionalProperties" not in info.input_schema:
        for name in params:
            if name not in known:
                yield f"params.{name}", f"the tool has no parameter '{name}'", did_you_mean(name, known, "parameter")


def parameter_hint(schema: Mapping[str, JSONValue]) -> str:
    """Return a sentence with the names of the parameters that a tool takes."""
    known = schema.get("properties")
    return did_you_mean("", known, "parameter") if isinstance(known, dict) else ""


def _keyword(error: Any) -> str:  # noqa: ANN401 # jsonschema_rs has no types
    return str(error.schema_path[-1]) if error.schema_path else ""


def _at(value: Any, path: list[str | int]) -> Any:  # noqa: ANN401 # JSON of any shape
    for part in path:
        value = value[part]
    return value


def _has_template(value: JSONValue) -> bool:
    if isinstance(value, dict):
        return any(map(_has_template, value.values()))
    if isinstance(value, list):
        return any(map(_has_template, value))
    return isinstance(value, str) and has_template(value)


def _problem(plan: Plan, path: str, message: str, suggestion: str) -> Problem:
    return problem_at(plan.definition.source, path, "", 0, message, suggestion)
