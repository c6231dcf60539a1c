"""The expression tree: what a template is once it is parsed. Plain data, kept with a plan as JSON."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ael.values import JSONValue


class Literal(msgspec.Struct, frozen=True, array_like=True, tag="lit"):
    """A constant."""

    value: JSONValue


class Name(msgspec.Struct, frozen=True, array_like=True, tag="name"):
    """A name of the scope; offsets count characters into the template's text."""

    name: str
    offset: int


class Get(msgspec.Struct, frozen=True, array_like=True, tag="get"):
    """`.key`, `['key']`, `[index]`."""

    target: Expression
    key: Expression
    offset: int


class Slice(msgspec.Struct, frozen=True, array_like=True, tag="slice"):
    """`[start:stop:step]`."""

    target: Expression
    start: Expression | None
    stop: Expression | None
    step: Expression | None


class Unary(msgspec.Struct, frozen=True, array_like=True, tag="unary"):
    """`-x`, `+x`, `not x`."""

    operator: str
    operand: Expression


class Binary(msgspec.Struct, frozen=True, array_like=True, tag="binary"):
    """Arithmetic, `and`, `or`, and `~`."""

    operator: str
    left: Expression
    right: Expression


class Compare(msgspec.Struct, frozen=True, array_like=True, tag="compare"):
    """A chain of comparisons; `rest` holds (operator, operand)."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


class Conditional(msgspec.Struct, frozen=True, array_like=True, tag="if"):
    """`then if test else otherwise`."""

    test: Expression
    then: Expression
    otherwise: Expression | None


class ListOf(msgspec.Struct, frozen=True, array_like=True, tag="list"):
    """`[a, b]`."""

    items: tuple[Expression, ...]


class DictOf(msgspec.Struct, frozen=True, array_like=True, tag="dict"):
    """`{'a': b}`."""

    items: tuple[tuple[Expression, Expression], ...]


class Filter(msgspec.Struct, frozen=True, array_like=True, tag="filter"):
    """`target | name(args, key=value)`."""

    name: str
    target: Expression
    args: tuple[Expression, ...]
    named: tuple[tuple[str, Expression], ...]
    offset: int


class Test(msgspec.Struct, frozen=True, array_like=True, tag="test"):
    """`target is name(args)`."""

    name: str
    target: Expression
    args: tuple[Expression, ...]
    offset: int

    #: pytest would take the class for a test.
    __test__ = False


Expression: TypeAlias = (
    Literal | Name | Get | Slice | Unary | Binary | Compare | Conditional | ListOf | DictOf | Filter | Test
)


class Reference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path of the scope that a template reads, as far as it is literal: root "steps", path ("fetch", "output")."""

    root: str
    path: tuple[str | int, ...] = ()
    #: Characters into the template's text.
    offset: int = 0
    #: `default` or `is defined` handles its absence.
    guarded: bool = False


class Template(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parsed text: literal strings and expressions in turn."""

    source: str
    parts: tuple[str | Expression, ...]
    #: The text is one expression and nothing else: the value keeps its type.
    exact: bool = False
    references: tuple[Reference, ...] = ()
    #: Nodes in all parts, the fuel that one evaluation costs at least.
    nodes: int = 1
