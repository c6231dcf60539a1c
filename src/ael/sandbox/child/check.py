"""Guards and compiles code blocks, and says what they read; runs in a child of its own. Standard library only."""

from __future__ import annotations

import ast
import marshal
import warnings
from typing import Any

import binder
import guard

_RESULT = "result"
#: The name of the function that a block becomes.
STEP = "ael_step__"


def check_block(source: str, placeholders: list[str], allowed: frozenset[str], *, guarded: bool) -> dict[str, Any]:
    """Return the facts of one block, as JSON: see `CodeFacts` of the host; `blob` is bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = binder.bind(source, tuple(placeholders))
    except SyntaxError as error:
        return _failed("CODE_SYNTAX", error.msg or "invalid syntax", error.lineno or 1, error.offset or 1)
    except binder.BindError as error:
        return _failed("CODE_SYNTAX", error.message, error.line, error.column)
    except (ValueError, RecursionError, MemoryError) as error:
        return _failed("CODE_SYNTAX", f"the code is too complex or holds a null byte ({type(error).__name__})", 1, 1)
    reader = _Reader()
    reader.visit(tree)
    found = [*reader.found]
    if guarded:
        keeper = guard.Guard(allowed)
        tree = keeper.visit(tree)
        found += keeper.found
    facts: dict[str, Any] = {
        "steps": sorted(reader.steps),
        "dynamic_steps": reader.dynamic_steps,
        "tools": sorted(reader.tools),
        "dynamic_tools": reader.dynamic_tools,
        "has_result": reader.has_result,
        "problems": [
            {key: getattr(one, key) for key in ("code", "message", "line", "column", "severity", "suggestion")}
            for one in sorted(found, key=lambda one: (one.line, one.column))
        ],
        "blob": b"",
    }
    if not found:
        try:
            facts["blob"] = marshal.dumps((reader.uses_loop, _compile(tree, has_result=reader.assigns_result)))
        except SyntaxError as error:
            return _failed("CODE_SYNTAX", error.msg or "invalid syntax", error.lineno or 1, error.offset or 1)
        except (ValueError, RecursionError, MemoryError) as error:
            return _failed("CODE_SYNTAX", f"the code is too complex ({type(error).__name__})", 1, 1)
    return facts


def _compile(tree: ast.Module, *, has_result: bool) -> Any:
    shell = ast.parse(f"async def {STEP}():\n pass")
    function = shell.body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    body = list(tree.body) or [ast.Pass()]
    if has_result:
        # Bound from the start, so that a branch that sets no result gives null.
        body = [*ast.parse(f"{_RESULT} = None").body, *body]
        body.append(ast.Return(ast.Name(_RESULT, ast.Load())))
    function.body = body
    ast.fix_missing_locations(shell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(shell, "<step>", "exec", dont_inherit=True, optimize=0)


def _failed(code: str, message: str, line: int, column: int) -> dict[str, Any]:
    problem = {
        "code": code,
        "message": message,
        "line": line,
        "column": max(column, 1),
        "severity": "error",
        "suggestion": "",
    }
    return {"problems": [problem], "blob": b""}


class _Reader(ast.NodeVisitor):
    """Finds what a block reads and gives: step ids, tool names, a result."""

    def __init__(self) -> None:
        self.steps: set[str] = set()
        self.tools: set[str] = set()
        self.dynamic_steps = self.dynamic_tools = False
        self.assigns_result = self.returns = self.uses_loop = False
        self.found: list[guard.Finding] = []
        self._depth = 0
        self._known: set[int] = set()

    @property
    def has_result(self) -> bool:
        return self.assigns_result or self.returns

    def _nested(self, node: ast.AST) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = _nested  # noqa: N815 # ast's naming

    def visit_Return(self, node: ast.Return) -> None:  # ast's naming
        self.returns |= not self._depth
        self.generic_visit(node)

    def _refuse_yield(self, node: ast.AST) -> None:
        if not self._depth:
            self.found.append(guard.Finding("CODE_SYNTAX", "`yield` outside a function", node))
        self.generic_visit(node)

    visit_Yield = visit_YieldFrom = _refuse_yield  # noqa: N815 # ast's naming

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        self.uses_loop |= "asyncio" in names

    visit_Import = visit_ImportFrom = _import  # noqa: N815 # ast's naming

    def visit_Name(self, node: ast.Name) -> None:  # ast's naming
        if node.id == _RESULT and isinstance(node.ctx, ast.Store) and not self._depth:
            self.assigns_result = True
        if node.id == "steps" and isinstance(node.ctx, ast.Load) and id(node) not in self._known:
            self.dynamic_steps = True

    def visit_Attribute(self, node: ast.Attribute) -> None:  # ast's naming
        if _is_steps(node) and id(node) not in self._known:
            self.dynamic_steps = True
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:  # ast's naming
        if _is_steps(node.value) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            self.steps.add(node.slice.value)
            self._known.add(id(node.value))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:  # ast's naming
        function = node.func
        first = node.args[0] if node.args else None
        literal = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if isinstance(function, ast.Attribute) and function.attr == "get" and _is_steps(function.value) and literal:
            self.steps.add(literal)
            self._known.add(id(function.value))
        if _calls_tool(function):
            if literal:
                self.tools.add(literal)
            else:
                self.dynamic_tools = True
        self.generic_visit(node)


def _is_steps(node: ast.AST) -> bool:
    """Say whether a node is `steps` or `context.steps`."""
    if isinstance(node, ast.Name):
        return node.id == "steps"
    return isinstance(node, ast.Attribute) and node.attr == "steps" and _is(node.value, "context")


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _calls_tool(function: ast.AST) -> bool:
    """Say whether a node is `call_tool`, `tools.call` or `context.tools.call`."""
    if isinstance(function, ast.Name):
        return function.id == "call_tool"
    if not isinstance(function, ast.Attribute) or function.attr != "call":
        return False
    target = function.value
    return _is(target, "tools") or (isinstance(target, ast.Attribute) and target.attr == "tools")
