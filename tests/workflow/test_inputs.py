"""Inputs: what a caller may give, how all that is wrong is said at once, and the schemas that say it beforehand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from ael.errors import InputInvalid
from ael.values import JSONValue
from ael.workflow.inputs import parse_input, validate_inputs
from ael.workflow.load import load_file, load_text
from ael.workflow.model import InputSpec, InputType, Workflow
from ael.workflow.schema import input_schema, output_schema, workflow_schema

EXAMPLES = sorted((Path(__file__).parents[2] / "examples/workflows").glob("*.yaml"))
TYPES: tuple[InputType, ...] = ("string", "integer", "number", "boolean", "array", "object")


def workflow_of(inputs: str) -> Workflow:
    text = f"name: demo\nversion: 1\ninputs:\n{inputs}\nsteps: [{{id: a, tool: t}}]\n"
    return load_text(text, "flow.yaml").definition.workflow


def workflow_with(*specs: InputSpec) -> Workflow:
    return msgspec.structs.replace(workflow_of("  - unused"), inputs=specs)


def said(workflow: Workflow, given_: dict[str, Any]) -> list[str]:
    """Return what is said about inputs, empty when they are taken."""
    try:
        validate_inputs(workflow, given_)
    except InputInvalid as error:
        return [problem.render() for problem in error.problems]
    return []


# -- types -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("string", value) for value in ("", "5", "é😀", "line\nline")),
        *(("integer", value) for value in (0, -1, 2**63 - 1, 1.0, -0.0)),
        *(("number", value) for value in (0, 1.5, -1e300, 2**63)),
        *(("boolean", value) for value in (True, False)),
        *(("array", value) for value in ([], [1, "a", None, [True]])),
        *(("object", value) for value in ({}, {"a": {"b": [1]}})),
    ],
)
def test_a_value_of_its_type_is_taken_as_it_is(kind: InputType, value: JSONValue) -> None:
    taken = validate_inputs(workflow_with(InputSpec(name="x", type=kind)), {"x": value})["x"]
    assert taken == value
    assert type(taken) is type(value)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("string", 5, "is a string, not 5"),
        ("string", None, "is a string, not null"),
        ("string", ["a"], 'is a string, not ["a"]'),
        ("integer", "5", 'is an integer, not "5"'),
        ("integer", 1.5, "is an integer, not 1.5"),
        ("integer", True, "is an integer, not true"),
        ("number", "1.5", 'is a number, not "1.5"'),
        ("number", False, "is a number, not false"),
        ("boolean", 1, "is true or false, not 1"),
        ("boolean", "true", 'is true or false, not "true"'),
        ("array", "a,b", 'is a list, not "a,b"'),
        ("array", {"0": "a"}, 'is a list, not {"0":"a"}'),
        ("object", [["a", 1]], 'is an object, not [["a",1]]'),
        ("object", None, "is an object, not null"),
        ("string", ["x" * 100], 'is a string, not ["' + "x" * 55 + "…"),
    ],
)
def test_a_value_of_another_type_is_named_with_what_it_is(kind: InputType, value: JSONValue, words: str) -> None:
    workflow = workflow_with(InputSpec(name="x", type=kind))
    assert said(workflow, {"x": value}) == [f"error: input 'x' {words}"]


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf], {"a": math.nan}, (1, 2), {1, 2}, b"x", {1: "a"}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    for kind in TYPES:
        (line,) = said(workflow_with(InputSpec(name="x", type=kind)), {"x": value})
        assert line.startswith("error: input 'x' is not strict JSON: ")


def test_a_value_nested_without_end_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    (line,) = said(workflow_with(InputSpec(name="x", type="array")), {"x": deep})
    assert line.startswith("error: input 'x' is not strict JSON: ")


# -- constraints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "good", "bad", "words"),
    [
        ("{minimum: 2, type: integer}", 2, 1, "is at least 2, not 1"),
        ("{maximum: 2, type: integer}", 2, 3, "is at most 2, not 3"),
        ("{minimum: 0.5, type: number}", 0.5, 0.4, "is at least 0.5, not 0.4"),
        ("{maximum: -1, type: number}", -1.0, -0.5, "is at most -1, not -0.5"),
        ("{min_length: 2}", "ab", "a", "has at least 2 characters, not 1"),
        ("{max_length: 2}", "é😀", "abc", "has at most 2 characters, not 3"),
        ("{pattern: '^https://'}", "https://x", "ftp://x", 'matches ^https://, which "ftp://x" does not'),
        ("{pattern: 'b'}", "abc", "ac", 'matches b, which "ac" does not'),
        ("{enum: [a, b]}", "b", "c", 'is one of "a", "b", not "c"'),
        ("{enum: [1, 2], type: integer}", 2.0, 3, "is one of 1, 2, not 3"),
        ("{enum: [true], type: boolean}", True, False, "is one of true, not false"),
        ("{enum: [[1], []], type: array}", [1.0], [True], "is one of [1], [], not [true]"),
        ("{enum: [{a: 1}], type: object}", {"a": 1}, {"a": True}, 'is one of {"a":1}, not {"a":true}'),
        (
            "{type: array, items: {type: integer}}",
            [1, 2],
            [1, "b"],
            'at x[1]: "b" is not of type "integer"',
        ),
        (
            "{type: object, properties: {a: {type: object, properties: {b: {maxLength: 1}}}}}",
            {"a": {"b": "x"}, "c": 1},
            {"a": {"b": "xx"}},
            'at x.a.b: "xx" is longer than 1 character',
        ),
    ],
)
def test_a_constraint_holds_and_says_what_it_is(declared: str, good: JSONValue, bad: JSONValue, words: str) -> None:
    workflow = workflow_of(f"  - x: {declared}")
    assert said(workflow, {"x": good}) == []
    assert said(workflow, {"x": bad}) == [f"error: input 'x' {words}"]


def test_every_violation_is_listed_at_once() -> None:
    workflow = workflow_of(
        """\
  - url: {pattern: "^https://", max_length: 5, enum: [a]}
  - count: {type: integer, maximum: 10}
  - rows: {type: array, items: {type: integer}}
  - token: {description: Of the server}
  - mode: json
"""
    )
    assert said(workflow, {"cuont": 1, "url": "ftp://x", "count": 11, "rows": ["a", 1, "b"]}) == [
        "error: unknown input 'cuont'\n  Did you mean 'count'?",
        'error: input \'url\' is one of "a", not "ftp://x"',
        "error: input 'url' has at most 5 characters, not 7",
        "error: input 'url' matches ^https://, which \"ftp://x\" does not",
        "error: input 'count' is at most 10, not 11",
        'error: input \'rows\' at rows[0]: "a" is not of type "integer"',
        'error: input \'rows\' at rows[2]: "b" is not of type "integer"',
        "error: input 'token' is missing (Of the server)\n"
        "  It has no default: give it a value (`-i token=…` on the command line).",
    ]


def test_a_list_with_a_thousand_wrong_items_is_described_by_the_first() -> None:
    lines = said(workflow_of("  - rows: {type: array, items: {type: integer}}"), {"rows": ["x"] * 1000})
    assert len(lines) == 21
    assert lines[-1] == "error: input 'rows' has more violations, which are not shown"


def test_an_unknown_input_is_told_the_nearest_name_or_those_there_are() -> None:
    workflow = workflow_of("  - place: here\n  - time: now")
    assert said(workflow, {"plaec": "x"}) == ["error: unknown input 'plaec'\n  Did you mean 'place'?"]
    assert said(workflow, {"colour": "x"}) == ["error: unknown input 'colour'\n  Known inputs: place, time."]
    assert said(workflow_with(), {"x": 1}) == ["error: unknown input 'x'\n  This workflow takes no inputs."]
    (line,) = said(workflow, {"n" * 10_000: 1})
    assert len(line) < 200


def test_a_pattern_that_would_take_another_engine_for_ever_is_answered() -> None:
    workflow = workflow_of("  - x: {pattern: '^(a+)+$'}")
    assert len(said(workflow, {"x": "a" * 50_000 + "!"})) == 1
    assert said(workflow, {"x": "a" * 50_000}) == []


# -- defaults ----------------------------------------------------------------------------------------------------------


def test_defaults_fill_what_is_not_given_and_absent_ones_stay_missing() -> None:
    workflow = workflow_of(
        """\
  - a: 1
  - b: {type: integer, default: null}
  - c: {required: false}
  - d: {default: x, required: true, enum: [x, y]}
  - e: [1, 2]
"""
    )
    assert validate_inputs(workflow, {}) == {"a": 1, "b": None, "d": "x", "e": [1, 2]}
    assert [spec.type for spec in workflow.inputs] == ["integer", "integer", "string", "string", "array"]
    assert validate_inputs(workflow, {"a": 2, "c": "given"})["c"] == "given"
    # The default is exempt from its type; a value that is given is not.
    assert said(workflow, {"b": None}) == ["error: input 'b' is an integer, not null"]


def test_the_list_form_and_the_mapping_form_are_one() -> None:
    listed = workflow_of("  - a\n  - b: 5\n  - c: {type: array}\n  - {name: d, type: number}")
    mapped = workflow_of("  a: {}\n  b: 5\n  c: {type: array}\n  d: {type: number}")
    assert listed.inputs == mapped.inputs


# -- secrets -----------------------------------------------------------------------------------------------------------

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("type: integer", SECRET),
        ("type: boolean", SECRET),
        ("type: array", SECRET),
        ("type: object", [SECRET]),
        ("type: string", [SECRET]),
        ("type: string", {SECRET: math.nan}),
        ("enum: [a, b]", SECRET),
        ("pattern: '^x'", SECRET),
        ("min_length: 100", SECRET),
        ("max_length: 1", SECRET),
        ("type: integer, maximum: 10", 11),
        ("type: number, minimum: 10", 9.25),
        ("type: array, items: {type: integer}", [SECRET]),
        ("type: object, properties: {a: {type: integer}}", {"a": SECRET}),
        ("type: object, properties: {hunter2-hunter2: {type: integer}}", {SECRET: "x"}),
        ("type: array, enum: [[1]]", [SECRET]),
    ],
)
def test_the_value_of_a_secret_is_in_no_message(declared: str, value: Any) -> None:
    workflow = workflow_of(f"  - token: {{{declared}, secret: true}}")
    with pytest.raises(InputInvalid) as caught:
        validate_inputs(workflow, {"token": value})
    whole = json.dumps(msgspec.to_builtins([caught.value.record(), caught.value.problems]))
    shown = str(value) if isinstance(value, int | float) else "hunter2"
    assert f"not {shown}" not in whole
    assert "hunter2" not in whole
    assert "input 'token' " in whole


@given(st.text().map("§".__add__), st.sampled_from(TYPES))
def test_a_secret_that_is_read_from_a_command_line_is_in_no_message(text: str, kind: InputType) -> None:
    spec = InputSpec(name="n", type=kind, secret=True)
    try:
        value = parse_input(spec, text)
        validate_inputs(workflow_with(spec), {"n": value})
    except InputInvalid as error:
        assert "§" not in error.detail


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "5", "5"),
        ("string", "", ""),
        ("string", '{"a": 1}', '{"a": 1}'),
        ("integer", "5", 5),
        ("integer", " -7 ", -7),
        ("number", "1.5", 1.5),
        ("number", "1e3", 1000.0),
        ("boolean", "true", True),
        ("array", '["a", 1]', ["a", 1]),
        ("object", '{"a": {"b": null}}', {"a": {"b": None}}),
    ],
)
def test_text_is_read_as_its_type(kind: InputType, text: str, value: JSONValue) -> None:
    assert parse_input(InputSpec(name="x", type=kind), text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("integer", "five", 'is an integer, not "five"\n  Write a number: -i x=5.'),
        ("number", "", 'is a number, not ""\n  Write a number: -i x=5.'),
        ("number", "NaN", 'is a number, not "NaN"\n  Write a number: -i x=5.'),
        ("boolean", "yes", 'is true or false, not "yes"\n  Write -i x=true or -i x=false.'),
        ("array", "a,b", 'is a list, not "a,b"\n  Write it as JSON: -i \'x=["a", "b"]\'.'),
        ("object", "a=1", 'is an object, not "a=1"\n  Write it as JSON: -i \'x={"a": 1}\'.'),
    ],
)
def test_text_that_is_none_of_its_type_is_told_how_to_write_it(kind: InputType, text: str, message: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        parse_input(InputSpec(name="x", type=kind), text)
    assert caught.value.detail == f"error: input 'x' {message}"


@pytest.mark.parametrize("kind", TYPES)
@given(text=st.text() | st.recursive(st.just("1"), lambda inner: inner.map(lambda one: f"[{one}]"), max_leaves=3))
def test_no_text_makes_the_reading_raise_anything_else(kind: InputType, text: str) -> None:
    spec = InputSpec(name="x", type=kind)
    try:
        validate_inputs(workflow_with(spec), {"x": parse_input(spec, text)})
    except InputInvalid as error:
        assert all(len(problem.render().splitlines()) <= 4 for problem in error.problems)


def test_text_that_is_nested_without_end_is_refused() -> None:
    with pytest.raises(InputInvalid):
        parse_input(InputSpec(name="x", type="array"), "[" * 100_000 + "]" * 100_000)


# -- schemas -----------------------------------------------------------------------------------------------------------


def dialect_holds(schema: dict[str, Any]) -> None:
    """Check a schema against the meta-schema of draft 2020-12."""
    jsonschema_rs.Draft202012Validator(schema)
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_the_schema_of_a_file_is_one_of_its_dialect_and_describes_its_keys() -> None:
    schema = workflow_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    dialect_holds(schema)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    described = [value for value in properties.values() if isinstance(value, dict) and "description" in value]
    assert len(described) * 2 > len(properties)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_schema_of_a_file_takes_every_example(file: Path) -> None:
    jsonschema_rs.validate(workflow_schema(), yaml.safe_load(file.read_text()))
    workflow = load_file(str(file)).definition.workflow
    dialect_holds(input_schema(workflow))
    results = output_schema(workflow)
    if results is not None:
        dialect_holds(results)


@pytest.mark.parametrize(
    "text",
    [
        "inputs: [url]",
        "inputs: {url: {type: string}, count: 5}",
        "inputs: [{url: {type: array, items: {type: string}}}, {name: x, type: integer}]",
        "outputs: {x: {value: 1}}",
        "outputs: [{x: {from_path: steps.a.output}}, {name: y, value: 1}]",
        "output: '{{ steps.a.output }}'",
        "defaults: {timeout: 5, on_error: continue, retry: {max_attempts: 2}, sandbox: {max_memory: 5}}",
        "on_failure: [{id: b, wait: {seconds: 1}}]\nfinally: [{id: c, approval: {message: Go on}}]",
        "packages: {profile: standard}\ntools: [fs_read, github__*]\nexpose: false",
        "tests: [{name: t, inputs: {}, expect: {status: completed, error.code: TOOL_TIMEOUT}}]",
        "annotations: {readOnlyHint: true}\ntags: [a]\ntimeout: 1.5",
    ],
)
def test_what_loads_matches_the_schema(text: str) -> None:
    whole = (
        f"name: demo\nversion: 1.10\nsteps: [{{id: a, tool: t, depends_on: [], when: true, foreach: [1]}}]\n{text}\n"
    )
    load_text(whole, "flow.yaml")
    jsonschema_rs.validate(workflow_schema(), yaml.safe_load(whole))


@pytest.mark.parametrize(
    "change",
    [
        {"setps": []},
        {"steps": []},
        {"steps": {"a": {"tool": "t"}}},
        {"steps": [{"id": "a"}]},
        {"steps": [{"id": "a-b", "tool": "t"}]},
        {"steps": [{"id": "a", "tool": "t", "code": "return 1"}]},
        {"steps": [{"id": "a", "tool": "t", "timeout": "5s"}]},
        {"steps": [{"id": "a", "tool": "t", "on_error": "skip"}]},
        {"steps": [{"id": "a", "tool": "t", "retry": {"max_attemps": 1}}]},
        {"name": "no name"},
        {"version": "latest"},
        {"inputs": [{"x": {"type": "money"}}]},
        {"outputs": {"x": {"value": 1, "from_path": "steps.a"}}},
        {"output": 1, "outputs": {"x": {"value": 1}}},
    ],
)
def test_what_does_not_load_does_not_match_the_schema(change: dict[str, Any]) -> None:
    whole = {"name": "demo", "version": "1", "steps": [{"id": "a", "tool": "t"}], **change}
    assert not jsonschema_rs.is_valid(workflow_schema(), whole)


SHORT = st.text("ab1é😀\n", max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 4) | st.sampled_from([0.0, 0.5, 1.0, -2.5]) | SHORT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=6,
)
OF_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "string": SHORT,
    "integer": st.integers(-4, 4) | st.sampled_from([1.0, -2.0]),
    "number": st.integers(-4, 4) | st.sampled_from([0.5, 1.0, -2.5]),
    "boolean": st.booleans(),
    "array": st.lists(JSON, max_size=3),
    "object": st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, max_size=3),
}
ITEM_SCHEMAS = st.sampled_from([None, {}, {"type": "integer"}, {"type": ["string", "null"]}, {"maximum": 2}])


@st.composite
def specs(draw: st.DrawFn, name: str) -> InputSpec:
    """Draw an input that a file could declare, with constraints of its type."""
    kind = draw(st.sampled_from(TYPES))
    more: dict[str, Any] = {"required": draw(st.booleans()), "secret": draw(st.booleans())}
    if draw(st.booleans()):
        more["enum"] = tuple(draw(st.lists(OF_TYPE[kind], min_size=1, max_size=4)))
    if kind == "string":
        more["pattern"] = draw(st.sampled_from([None, "a", "^[ab]*$", "^1?", r"^\w+$", "é|1"]))
        more["min_length"] = draw(st.none() | st.integers(0, 2))
        more["max_length"] = draw(st.none() | st.integers(2, 4))
    if kind in {"integer", "number"}:
        more["minimum"] = draw(st.none() | st.integers(-3, 0) | st.just(-0.5))
        more["maximum"] = draw(st.none() | st.integers(0, 3) | st.just(1.5))
    if kind == "array":
        more["items"] = draw(ITEM_SCHEMAS)
    if kind == "object":
        schema = draw(ITEM_SCHEMAS)
        more["properties"] = None if schema is None else {"a": schema}
    return InputSpec(name=name, type=kind, **more)


@given(st.data())
def test_the_schema_of_inputs_takes_exactly_what_a_run_takes(data: st.DataObject) -> None:
    workflow = workflow_with(data.draw(specs("x"), label="x"), data.draw(specs("y"), label="y"))
    chosen = {
        spec.name: data.draw(OF_TYPE[spec.type] | JSON, label=f"value of {spec.name}")
        for spec in workflow.inputs
        if data.draw(st.booleans(), label=f"give {spec.name}")
    }
    if data.draw(st.booleans(), label="give an unknown one"):
        chosen["z"] = 1
    schema = input_schema(workflow)
    dialect_holds(schema)
    assert jsonschema_rs.is_valid(schema, chosen) == (said(workflow, chosen) == [])


@given(st.data())
def test_a_default_is_in_the_schema_and_makes_its_input_optional(data: st.DataObject) -> None:
    spec = data.draw(specs("x"))
    default = data.draw(st.none() | OF_TYPE[spec.type])
    assume(default is None or not said(workflow_with(spec), {"x": default}))
    workflow = workflow_with(msgspec.structs.replace(spec, default=default, required=False))
    schema = input_schema(workflow)
    dialect_holds(schema)
    assert schema["required"] == []
    assert validate_inputs(workflow, {}) == {"x": default}
    properties = schema["properties"]
    assert isinstance(properties, dict)
    described = properties["x"]
    assert isinstance(described, dict)
    if spec.secret:
        assert "default" not in described
    else:
        assert described["default"] == default


def test_the_schema_of_inputs_says_what_the_file_says() -> None:
    workflow = workflow_of(
        """\
  - url: {description: Where, pattern: "^https://", min_length: 1, max_length: 9}
  - count: {type: integer, default: 10, minimum: 1, maximum: 100}
  - token: {secret: true, required: false}
  - rows: {type: array, items: {type: integer}, default: null}
"""
    )
    assert input_schema(workflow) == {
        "type": "object",
        "properties": {
            "url": {
                "type": "string",
                "description": "Where",
                "pattern": "^https://",
                "minLength": 1,
                "maxLength": 9,
            },
            "count": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            "token": {"type": "string"},
            "rows": {"type": ["array", "null"], "items": {"type": "integer"}, "default": None},
        },
        "required": ["url"],
        "additionalProperties": False,
    }


def test_what_refers_to_its_own_schema_still_does_where_callers_see_it() -> None:
    text = """\
name: demo
version: 1
inputs:
  - tree: {type: object, properties: {left: {$ref: "#"}, size: {type: integer}}, default: {}}
steps: [{id: a, tool: t}]
outputs:
  "a/b~c d": {value: 1, schema: {$defs: {count: {type: integer}}, $ref: "#/$defs/count"}}
  list: {value: 1, schema: {type: object, properties: {$ref: {type: string}, next: {$ref: "#"}}, enum: [{$ref: "#"}]}}
  maybe: {from_path: steps.a.output.x, default: null, schema: {$defs: {c: {type: integer}}, $ref: "#/$defs/c"}}
  own: {value: 1, schema: {$id: "https://example.com/own", $defs: {c: {type: string}}, $ref: "#/$defs/c"}}
"""
    workflow = load_text(text, "flow.yaml").definition.workflow
    results, inputs = output_schema(workflow), input_schema(workflow)
    assert results is not None
    dialect_holds(results)
    dialect_holds(inputs)
    good: dict[str, Any] = {"a/b~c d": 1, "list": {"$ref": "#"}, "maybe": 1, "own": "x"}
    assert jsonschema_rs.is_valid(results, good)
    # As a default it is not held to its schema.
    assert jsonschema_rs.is_valid(results, {**good, "maybe": None})
    for bad in ({"a/b~c d": "1"}, {"list": {"$ref": "#", "next": 1}}, {"own": 1}, {"maybe": "x"}):
        assert not jsonschema_rs.is_valid(results, {**good, **bad})
    for tree in ({"left": {"left": {"size": 1}}}, {"left": {"left": {"size": "x"}}}):
        assert jsonschema_rs.is_valid(inputs, {"tree": tree}) == (said(workflow, {"tree": tree}) == [])
