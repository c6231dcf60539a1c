"""Text → expression tree, by Jinja2's own lexer and parser; what is not allowed is refused here.

Jinja2 is imported when the first template is parsed: a plan that is remembered needs none of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from ael.errors import did_you_mean
from ael.values import JSONValue
from ael.workflow.expressions import tree
from ael.workflow.expressions.filters import FILTERS, TESTS
from ael.workflow.expressions.syntax_errors import explain
from ael.workflow.expressions.tree import Expression, Reference, Template

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

#: Longest expression, characters; deepest nesting of brackets and of operators.
MAX_LENGTH = 10_000
MAX_NESTING = 50
_MAX_DEPTH = 100

_OPEN, _CLOSE = "([{", ")]}"
_BINARY = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "And": "and", "Or": "or"}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in"}
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ExpressionError(Exception):
    """A text is no template; `offset` is where, in characters."""

    def __init__(self, message: str, offset: int, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


def has_template(text: str) -> bool:
    """Say whether a text may hold a template; a text that does not is plain data."""
    return "{{" in text or "{%" in text or "{#" in text


def templates_in(value: JSONValue, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, text) for every text with a template in a value: `.a[0].b`, `['odd key']`."""
    if isinstance(value, str):
        if has_template(value):
            yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from templates_in(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from templates_in(item, f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{key!r}]")


def parse_template(text: str) -> Template:
    """Parse a text with any number of `{{ expression }}`; raises `ExpressionError`.

    The text is one exact expression when nothing but the braces stands around it; white space outside them makes
    it text.
    """
    parts: list[str | Expression] = []
    references: list[Reference] = []
    position = nodes = 0
    while True:
        start = text.find("{{", position)
        literal = text[position : len(text) if start < 0 else start]
        _refuse_statements(literal, position)
        if literal:
            parts.append(literal)
        if start < 0:
            break
        end = template_end(text, start)
        builder = _Builder(text, start + 2)
        parts.append(builder.expression(text[start + 2 : end - 2]))
        references += builder.references
        nodes += builder.nodes
        position = end
    exact = len(parts) == 1 and not isinstance(parts[0], str)
    return Template(source=text, parts=tuple(parts), exact=exact, references=tuple(references), nodes=max(nodes, 1))


def parse_condition(text: str) -> Template:
    """Parse `when` or `foreach`: an expression, bare or in braces; raises `ExpressionError`."""
    stripped = text.strip()
    if stripped.startswith("{{"):
        inside = parse_template(stripped)
        if not inside.exact:
            raise ExpressionError(
                "only one expression can stand here", 0, "Write all of it in one pair of braces, or without braces."
            )
        lead = len(text) - len(text.lstrip())
        return _shifted(inside, text, lead)
    _refuse_statements(stripped, 0)
    builder = _Builder(text, 0)
    parsed = builder.expression(text)
    return Template(source=text, parts=(parsed,), exact=True, references=tuple(builder.references), nodes=builder.nodes)


def _shifted(template: Template, text: str, lead: int) -> Template:
    """Return the template of a text that has `lead` white space before it."""
    references = tuple(msgspec.structs.replace(found, offset=found.offset + lead) for found in template.references)
    return msgspec.structs.replace(template, source=text, references=references)


def template_end(text: str, start: int) -> int:
    """Return the offset behind the `}}` that ends the template at `start`, found by Jinja2's lexer.

    Strings in the expression may hold braces. Raises `ExpressionError`.
    """
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415 # see the module

    # The lexer joins lines anew; characters must keep their places.
    window = text[start : start + MAX_LENGTH].replace("\r\n", " \n").replace("\r", "\n")
    position = start
    nesting = 0
    try:
        for _, kind, value in _environment().lexer.tokeniter(window, None):
            if kind in {"variable_begin", "variable_end"} and ("-" in value or "+" in value):
                where = position if kind == "variable_begin" else position + len(value) - 3
                raise ExpressionError(
                    "white space control (`{{-`, `-}}`) has no meaning here", where, "Put a space after `{{`."
                )
            position += len(value)
            if kind == "variable_end":
                return position
            if kind == "operator":
                nesting += (value in _OPEN) - (value in _CLOSE)
                if nesting > MAX_NESTING:
                    raise ExpressionError(f"more than {MAX_NESTING} brackets are nested", position)
    except TemplateSyntaxError as error:
        end = window.find("}}")
        raise _no_expression(window[2 : end if end > 0 else None], start + 2, str(error.message)) from error
    if len(text) - start > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters, or `}}}}` is missing", start)
    raise ExpressionError("`{{` is not closed", start, "Add `}}`, or write `{{ '{{' }}` for the characters themselves.")


def _no_expression(source: str, start: int, message: str) -> ExpressionError:
    offset, reason, repair = explain(source, message, _is_expression)
    return ExpressionError(reason, start + offset, repair)


def _is_expression(source: str) -> bool:
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415 # see the module

    try:
        _environment().parse("{{ " + source + " }}")
    except (TemplateSyntaxError, RecursionError):
        return False
    return bool(source.strip())


def _refuse_statements(literal: str, offset: int) -> None:
    for opening, closing, what in (("{%", "", "statements"), ("{#", "#}", "comments")):
        at = literal.find(opening)
        if at >= 0 and (not closing or closing in literal[at:]):
            raise ExpressionError(
                f"{what} (`{opening}`) do not exist in templates",
                offset + at,
                f"Use an expression, or write `{{{{ '{opening}' }}}}` for the characters themselves.",
            )


@cache
def _environment() -> Environment:
    from jinja2 import Environment  # noqa: PLC0415 # see the module

    return Environment(autoescape=False)  # noqa: S701 # it only parses; nothing is ever rendered by it


class _Builder:
    """Converts one expression of Jinja2's syntax tree, refusing what is not ours."""

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.start = offset
        self.references: list[Reference] = []
        self.nodes = 0
        self._seen: dict[str, int] = {}
        self._guards = 0
        #: References, by index, that a computed key has ended.
        self._closed: set[int] = set()

    def expression(self, source: str) -> Expression:
        from jinja2 import TemplateSyntaxError, nodes  # noqa: PLC0415 # see the module

        if not source.strip():
            raise ExpressionError("the expression is empty", self.start)
        if len(source) > MAX_LENGTH:
            raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters", self.start)
        self._check_nesting(source)
        try:
            parsed = _environment().parse("{{ " + source.replace("\r", " ") + " }}")
        except TemplateSyntaxError as error:
            raise _no_expression(source, self.start, str(error.message)) from error
        except RecursionError as error:
            raise ExpressionError("the expression is nested too deeply", self.start) from error
        body = parsed.body
        if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
            raise ExpressionError("only one expression can stand here", self.start)
        return self._convert(body[0].nodes[0], 0)

    def _check_nesting(self, source: str) -> None:
        deepest = depth = 0
        for character in source:
            depth += (character in _OPEN) - (character in _CLOSE)
            deepest = max(deepest, depth)
        if deepest > MAX_NESTING:
            raise ExpressionError(f"more than {MAX_NESTING} brackets are nested", self.start)

    def _convert(self, node: nodes.Node, depth: int) -> Expression:
        self.nodes += 1
        if depth > _MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply", self.start)
        kind = type(node).__name__
        handler = getattr(self, f"_on_{kind.lower()}", None)
        if handler is not None:
            converted: Expression = handler(node, depth + 1)
            return converted
        if kind in _BINARY:
            return self._on_binary(node, depth + 1)
        raise ExpressionError(*_refusal(kind, self.start))

    # Each handler takes a node of Jinja2's tree, whose attributes Jinja2 does not type.

    def _on_const(self, node: Any, _: int) -> Expression:  # noqa: ANN401 # see above
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
            raise ExpressionError("the number is beyond 64 bits", self.start)
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            raise ExpressionError("the number is too large", self.start)
        if not isinstance(value, str | int | float | bool | None):
            raise ExpressionError(f"a literal of type {type(value).__name__} is not JSON", self.start)
        return tree.Literal(value)

    def _on_templatedata(self, node: Any, _: int) -> Expression:  # noqa: ANN401 # see above
        return tree.Literal(node.data)

    def _on_name(self, node: Any, _: int) -> Expression:  # noqa: ANN401 # see above
        if node.name == "null":
            # As YAML and JSON write what Jinja2 calls none.
            return tree.Literal(None)
        offset = self._find(node.name)
        self.references.append(Reference(root=node.name, offset=offset, guarded=self._guards > 0))
        return tree.Name(node.name, offset)

    def _on_getattr(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        return self._get(node.node, node.attr, depth)

    def _on_getitem(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        from jinja2 import nodes  # noqa: PLC0415 # see the module

        if isinstance(node.arg, nodes.Slice):
            target = self._convert(node.node, depth)
            bounds = [
                None if bound is None else self._convert(bound, depth)
                for bound in (node.arg.start, node.arg.stop, node.arg.step)
            ]
            return tree.Slice(target, *bounds)
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str | int):
            return self._get(node.node, node.arg.value, depth)
        before = len(self.references)
        target = self._convert(node.node, depth)
        # A computed key follows: what comes after it belongs to no literal path.
        self._closed.add(before)
        return tree.Get(target, self._convert(node.arg, depth), self.start)

    def _get(self, target: Any, key: str | int, depth: int) -> Expression:  # noqa: ANN401 # see above
        from jinja2 import nodes  # noqa: PLC0415 # see the module

        before = len(self.references)
        converted = self._convert(target, depth)
        offset = self._find(str(key))
        if isinstance(target, nodes.Name | nodes.Getattr | nodes.Getitem) and len(self.references) == before + 1:
            last = self.references[-1]
            if before not in self._closed:
                self.references[-1] = msgspec.structs.replace(last, path=(*last.path, key))
        return tree.Get(converted, tree.Literal(key), offset)

    def _on_neg(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        return tree.Unary("-", self._convert(node.node, depth))

    def _on_pos(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        return tree.Unary("+", self._convert(node.node, depth))

    def _on_not(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        return tree.Unary("not", self._convert(node.node, depth))

    def _on_binary(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        operator = _BINARY[type(node).__name__]
        return tree.Binary(operator, self._convert(node.left, depth), self._convert(node.right, depth))

    def _on_concat(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        first, *rest = (self._convert(part, depth) for part in node.nodes)
        for part in rest:
            first = tree.Binary("~", first, part)
        return first

    def _on_compare(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        rest = tuple((_COMPARE[operand.op], self._convert(operand.expr, depth)) for operand in node.ops)
        return tree.Compare(self._convert(node.expr, depth), rest)

    def _on_condexpr(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        guarded = self._defined_in(node.test)
        test = self._convert(node.test, depth)
        self._guards += guarded
        then = self._convert(node.expr1, depth)
        otherwise = None if node.expr2 is None else self._convert(node.expr2, depth)
        self._guards -= guarded
        return tree.Conditional(test, then, otherwise)

    def _on_list(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        return tree.ListOf(tuple(self._convert(item, depth) for item in node.items))

    _on_tuple = _on_list

    def _on_dict(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        return tree.DictOf(
            tuple((self._convert(pair.key, depth), self._convert(pair.value, depth)) for pair in node.items)
        )

    def _on_filter(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        name = "default" if node.name == "d" else node.name
        offset = self._find(node.name)
        if name not in FILTERS:
            raise ExpressionError(f"unknown filter '{name}'", offset, did_you_mean(name, FILTERS, "filter"))
        if node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError(f"filter '{name}' takes plain arguments", offset)
        self._guards += name == "default"
        target = self._convert(node.node, depth)
        self._guards -= name == "default"
        args = tuple(self._convert(argument, depth) for argument in node.args)
        named = tuple((pair.key, self._convert(pair.value, depth)) for pair in node.kwargs)
        self._check_indirect(name, args, offset)
        return tree.Filter(name, target, args, named, offset)

    def _check_indirect(self, name: str, args: tuple[Expression, ...], offset: int) -> None:
        """`map('upper')`, `select('odd')`: the filter or test that is named must exist."""
        at = {"map": 0, "select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}.get(name)
        if at is None or len(args) <= at:
            return
        called = args[at]
        known = FILTERS if name == "map" else TESTS
        noun = "filter" if name == "map" else "test"
        if not isinstance(called, tree.Literal) or not isinstance(called.value, str):
            raise ExpressionError(f"'{name}' takes the name of a {noun} as a literal", offset)
        if called.value not in known:
            raise ExpressionError(f"unknown {noun} '{called.value}'", offset, did_you_mean(called.value, known, noun))

    def _on_test(self, node: Any, depth: int) -> Expression:  # noqa: ANN401 # see above
        offset = self._find(node.name)
        if node.name not in TESTS:
            raise ExpressionError(f"unknown test '{node.name}'", offset, did_you_mean(node.name, TESTS, "test"))
        guarded = node.name in {"defined", "undefined"}
        self._guards += guarded
        target = self._convert(node.node, depth)
        self._guards -= guarded
        args = tuple(self._convert(argument, depth) for argument in node.args or ())
        return tree.Test(node.name, target, args, offset)

    def _defined_in(self, node: nodes.Node) -> bool:
        """Say whether a condition asks `is defined`, which guards what it decides."""
        from jinja2 import nodes  # noqa: PLC0415 # see the module

        tests = [node] if isinstance(node, nodes.Test) else []
        return any(test.name in {"defined", "undefined"} for test in (*tests, *node.find_all(nodes.Test)))

    def _find(self, word: str) -> int:
        """Return where a word stands next in the text; Jinja2's tree knows lines only."""
        position = self._seen.get(word, self.start)
        pattern = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])")
        match = pattern.search(self.text, position)
        if match is None:
            return self.start
        self._seen[word] = match.end()
        return match.start()


def _refusal(kind: str, offset: int) -> tuple[str, int, str]:
    if kind == "Call":
        return "calls do not exist in templates", offset, "Use a filter: `value | length` instead of a call."
    if kind == "Pow":
        return "`**` does not exist in templates", offset, "Multiply, or compute it in a code step."
    return f"'{kind.lower()}' does not exist in templates", offset, "Compute it in a code step."
