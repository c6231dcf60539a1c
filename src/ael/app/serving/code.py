"""`python_exec` for agents: code in the sandbox, which may call only the tools that the agent could call itself."""

from __future__ import annotations

import msgspec

from ael.app.application import App
from ael.app.serving.builtin import BuiltinTools
from ael.app.serving.runs import Runs
from ael.app.serving.served import Answer, Caller, ServedTool
from ael.app.serving.upstream import UpstreamTools
from ael.app.tools import PYTHON_EXEC, call_tool
from ael.engine.engine import new_execution_id
from ael.errors import ErrorRecord, ToolRejected, did_you_mean
from ael.values import JSONValue


class CodeTool(BuiltinTools):
    """Offers `python_exec`."""

    def __init__(self, app: App, runs: Runs, upstream: UpstreamTools) -> None:
        self._app = app
        self._runs = runs
        self._upstream = upstream
        definition = {
            "title": "Run Python",
            "description": PYTHON_EXEC.description,
            "inputSchema": PYTHON_EXEC.input_schema,
            # What it calls may do anything that those tools do.
            "annotations": {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True},
        }
        name = PYTHON_EXEC.name
        super().__init__([ServedTool(name=name, safe_name=name, definition=definition, call=self._call)])

    async def _call(self, arguments: dict[str, JSONValue], caller: Caller) -> Answer:
        await self._upstream.ready()
        execution_id = new_execution_id()
        work = call_tool(
            self._app,
            PYTHON_EXEC.name,
            arguments,
            scope=tuple(name for tool in self._upstream.tools() for name in (tool.name, tool.full_name)),
            principal=caller.principal,
            execution_id=execution_id,
        )
        execution = await self._runs.run(work, caller, execution_id)
        meta: dict[str, JSONValue] = {"execution_id": execution_id, "duration_ms": execution.duration_ms}
        if execution.error is not None:
            return Answer(error=self._told(execution.error), meta=meta)
        return Answer(value=execution.outputs, meta=meta)

    def _told(self, error: ErrorRecord) -> ErrorRecord:
        """Return an error in the words of whoever wrote the program: there is no step and no workflow of theirs."""
        error = msgspec.structs.replace(error, step_id=None)
        if error.code != ToolRejected.code or error.tool_name in {None, PYTHON_EXEC.name}:
            return error
        names = [tool.name for tool in self._upstream.tools()]
        return msgspec.structs.replace(
            error,
            detail="the program may call the tools of servers that you are offered, and no others",
            suggestion=did_you_mean(error.tool_name or "", names, "tool") or "There are none.",
        )
