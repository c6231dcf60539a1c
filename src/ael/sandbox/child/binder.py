"""Placeholders → values: proves, on the syntax tree, that each stands where a value can. Standard library only.

A placeholder that is a loaded name stays one; one that is part of a string literal splits the literal into pieces
that are joined around the value's text. Anywhere else it is refused, so no value can change the program.
"""

from __future__ import annotations

import ast
import json
import re

#: The name of the function that gives a value's text.
TEXT = "ael_text__"


class BindError(Exception):
    """A placeholder stands where no value can; line and column count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def text(value: object) -> str:
    """Return a value as it stands inside text: null is empty, booleans and containers are JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def bind(source: str, placeholders: tuple[str, ...]) -> ast.Module:
    """Parse a block and bind its placeholders; raises `BindError` or `SyntaxError`."""
    tree = ast.parse(source)
    if not placeholders:
        return tree
    binder = _Binder(source, placeholders)
    bound: ast.Module = binder.visit(tree)
    binder.check_all_used()
    return ast.fix_missing_locations(bound)


class _Binder(ast.NodeTransformer):
    def __init__(self, source: str, placeholders: tuple[str, ...]) -> None:
        self.lines = source.splitlines()
        self.names = frozenset(placeholders)
        self.pattern = re.compile("|".join(re.escape(name) for name in placeholders))
        self.used: dict[str, int] = dict.fromkeys(placeholders, 0)
        self.source = source

    def refuse(self, node: ast.AST, what: str) -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        raise BindError(f"a template cannot be {what}; it is a value", line, column)

    def check_all_used(self) -> None:
        for name, count in self.used.items():
            if count == 1:
                continue
            at = self.source.find(name)
            line = self.source.count("\n", 0, at) + 1
            column = at - self.source.rfind("\n", 0, at)
            raise BindError("a template cannot stand here; it is a value", line, column)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        # Every name that is not a loaded value is a plain string field of some node: none may be a placeholder.
        for field, value in ast.iter_fields(node):
            values = value if isinstance(value, list) else [value]
            for item in values:
                if isinstance(item, str) and self.pattern.search(item):
                    self.refuse(node, _POSITIONS.get((type(node).__name__, field), "a name"))
        return super().generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:  # ast's naming
        if node.id in self.names:
            if not isinstance(node.ctx, ast.Load):
                self.refuse(node, "assigned to or deleted")
            self.used[node.id] += 1
        elif self.pattern.search(node.id):
            self.refuse(node, "glued to a name")
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:  # ast's naming
        if isinstance(node.value, bytes) and self.pattern.search(node.value.decode("latin-1")):
            self.refuse(node, "in a bytes literal")
        if isinstance(node.value, str) and self.pattern.search(node.value):
            return self.joined(node, node.value)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:  # ast's naming
        values: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                values += self.pieces(part, part.value)
            else:
                values.append(self.visit(part))
        node.values = values
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:  # ast's naming
        # A docstring would lose its place silently; nothing reads it in a step, so the value is simply computed.
        self.generic_visit(node)
        return node

    def _pattern_node(self, node: ast.AST) -> ast.AST:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and self.pattern.search(inner.value):
                self.refuse(inner, "in a pattern of `match`")
            if isinstance(inner, ast.Name) and self.pattern.search(inner.id):
                self.refuse(inner, "in a pattern of `match`")
        return self.generic_visit(node)

    visit_MatchValue = visit_MatchMapping = visit_MatchClass = _pattern_node  # noqa: N815 # ast's naming

    def joined(self, node: ast.Constant, value: str) -> ast.AST:
        return ast.copy_location(ast.JoinedStr(values=self.pieces(node, value)), node)

    def pieces(self, node: ast.AST, value: str) -> list[ast.expr]:
        """Return the parts of a literal: constants, and the text of each value."""
        parts: list[ast.expr] = []
        position = 0
        for match in self.pattern.finditer(value):
            if match.start() > position:
                parts.append(ast.Constant(value[position : match.start()]))
            self.used[match.group()] += 1
            call = ast.Call(ast.Name(TEXT, ast.Load()), [ast.Name(match.group(), ast.Load())], [])
            parts.append(ast.FormattedValue(value=call, conversion=-1, format_spec=None))
            position = match.end()
        if position < len(value):
            parts.append(ast.Constant(value[position:]))
        for part in parts:
            ast.copy_location(part, node)
        return parts


_POSITIONS = {
    ("Attribute", "attr"): "an attribute name",
    ("keyword", "arg"): "a parameter name",
    ("arg", "arg"): "a parameter name",
    ("FunctionDef", "name"): "a function name",
    ("AsyncFunctionDef", "name"): "a function name",
    ("ClassDef", "name"): "a class name",
    ("alias", "name"): "imported",
    ("alias", "asname"): "imported",
    ("ImportFrom", "module"): "imported",
    ("Global", "names"): "declared global",
    ("Nonlocal", "names"): "declared nonlocal",
    ("ExceptHandler", "name"): "assigned to",
    ("MatchAs", "name"): "in a pattern of `match`",
    ("MatchStar", "name"): "in a pattern of `match`",
    ("MatchMapping", "rest"): "in a pattern of `match`",
    ("MatchClass", "kwd_attrs"): "in a pattern of `match`",
}
