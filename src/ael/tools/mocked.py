"""A gateway that answers from the mocks of a test; starts no server and knows no schema.

What it is asked is kept, so that a test can say how often and with what a tool was called.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

from ael.errors import REGISTRY, AelError, ToolUnavailable, nearest
from ael.tools import CallContext, ToolCallEnded, ToolCallStarted
from ael.tools.gateway import check_scope
from ael.values import JSONValue
from ael.workflow.model import Answer, Mock


class MadeCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was made."""

    #: The step that made it.
    step_id: str
    tool: str
    params: dict[str, JSONValue]


class MockedTools:
    """Implements `ToolGateway`."""

    def __init__(self, mocks: Sequence[Mock]) -> None:
        self._mocks = sorted(mocks, key=lambda mock: _is_pattern(mock.tool))
        self._left = {mock.tool: [answer for answer in mock.answers if answer.params is None] for mock in mocks}
        #: Every call, in order.
        self.calls: list[MadeCall] = []
        #: Calls that no mock answers, with why.
        self.unanswered: list[tuple[MadeCall, str]] = []

    async def call(self, name: str, params: dict[str, JSONValue], context: CallContext) -> JSONValue:
        """See `ToolGateway.call`; raises `ToolUnavailable` where there is no answer."""
        context.calls += 1
        number = context.calls
        made = MadeCall(step_id=_step_of(context), tool=name, params=params)
        await context.record(
            ToolCallStarted(call=number, tool=name, resolved=f"mocked__{name}", params=params, repeatable=True)
        )
        try:
            check_scope(name, context)
            self.calls.append(made)
            value = self._answer(made)
        except AelError as error:
            error.tool_name = error.tool_name or name
            await context.record(ToolCallEnded(call=number, tool=name, duration_ms=0.0, error=error.record()))
            raise
        await context.record(ToolCallEnded(call=number, tool=name, duration_ms=0.0, result=value))
        return value

    def _answer(self, made: MadeCall) -> JSONValue:
        mock = next((mock for mock in self._mocks if matches(made.tool, mock.tool)), None)
        if mock is None:
            close = nearest(made.tool, [mock.tool for mock in self._mocks])
            raise self._refuse(made, f"no mock answers it; did you mean '{close}'?" if close else "no mock answers it")
        answer = next(
            (one for one in mock.answers if one.params is not None and contains(made.params, one.params)), None
        )
        if answer is None:
            left = self._left[mock.tool]
            if not left:
                count = sum(one.params is None for one in mock.answers)
                raise self._refuse(made, f"mock '{mock.tool}' has {count} answers, and they are used up")
            answer = left.pop(0) if mock.successive else left[0]
        if answer.error is not None:
            raise _error(made, answer)
        return answer.value

    def _refuse(self, made: MadeCall, why: str) -> ToolUnavailable:
        self.unanswered.append((made, why))
        return ToolUnavailable(
            why, suggestion="Add an answer to the test's mocks.", tool_name=made.tool, retryable=False
        )


def _error(made: MadeCall, answer: Answer) -> AelError:
    kind = REGISTRY[str(answer.error)]
    return kind(
        answer.detail or "the test's mock says so",
        tool_name=made.tool,
        retryable=answer.retryable,
        timeout_seconds="?",
    )


def _step_of(context: CallContext) -> str:
    """Return the step of execution/step/item."""
    return context.key.split("/")[1]


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def matches(tool: str, pattern: str) -> bool:
    """Tell whether a tool's name is the one that a test means."""
    return tool == pattern or fnmatchcase(tool, pattern)


def contains(value: JSONValue, part: JSONValue) -> bool:
    """Tell whether a value has all that `part` has: keys among others, all items in order."""
    if isinstance(part, dict):
        return isinstance(value, dict) and all(key in value and contains(value[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(value, list) and len(value) == len(part) and all(map(contains, value, part))
    return same(value, part)


def same(value: JSONValue, other: JSONValue) -> bool:
    """Compare as JSON does: 1 is 1.0 and never true."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(same(value[key], other[key]) for key in value)
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(same, value, other))
    return value == other
