"""`python_exec` for agents: code in the sandbox, which may call only the tools that the agent could call itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from ael.app.application import App
from ael.app.serving.builtin import BuiltinTools
from ael.app.serving.runs import Runs
from ael.app.serving.served import Answer, Caller, ServedTool
from ael.app.serving.upstream import UpstreamTools
from ael.app.tools import PYTHON_EXEC, call_tool
from ael.engine.engine import new_execution_id
from ael.errors import CodeTimeout, ErrorRecord, ToolRejected, did_you_mean
from ael.tools import ToolRef
from ael.values import JSONValue

#: What an agent can do, where others would change a step.
_INSTEAD = {
    CodeTimeout.code: "Do less in one program, or split the work over several. The limit is `python_exec.timeout` in "
    "AEL's configuration.",
}


class CodeTool(BuiltinTools):
    """Offers `python_exec`."""

    def __init__(self, app: App, runs: Runs, upstream: UpstreamTools, named: Callable[[], dict[str, ToolRef]]) -> None:
        """Take whose list has to be complete, and what returns the servers' tools by the names that agents know."""
        self._app = app
        self._runs = runs
        self._upstream = upstream
        self._named = named
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
        named = self._named()
        work = call_tool(
            self._app,
            PYTHON_EXEC.name,
            arguments,
            scope=tuple(named),
            resolved=named,
            principal=caller.principal,
            execution_id=execution_id,
        )
        execution = await self._runs.run(work, caller, execution_id)
        meta: dict[str, JSONValue] = {"execution_id": execution_id, "duration_ms": execution.duration_ms}
        if execution.error is not None:
            return Answer(error=_told(execution.error, named), meta=meta)
        return Answer(value=execution.outputs, meta=meta)


def _told(error: ErrorRecord, named: Iterable[str]) -> ErrorRecord:
    """Return an error in the words of whoever wrote the program: there is no step and no workflow of theirs."""
    error = msgspec.structs.replace(error, step_id=None)
    if error.code in _INSTEAD:
        return msgspec.structs.replace(error, suggestion=_INSTEAD[error.code])
    if error.code != ToolRejected.code or error.tool_name in {None, PYTHON_EXEC.name}:
        return error
    return msgspec.structs.replace(
        error,
        detail="the program may call the tools of servers that you are offered, and no others",
        suggestion=did_you_mean(error.tool_name or "", named, "tool") or "There are none.",
    )
