"""Children for executions: warm spares, one child per execution, a bound on all that live.

An execution keeps its child between its steps. No state is in it (each step has fresh globals), so an idle child
may be taken away when others wait; that also keeps nested executions from waiting for each other for ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import msgspec

from ael.errors import (
    AelError,
    CodeCrashed,
    CodeMemory,
    CodeRuntime,
    CodeSecurity,
    CodeTimeout,
    OutputInvalid,
    ResourceExhausted,
    SandboxUnavailable,
)
from ael.plan import CodeFacts, CodeProblem
from ael.sandbox.contract import (
    CallTool,
    CodeFailure,
    CodeRequest,
    CodeResult,
    CodeSession,
    CodeSource,
    Limits,
    PackageSet,
)
from ael.sandbox.spawn import ZygoteProcess
from ael.sandbox.wire import (
    OVERHEAD,
    ChildGone,
    Done,
    Failed,
    ToolRequest,
    WireError,
    answer_frame,
    check_frame,
    decode_facts,
    decode_message,
    run_frame,
)
from ael.sandbox.zygotes import Child, Zygote, ZygoteGone
from ael.values import JSONValue

_log = logging.getLogger("ael.sandbox")

#: Seconds that an idle child is left to its execution while others wait.
_GRACE = 0.05

#: Seconds that checking code may take.
_CHECK_LIMIT = 20.0

#: Calls beyond the limit that are answered with an error before the child is taken for hostile.
_INSISTENCE = 100

#: Children that run code are asked to keep this much memory when the request does not say.
_DEFAULT_MEMORY = Limits().max_memory


class KernelSandbox:
    """The sandbox on Linux; implements `Sandbox`."""

    def __init__(
        self,
        *,
        max_workers: int | None = None,
        spares: int = 2,
        isolation: str = "execution",
        guarded: bool = True,
        skip: tuple[str, ...] = (),
    ) -> None:
        """Start nothing yet. `guarded` and `skip` exist for the tests of the boundary alone."""
        self._max_workers = max_workers or 2 * (os.cpu_count() or 1) + 2
        self._spares_wanted = max(0, min(spares, self._max_workers - 1))
        self.keeps_children = isolation == "execution"
        self._guarded = guarded
        self._skip = skip
        self._zygotes: dict[PackageSet, Zygote] = {}
        self._starting: dict[PackageSet, asyncio.Lock] = {}
        self._early: dict[PackageSet, Zygote] = {}
        self._spares: dict[PackageSet, deque[Child]] = {}
        self._refilling: dict[PackageSet, int] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle: dict[Child, _Session] = {}
        self._alive = 0
        self._eviction: asyncio.TimerHandle | None = None

    # -- the Protocol -------------------------------------------------------------------------------------------

    def adopt(self, packages: PackageSet, process: ZygoteProcess) -> None:
        """Take over a zygote's process that was started before this object was made; needs no event loop."""
        if packages in self._early or packages in self._zygotes:
            process.stop()
        else:
            self._early[packages] = Zygote(packages, process)

    async def check(self, packages: PackageSet, sources: Sequence[CodeSource]) -> list[CodeFacts]:
        """See `Sandbox.check`."""
        child = await self.acquire(packages, _DEFAULT_MEMORY)
        missing = child.zygote.missing
        try:
            async with asyncio.timeout(_CHECK_LIMIT):
                await child.connection.send(check_frame(list(sources)))
                facts = [decode_facts(await child.connection.receive(OVERHEAD)) for _ in sources]
        except (ChildGone, WireError, TimeoutError):
            # One of the blocks broke the child; each by itself tells which.
            facts = [await self._check_alone(packages, source) for source in sources]
        finally:
            self.release(child)
        return _with_missing(facts, [name for name in packages.additional if name in missing])

    async def _check_alone(self, packages: PackageSet, source: CodeSource) -> CodeFacts:
        child = await self.acquire(packages, _DEFAULT_MEMORY)
        try:
            async with asyncio.timeout(_CHECK_LIMIT):
                await child.connection.send(check_frame([source]))
                return decode_facts(await child.connection.receive(OVERHEAD))
        except (ChildGone, WireError, TimeoutError):
            problem = CodeProblem(
                code="CODE_SYNTAX", message="the code cannot be compiled: it is too complex", line=1, column=1
            )
            return CodeFacts(problems=(problem,))
        finally:
            self.release(child)

    def session(self, execution_id: str, packages: PackageSet) -> AbstractAsyncContextManager[CodeSession]:
        """See `Sandbox.session`."""
        return self._open(packages)

    @asynccontextmanager
    async def _open(self, packages: PackageSet) -> AsyncIterator[CodeSession]:
        session = _Session(self, packages)
        try:
            yield session
        finally:
            session.close()

    def layers(self) -> tuple[str, ...]:
        """See `Sandbox.layers`."""
        return next((zygote.layers for zygote in self._zygotes.values()), ())

    def absent_layers(self) -> dict[str, str]:
        """Return layer → why it is not in force."""
        return next((zygote.absent for zygote in self._zygotes.values()), {})

    async def close(self) -> None:
        """See `Sandbox.close`."""
        if self._eviction is not None:
            self._eviction.cancel()
        for spares in self._spares.values():
            for child in spares:
                child.kill()
        self._spares.clear()
        for zygote in (*self._zygotes.values(), *self._early.values()):
            zygote.close()
        self._zygotes.clear()
        self._early.clear()

    # -- children -----------------------------------------------------------------------------------------------

    @property
    def alive(self) -> int:
        """Children that live, spares included."""
        return self._alive

    async def acquire(self, packages: PackageSet, memory: int) -> Child:
        """Return a child, waiting while too many live; raises `SandboxUnavailable`."""
        zygote = await self._zygote(packages)
        spares = self._spares.setdefault(packages, deque())
        while spares and memory == _DEFAULT_MEMORY:
            child = spares.popleft()
            if child.zygote.alive:
                self._refill(packages, zygote)
                return child
            self._forget(child)
        await self._place()
        for _ in range(3):
            try:
                child = await zygote.fork(memory)
            except ZygoteGone:
                zygote = await self._zygote(packages)
                continue
            except BaseException:
                self._free_place()
                raise
            self._refill(packages, zygote)
            return child
        self._free_place()
        raise SandboxUnavailable("the process that makes children died three times in a row")

    def release(self, child: Child) -> None:
        """Throw a child away."""
        self._idle.pop(child, None)
        child.kill()
        self._free_place()

    def _forget(self, child: Child) -> None:
        child.kill()
        self._free_place()

    async def _zygote(self, packages: PackageSet) -> Zygote:
        lock = self._starting.setdefault(packages, asyncio.Lock())
        async with lock:
            known = self._zygotes.get(packages)
            if known is not None and known.alive:
                return known
            if sys.platform != "linux":
                raise SandboxUnavailable(
                    f"code steps need the Linux kernel's boundary, and this is {sys.platform}",
                    suggestion="Run AEL on Linux, or in a container.",
                )
            for child in self._spares.pop(packages, ()):
                self._forget(child)
            zygote = self._early.pop(packages, None) or Zygote(packages, guarded=self._guarded, skip=self._skip)
            await zygote.ready()
            self._zygotes[packages] = zygote
            absent = "".join(f"; without {name}: {reason}" for name, reason in zygote.absent.items())
            _log.info("sandbox of profile '%s' ready: %s%s", packages.profile, ", ".join(zygote.layers), absent)
            return zygote

    async def _place(self) -> None:
        """Wait for one of `max_workers` places."""
        if self._alive < self._max_workers and not self._waiting:
            self._alive += 1
            return
        if self._drop_spare():
            self._alive += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._evict_soon()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free_place()
            else:
                self._waiting.remove(turn)
            raise

    def _free_place(self) -> None:
        """Give a place to the next who waits; the number alive stays the same then."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._alive -= 1

    def _drop_spare(self) -> bool:
        """Kill a spare, of whichever packages, and free its place."""
        for spares in self._spares.values():
            if spares and not self._waiting:
                spares.popleft().kill()
                self._alive -= 1
                return True
        return False

    def _refill(self, packages: PackageSet, zygote: Zygote) -> None:
        spares = self._spares.setdefault(packages, deque())
        on_their_way = self._refilling.get(packages, 0)
        while (
            len(spares) + on_their_way < self._spares_wanted
            and self._alive < self._max_workers
            and not self._waiting
            and zygote.alive
        ):
            self._alive += 1
            on_their_way += 1
            zygote.fork(_DEFAULT_MEMORY).add_done_callback(lambda made: self._add_spare(packages, made))
        self._refilling[packages] = on_their_way

    def _add_spare(self, packages: PackageSet, made: asyncio.Future[Child]) -> None:
        self._refilling[packages] -= 1
        if made.cancelled() or made.exception() is not None:
            self._free_place()
            return
        child = made.result()
        if self._waiting or packages not in self._spares:
            self._forget(child)
        else:
            self._spares[packages].append(child)

    # -- idle children ------------------------------------------------------------------------------------------

    def set_idle(self, child: Child, session: _Session) -> None:
        """Note that an execution is not using its child for the moment."""
        self._idle[child] = session
        if self._waiting:
            self._evict_soon()

    def set_busy(self, child: Child) -> None:
        """Note that it is again."""
        self._idle.pop(child, None)

    def _evict_soon(self) -> None:
        if self._eviction is None and self._idle:
            loop = asyncio.get_running_loop()
            self._eviction = loop.call_later(_GRACE, self._evict, tuple(self._idle))

    def _evict(self, candidates: tuple[Child, ...]) -> None:
        """Take away children that have been idle since the timer was set."""
        self._eviction = None
        for child in candidates:
            if not self._waiting:
                break
            session = self._idle.get(child)
            if session is not None:
                session.lose(child)
                self.release(child)
        if self._waiting:
            self._evict_soon()


class _Session:
    """The code steps of one execution; implements `CodeSession`."""

    def __init__(self, sandbox: KernelSandbox, packages: PackageSet) -> None:
        self._sandbox = sandbox
        self._packages = packages
        self._kept: list[Child] = []
        self._busy: set[Child] = set()

    def lose(self, child: Child) -> None:
        """Forget an idle child, which the pool takes away."""
        self._kept.remove(child)

    def close(self) -> None:
        """Kill all children of this execution."""
        for child in (*self._kept, *self._busy):
            self._sandbox.release(child)
        self._kept.clear()
        self._busy.clear()

    async def run(self, request: CodeRequest, call_tool: CallTool) -> CodeResult:
        """See `CodeSession.run`."""
        frame = _encode_request(request)
        child = await self._take(request.limits.max_memory)
        keep = False
        talk = _Conversation(child, request.limits, call_tool)
        try:
            async with asyncio.timeout(request.limits.timeout_seconds):
                done = await talk.result(frame)
            keep = self._sandbox.keeps_children and not talk.broken and child.connection.quiet
            return done  # noqa: TRY300 # the clauses below tell the ends apart
        except TimeoutError:
            seconds = f"{request.limits.timeout_seconds:g}"
            raise CodeFailure(
                CodeTimeout(
                    "the code was killed at its time limit",
                    suggestion="Raise `timeout` of the step, or do less in it.",
                    timeout_seconds=seconds,
                )
            ) from None
        except ChildGone:
            raise CodeFailure(_death(await child.cause_of_death())) from None
        except WireError as error:
            raise CodeFailure(CodeCrashed(f"its process broke the protocol: {error}")) from None
        except CodeFailure as failure:
            keep = (
                self._sandbox.keeps_children
                and not talk.broken
                and child.connection.quiet
                and not isinstance(failure.error, CodeMemory | ResourceExhausted)
            )
            raise
        finally:
            self._put(child, keep=keep)

    async def _take(self, memory: int) -> Child:
        for index, child in enumerate(self._kept):
            if child.memory == memory and child.zygote.alive:
                del self._kept[index]
                self._sandbox.set_busy(child)
                if not child.connection.quiet:
                    # It said something that nobody asked for: what code left behind still speaks.
                    self._sandbox.release(child)
                    break
                self._busy.add(child)
                return child
        child = await self._sandbox.acquire(self._packages, memory)
        self._busy.add(child)
        return child

    def _put(self, child: Child, *, keep: bool) -> None:
        if child not in self._busy:
            # The session was closed in the meantime, and the child with it.
            return
        self._busy.discard(child)
        if keep:
            self._kept.append(child)
            self._sandbox.set_idle(child, self)
        else:
            self._sandbox.release(child)


class _Conversation:
    """One run of one block: tool calls out, answers in, until the result."""

    def __init__(self, child: Child, limits: Limits, call_tool: CallTool) -> None:
        self._connection = child.connection
        self._limits = limits
        self._call_tool = call_tool
        self._errors: dict[int, AelError] = {}
        self._calls = 0
        self._sending = asyncio.Lock()
        #: An answer is sent in part: what follows would be read as its rest.
        self.broken = False

    async def result(self, frame: bytes) -> CodeResult:
        await self._connection.send(frame)
        message, result = await self._next()
        if isinstance(message, ToolRequest):
            tasks: set[asyncio.Task[None]] = set()
            try:
                async with asyncio.TaskGroup() as calls:
                    while isinstance(message, ToolRequest):
                        # Counted here: a task of its own may not run before the next message is read.
                        self._calls += 1
                        if self._calls > self._limits.max_tool_calls + _INSISTENCE:
                            raise WireError("it keeps calling tools beyond its limit")  # ends the calls
                        tasks.add(task := calls.create_task(self._answer(message, self._calls)))
                        task.add_done_callback(tasks.discard)
                        await asyncio.sleep(0)
                        message, result = await self._next()
                    for task in tasks:
                        # Calls that nobody waits for any more end with the step.
                        task.cancel()
            except BaseExceptionGroup as group:
                raise _first(group) from None
        assert isinstance(message, Done | Failed)
        if isinstance(message, Failed):
            raise self._failure(message)
        return CodeResult(
            result=result, printed=message.printed, readings=message.readings, clock_lost=message.clock_lost
        )

    async def _next(self) -> tuple[ToolRequest | Done | Failed, JSONValue]:
        body = await self._connection.receive(self._limits.max_output + OVERHEAD)
        return await decode_message(body, self._limits.max_output)

    async def _answer(self, request: ToolRequest, number: int) -> None:
        limit = self._limits.max_tool_calls
        try:
            if number > limit:
                raise ResourceExhausted(
                    f"the step calls tools more than {limit} times",
                    suggestion="Raise max_tool_calls under defaults.sandbox or python_exec.",
                )
            result = await self._call_tool(request.name, request.params)
            body: dict[str, JSONValue] = {"id": request.id, "result": result}
            frame = answer_frame(body)
        except AelError as error:
            self._errors[request.id] = error
            told: dict[str, JSONValue] = {
                "code": error.code,
                "message": error.message,
                "retryable": error.retryable,
                "detail": error.detail,
            }
            frame = answer_frame({"id": request.id, "error": told})
        # When the child is gone, whoever reads from it finds out, after what it said last.
        async with self._sending:
            self.broken = True
            with suppress(ChildGone):
                await self._connection.send(frame)
            self.broken = False

    def _failure(self, message: Failed) -> CodeFailure:
        text = f"{message.type}: {message.message}" if message.message else message.type
        error: Exception
        match message.kind:
            case "tool":
                known = self._errors.get(message.call) if message.call is not None else None
                error = known or CodeRuntime(text)
            case "security":
                error = CodeSecurity(message.message)
            case "denied":
                error = CodeSecurity(
                    f"{text}: code has no files, network or processes", suggestion="Use a tool step for that."
                )
            case "memory":
                limit = self._limits.max_memory
                error = CodeMemory(f"the code needs more than its {limit // (1 << 20)} MiB")
            case "size":
                error = ResourceExhausted(message.message, suggestion="Return less, or raise python_exec.max_output.")
            case "output":
                error = OutputInvalid(message.message)
            case "runtime":
                error = CodeRuntime(text)
        return CodeFailure(
            error, message.printed, message.line, readings=message.readings, clock_lost=message.clock_lost
        )


def _encode_request(request: CodeRequest) -> bytes:
    try:
        return run_frame(request)
    except WireError as error:
        raise CodeFailure(ResourceExhausted(str(error))) from error


def _death(status: int) -> AelError:
    """Return what a wait status says about a child that died by itself."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGSYS:
            return CodeSecurity("the code made a forbidden system call and was killed by the kernel")
        name = signal.Signals(number).name
        hint = {
            "SIGSEGV": "too deep a recursion in C code, or memory ran out",
            "SIGKILL": "killed from outside, perhaps because the system ran out of memory",
            "SIGABRT": "the interpreter gave up",
        }.get(name, "")
        return CodeCrashed(f"ended by signal {name}" + (f": {hint}" if hint else ""))
    if os.WEXITSTATUS(status) == 71:
        return CodeMemory("the code's process ran out of memory")
    return CodeCrashed(f"ended with exit code {os.WEXITSTATUS(status)} before it gave a result")


def _with_missing(facts: list[CodeFacts], missing: list[str]) -> list[CodeFacts]:
    if not facts or not missing:
        return facts
    warnings = tuple(
        CodeProblem(
            code="CODE_SECURITY",
            message=f"package '{name}' is not installed where AEL runs; importing it will fail",
            line=1,
            column=1,
            severity="warning",
        )
        for name in missing
    )
    return [msgspec.structs.replace(facts[0], problems=(*facts[0].problems, *warnings)), *facts[1:]]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
