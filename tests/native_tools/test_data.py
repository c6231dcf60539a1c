"""Data tools, through the server's own process."""

from __future__ import annotations

from native_tools import confined
from tests.native_tools.conftest import failing, refused

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "ages": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name"],
    "additionalProperties": False,
}


async def test_every_violation_is_listed_with_its_place(call) -> None:
    assert await call("data_validate", data={"name": "Ada"}, schema=PERSON) == {
        "valid": True,
        "errors": [],
        "error_count": 0,
    }
    found = await call("data_validate", data={"ages": [1, "x"], "more": 1}, schema=PERSON)
    assert (found["valid"], found["error_count"]) == (False, 3)
    assert {(one["path"], one["keyword"]) for one in found["errors"]} == {
        ("ages[1]", "type"),
        ("", "required"),
        ("", "additionalProperties"),
    }


async def test_many_violations_are_counted_and_some_listed(call) -> None:
    found = await call("data_validate", data=["x"] * 500, schema={"items": {"type": "integer"}}, max_errors=2)
    assert (len(found["errors"]), found["error_count"]) == (2, 500)


async def test_the_values_that_are_allowed_are_all_named(call) -> None:
    found = await call("data_validate", data="e", schema={"enum": ["a", "b", "c", "ü"]})
    assert [one["message"] for one in found["errors"]] == ['"e" is not one of "a", "b", "c", "ü"']
    found = await call("data_validate", data=-1, schema={"enum": [*range(25)]})
    assert found["errors"][0]["message"].endswith("18, 19 and 5 more")


async def test_a_pattern_that_could_take_for_ever_takes_linear_time(call) -> None:
    found = await call("data_validate", data="a" * 50_000 + "!", schema={"pattern": "^(a+)+$"})
    assert not found["valid"]


async def test_references_in_a_schema_are_followed_and_an_endless_one_is_given_up(tools, monkeypatch) -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "n": {"type": "integer"}}}
    found = await tools("data_validate", data={"left": {"left": {"n": "x"}}}, schema=tree)
    assert [one["path"] for one in found["errors"]] == ["left.left.n"]
    assert "not usable" in await refused(tools, "data_validate", data=1, schema={"$ref": "https://example.org/"})
    doubling = {f"d{at}": {"anyOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(40)}
    schema = {"$ref": "#/$defs/d0", "$defs": {**doubling, "d40": {"type": "string"}}}
    monkeypatch.setattr(confined, "SECONDS", 1)
    assert "takes longer than 1 seconds" in await refused(tools, "data_validate", data=1, schema=schema)


async def test_a_schema_that_cannot_be_used_says_why(call) -> None:
    error = await failing(call, "data_validate", data=1, schema={"$ref": "https://example.org/schema.json"})
    assert (error.code, error.retryable) == ("TOOL_FAILED", False)
    assert "nothing is fetched" in error.detail
    assert "not usable" in (await failing(call, "data_validate", data=1, schema={"type": "nothing"})).detail
