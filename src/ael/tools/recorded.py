"""A gateway that answers from the record of an execution: for replay; calls nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from ael.errors import AelError, ErrorRecord, ToolUnavailable, from_record
from ael.journal.events import Event, ToolCalled, ToolReturned
from ael.tools import CallContext, ToolCallEnded, ToolCallStarted
from ael.tools.gateway import check_scope
from ael.tools.mocked import same
from ael.values import JSONValue


class _Answer(msgspec.Struct, kw_only=True):
    """A recorded call and what came back."""

    called: ToolCalled
    returned: ToolReturned | None = None
    is_used: bool = False


class RecordedTools:
    """Implements `ToolGateway`."""

    def __init__(self, records: Mapping[str, Sequence[Event]], *, anywhere: bool = False) -> None:
        """Take the events of an execution and its children, by id.

        `anywhere`: a step may take the answer that another step of its execution got, for a workflow that has changed.
        """
        self._anywhere = anywhere
        self._answers: dict[str, list[_Answer]] = {name: _answers(events) for name, events in records.items()}
        #: Steps whose calls the record does not answer: (execution id, step id, tool, parameters).
        self.unanswered: list[tuple[str, str, str, dict[str, JSONValue]]] = []

    async def call(self, name: str, params: dict[str, JSONValue], context: CallContext) -> JSONValue:
        """See `ToolGateway.call`; raises what was raised, and `ToolUnavailable` where the record has no such call.

        A call that was never answered is not answered now either: what cut it off then does so again.
        """
        context.calls += 1
        number = context.calls
        execution_id, step_id, index = _place(context.key)
        found = self._find(execution_id, step_id, index, context.attempt, number, name, params)
        resolved = found.called.resolved if found else ""
        await context.record(ToolCallStarted(call=number, tool=name, resolved=resolved, params=params, repeatable=True))
        try:
            check_scope(name, context)
            value = await self._answer(found, (execution_id, step_id, name, params))
        except AelError as error:
            error.tool_name = error.tool_name or name
            duration = found.returned.duration_ms if found and found.returned else 0.0
            await context.record(ToolCallEnded(call=number, tool=name, duration_ms=duration, error=error.record()))
            raise
        duration = found.returned.duration_ms if found and found.returned else 0.0
        await context.record(ToolCallEnded(call=number, tool=name, duration_ms=duration, result=value))
        return value

    async def _answer(self, found: _Answer | None, asked: tuple[str, str, str, dict[str, JSONValue]]) -> JSONValue:
        if found is None:
            self.unanswered.append(asked)
            detail = "the record holds no answer to this call"
            raise ToolUnavailable(detail, tool_name=asked[2], retryable=False)
        found.is_used = True
        if found.returned is None:
            await asyncio.Event().wait()
        returned = found.returned
        assert returned is not None
        if returned.error is not None:
            raise _again(returned.error)
        return returned.result

    def _find(
        self,
        execution_id: str,
        step_id: str,
        index: int | None,
        attempt: int,
        number: int,
        name: str,
        params: dict[str, JSONValue],
    ) -> _Answer | None:
        """Return the recorded call that this one repeats: the same tool and parameters, the same number if it can be.

        Calls that code makes at the same time may come in another order than they did.
        """
        fitting = [
            answer
            for answer in self._answers.get(execution_id, ())
            if not answer.is_used and answer.called.tool == name and same(answer.called.params, params)
        ]
        own = [
            answer
            for answer in fitting
            if (answer.called.step_id, answer.called.index, answer.called.attempt) == (step_id, index, attempt)
        ]
        for answer in own:
            if answer.called.call == number:
                return answer
        if own:
            return own[0]
        return fitting[0] if fitting and self._anywhere else None


def _answers(events: Sequence[Event]) -> list[_Answer]:
    found: list[_Answer] = []
    open_calls: dict[tuple[str, int | None, int, int], _Answer] = {}
    for event in events:
        match event:
            case ToolCalled():
                answer = _Answer(called=event)
                found.append(answer)
                open_calls[event.step_id, event.index, event.attempt, event.call] = answer
            case ToolReturned():
                known = open_calls.pop((event.step_id, event.index, event.attempt, event.call), None)
                if known is not None:
                    known.returned = event
    return found


def _place(key: str) -> tuple[str, str, int | None]:
    """Return execution, step and item of an idempotency key."""
    execution_id, step_id, *rest = key.split("/")
    return execution_id, step_id, int(rest[0]) if rest else None


def _again(record: ErrorRecord) -> AelError:
    """Return the error as the gateway raised it: which step and attempt it belongs to is said once more above."""
    return from_record(msgspec.structs.replace(record, step_id=None, attempt=None))
