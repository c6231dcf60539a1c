"""What the rooms above ask of a sandbox, and what passes between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from ael.plan import CodeFacts
from ael.values import JSONValue

#: Calls a tool for code: (name, params) → result; raises `AelError`.
CallTool = Callable[[str, dict[str, JSONValue]], Awaitable[JSONValue]]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one code step may use: seconds, bytes, calls."""

    timeout_seconds: float = 30.0
    max_memory: int = 512 * 1024 * 1024
    max_tool_calls: int = 10
    max_output: int = 16 * 1024 * 1024


class PackageSet(msgspec.Struct, frozen=True, kw_only=True):
    """What code may import; one locked zygote serves one set."""

    profile: str = "standard"
    additional: tuple[str, ...] = ()


class CodeSource(msgspec.Struct, frozen=True, kw_only=True):
    """One code block with its templates replaced by placeholder names (see `workflow.code_templates`)."""

    step_id: str
    source: str
    placeholders: tuple[str, ...] = ()


class CodeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one code block."""

    #: From `CodeFacts.blob`.
    blob: bytes
    #: Placeholder name → value.
    bindings: Mapping[str, JSONValue] = {}
    inputs: Mapping[str, JSONValue] = {}
    #: Step id → {output, status, success, error, duration_ms, step_id}.
    steps: Mapping[str, JSONValue] = {}
    #: Optional inputs that were not given.
    absent: tuple[str, ...] = ()
    #: `item` and `index` inside `foreach`, under these names; empty outside.
    item: Mapping[str, JSONValue] = {}
    execution_id: str = ""
    #: Seeds random, uuid and the like for this step, item and attempt.
    seed: int = 0
    #: UTC seconds that every reading of the clock gives; None: the real clock.
    clock: float | None = None
    #: Readings of the real clock that a replay gives again, in order; None where it is no replay.
    readings: tuple[float, ...] | None = None
    limits: Limits = Limits()


class CodeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a code block gave."""

    result: JSONValue
    printed: str = ""
    #: Readings of the real clock, UTC seconds; there were more where `clock_lost`.
    readings: tuple[float, ...] = ()
    clock_lost: bool = False


class CodeFailure(Exception):
    """A code block failed: `error` is the AelError, `printed` what it printed until then, `line` its line (from 1)."""

    def __init__(
        self,
        error: Exception,
        printed: str = "",
        line: int | None = None,
        *,
        readings: tuple[float, ...] = (),
        clock_lost: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.printed = printed
        self.line = line
        self.readings = readings
        self.clock_lost = clock_lost


class CodeSession(Protocol):
    """The code steps of one execution."""

    async def run(self, request: CodeRequest, call_tool: CallTool) -> CodeResult:
        """Run one block; raises `CodeFailure`. Steps that run at the same time get a child each."""
        ...


class Sandbox(Protocol):
    """Where code runs."""

    async def check(self, packages: PackageSet, sources: Sequence[CodeSource]) -> list[CodeFacts]:
        """Guard and compile code blocks in a throwaway child; one answer for each, in order.

        Raises `SandboxUnavailable` when no child can be had.
        """
        ...

    def session(self, execution_id: str, packages: PackageSet) -> AbstractAsyncContextManager[CodeSession]:
        """Open the session of one execution; its children die when it is left."""
        ...

    def layers(self) -> tuple[str, ...]:
        """Return the kernel layers in force; empty before the first child was had."""
        ...

    async def close(self) -> None:
        """Kill all children and the zygotes."""
        ...
