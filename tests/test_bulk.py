"""Large values are the same values: decoded, judged and encoded in slices."""

from __future__ import annotations

import gc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.errors import OutputInvalid
from ael.journal.events import StepSucceeded, ToolReturned
from ael.values import MAX_DEPTH, bulk, check
from ael.values.pieces import decode_in_pieces

LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES | st.text(max_size=20) | st.text(st.sampled_from('[]{},:"\\ a'), max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=30,
)


@given(VALUES)
def test_decoding_in_slices_gives_what_decoding_at_once_gives(value: Any) -> None:
    data = msgspec.json.format(msgspec.json.encode(value))
    usual, bulk.SLICE = bulk.SLICE, 4
    try:
        assert bulk.decode(data) == value
    finally:
        bulk.SLICE = usual


@given(VALUES)
def test_encoding_in_slices_gives_what_encoding_at_once_gives(value: Any) -> None:
    usual, bulk._CHUNK = bulk._CHUNK, 2
    try:
        assert bulk.encode(value) == msgspec.json.encode(value)
        assert bulk.size(value) == len(msgspec.json.encode(value))
    finally:
        bulk._CHUNK = usual


@pytest.mark.parametrize(
    "value",
    [
        [{"id": number, "tags": ["a", "b"], "of": {"x": number}} for number in range(2_000)],
        {f"key {number}": number for number in range(5_000)},
        list(range(10_000)),
        ["text, with [ and }"] * 5_000,
        [[1, 2], {"a": []}, "x", None] * 2_000,
    ],
)
@pytest.mark.parametrize("formatted", [False, True])
def test_many_small_parts_are_decoded_in_pieces(value: Any, *, formatted: bool) -> None:
    data = msgspec.json.encode(value)
    assert decode_in_pieces(msgspec.json.format(data) if formatted else data, 8_000) == value


def test_parts_that_are_large_are_no_pieces() -> None:
    assert decode_in_pieces(msgspec.json.encode([["x"] * 10_000] * 3), 8_000) is None


WRONG = [
    *("[1,", '{"a":}', "[" * 100_000, "[1]x", '["\\ud800"]', "[NaN]", "[1,2,]", '{"a":1,"b":2,}', "[1,,2]", "[,1,2]"),
    *("[1,2],[3]", "[1 2,3 4]", '{"a":1,"b"}', "[1,2}", '{"a":1,2}', "[1,2, ]", "x[1,2]", '["a,b', "[1,\x0b2]"),
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_json_is_refused_in_slices_too(text: str) -> None:
    usual, bulk.SLICE = bulk.SLICE, 1
    try:
        with pytest.raises((msgspec.MsgspecError, UnicodeError, RecursionError)):
            bulk.decode(text.encode())
    finally:
        bulk.SLICE = usual


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [1, "x", nested(MAX_DEPTH), nested(MAX_DEPTH + 1), [2**64 - 1, -(2**63)], {"a": [2**64]}, [-(2**63) - 1], [True]],
)
def test_a_decoded_value_is_judged_as_any_other(value: Any) -> None:
    said: list[str] = []
    for judge in (check, bulk.check_decoded):
        try:
            judge(value, "result")
            said.append("")
        except OutputInvalid as error:
            said.append(error.detail)
    assert said[0] == said[1]


def counted(value: Any) -> tuple[int, int]:
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    parts = [counted(one) for one in inside]
    own = len(value) if isinstance(value, str) else 0
    return 1 + sum(one[0] for one in parts), own + sum(one[1] for one in parts)


@pytest.mark.parametrize("many", [1, 3, 20_000])
@given(value=VALUES)
def test_a_decoded_value_is_counted_while_it_is_judged(many: int, value: Any) -> None:
    usual, bulk._MANY = bulk._MANY, many
    try:
        assert bulk.check_decoded(value, "result") == counted(value)
    finally:
        bulk._MANY = usual


@pytest.mark.parametrize(
    ("value", "is_large"),
    [
        ("x" * 1000, False),
        ("x" * 300_000, True),
        ([1] * 1000, False),
        ([1] * 30_000, True),
        ([["x" * 1000] * 10] * 100, True),
        ({"a": {"b": [{}] * 30_000}}, True),
        ([[[1] * 100] * 100] * 100, True),
        (None, False),
    ],
)
def test_what_is_large_is_known(value: Any, is_large: bool) -> None:
    assert bulk.is_large(value) is is_large


def test_records_are_encoded_with_what_is_large_in_them() -> None:
    rows: list[Any] = [{"id": number, "name": "x"} for number in range(30_000)]
    events: list[msgspec.Struct] = [
        ToolReturned(at=1, step_id="s", attempt=1, call=1, tool="t", duration_ms=1.5, result={"rows": rows})
    ]
    events += [StepSucceeded(at=2, step_id="s", output=rows, duration_ms=2)]
    events += [StepSucceeded(at=2, step_id="s", output="x" * 500_000, duration_ms=2)]
    assert bulk.encode_all(events) == msgspec.json.encode(events)


async def test_the_collector_rests_during_large_work_and_not_longer() -> None:
    assert gc.isenabled()
    assert await bulk.in_thread(gc.isenabled) is False
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        await bulk.in_thread(lambda: 1 / 0)
    assert gc.isenabled()
    gc.disable()
    try:
        await bulk.in_thread(int)
        assert not gc.isenabled()
    finally:
        gc.enable()
