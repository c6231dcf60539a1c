"""A tool source that answers from a script: for tests of the rooms above and for benchmarks; starts no process."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ael.errors import AelError
from ael.tools import ToolInfo, ToolRef
from ael.tools.client import CallResult
from ael.tools.jsonrpc import OnProgress
from ael.tools.servers import Changes
from ael.values import JSONValue

#: An answer: data, an error to raise, or a function of the parameters that gives either.
Answer = Any


class ScriptedTools:
    """Implements `ToolSource`."""

    def __init__(
        self,
        answers: Mapping[str, Answer],
        *,
        name: str = "scripted",
        schemas: Mapping[str, dict[str, JSONValue]] | None = None,
        repeatable: bool = True,
    ) -> None:
        self.name = name
        self.broken: dict[str, str] = {}
        #: (tool, parameters, `_meta`) of every call.
        self.calls: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self._answers = dict(answers)
        self._repeatable = repeatable
        self._changes = Changes()
        self._infos = [self._info(tool, (schemas or {}).get(tool, {"type": "object"})) for tool in answers]

    @property
    def at_hand(self) -> list[ToolInfo]:
        """See `ToolSource.at_hand`."""
        return self._infos

    async def tools(self, *, is_patient: bool = True) -> list[ToolInfo]:
        """See `ToolSource.tools`."""
        return self._infos

    async def call(
        self,
        tool: str,
        params: dict[str, Any],
        *,
        timeout_seconds: float | None,
        meta: dict[str, Any],
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """See `ToolSource.call`."""
        self.calls.append((tool, params, meta))
        answer = self._answers[tool]
        if isinstance(answer, Callable):  # type: ignore[arg-type]  # collections.abc's Callable is a class
            answer = answer(params)
            if inspect.isawaitable(answer):
                answer = await _await(answer)
        if isinstance(answer, AelError):
            raise answer
        return answer if isinstance(answer, CallResult) else CallResult(structured_content=answer, raw=_raw(answer))

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """See `ToolSource.subscribe`."""
        return self._changes.subscribe(on_change)

    def offer(self, tool: str, answer: Answer, schema: dict[str, JSONValue] | None = None) -> None:
        """Offer another tool, or one anew, and tell who listens."""
        self._answers[tool] = answer
        others = [info for info in self._infos if info.ref.name != tool]
        self._infos = [*others, self._info(tool, schema or {"type": "object"})]
        self._changes.tell()

    def _info(self, tool: str, schema: dict[str, JSONValue]) -> ToolInfo:
        return ToolInfo(
            ref=ToolRef(self.name, tool),
            input_schema=schema,
            repeatable=self._repeatable,
            definition={"name": tool, "inputSchema": schema},
        )

    async def close(self) -> None:
        """See `ToolSource.close`."""


def _raw(answer: JSONValue) -> dict[str, JSONValue]:
    return {"content": [], "structuredContent": answer, "isError": False}


async def _await(answer: Awaitable[Answer]) -> Answer:
    return await answer
