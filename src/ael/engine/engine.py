"""Executions: queue, time limit, sections, children, the end of each.

`Engine.run` takes a plan and validated inputs and returns the `Execution`; a failed workflow is a result, not an
exception. Above stands the app; below the interpreter and the step kinds.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

import msgspec

from ael.engine.budget import Budget
from ael.engine.embedded import EmbeddedHost, OnEvent
from ael.engine.host import StepKey
from ael.engine.interpreter import AfterFailure, Interpreter
from ael.engine.results import results
from ael.engine.retry import BUILT_IN, retry_of
from ael.engine.scope import Scope
from ael.engine.time_limit import TimeLimit
from ael.errors import (
    AelError,
    ErrorRecord,
    ExecutionCancelled,
    InternalError,
    QueueFull,
    ResourceExhausted,
    WorkflowTimeout,
    from_record,
)
from ael.journal import Journal, events
from ael.journal.fold import Execution, fold
from ael.plan import Plan, undoes
from ael.sandbox.contract import CodeSession, Limits, PackageSet, Sandbox
from ael.steps import Decision, StepContext, StepRunner
from ael.steps.approval import ApprovalRunner
from ael.steps.code import CodeRunner
from ael.steps.tool import ToolRunner
from ael.steps.wait import WaitRunner
from ael.steps.workflow import WorkflowRunner
from ael.tools import CallContext, Refusal, ToolCallEnded, ToolCallStarted, ToolGateway, ToolRef
from ael.values import JSONValue, digest
from ael.workflow.inputs import validate_inputs
from ael.workflow.model import CodeStep, RetryPolicy, Step, StepId, Workflow, WorkflowStep

#: Deepest nesting of workflow steps at run time.
MAX_DEPTH = 8

#: Seconds that `finally` gets after a cancellation, which must be over within one second.
_FINALLY_AFTER_CANCEL = 0.8

#: Errors that the end of an execution names; the others stand with their steps.
_FAILURES_TOLD = 10

#: Plans whose JSON is kept.
_TEXTS_KEPT = 256

#: Finds the plan of `NAME` or `NAME@VERSION`; raises `WorkflowNotFound`.
ResolveWorkflow = Callable[[str], Awaitable[Plan]]


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and defaults of all executions; times in seconds."""

    max_concurrent: int = 10
    queue_limit: int = 1000
    max_parallel_steps: int = 8
    default_timeout: float = 300.0
    max_steps: int = 1000
    max_output: int = 256 * 1024 * 1024
    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()
    #: "step": code reads the recorded start of its attempt as the time; "real": the machine's clock.
    clock: str = "step"
    allowed_imports: tuple[str, ...] = ()
    #: Environment variables that templates may read as `env.NAME`.
    template_env: dict[str, str] = {}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One execution to run; `inputs` are validated."""

    plan: Plan
    inputs: dict[str, JSONValue]
    execution_id: str
    seed: int
    timeout_seconds: float | None = None
    principal: str = "local"
    parent: str | None = None
    parent_step: str | None = None
    depth: int = 0
    #: Values that every reader masks.
    secrets: tuple[str, ...] = ()
    #: Of a child: its parent's, which it shares.
    budget: Budget | None = None
    #: Told of the progress of this execution's own tool calls, and of their answers as the servers gave them.
    on_progress: Callable[[float, float | None, str | None], None] | None = None
    on_result: Callable[[dict[str, JSONValue] | Refusal], None] | None = None
    #: What names of tools mean beside what the catalog says of them.
    resolved: Mapping[str, ToolRef] = {}


def new_execution_id() -> str:
    """Return a fresh execution id."""
    return f"exec-{secrets.token_hex(12)}"


def child_execution_id(parent: str, key: str) -> str:
    """Return the id of a child execution, which its parent's id and the attempt that starts it make.

    So whoever reads the record, or repeats it, finds the child. `key` is step/item/attempt.
    """
    return f"exec-{hashlib.blake2b(f'{parent}/{key}'.encode(), digest_size=12).hexdigest()}"


def new_seed() -> int:
    """Return a fresh seed, 63 bits."""
    return secrets.randbits(63)


class Engine:
    """Runs executions in this process."""

    def __init__(
        self,
        *,
        journal: Journal,
        gateway: ToolGateway,
        sandbox: Sandbox,
        resolve: ResolveWorkflow,
        options: EngineOptions,
        make_run: MakeRun | None = None,
    ) -> None:
        """Take the parts; `make_run` is how an execution runs, where it is not for the first time or not for real."""
        self._journal = journal
        self._make_run = make_run or _run_for_real
        self._gateway = gateway
        self._sandbox = sandbox
        self._resolve = resolve
        self._options = options
        self._slots = asyncio.Semaphore(options.max_concurrent)
        self._queued = 0
        self._texts: dict[int, tuple[Plan, bytes, str]] = {}
        self._retry = retry_of(BUILT_IN, options.retry)
        self._runners: dict[str, StepRunner] = {
            "tool": ToolRunner(),
            "code": CodeRunner(),
            "workflow": WorkflowRunner(),
            "approval": ApprovalRunner(),
            "wait": WaitRunner(),
        }

    async def run(self, request: Request, on_event: OnEvent | None = None) -> Execution:
        """Run one execution to its end and return it.

        Cancelling the task cancels the execution: it is recorded before `CancelledError` goes on. Raises
        `QueueFull` before anything starts, `JournalUnavailable` or `ExecutionConflict` when the record is lost.
        """
        async with self._slot(request):
            run = self._make_run(self, request, on_event)
            try:
                return await run.to_the_end()
            except BaseExceptionGroup as group:
                raise _first(group) from group

    def text_of(self, plan: Plan) -> tuple[bytes, str]:
        """Return the JSON of a plan and its digest; made once while the plan is in use."""
        known = self._texts.get(id(plan))
        if known is not None and known[0] is plan:
            return known[1:]
        if len(self._texts) >= _TEXTS_KEPT:
            self._texts.clear()
        text = msgspec.json.encode(plan)
        self._texts[id(plan)] = (plan, text, digest(text))
        return self._texts[id(plan)][1:]

    @asynccontextmanager
    async def _slot(self, request: Request) -> AsyncIterator[None]:
        """Wait for one of `max_concurrent` places; a child runs in its parent's, or both could wait for ever."""
        if request.depth:
            yield
            return
        if self._slots.locked() and self._queued >= self._options.queue_limit:
            raise QueueFull(
                f"{self._options.max_concurrent} executions run and {self._queued} wait",
                suggestion="Try again later, or raise execution.queue_limit.",
            )
        self._queued += 1
        try:
            await self._slots.acquire()
        finally:
            self._queued -= 1
        try:
            yield
        finally:
            self._slots.release()


class Run:
    """One execution under way."""

    def __init__(
        self,
        engine: Engine,
        request: Request,
        host: EmbeddedHost,
        on_event: OnEvent | None,
        *,
        after_failure: AfterFailure = "cancel",
        only: frozenset[StepId] | None = None,
    ) -> None:
        self.engine = engine
        self.request = request
        self.plan = request.plan
        self.options = engine._options  # noqa: SLF001 # the two classes are one unit
        self.host = host
        self.budget = request.budget or Budget(self.options.max_steps, self.options.max_output)
        self.scope = Scope(self.plan, request.inputs, request.execution_id, self.options.template_env)
        self.on_event = on_event
        self.session: CodeSession | None = None
        self.resolved = dict(request.resolved)
        self.timer = TimeLimit(self._timeout())
        self._default_timeout = self.plan.workflow.defaults.timeout
        self.interpreter = Interpreter(
            self.plan,
            self.host,
            self.scope,
            engine._runners,  # noqa: SLF001 # as above
            self._context,
            retry=engine._retry,  # noqa: SLF001 # as above
            max_parallel=self.options.max_parallel_steps,
            budget=self.budget,
            after_failure=after_failure,
            only=only,
        )

    async def to_the_end(self) -> Execution:
        """Run all sections and record the end."""
        self._record_start()
        end: events.Event
        try:
            async with self._code_session(), self.timer:
                end = await self._sections()
        except TimeoutError:
            record = WorkflowTimeout(
                "the execution took longer than its time limit",
                suggestion="Raise `timeout` of the workflow, or execution.default_timeout.",
                timeout_seconds=_seconds(self.timer.seconds),
            ).record()
            if self._cleans_up():
                record = await self._clean_up(record)
            end = events.ExecutionTimedOut(at=self.host.now(), error=record, sandbox=self._layers())
        except asyncio.CancelledError:
            record = ExecutionCancelled("it was stopped from outside").record()
            await self._after_cancel(record)
            raise
        self.host.record(end)
        await self.host.commit()
        return fold(self.request.execution_id, self.host.events)

    async def _sections(self) -> events.Event:
        failed = await self.interpreter.run("steps")
        if failed is None:
            try:
                outputs = results(self.plan, self.scope.of_results())
                await self.budget.take_output(outputs)
            except AelError as error:
                return await self._end(error.record())
            return await self._end(None, outputs)
        return await self._end(failed.error)

    async def _end(self, error: ErrorRecord | None, outputs: JSONValue = None) -> events.Event:
        """Undo, run `on_failure` and `finally`; return the event that ends the execution."""
        if error is not None:
            error = await self._undo(error)
            await self.interpreter.run("on_failure")
        last = await self.interpreter.run("finally")
        if error is None and last is not None:
            error = await self._undo(last.error)
        if error is not None:
            return events.ExecutionFailed(at=self.host.now(), error=error, sandbox=self._layers())
        return events.ExecutionSucceeded(at=self.host.now(), outputs=outputs, sandbox=self._layers())

    async def _undo(self, error: ErrorRecord) -> ErrorRecord:
        """Bring `error` into scope and compensate what completed; return it with what could not be undone."""
        self.scope.failed_with(error)
        self.budget = Budget(self.options.max_steps, self.options.max_output)
        self.interpreter.renew(self.budget)
        failures = await self.interpreter.compensate()
        if failures:
            said = [f"'{undoes(failed.step_id)}' could not be undone: {failed.error}" for failed in failures]
            error = msgspec.structs.replace(error, detail="; ".join([error.detail, *said][:_FAILURES_TOLD]))
            self.scope.failed_with(error)
        return error

    async def _clean_up(self, error: ErrorRecord) -> ErrorRecord:
        """Undo, run `on_failure` and `finally` after the time limit, under a fresh one of the same length."""
        self.timer = TimeLimit(self.timer.seconds)
        try:
            async with self._code_session(), self.timer:
                error = await self._undo(error)
                await self.interpreter.run("on_failure")
                await self.interpreter.run("finally")
        except TimeoutError:
            # The steps that were cut off are recorded as cancelled; the execution's end says timed out either way.
            return msgspec.structs.replace(error, detail=f"{error.detail}; cleaning up was cut off")
        return error

    def _cleans_up(self) -> bool:
        workflow = self.plan.workflow
        undoable = any(step.compensate is not None for step in workflow.steps)
        return bool(workflow.on_failure or workflow.finally_ or undoable)

    async def _after_cancel(self, error: ErrorRecord) -> None:
        if self.plan.workflow.finally_:
            self.scope.failed_with(error)
            self.timer = TimeLimit(_FINALLY_AFTER_CANCEL)
            try:
                async with self._code_session(), self.timer:
                    await self.interpreter.run("finally")
            except TimeoutError:
                error = msgspec.structs.replace(error, detail=f"{error.detail}; finally was cut off")
        self.host.record(events.ExecutionCancelled(at=self.host.now(), error=error, sandbox=self._layers()))
        await self.host.commit()

    # -- what the interpreter asks for --------------------------------------------------------------------------

    def _context(
        self,
        step: Step,
        index: int | None,
        item: Mapping[str, JSONValue],
        attempt: int,
        values: dict[str, JSONValue],
        started: int,
    ) -> StepContext:
        is_code = isinstance(step, CodeStep)
        suffix = "" if index is None else f"/{index}"
        call = CallContext(
            scope=self.plan.tools,
            record=_ToolRecorder(self.host, step.id, index, attempt),
            key=f"{self.request.execution_id}/{step.id}{suffix}",
            attempt=attempt,
            principal=self.request.principal,
            timeout_seconds=None if is_code else step.timeout or self._default_timeout,
            origin="code" if is_code else "step",
            resolved=self.resolved,
            on_progress=self.request.on_progress,
            on_result=self.request.on_result,
        )
        seed = self.interpreter.seed_of(step.id, index, attempt) if isinstance(step, CodeStep | WorkflowStep) else 0
        readings = self.host.readings(StepKey(step.id, index), attempt) if is_code else None
        return StepContext(
            execution_id=self.request.execution_id,
            values=values,
            seed=seed,
            timeout_seconds=step.timeout,
            limits=self._limits(step) if is_code else self.options.limits,
            clock=started / 1000 if self.options.clock == "step" and readings is None else None,
            readings=readings,
            host=_AttemptHost(self, step, index, attempt, seed, started),
            call=call,
            call_tool=self.engine._gateway.call,  # noqa: SLF001 # the two classes are one unit
            code=self.plan.code.get(step.id),
            code_scope=self.scope.of_code(step.id, item) if is_code else None,
            session=self.session,
        )

    def _limits(self, step: Step) -> Limits:
        defaults, base = self.plan.workflow.defaults, self.options.limits
        sandbox = defaults.sandbox
        return Limits(
            timeout_seconds=step.timeout or sandbox.timeout or defaults.timeout or base.timeout_seconds,
            max_memory=sandbox.max_memory or base.max_memory,
            max_tool_calls=base.max_tool_calls if sandbox.max_tool_calls is None else sandbox.max_tool_calls,
            max_output=base.max_output,
        )

    def _timeout(self) -> float:
        return self.request.timeout_seconds or self.plan.workflow.timeout or self.options.default_timeout

    @asynccontextmanager
    async def _code_session(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if self.plan.code:
                packages = packages_of(self.plan.workflow, self.options.allowed_imports)
                session = self.engine._sandbox.session(self.request.execution_id, packages)  # noqa: SLF001 # as above
                self.session = await stack.enter_async_context(session)
            yield
        self.session = None

    def _layers(self) -> tuple[str, ...]:
        return self.engine._sandbox.layers() if self.plan.code else ()  # noqa: SLF001 # as above

    def _record_start(self) -> None:
        workflow, request = self.plan.workflow, self.request
        definition, identity = self.engine.text_of(self.plan)
        self.host.record(
            events.ExecutionStarted(
                at=self.host.now(),
                workflow=workflow.name,
                version=workflow.version,
                definition_digest=identity,
                definition=msgspec.Raw(definition),
                inputs=request.inputs,
                seed=request.seed,
                principal=request.principal,
                parent=request.parent,
                parent_step=request.parent_step,
                steps=tuple((step.id, kind_of(step)) for step in self.plan.steps()),
                secrets=request.secrets,
                env=self.options.template_env,
            )
        )

    async def child_plan(self, child_id: str, reference: str) -> Plan:
        """Return what a child runs: the workflow that a reference means."""
        return await self.engine._resolve(reference)  # noqa: SLF001 # as above

    async def run_child(
        self, step: Step, key: str, seed: int, reference: str, inputs: Mapping[str, JSONValue]
    ) -> JSONValue:
        """Run a workflow step's child; raises the child's error. `key` is step/item/attempt."""
        if self.request.depth >= MAX_DEPTH:
            raise ResourceExhausted(f"workflow steps are nested deeper than {MAX_DEPTH} levels")
        child_id = child_execution_id(self.request.execution_id, key)
        plan = await self.child_plan(child_id, reference)
        child = Request(
            plan=plan,
            inputs=validate_inputs(plan.workflow, inputs),
            execution_id=child_id,
            seed=seed >> 1,
            principal=self.request.principal,
            parent=self.request.execution_id,
            parent_step=step.id,
            depth=self.request.depth + 1,
            budget=self.budget,
            secrets=self.request.secrets,
        )
        ended = await self.engine.run(child, self.on_event)
        if ended.error is not None:
            error = from_record(ended.error)
            error.detail = (
                f"{error.detail} (in workflow '{plan.workflow.name}', execution {ended.execution_id})".strip()
            )
            error.step_id = None
            raise error
        return ended.outputs


def _run_for_real(engine: Engine, request: Request, on_event: OnEvent | None) -> Run:
    host = EmbeddedHost(request.execution_id, engine._journal, request.seed, on_event)  # noqa: SLF001 # one unit
    return Run(engine, request, host, on_event)


#: Makes what runs one execution.
MakeRun: TypeAlias = Callable[[Engine, Request, OnEvent | None], Run]


class _AttemptHost:
    """What one attempt may ask of the engine (see `StepHost`)."""

    def __init__(self, run: Run, step: Step, index: int | None, attempt: int, seed: int, started: int) -> None:
        self._run = run
        self._step = step
        self._index = index
        self._attempt = attempt
        self._seed = seed
        self._started = started

    async def run_child(self, workflow: str, inputs: Mapping[str, JSONValue]) -> JSONValue:
        key = f"{self._step.id}/{'' if self._index is None else self._index}/{self._attempt}"
        return await self._run.run_child(self._step, key, self._seed, workflow, inputs)

    async def sleep(self, until: int) -> None:
        if until <= self._started:
            # Nothing waits, so there is nothing that must be on record first.
            return
        host = self._run.host
        host.record(events.StepWaiting(at=host.now(), step_id=self._step.id, index=self._index, until=until))
        await host.commit()
        with self._run.timer.paused():
            await host.sleep(until)

    async def decision(self, deadline: int | None) -> Decision | None:
        host = self._run.host
        host.record(events.StepWaiting(at=host.now(), step_id=self._step.id, index=self._index, until=deadline))
        await host.commit()
        with self._run.timer.paused():
            return await host.decision(StepKey(self._step.id, self._index), deadline)

    def now(self) -> int:
        return self._started


class _ToolRecorder:
    """Turns what the gateway reports into events; a call that may not be repeated is durable before it is sent."""

    def __init__(self, host: EmbeddedHost, step_id: str, index: int | None, attempt: int) -> None:
        self._host = host
        self._step_id = step_id
        self._index = index
        self._attempt = attempt

    async def __call__(self, report: ToolCallStarted | ToolCallEnded) -> None:
        host = self._host
        match report:
            case ToolCallStarted():
                host.record(
                    events.ToolCalled(
                        at=host.now(),
                        step_id=self._step_id,
                        index=self._index,
                        attempt=self._attempt,
                        call=report.call,
                        tool=report.tool,
                        resolved=report.resolved,
                        params=report.params,
                    )
                )
                if not report.repeatable:
                    await host.commit()
            case ToolCallEnded():
                host.record(
                    events.ToolReturned(
                        at=host.now(),
                        step_id=self._step_id,
                        index=self._index,
                        attempt=self._attempt,
                        call=report.call,
                        tool=report.tool,
                        duration_ms=report.duration_ms,
                        result=report.result,
                        error=report.error,
                    )
                )


def packages_of(workflow: Workflow, allowed_imports: tuple[str, ...]) -> PackageSet:
    """Return what the code of a workflow may import."""
    extra = (*workflow.packages.additional, *workflow.defaults.sandbox.allowed_imports, *allowed_imports)
    return PackageSet(profile=workflow.packages.profile, additional=tuple(sorted(set(extra))))


def kind_of(step: Step) -> str:
    """Return the kind that the record shows; `tool: python_exec` shows as a tool call."""
    if isinstance(step, CodeStep) and step.as_tool:
        return "tool"
    return str(step.__struct_config__.tag)


def _seconds(value: float) -> str:
    return f"{value:g}"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the exception that matters: an error of ours, else the first."""
    flat: list[BaseException] = []
    stack: list[BaseException] = [group]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            stack.extend(reversed(error.exceptions))
        else:
            flat.append(error)
    return next((error for error in flat if isinstance(error, AelError)), flat[0] if flat else InternalError("empty"))
