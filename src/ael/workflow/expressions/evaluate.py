"""Tree + scope → value: deterministic, bounded, without side effects.

A tree is compiled once to closures. Fuel is charged for the tree's nodes and, before it runs, for every element a
filter touches; never wall clock. Only `TemplateFailed` is raised.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, assert_never

from ael.errors import TemplateFailed, did_you_mean
from ael.values import JSONValue, text
from ael.workflow.expressions import filters, tree
from ael.workflow.expressions.bounds import FUEL, MAX_TEXT, Fuel, check_number, check_size, kind_of
from ael.workflow.expressions.tree import Expression, Template


class Missing:
    """What an undefined name or absent key is until somebody uses it."""

    __slots__ = ("message", "offset", "suggestion")

    def __init__(self, message: str, offset: int, suggestion: str) -> None:
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


class _Run:
    """One evaluation."""

    __slots__ = ("fuel", "scope")

    def __init__(self, scope: Mapping[str, JSONValue], fuel: Fuel) -> None:
        self.scope = scope
        self.fuel = fuel


_Maybe: TypeAlias = "JSONValue | Missing"
_Node: TypeAlias = Callable[[_Run], "_Maybe"]


class _MissingUsed(Exception):
    """An undefined value was used; becomes `TemplateFailed` where the text is known."""

    def __init__(self, missing: Missing) -> None:
        super().__init__(missing.message)
        self.missing = missing


def render(template: Template, scope: Mapping[str, JSONValue], fuel: int = FUEL) -> JSONValue:
    """Return the value of a template: of any type when it is one exact expression, else a string."""
    run = _Run(scope, Fuel(fuel))
    parts = _compiled(template)
    try:
        run.fuel.charge(template.nodes)
        if template.exact:
            return _need(parts[0](run))  # type: ignore[operator]  # an exact template is one expression
        return _joined(parts, run)
    except _MissingUsed as error:
        raise _failure(template.source, error.missing) from None
    except TemplateFailed as error:
        if not error.cause:
            error.cause = template.source.strip()[:200]
            error.detail = f"{error.detail} in `{_short(template.source)}`"
        raise


def truth(template: Template, scope: Mapping[str, JSONValue], fuel: int = FUEL) -> bool:
    """Return whether a condition holds; truth as in Python."""
    return bool(render(template, scope, fuel))


def render_value(value: JSONValue, templates: Mapping[str, Template], scope: Mapping[str, JSONValue]) -> JSONValue:
    """Render every template at any depth of a value; `templates` maps source text to its parsed form.

    What is rendered is data: it is never rendered again.
    """
    if isinstance(value, str):
        template = templates.get(value)
        return value if template is None else render(template, scope)
    if isinstance(value, list):
        return [render_value(item, templates, scope) for item in value]
    if isinstance(value, dict):
        return {key: render_value(item, templates, scope) for key, item in value.items()}
    return value


def _joined(parts: tuple[str | _Node, ...], run: _Run) -> str:
    rendered: list[str] = []
    size = 0
    for part in parts:
        piece = part if isinstance(part, str) else text(_need(part(run)))
        size += len(piece)
        if size > MAX_TEXT:
            raise TemplateFailed(f"the text would be longer than {MAX_TEXT} characters")
        rendered.append(piece)
    return "".join(rendered)


def _failure(source: str, missing: Missing) -> TemplateFailed:
    line_start = source.rfind("\n", 0, missing.offset) + 1
    line_end = source.find("\n", missing.offset)
    line = source[line_start : len(source) if line_end < 0 else line_end]
    column = missing.offset - line_start
    if len(line) > 76:
        cut = max(0, column - 38)
        line, column = line[cut : cut + 76], column - cut
    detail = f"{missing.message}\n  {line}\n  {' ' * column}^"
    return TemplateFailed(detail, suggestion=missing.suggestion, cause=source.strip()[:200])


def _short(source: str) -> str:
    shown = " ".join(source.split())
    return shown if len(shown) <= 80 else shown[:77] + "…"


# -- compilation -----------------------------------------------------------------------------------------------------

_cache: dict[int, tuple[Template, tuple[str | _Node, ...]]] = {}
_MOST_COMPILED = 4096


def _compiled(template: Template) -> tuple[str | _Node, ...]:
    known = _cache.get(id(template))
    if known is not None and known[0] is template:
        return known[1]
    if len(_cache) >= _MOST_COMPILED:
        _cache.clear()
    parts = tuple(part if isinstance(part, str) else _compile(part) for part in template.parts)
    _cache[id(template)] = (template, parts)
    return parts


def _need(value: _Maybe) -> JSONValue:
    if isinstance(value, Missing):
        raise _MissingUsed(value)
    return value


def _compile(node: Expression) -> _Node:  # noqa: C901, PLR0912 # one case for each kind of node
    match node:
        case tree.Literal(value):
            return lambda _: value
        case tree.Name():
            return _compile_name(node)
        case tree.Get():
            return _compile_get(node)
        case tree.Slice():
            return _compile_slice(node)
        case tree.Unary():
            return _compile_unary(node)
        case tree.Binary():
            return _compile_binary(node)
        case tree.Compare():
            return _compile_compare(node)
        case tree.Conditional():
            return _compile_conditional(node)
        case tree.ListOf(items):
            parts = [_compile(item) for item in items]
            return lambda run: [_need(part(run)) for part in parts]
        case tree.DictOf(pairs):
            entries = [(_compile(key), _compile(value)) for key, value in pairs]
            return lambda run: {_key(_need(key(run))): _need(value(run)) for key, value in entries}
        case tree.Filter():
            return _compile_filter(node)
        case tree.Test():
            return _compile_test(node)
        case _:
            assert_never(node)


def _key(value: JSONValue) -> str:
    if not isinstance(value, str):
        raise TemplateFailed(f"a key of an object is {kind_of(value)}, not a string")
    return value


def _compile_name(node: tree.Name) -> _Node:
    name, offset = node.name, node.offset

    def run_name(run: _Run) -> _Maybe:
        try:
            return run.scope[name]
        except KeyError:
            return Missing(f"'{name}' is undefined", offset, did_you_mean(name, run.scope))

    return run_name


def _compile_get(node: tree.Get) -> _Node:
    target, offset = _compile(node.target), node.offset
    shown = _path_of(node.target)
    if isinstance(node.key, tree.Literal) and isinstance(node.key.value, str):
        name = node.key.value

        def run_field(run: _Run) -> _Maybe:
            value = target(run)
            if type(value) is dict and name in value:
                return value[name]
            return _absent(value, name, shown, offset)

        return run_field
    key = _compile(node.key)

    def run_item(run: _Run) -> _Maybe:
        value, wanted = target(run), _need(key(run))
        if isinstance(value, dict) and isinstance(wanted, str) and wanted in value:
            return value[wanted]
        if isinstance(value, list | str) and type(wanted) is int and -len(value) <= wanted < len(value):
            return value[wanted]
        return _absent(value, wanted, shown, offset)

    return run_item


def _absent(value: _Maybe, wanted: JSONValue, shown: str, offset: int) -> Missing:
    if isinstance(value, Missing):
        return value
    if isinstance(value, dict):
        hint = did_you_mean(wanted, value, "key") if isinstance(wanted, str) else ""
        return Missing(f"{shown} has no key {wanted!r}", offset, hint)
    if isinstance(value, list) and type(wanted) is int:
        return Missing(f"{shown} has {len(value)} items, none at {wanted}", offset, "")
    hint = "Use `| default(…)` where it may be absent." if value is None else ""
    return Missing(f"{shown} is {kind_of(value)} and has no {wanted!r}", offset, hint)


def _path_of(node: Expression) -> str:
    match node:
        case tree.Name(name):
            return name
        case tree.Get(target, tree.Literal(key)):
            inner = _path_of(target)
            return f"{inner}.{key}" if isinstance(key, str) else f"{inner}[{key}]"
        case _:
            return "the value"


def _compile_slice(node: tree.Slice) -> _Node:
    target = _compile(node.target)
    bounds = [None if bound is None else _compile(bound) for bound in (node.start, node.stop, node.step)]

    def run_slice(run: _Run) -> JSONValue:
        value = _need(target(run))
        if not isinstance(value, list | str):
            raise TemplateFailed(f"{kind_of(value)} cannot be sliced")
        numbers: list[int | None] = []
        for bound in bounds:
            number = None if bound is None else _need(bound(run))
            if number is not None and type(number) is not int:
                raise TemplateFailed(f"a bound of a slice is {kind_of(number)}, not an integer")
            numbers.append(number)
        if numbers[2] == 0:
            raise TemplateFailed("the step of a slice is 0")
        run.fuel.charge(len(value))
        return value[slice(*numbers)]

    return run_slice


def _number(value: JSONValue, symbol: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TemplateFailed(f"`{symbol}` needs numbers, not {kind_of(value)}")
    return value


def _compile_unary(node: tree.Unary) -> _Node:
    operand = _compile(node.operand)
    if node.operator == "not":
        return lambda run: not _need(operand(run))
    if node.operator == "+":
        return lambda run: _number(_need(operand(run)), "+")
    return lambda run: check_number(-_number(_need(operand(run)), "-"))


_ARITHMETIC: dict[str, Callable[[int | float, int | float], int | float]] = {
    "-": operator.sub,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def _compile_binary(node: tree.Binary) -> _Node:
    left, right, symbol = _compile(node.left), _compile(node.right), node.operator
    if symbol == "and":
        return lambda run: _need(right(run)) if (first := _need(left(run))) else first
    if symbol == "or":
        return lambda run: (_need(left(run))) or _need(right(run))
    if symbol == "~":
        return lambda run: _concatenate(run, _need(left(run)), _need(right(run)))
    if symbol == "+":
        return lambda run: _add(run, _need(left(run)), _need(right(run)))
    if symbol == "*":
        return lambda run: _multiply(run, _need(left(run)), _need(right(run)))
    compute = _ARITHMETIC[symbol]

    def run_arithmetic(run: _Run) -> JSONValue:
        first, second = _number(_need(left(run)), symbol), _number(_need(right(run)), symbol)
        try:
            return check_number(compute(first, second))
        except ZeroDivisionError:
            raise TemplateFailed(f"division by zero in `{symbol}`") from None
        except OverflowError:
            raise TemplateFailed(f"the result of `{symbol}` is too large") from None

    return run_arithmetic


def _concatenate(run: _Run, first: JSONValue, second: JSONValue) -> JSONValue:
    joined = text(first) + text(second)
    check_size(len(joined))
    run.fuel.charge(len(joined) // 64)
    return joined


def _add(run: _Run, first: JSONValue, second: JSONValue) -> JSONValue:
    if isinstance(first, str) and isinstance(second, str):
        return _concatenate(run, first, second)
    if isinstance(first, list) and isinstance(second, list):
        run.fuel.charge(len(first) + len(second))
        return first + second
    if isinstance(first, str) or isinstance(second, str):
        raise TemplateFailed(
            f"`+` cannot join {kind_of(first)} and {kind_of(second)}", suggestion="Use `~` to join texts."
        )
    try:
        return check_number(_number(first, "+") + _number(second, "+"))
    except OverflowError:
        raise TemplateFailed("the result of `+` is too large") from None


def _multiply(run: _Run, first: JSONValue, second: JSONValue) -> JSONValue:
    if isinstance(first, int) and isinstance(second, str | list):
        first, second = second, first
    if isinstance(first, str | list) and type(second) is int:
        size = len(first) * max(second, 0)
        check_size(size)
        run.fuel.charge(size // (64 if isinstance(first, str) else 1))
        return first * second
    try:
        return check_number(_number(first, "*") * _number(second, "*"))
    except OverflowError:
        raise TemplateFailed("the result of `*` is too large") from None


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(symbol: str, first: JSONValue, second: JSONValue, fuel: Fuel) -> bool:
    """Return a comparison; raises `TemplateFailed` where two kinds have no order."""
    if symbol in {"in", "not in"}:
        found = _contains(second, first, fuel)
        return found if symbol == "in" else not found
    if isinstance(first, list | dict) or isinstance(second, list | dict):
        fuel.charge(filters.weight(first) + filters.weight(second))
    try:
        return bool(_COMPARISONS[symbol](first, second))
    except TypeError:
        raise TemplateFailed(f"{kind_of(first)} and {kind_of(second)} have no order for `{symbol}`") from None


def _contains(container: JSONValue, wanted: JSONValue, fuel: Fuel) -> bool:
    if isinstance(container, str):
        fuel.charge(len(container) // 64)
        if not isinstance(wanted, str):
            raise TemplateFailed(f"`in` looks for a string in a string, not for {kind_of(wanted)}")
        return wanted in container
    if isinstance(container, dict):
        return isinstance(wanted, str) and wanted in container
    if isinstance(container, list):
        fuel.charge(len(container) * max(1, filters.weight(wanted)))
        return wanted in container
    raise TemplateFailed(f"`in` needs a list, an object or a string, not {kind_of(container)}")


def _compile_compare(node: tree.Compare) -> _Node:
    first, rest = _compile(node.first), [(symbol, _compile(operand)) for symbol, operand in node.rest]

    def run_compare(run: _Run) -> JSONValue:
        left = _need(first(run))
        for symbol, operand in rest:
            right = _need(operand(run))
            if not compare(symbol, left, right, run.fuel):
                return False
            left = right
        return True

    return run_compare


def _compile_conditional(node: tree.Conditional) -> _Node:
    test, then = _compile(node.test), _compile(node.then)
    otherwise = (lambda _: None) if node.otherwise is None else _compile(node.otherwise)
    return lambda run: then(run) if _need(test(run)) else otherwise(run)


def _compile_filter(node: tree.Filter) -> _Node:
    target = _compile(node.target)
    args = [_compile(argument) for argument in node.args]
    named = [(name, _compile(argument)) for name, argument in node.named]
    if node.name == "default":
        return _compile_default(target, args, named)
    function, name = filters.FILTERS[node.name], node.name

    def run_filter(run: _Run) -> JSONValue:
        value = _need(target(run))
        given = [_need(argument(run)) for argument in args]
        options = {key: _need(argument(run)) for key, argument in named}
        return filters.call(name, function, run.fuel, value, given, options)

    return run_filter


def _compile_default(target: _Node, args: list[_Node], named: list[tuple[str, _Node]]) -> _Node:
    options = dict(named)
    unknown = set(options) - {"default_value", "boolean"}
    fallback = args[0] if args else options.get("default_value", lambda _: "")
    falsy = args[1] if len(args) > 1 else options.get("boolean", lambda _: False)

    def run_default(run: _Run) -> _Maybe:
        if unknown or len(args) > 2:
            raise TemplateFailed("filter 'default' takes a value and, as `boolean`, whether it replaces all falsy ones")
        value = target(run)
        if isinstance(value, Missing) or value is None or (not value and _need(falsy(run))):
            return fallback(run)
        return value

    return run_default


def _compile_test(node: tree.Test) -> _Node:
    target, args, name = _compile(node.target), [_compile(argument) for argument in node.args], node.name
    if name in {"defined", "undefined"}:
        return lambda run: isinstance(target(run), Missing) == (name == "undefined")
    return lambda run: filters.run_test(name, run.fuel, _need(target(run)), [_need(argument(run)) for argument in args])
