"""A tool source that answers from a script: for tests of the rooms above and for benchmarks; starts no process."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ael.errors import AelError
from ael.tools import ToolInfo, ToolRef
from ael.tools.client import CallResult
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
        #: (tool, parameters, `_meta`) of every call.
        self.calls: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self._answers = dict(answers)
        self._infos = [
            ToolInfo(
                ref=ToolRef(name, tool),
                input_schema=(schemas or {}).get(tool, {"type": "object"}),
                repeatable=repeatable,
            )
            for tool in answers
        ]

    async def tools(self) -> list[ToolInfo]:
        """See `ToolSource.tools`."""
        return self._infos

    async def call(
        self, tool: str, params: dict[str, Any], *, timeout_seconds: float | None, meta: dict[str, Any]
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
        return CallResult(structured_content=answer)

    async def close(self) -> None:
        """See `ToolSource.close`."""


async def _await(answer: Awaitable[Answer]) -> Answer:
    return await answer
