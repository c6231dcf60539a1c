"""Schemas that strangers wrote: ordinary ones are judged at once, those that could take for ever are given up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.errors import ToolFailed
from ael.tools.schema_process import judge, make_validator
from ael.tools.schemas import Schemas, may_take_long, parts_of

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
