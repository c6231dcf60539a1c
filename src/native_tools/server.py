"""The MCP server: lists the tools, checks parameters, calls, answers; also `python -m native_tools.server`.

Both protocol eras and both transports come from the SDK's low-level server. Above stand `pipes` and `http`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from native_tools import __version__, modern
from native_tools.catalog import offered
from native_tools.environment import Environment
from native_tools.excerpts import excerpt
from native_tools.schemas import Validator, with_whole_numbers
from native_tools.tool import Arguments, Result, Tool, ToolError

if TYPE_CHECKING:
    import mcp_types
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server

#: Where `_meta` of a listed tool says why it cannot be used.
UNAVAILABLE = "ael/unavailable"

#: Where `_meta` of an answer says what failed, as AEL's own server does.
ERROR = "error"

#: Bytes of a result, as JSON.
_MOST_RESULT = 24 * 1024 * 1024

#: Results up to so many bytes are answered as text too, for clients that read nothing else.
_TEXT_TOO = 256 * 1024

#: The first version of the protocol whose answers have structured content.
_STRUCTURED = "2025-06-18"

_MOST_VIOLATIONS = 20

_log = logging.getLogger(__name__)


class NativeTools:
    """The tools of an environment; what a server answers to the two requests that there are."""

    def __init__(self, environment: Environment) -> None:
        self.tools = offered(environment)
        self._environment = environment
        self._validators: dict[str, Validator] = {}

    def server(self) -> Server[Any]:
        """Return a server of the SDK's that answers with these tools."""
        import mcp_types  # noqa: PLC0415 # with the server, when it is served
        from mcp.server.lowlevel import Server  # noqa: PLC0415 # a second to import: not for --help, nor for docs

        listed = mcp_types.ListToolsResult(tools=[mcp_types.Tool.model_validate(one) for one in self.listing()])

        async def list_tools(_: ServerRequestContext[Any], __: object) -> mcp_types.ListToolsResult:
            return listed

        async def call_tool(
            context: ServerRequestContext[Any], params: mcp_types.CallToolRequestParams
        ) -> mcp_types.CallToolResult:
            answer = await self.answer(params.name, params.arguments or {}, context.protocol_version)
            return mcp_types.CallToolResult.model_validate(answer)

        return Server(
            modern.NAME,
            version=__version__,
            title=modern.TITLE,
            on_list_tools=list_tools,
            on_call_tool=call_tool,
            get_tool_input_schema=self.input_schema,
        )

    def listing(self) -> list[dict[str, Any]]:
        """Return the tools as `tools/list` gives them."""
        return [self._listed(tool) for tool in self.tools.values()]

    def _listed(self, tool: Tool) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "outputSchema": tool.output_schema,
            "annotations": msgspec.to_builtins(tool.annotations),
        }
        if why := tool.unavailable(self._environment):
            entry["description"] = f"Unavailable: {why} {tool.description}"
            entry["_meta"] = {UNAVAILABLE: why}
        return entry

    def input_schema(self, name: str) -> Mapping[str, Any] | None:
        """Return the schema of a tool's parameters."""
        tool = self.tools.get(name)
        return None if tool is None else tool.input_schema

    async def answer(self, name: str, arguments: Arguments, version: str = _STRUCTURED) -> dict[str, Any]:
        """Call a tool and return the result of `tools/call`; a failure is a result too."""
        try:
            result = await self.call(name, arguments)
            encoded = msgspec.json.encode(result)
        except ToolError as error:
            return _failure(error)
        except Exception:  # noqa: BLE001 # a defect of the tool: told, and put into the log
            _log.exception("%s failed", name)
            return _failure(ToolError(f"{name} failed by a defect of its own; the server's log says more."))
        if len(encoded) > _MOST_RESULT:
            size = f"the result has {len(encoded)} bytes, at most {_MOST_RESULT} are returned"
            return _failure(ToolError(f"{size}. Ask for less."))
        if len(encoded) <= _TEXT_TOO or version < _STRUCTURED:
            text = encoded.decode()
        else:
            text = f"{len(encoded)} bytes of JSON: see the structured content of this result."
        return {"content": [{"type": "text", "text": text}], "structuredContent": result}

    async def call(self, name: str, arguments: Arguments) -> Result:
        """Check the parameters and call a tool; raises `ToolError`."""
        tool = self.tools.get(name)
        if tool is None:
            close = get_close_matches(name, self.tools, 1)
            hint = f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(self.tools)}."
            raise ToolError(f"there is no tool '{excerpt(name, 80)}'. {hint}")
        if why := tool.unavailable(self._environment):
            raise ToolError(f"{name} is unavailable: {why}")
        self._check(tool, arguments)
        return await tool.run(with_whole_numbers(tool.input_schema, arguments), self._environment)

    def _check(self, tool: Tool, arguments: Arguments) -> None:
        validator = self._validators.get(tool.name)
        if validator is None:
            validator = self._validators[tool.name] = Validator(tool.input_schema)
        try:
            if validator.is_valid(arguments):
                return
            found, count = validator.violations(arguments, _MOST_VIOLATIONS)
        except ValueError as error:
            # Deeper than is looked, or half a character.
            raise ToolError(f"invalid parameters for {tool.name}: {excerpt(str(error), 200)}.") from error
        said = "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in found)
        more = f"; and {count - len(found)} more" if count > len(found) else ""
        required = tool.input_schema["required"]
        known = ", ".join(f"{key} (required)" if key in required else key for key in tool.input_schema["properties"])
        raise ToolError(f"invalid parameters for {tool.name}: {said}{more}. It takes: {known or 'nothing'}.")


def _failure(error: ToolError) -> dict[str, Any]:
    # Names of files may be no text, and who waits gets no answer at all with one of them in it.
    message = error.message.encode("utf-8", "backslashreplace").decode()
    told: dict[str, Any] = {"message": message, "retryable": error.retryable}
    if error.status is not None:
        told["status"] = error.status
    if error.retry_after is not None:
        told["retry_after"] = error.retry_after
    return {"content": [{"type": "text", "text": message}], "isError": True, "_meta": {ERROR: told}}


if __name__ == "__main__":
    from native_tools.__main__ import main

    sys.exit(main())
