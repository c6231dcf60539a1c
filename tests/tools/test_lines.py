"""Lines out of a stream, and the last ones of standard error: whatever the parts in which they come."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ael.tools.lines import LineReader, number_at_head, number_at_tail
from ael.tools.stderr import LastLines, visible

LIMIT = 20
BYTES = st.text(alphabet='ab\n{}": ', max_size=200).map(str.encode)
#: Where a stream is cut.
CUTS = st.lists(st.integers(0, 200), max_size=8)


def parts_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places) if start < end]


@given(BYTES, CUTS)
def test_lines_do_not_depend_on_the_parts_in_which_they_come(data: bytes, cuts: list[int]) -> None:
    too_long: list[bool] = []
    reader = LineReader(LIMIT, lambda number, has_ended: too_long.append(has_ended))
    lines = [b"".join(line) for part in parts_of(data, cuts) for line in reader.feed(part)]
    *whole, rest = data.split(b"\n")
    assert [line for line in lines if line] == [line for line in whole if line and len(line) <= LIMIT]
    # Each is told at its end, and some before.
    assert too_long.count(True) == sum(len(line) > LIMIT for line in whole)
    assert len(too_long) >= sum(len(line) > LIMIT for line in [*whole, rest]) - (len(rest) > LIMIT)


@given(st.integers(0, 10**17), st.text(max_size=400))
def test_the_id_of_a_message_is_found_at_either_end(number: int, words: str) -> None:
    first = json.dumps({"jsonrpc": "2.0", "id": number, "result": {"text": words}}).encode()
    assert number_at_head(first[:256]) == number
    last = json.dumps({"result": {"text": words}, "jsonrpc": "2.0", "id": number}, separators=(",", ":")).encode()
    assert number_at_tail(last[-256:]) == number


def test_an_id_within_a_text_is_none_of_the_message() -> None:
    assert number_at_head(b'{"result": {"id": 7}, "id": 8') is None
    assert number_at_head(b'INFO {"jsonrpc": "2.0", "id": 7, "method"') is None
    assert number_at_tail(b'"text": "\\"id\\": 7}"}') is None


@given(BYTES, CUTS)
def test_the_last_lines_do_not_depend_on_the_parts_in_which_they_come(data: bytes, cuts: list[int]) -> None:
    once, often = LastLines(), LastLines()
    once.take(data)
    for part in parts_of(data, cuts):
        often.take(part)
    assert once.lines() == often.lines()


def test_last_lines_are_bounded_in_number_and_length() -> None:
    kept = LastLines()
    for _ in range(300):
        kept.take(b"x" * 100_000)
    kept.take(b"\n" + b"y\n" * 1000 + b"end")
    kept.end()
    kept.take(b"next")
    assert kept.lines() == [*["y"] * 98, "end", "next"]
    long = LastLines()
    long.take(b"a" * 5000 + b"\n" + b"b" * 1900 + b" c" * 5000)
    assert [len(line) for line in long.lines()] == [1905, 2000]
    assert all(line.endswith("…") for line in long.lines())


@given(st.text())
def test_words_of_strangers_are_fit_for_a_terminal(text: str) -> None:
    assert all(one.isprintable() or one in "\n\t" for one in visible(text))


def test_escape_sequences_are_taken_out_whole() -> None:
    assert (
        visible("\x1b[1;31mred\x1b[0m \x1b]0;title\x07and \x1b]8;;http://x\x1b\\link\x1b(B\x07")
        == "red and linkB\ufffd"
    )
    assert visible("é\u202etext") == "é\ufffdtext"
