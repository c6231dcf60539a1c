"""Tools of AEL's own, such as those of configuration mode: how one is declared, checked and offered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from ael.app.serving.served import Answer, Caller, ServedTool
from ael.errors import ParamInvalid, Problem
from ael.values import JSONValue, shortened
from ael.workflow.inputs import make_validator

#: Characters of what is wrong with one argument.
_LONGEST = 200

#: What a tool does with its checked arguments.
Work = Callable[[dict[str, Any], Caller], Awaitable[Answer]]


class BuiltinTools:
    """A list of tools that never changes; implements `Provider`."""

    def __init__(self, tools: Sequence[ServedTool]) -> None:
        self._tools = tuple(tools)

    def tools(self) -> Sequence[ServedTool]:
        """See `Provider.tools`."""
        return self._tools

    def find(self, name: str) -> ServedTool | None:
        """See `Provider.find`: they have no other names."""
        return None

    def missing(self) -> str:
        """See `Provider.missing`: nothing."""
        return ""

    async def ready(self) -> None:
        """See `Provider.ready`: at once."""

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """See `Provider.subscribe`: there is nothing to tell."""


def builtin_tool(
    name: str,
    description: str,
    properties: dict[str, Any],
    required: tuple[str, ...],
    annotations: dict[str, bool],
    work: Work,
) -> ServedTool:
    """Return a tool that takes these properties and no others; what does not match them is refused before `work`."""
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    definition = {"description": description, "inputSchema": schema, "annotations": annotations}
    return ServedTool(name=name, safe_name=name, definition=definition, call=partial(_checked, name, schema, work))


async def _checked(
    name: str, schema: dict[str, Any], work: Work, arguments: dict[str, JSONValue], caller: Caller
) -> Answer:
    """Do the work with arguments that match the schema; raises `ParamInvalid` with all that do not."""
    # What is too long to be shown is called "it": the end of a message says what is wrong.
    both = zip(*(make_validator(schema, mask).iter_errors(arguments) for mask in (None, "it")), strict=True)
    wrong = [
        f"{'.'.join(map(str, whole.instance_path)) or 'arguments'}: "
        + (whole.message if len(whole.message) <= _LONGEST else shortened(masked.message, _LONGEST))
        for whole, masked in both
    ]
    if wrong:
        takes = ", ".join(f"{key}{' (required)' if key in schema['required'] else ''}" for key in schema["properties"])
        raise ParamInvalid("; ".join(wrong), suggestion=f"It takes: {takes or 'nothing'}.", tool_name=name)
    return await work(arguments, caller)


def problem_shown(problem: Problem) -> dict[str, JSONValue]:
    """Return a problem as an agent gets it, with its place, and the line and a caret below it."""
    shown: dict[str, JSONValue] = {"severity": problem.severity, "message": problem.message}
    if problem.location is not None:
        shown |= {"line": problem.location.line, "column": problem.location.column}
    if problem.path:
        shown["path"] = problem.path
    if problem.suggestion:
        shown["suggestion"] = problem.suggestion
    shown["text"] = problem.render()
    return shown
