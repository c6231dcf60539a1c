"""Workflow → Plan: the graph of steps, dependency inference, static checks. Pure: no clock, no I/O.

Above stands the engine, which runs a plan; below the definition. A plan is plain data (it encodes to JSON), so it
is cached by digest and stored with an execution: a running execution never sees an edited file.
"""

from __future__ import annotations

import msgspec


class CodeProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a code block, by line and column (from 1) of the code after template binding."""

    code: str
    message: str
    line: int
    column: int
    severity: str = "error"
    suggestion: str = ""


class CodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a throwaway child found out about one code block; the host never parses code itself."""

    #: Compiled code, opaque: only a child of the same Python may load it. Empty when `problems` holds an error.
    blob: bytes = b""
    #: Step ids named literally in `steps['id']`, `context.steps['id']`, `.get('id')`.
    steps: tuple[str, ...] = ()
    #: The code also reaches `steps` in a way that names no literal id.
    dynamic_steps: bool = False
    #: Tool names given literally to `call` or `call_tool`.
    tools: tuple[str, ...] = ()
    #: A tool name is computed.
    dynamic_tools: bool = False
    #: Whether the block returns something: `return` at top level or the variable `result`.
    has_result: bool = True
    problems: tuple[CodeProblem, ...] = ()
