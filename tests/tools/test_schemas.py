"""Schemas that strangers wrote: ordinary ones are judged at once, those that could take for ever are given up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.errors import ToolFailed
from ael.tools.offers import sift
from ael.tools.schema_process import judge, make_validator
from ael.tools.schemas import LIGHT, Schemas, may_take_long, parts_of, pattern_size, weight_of

TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["n"],
}


def doubled(levels: int) -> dict[str, Any]:
    """Return a schema whose check of one value takes twice as long with each level."""
    parts: dict[str, Any] = {f"d{at}": {"anyOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(levels)}
    parts[f"d{levels}"] = {"type": "string"}
    return {"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": parts}


async def test_a_check_without_end_is_given_up() -> None:
    schemas = Schemas(seconds=1)
    with pytest.raises(ToolFailed) as caught:
        await schemas.violations(doubled(60), {"a": 1}, 10)
    assert caught.value.retryable is False
    assert "takes more than 1 seconds" in caught.value.detail
    # It held up nobody else.
    assert (await schemas.violations({"type": "object"}, {}, 10)).count == 0


async def test_a_schema_that_holds_itself_is_judged_like_any_other() -> None:
    schemas = Schemas()
    assert parts_of(TREE) is None
    assert (await schemas.violations(TREE, {"n": 1, "kids": [{"n": 2, "kids": []}]}, 10)).count == 0
    found = await schemas.violations(TREE, {"n": 1, "kids": [{"n": "two"}, {}]}, 1)
    assert found.count == 2
    assert found.violations[0].path == ".kids[0].n"


async def test_a_schema_that_is_none_says_so_wherever_it_is_read() -> None:
    broken: dict[str, Any] = {"type": "no such type"}
    for schema in (broken, {**broken, "properties": {"a": {"$ref": "#"}}}, {"$ref": "https://example.com/s"}):
        with pytest.raises(ToolFailed, match="schema is not usable"):
            await Schemas().violations(schema, {}, 10)


def test_the_values_that_are_allowed_are_all_named_as_far_as_they_can_be_read() -> None:
    def told(options: list[Any]) -> str:
        return judge(make_validator({"properties": {"m": {"enum": options}}}), {"m": "get"}, 1).violations[0].message

    assert told(["GET", "HEAD", "PUT", None]) == '"get" is not one of "GET", "HEAD", "PUT", null'
    assert told([*range(25)]).endswith("18, 19 and 5 more")


def test_large_values_count_as_work() -> None:
    assert not may_take_long(10, {"a": 1, "b": ["text"] * 1000})
    assert may_take_long(40, ["text"] * 500_000)
    assert may_take_long(40, "x" * 64_000_000)
    assert parts_of({"anyOf": [{"const": at} for at in range(100_000)]}) is None
    nested: dict[str, Any] = {}
    for _ in range(5000):
        nested = {"not": nested}
    assert parts_of(nested) is None


SCHEMAS = st.recursive(
    st.sampled_from([{}, {"type": "string"}, {"type": "integer"}, {"$ref": "#/$defs/leaf"}]),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"items": inner}),
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from("ab"), inner)}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
    ),
    max_leaves=8,
)
VALUES = st.recursive(
    st.one_of(st.integers(-5, 5), st.text(max_size=3), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@given(SCHEMAS, VALUES)
async def test_bounded_schemas_are_judged_as_by_the_library(schema: dict[str, Any], value: Any) -> None:
    whole = {**schema, "$defs": {"leaf": {"type": ["integer", "null"]}}}
    assert parts_of(whole) is not None
    found = await Schemas().violations(whole, value, 100)
    assert found == judge(make_validator(whole), value, 100)
    assert (found.count == 0) == make_validator(whole).is_valid(value)


def patterns(count: int, pattern: str) -> dict[str, Any]:
    """Return a schema with so many different patterns."""
    named = {f"k{at}": {"type": "string", "pattern": f"{pattern}{at}$"} for at in range(count)}
    return {"type": "object", "properties": named}


ORDINARY_PATTERNS = (
    r"^[a-zA-Z0-9_-]{1,128}$",
    r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
    r"^[\w.-]{1,64}@[\w-]{1,64}\.\w+$",
)
HUGE_PATTERNS = (
    r"^(\w{600}|a)",
    r"^((\w{30}){30}){2}",
    r"^(((a{50}){50}){50})",
    r"(?x) ^ \w { 600 }",
    r"(?i)^[\u00c0-\u017f]{600}",
    r"^[^a]{1,600}",
    r"^\w{999999999999}",
    r"^" + r"\w" * 600,
)


@pytest.mark.parametrize("pattern", ORDINARY_PATTERNS)
async def test_ordinary_patterns_are_looked_at_in_this_process(pattern: str) -> None:
    schema = patterns(2, pattern)
    assert weight_of(schema) <= LIGHT
    assert parts_of(schema) is not None
    assert (await Schemas().violations(schema, {"k0": "-"}, 10)).count == 1


@pytest.mark.parametrize("pattern", HUGE_PATTERNS)
def test_huge_patterns_are_compiled_where_that_can_be_given_up(pattern: str) -> None:
    assert pattern_size(pattern) * 5 > LIGHT
    named: dict[str, Any] = {"type": "object", "patternProperties": {pattern: {}}}
    for schema in (patterns(1, pattern), named):
        assert weight_of(schema) > LIGHT
        assert parts_of(schema) is None


def test_a_schema_of_small_patterns_is_huge_when_they_are_many() -> None:
    assert parts_of(patterns(20, r"^\d{10}")) is not None
    assert parts_of(patterns(500, r"^\d{10}")) is None


async def test_a_list_with_a_tool_of_huge_patterns_offers_it_and_a_call_gives_up() -> None:
    found = sift(
        "s", [{"name": "t", "inputSchema": patterns(500, r"(\w{250}|a)x\p{L}{200}")}, {"name": "u", "inputSchema": {}}]
    )
    assert [info.ref.name for info in found.tools] == ["t", "u"]
    with pytest.raises(ToolFailed, match="cannot be checked"):
        await Schemas(seconds=1).violations(found.tools[0].input_schema, {"k0": "a"}, 10)


def test_many_tools_take_no_longer_to_look_at_than_a_few_large_ones() -> None:
    heavy = patterns(15, r"^\w{20}")
    broken = {**heavy, "required": "no list"}
    schemas = {"early": broken, **{f"t{at}": heavy for at in range(60)}, "late": broken}
    found = sift("s", [{"name": name, "inputSchema": schema} for name, schema in schemas.items()])
    assert list(found.broken) == ["early"]
    assert [info.ref.name for info in found.tools] == list(schemas)[1:]
