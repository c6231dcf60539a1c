"""What a server lists, as tools that can be used, and why the others cannot: one bad tool costs no other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from ael.tools import ToolInfo, ToolRef
from ael.tools.listing import UNAVAILABLE
from ael.tools.schema_process import make_validator
from ael.tools.schemas import LIGHT, weight_of
from ael.tools.stderr import visible
from ael.values import MAX_DEPTH, beginning

#: Names of tools (MCP 2025-11-25, tools): they stand in errors and suggestions, so they are words, not sentences.
_NAME = re.compile(r"[A-Za-z0-9_\-./:]{1,128}")

_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "null"})

#: Most characters of a name in a report.
_SHOWN = 80

#: Weight of the schemas of one list that are made ready to see whether they can be; the calls see to the others.
_MOST_WEIGHT = 2 * LIGHT


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """A server's list."""

    tools: list[ToolInfo]
    #: Names of the tools that cannot be used, and why.
    broken: dict[str, str]


def sift(server: str, listed: Iterable[dict[str, Any]]) -> Offers:
    """Return the tools of a list as they came, the usable apart from the broken."""
    found: dict[str, ToolInfo] = {}
    broken: dict[str, str] = {}
    check = _Check()
    for tool in listed:
        name = tool.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            shown = visible(str(name) if len(str(name)) <= _SHOWN else f"{str(name)[:_SHOWN]}…").replace("\n", " ")
            broken[shown] = "its name is not 1 to 128 letters, digits and _ - . / :"
        elif name in found:
            broken[name] = "it is listed twice"
        elif why := _unavailable(tool):
            broken[name] = why
        elif problem := check.problem(tool):
            broken[name] = problem
        else:
            found[name] = _info(ToolRef(server, name), tool)
    return Offers(tools=[info for name, info in found.items() if name not in broken], broken=broken)


def _info(ref: ToolRef, tool: dict[str, Any]) -> ToolInfo:
    annotations, description = tool.get("annotations"), tool.get("description")
    hints = annotations if isinstance(annotations, dict) else {}
    return ToolInfo(
        ref=ref,
        description=description if isinstance(description, str) else "",
        input_schema=tool["inputSchema"],
        output_schema=tool.get("outputSchema"),
        definition=tool,
        repeatable=bool(hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True),
    )


class _Check:
    """Looks at the tools of one list, at their schemas as long as those are no more than one list should need."""

    def __init__(self) -> None:
        self._left = _MOST_WEIGHT

    def problem(self, tool: dict[str, Any]) -> str:
        """Return why a tool cannot be used; empty when it can, for all that is known before it is called."""
        if _is_deep(tool):
            return f"its definition is nested deeper than {MAX_DEPTH} levels"
        for key, words in (("inputSchema", "its schema"), ("outputSchema", "the schema of its results")):
            schema = tool.get(key)
            if schema is None and key == "outputSchema":
                continue
            if not isinstance(schema, dict):
                return f"{words} is not an object"
            kind = schema.get("type", "object")
            if kind != "object" and key == "inputSchema":
                named = f"type '{kind}'" if isinstance(kind, str) and kind in _TYPES else "another type"
                return f"{words} is of {named}, not object"
            if said := self._schema_problem(schema):
                return f"{words} is not usable: {said}"
        return ""

    def _schema_problem(self, schema: dict[str, Any]) -> str:
        weight = weight_of(schema)
        if weight > min(LIGHT, self._left):
            # Whoever calls it is told, by a process that may be killed.
            return ""
        self._left -= weight
        try:
            make_validator(schema)
        except RecursionError:
            return "it is nested too deep"
        except ValueError as error:
            return str(error)
        return ""


def _unavailable(tool: dict[str, Any]) -> str:
    """Return why a tool that is described well is of no use: also what the native tools say about what is not set."""
    meta, execution = tool.get("_meta"), tool.get("execution")
    said = meta.get(UNAVAILABLE) if isinstance(meta, dict) else None
    if isinstance(said, str) and said:
        return visible(beginning(said, 400))
    if isinstance(execution, dict) and execution.get("taskSupport") == "required":
        # MCP 2025-11-25, tasks.
        return "it runs as a task only, and is called in no other way"
    return ""


def _is_deep(tool: dict[str, Any]) -> bool:
    level: list[Any] = [tool]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for one in level
            for part in (one.values() if isinstance(one, dict) else one)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True
