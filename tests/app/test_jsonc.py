"""JSON with comments: read like JSON, edited without touching what stands around."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.app import jsonc
from ael.values import JSONValue

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
_VALUES: st.SearchStrategy[JSONValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)
_SPACE = st.sampled_from(["", " ", "\n", "\r\n  ", "\t", '// c, { " \n', '/* } , " */', "/**/ "])


@st.composite
def spelled(draw: st.DrawFn, value: JSONValue) -> str:
    """Write a value with comments, white space and trailing commas wherever they may stand."""
    if isinstance(value, dict | list):
        pairs = (
            [f"{json.dumps(key)}{draw(_SPACE)}:{draw(_SPACE)}{draw(spelled(item))}" for key, item in value.items()]
            if isinstance(value, dict)
            else [draw(spelled(item)) for item in value]
        )
        comma = draw(st.sampled_from(["", ","])) if pairs else ""
        inside = ",".join(f"{draw(_SPACE)}{pair}{draw(_SPACE)}" for pair in pairs) + comma + draw(_SPACE)
        return "{" + inside + "}" if isinstance(value, dict) else "[" + inside + "]"
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, JSONValue]:
    value = draw(_VALUES)
    return draw(_SPACE) + draw(spelled(value)) + draw(_SPACE), value


@given(documents())
def test_what_is_written_with_comments_is_read(document: tuple[str, JSONValue]) -> None:
    text, value = document
    assert jsonc.parse(text, "f").value == value


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, dict[str, JSONValue]]:
    value = draw(st.dictionaries(_TEXTS, _VALUES, max_size=3))
    if draw(st.booleans()):
        value["mcpServers"] = draw(st.dictionaries(_TEXTS, _VALUES, max_size=3))
    return draw(_SPACE) + draw(spelled(value)) + draw(_SPACE), value


def _comments(text: str) -> int:
    return sum(text.count(mark) for mark in ("// c", "/* }", "/**/"))


@given(objects())
def test_an_entry_is_put_in_and_taken_out_and_everything_else_stays(document: tuple[str, dict[str, JSONValue]]) -> None:
    text, before = document
    entry: JSONValue = {"command": "/opt/ael", "args": ["serve"]}
    made = jsonc.put(text, "f", ("mcpServers", "ael"), entry)
    servers = before.get("mcpServers", {})
    assert isinstance(servers, dict)
    assert jsonc.parse(made, "f").value == {**before, "mcpServers": {**servers, "ael": entry}}
    assert _comments(made) == _comments(text) or "ael" in servers
    back = jsonc.remove(made, "f", ("mcpServers", "ael"))
    servers.pop("ael", None)
    assert jsonc.parse(back, "f").value == {**before, "mcpServers": servers}


@pytest.mark.parametrize(
    "text",
    [
        '{\n  "mcpServers": {\n    "a": {"c": 1}\n  }\n}\n',
        '{\n\t"x": 1, // note\n\t"mcpServers": {\n\t\t"a": 1 // end\n\t}\n}',
        '\ufeff{\r\n  "mcpServers": {\r\n    "a": [1,\r\n      2]\r\n  }\r\n}\r\n',
        '{"mcpServers": {"a": {"c": 1}}, "z": [ 1,2 ]}',
        '{\n    "mcpServers": {},\n    "z": 3\n}',
        '{\n  "mcpServers": {\n    "a": 1,\n  },\n}\n',
    ],
)
def test_the_layout_of_the_file_is_kept_to_the_byte(text: str) -> None:
    made = jsonc.put(text, "f", ("mcpServers", "ael"), {"command": "x"})
    assert len(made) > len(text)
    assert jsonc.remove(made, "f", ("mcpServers", "ael")) == text


@given(st.text('{}[]",:/*\\n1tru e', max_size=30))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        jsonc.parse(text, "f")
    except jsonc.Unreadable as error:
        assert error.problem.location is not None
    try:
        strict = json.loads(text)
    except ValueError:
        return
    assert jsonc.parse(text, "f", comments=False).value == strict
