"""The loop over a plan: every step whose dependencies are done starts; the first failure stops it.

Deterministic: it knows no clock, no randomness, no storage and no network, and asks its `Host`. Nothing in it
assumes one process.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Literal

import msgspec

from ael.engine.budget import Budget
from ael.engine.host import Host, StepEnded, StepKey
from ael.engine.retry import Policy, policy_of
from ael.engine.scope import Scope
from ael.errors import AelError, InternalError, Location, TemplateFailed
from ael.journal.events import (
    StepCompensated,
    StepFailed,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepSucceeded,
)
from ael.plan import Plan, Section, undo_step
from ael.plan.places import problem_at, step_path
from ael.steps import StepContext, StepFailure, StepResult, StepRunner
from ael.values import JSONValue
from ael.workflow.expressions import render, render_value, truth
from ael.workflow.model import ApprovalStep, CodeStep, RetryPolicy, Step, StepId, ToolStep, WaitStep, WorkflowStep

_log = logging.getLogger("ael.step")

#: Makes the context of one attempt: (step, index, item, attempt, rendered values, start) → context.
MakeContext = Callable[[Step, int | None, Mapping[str, JSONValue], int, dict[str, JSONValue], int], StepContext]


#: What the first failure does to steps that run beside it: it cancels them; lets them end ("finish"); or lets them end
#: and what waits for none that failed start too ("drain"). The latter two make an order that time alone would decide.
AfterFailure = Literal["cancel", "finish", "drain"]


class Interpreter:
    """Runs the sections of one plan."""

    def __init__(
        self,
        plan: Plan,
        host: Host,
        scope: Scope,
        runners: Mapping[str, StepRunner],
        make_context: MakeContext,
        *,
        retry: RetryPolicy,
        max_parallel: int,
        budget: Budget,
        after_failure: AfterFailure = "cancel",
        only: frozenset[StepId] | None = None,
    ) -> None:
        self._plan = plan
        self._host = host
        self._scope = scope
        self._runners = runners
        self._make_context = make_context
        self._retry = retry
        self._max_parallel = max_parallel
        self._budget = budget
        self._after_failure = after_failure
        self._only = only
        self._policies: dict[StepId, Policy] = {}

    def renew(self, budget: Budget) -> None:
        """Take another budget from now on: what cleans up must not lack what the steps have used up."""
        self._budget = budget

    async def run(self, section: Section) -> StepFailed | None:
        """Run one section; return the failure that stopped it, if any."""
        steps = self._plan.section(section)
        if self._only is not None:
            steps = tuple(step for step in steps if step.id in self._only)
        if not steps:
            return None
        graph = _Ready(steps, self._plan.dependencies)
        running: dict[asyncio.Task[StepEnded], Step] = {}
        failures: list[StepFailed] = []
        async with asyncio.TaskGroup() as group:
            while running or (graph and self._goes_on(failures)):
                while graph and len(running) < self._max_parallel and self._goes_on(failures):
                    step = graph.take()
                    if running or graph:
                        running[group.create_task(self._step(step))] = step
                        continue
                    # Alone: a task of its own would only cost time.
                    self._ended(await self._step(step), graph, failures)
                if not running:
                    continue
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda task: graph.position(running[task].id)):
                    del running[task]
                    self._ended(task.result(), graph, failures)
                if failures and self._after_failure == "cancel":
                    for task in running:
                        task.cancel()
                    break
        return min(failures, key=lambda ended: graph.position(StepId(ended.step_id)), default=None)

    def _goes_on(self, failures: list[StepFailed]) -> bool:
        return not failures or self._after_failure == "drain"

    def _ended(self, ended: StepEnded, graph: _Ready, failures: list[StepFailed]) -> None:
        if isinstance(ended, StepFailed):
            failures.append(ended)
        else:
            graph.release(StepId(ended.step_id))

    async def compensate(self) -> list[StepFailed]:
        """Undo what completed, the last first; return what could not be undone. Each item of a `foreach` counts."""
        done: dict[StepId, list[StepSucceeded]] = {}
        steps = {step.id: step for step in self._plan.workflow.steps if step.compensate is not None}
        for ended in self._host.completed() if steps else ():
            step = steps.get(StepId(ended.step_id))
            if step is not None and (step.foreach is None or ended.index is not None):
                # Taken out and put in again, so that a step stands where its last item ended.
                ends = done.pop(step.id, [])
                ends.append(ended)
                done[step.id] = ends
        failures: list[StepFailed] = []
        for step_id, ends in reversed(done.items()):
            failures += await self._undo(steps[step_id], ends)
        return failures

    async def _undo(self, step: Step, ends: Sequence[StepSucceeded]) -> list[StepFailed]:
        """Undo one step, or those of its items that completed."""
        undo = undo_step(step)
        assert undo is not None
        failures: list[StepFailed] = []
        is_undone = True

        async def one(ended: StepSucceeded, item: Mapping[str, JSONValue]) -> None:
            nonlocal is_undone
            names = {"output": ended.output, **item}
            key = StepKey(undo.id, ended.index)
            result = await self._host.step(key, lambda: self._attempts(undo, ended.index, names))
            is_undone &= isinstance(result, StepSucceeded)
            if isinstance(result, StepFailed):
                failures.append(result)

        async def every(items: list[JSONValue]) -> StepEnded:
            host, begun = self._host, self._host.elapsed()
            host.record(StepStarted(at=host.now(), step_id=undo.id, items=len(items)))
            # By their places, which time does not decide.
            for ended in sorted(ends, key=lambda one: one.index or 0, reverse=True):
                index = ended.index or 0
                await one(ended, {"item": items[index], "index": index, step.item_name: items[index]})
            at, duration = host.now(), host.elapsed() - begun
            if failures:
                return msgspec.structs.replace(failures[0], index=None, at=at, duration_ms=duration)
            return StepSucceeded(at=at, step_id=undo.id, duration_ms=duration)

        if step.foreach is None:
            await one(ends[-1], {})
        else:
            items = self._list(step, step.foreach)
            await self._host.step(StepKey(undo.id), lambda: every(items))
        if is_undone:
            self._host.record(StepCompensated(at=self._host.now(), step_id=step.id))
            self._scope.compensated(step.id)
        return failures

    # -- one step -----------------------------------------------------------------------------------------------

    async def _step(self, step: Step) -> StepEnded:
        ended = await self._host.step(StepKey(step.id), lambda: self._perform(step))
        self._scope.finished(ended)
        return ended

    async def _perform(self, step: Step) -> StepEnded:
        begun = self._host.elapsed()
        try:
            self._budget.take_steps(1)
            if not self._wanted(step):
                return StepSkipped(at=self._host.now(), step_id=step.id, reason="when")
            items = self._items(step)
        except AelError as error:
            return self._settle(step, None, StepFailure(error), 1, begun)
        if items is None:
            return await self._attempts(step, None, {})
        return await self._foreach(step, items, begun)

    def _policy(self, step: Step) -> Policy:
        """Return what to do when the step fails, which few do."""
        known = self._policies.get(step.id)
        if known is None:
            known = self._policies[step.id] = policy_of(step, self._plan.workflow, self._retry)
        return known

    def _wanted(self, step: Step) -> bool:
        if step.when is None or isinstance(step.when, bool):
            return step.when is not False
        with self._located(step, "when", step.when):
            return truth(self._plan.conditions[step.when], self._scope.of_step(step.id, {}))

    async def _attempts(self, step: Step, index: int | None, item: Mapping[str, JSONValue]) -> StepEnded:
        host, attempt, begun = self._host, 1, self._host.elapsed()
        while True:
            try:
                result = await self._attempt(step, index, item, attempt)
            except StepFailure as failure:
                error = failure.error.at_step(step.id, attempt)
                delay = self._policy(step).delay(error, attempt, self.seed_of(step.id, index, attempt))
                if delay is None:
                    return self._settle(step, index, failure, attempt, begun)
                host.record(
                    StepRetried(
                        at=host.now(),
                        step_id=step.id,
                        index=index,
                        attempt=attempt,
                        error=error.record(),
                        delay_seconds=delay,
                        printed=failure.printed,
                        clock=failure.clock,
                    )
                )
            else:
                return StepSucceeded(
                    at=host.now(),
                    step_id=step.id,
                    index=index,
                    attempt=attempt,
                    output=result.output,
                    printed=result.printed,
                    clock=result.clock,
                    duration_ms=host.elapsed() - begun,
                )
            await host.sleep(host.now() + int(delay * 1000))
            attempt += 1

    async def _attempt(self, step: Step, index: int | None, item: Mapping[str, JSONValue], attempt: int) -> StepResult:
        """Make one attempt; whatever goes wrong becomes a `StepFailure`."""
        started = self._host.started(StepKey(step.id, index), attempt)
        try:
            values = self._values(step, item)
        except AelError as error:
            self._host.record(StepStarted(at=started, step_id=step.id, index=index, attempt=attempt))
            raise StepFailure(error) from error
        shown = self._shown(step, values)
        self._host.record(StepStarted(at=started, step_id=step.id, index=index, attempt=attempt, inputs=shown))
        try:
            context = self._make_context(step, index, item, attempt, values, started)
            result = await self._runners[_kind(step)].run(step, context)
        except (StepFailure, asyncio.CancelledError):
            raise
        except AelError:
            # Journal and conflict errors end the execution: nothing may go on that is not recorded.
            raise
        except Exception as error:  # a defect of AEL: recorded under an id, the stack goes to the log
            incident = secrets.token_hex(4)
            _log.exception("internal error %s in step '%s'", incident, step.id)
            raise StepFailure(InternalError(f"report it as {incident}; the log has the details")) from error
        try:
            await self._budget.take_output(result.output)
        except AelError as error:
            raise StepFailure(error, result.printed, result.clock) from error
        return result

    def _settle(
        self, step: Step, index: int | None, failure: StepFailure, attempt: int, begun: float
    ) -> StepFailed | StepSkipped:
        record = failure.error.at_step(step.id, attempt).record()
        at, duration = self._host.now(), self._host.elapsed() - begun
        if self._policy(step).after() == "continue":
            return StepSkipped(
                at=at,
                step_id=step.id,
                index=index,
                reason="error",
                attempt=attempt,
                error=record,
                printed=failure.printed,
                clock=failure.clock,
                duration_ms=duration,
            )
        return StepFailed(
            at=at,
            step_id=step.id,
            index=index,
            attempt=attempt,
            error=record,
            printed=failure.printed,
            clock=failure.clock,
            duration_ms=duration,
        )

    # -- foreach ------------------------------------------------------------------------------------------------

    def _items(self, step: Step) -> list[JSONValue] | None:
        if step.foreach is None:
            return None
        found = self._list(step, step.foreach)
        self._budget.take_steps(len(found))
        return found

    def _list(self, step: Step, foreach: str) -> list[JSONValue]:
        with self._located(step, "foreach", foreach):
            found = render(self._plan.conditions[foreach], self._scope.of_step(step.id, {}))
        if isinstance(found, dict):
            found = [{"key": key, "value": value} for key, value in found.items()]
        if not isinstance(found, list):
            detail = f"foreach of step '{step.id}' gives {type(found).__name__}, not a list or an object"
            raise TemplateFailed(detail, suggestion="Give a list, or an object whose entries become {key, value}.")
        return found

    async def _foreach(self, step: Step, items: list[JSONValue], begun: float) -> StepEnded:
        host = self._host
        host.record(StepStarted(at=host.now(), step_id=step.id, items=len(items)))
        outputs: list[JSONValue] = [None] * len(items)
        indices = iter(range(len(items)))
        failed: list[StepFailed] = []

        async def work() -> None:
            for index in indices:
                if failed and self._after_failure != "drain":
                    return
                ended = await self._item(step, index, items[index])
                if isinstance(ended, StepFailed):
                    failed.append(ended)
                elif isinstance(ended, StepSucceeded):
                    outputs[index] = ended.output

        # One at a time means items too.
        workers = 1 if self._max_parallel == 1 else min(step.max_parallel, max(len(items), 1))
        if workers == 1:
            await work()
        else:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work())
        duration = host.elapsed() - begun
        if not failed:
            return StepSucceeded(at=host.now(), step_id=step.id, output=outputs, duration_ms=duration)
        first = min(failed, key=lambda ended: ended.index or 0)
        if self._policy(step).after() == "continue":
            return StepSkipped(at=host.now(), step_id=step.id, reason="error", error=first.error, duration_ms=duration)
        return msgspec.structs.replace(first, index=None, at=host.now(), duration_ms=duration)

    async def _item(self, step: Step, index: int, item: JSONValue) -> StepEnded:
        names: dict[str, JSONValue] = {"item": item, "index": index, step.item_name: item}

        async def run() -> StepEnded:
            ended = await self._attempts(step, index, names)
            if isinstance(ended, StepFailed) and step.on_item_error == "continue":
                return StepSkipped(
                    at=ended.at,
                    step_id=step.id,
                    index=index,
                    reason="error",
                    attempt=ended.attempt,
                    error=ended.error,
                    printed=ended.printed,
                    clock=ended.clock,
                    duration_ms=ended.duration_ms,
                )
            return ended

        return await self._host.step(StepKey(step.id, index), run)

    # -- values -------------------------------------------------------------------------------------------------

    def _values(self, step: Step, item: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
        """Render what an attempt runs with; raises `TemplateFailed` with its place in the file."""
        if isinstance(step, ToolStep) and not step.params:
            return {}
        scope = self._scope.of_step(step.id, item)
        match step:
            case ToolStep() | WorkflowStep():
                with self._located(step, "params", ""):
                    return {
                        key: self._render(step, f"params.{key}", value, scope) for key, value in step.params.items()
                    }
            case CodeStep():
                with self._located(step, "code", step.code):
                    return {name: render(template, scope) for name, template in self._plan.code[step.id].bindings}
            case WaitStep():
                return {
                    "seconds": self._render(step, "wait.seconds", step.seconds, scope),
                    "until": self._render(step, "wait.until", step.until, scope),
                }
            case ApprovalStep():
                return {"message": self._render(step, "approval.message", step.message, scope)}

    def _render(self, step: Step, path: str, value: JSONValue, scope: Mapping[str, JSONValue]) -> JSONValue:
        with self._located(step, path, value if isinstance(value, str) else ""):
            return render_value(value, self._plan.templates, scope)

    def _shown(self, step: Step, values: dict[str, JSONValue]) -> JSONValue:
        """Return what the record shows as the step's inputs: for code, the value of each template."""
        if not isinstance(step, CodeStep):
            return values
        bindings = dict(self._plan.code[step.id].bindings)
        return {bindings[name].source.strip(): value for name, value in values.items()} or None

    def _located(self, step: Step, path: str, text: str) -> _Located:
        return _Located(self._plan, step.id, path, text)

    def seed_of(self, step_id: StepId, index: int | None, attempt: int) -> int:
        """Return the seed of one attempt, which scheduling does not change."""
        text = f"{self._host.random_seed()}/{step_id}/{index}/{attempt}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class _Located:
    """Gives a template error its place in the file; a context manager."""

    def __init__(self, plan: Plan, step_id: StepId, path: str, text: str) -> None:
        self._plan = plan
        self._step_id = step_id
        self._path = path
        self._text = text

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TemplateFailed) and error.location is None:
            error.location = _place(self._plan, self._step_id, self._path)


def _place(plan: Plan, step_id: StepId, path: str) -> Location | None:
    where = step_path(plan.workflow, step_id)
    return problem_at(plan.definition.source, f"{where}.{path}", "", 0, "").location if where else None


def _kind(step: Step) -> str:
    match step:
        case ToolStep():
            return "tool"
        case CodeStep():
            return "code"
        case WorkflowStep():
            return "workflow"
        case ApprovalStep():
            return "approval"
        case WaitStep():
            return "wait"


class _Ready:
    """Steps whose dependencies are done, in file order."""

    def __init__(self, steps: Sequence[Step], dependencies: Mapping[StepId, Sequence[StepId]]) -> None:
        self._steps = steps
        self._position = {step.id: index for index, step in enumerate(steps)}
        self._missing = {step.id: len(dependencies[step.id]) for step in steps}
        self._dependents: dict[StepId, list[StepId]] = {step.id: [] for step in steps}
        for step in steps:
            for before in dependencies[step.id]:
                self._dependents[before].append(step.id)
        self._ready = [index for index, step in enumerate(steps) if not self._missing[step.id]]
        heapify(self._ready)

    def __bool__(self) -> bool:
        return bool(self._ready)

    def position(self, step_id: StepId) -> int:
        return self._position[step_id]

    def take(self) -> Step:
        return self._steps[heappop(self._ready)]

    def release(self, step_id: StepId) -> None:
        for after in self._dependents[step_id]:
            self._missing[after] -= 1
            if not self._missing[after]:
                heappush(self._ready, self._position[after])
