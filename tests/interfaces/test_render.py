"""What is shown: no text can steer a terminal, no JSON loses its meaning, no line is wider than it must be."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.app.application import ErrorRecord, Execution, JSONValue, StepRun
from ael.errors import ConfigInvalid, Location, Problem
from ael.interfaces.cli.options import Globals
from ael.interfaces.cli.render import (
    duration,
    json_text,
    print_error,
    print_failure,
    print_result,
    print_steps,
    printable,
    step_line,
)
from ael.workflow.model import Source

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_no_printable_text_steers_a_terminal(text: str) -> None:
    assert not OBEYED.search(printable(text))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.recursive(st.none() | st.booleans() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)))
def test_json_means_the_same_and_steers_no_terminal(value: object) -> None:
    shown = json_text(value)
    assert json.loads(shown) == value
    assert not OBEYED.search(shown)


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(None, ""), (0.25, "250 µs"), (1, "1 ms"), (999, "999 ms"), (1500, "1.50 s"), (123456, "123.46 s")],
)
def test_durations_have_the_unit_that_reads_best(milliseconds: float | None, shown: str) -> None:
    assert duration(milliseconds) == shown


def test_a_step_line_says_what_happened() -> None:
    error = ErrorRecord(
        code="CODE_RUNTIME", category="EXECUTION", message="m", detail="", suggestion="", retryable=False
    )
    failed = StepRun(step_id="a", kind="code", status="failed", duration_ms=2, error=error)
    assert step_line(failed, "a").endswith("2 ms  CODE_RUNTIME")
    skipped = StepRun(step_id="a", kind="code", status="skipped", reason="when", duration_ms=0)
    assert "condition is false" in step_line(skipped, "a")
    assert "0 µs" not in step_line(skipped, "a")


def test_an_error_is_one_block_with_place_caret_and_repair(capsys: pytest.CaptureFixture[str]) -> None:
    record = ErrorRecord(
        code="CODE_RUNTIME",
        category="EXECUTION",
        message="Runtime error in code block",
        detail="ValueError: " + "word " * 40,
        suggestion="Check the numbers.",
        retryable=False,
        step_id="sum",
        attempt=2,
        location=Location(file="f.yaml", line=2, column=1),
    )
    print_error(record, Globals(), Source(file="f.yaml", text="first\n    second line\nthird\n"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "CODE_RUNTIME: Runtime error in code block"
    assert max(map(len, lines)) <= 80
    assert lines[-4:] == [
        "  in step 'sum', attempt 2, f.yaml:2:1",
        "      second line",
        "      ^",
        "  → Check the numbers.",
    ]


@pytest.mark.parametrize("source", [None, Source(file="other.yaml", text="x"), Source(file="f.yaml", text="x")])
def test_a_place_whose_line_is_not_at_hand_is_named_without_it(
    source: Source | None, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Location(file="f.yaml", line=9, column=1)
    print_error(
        ErrorRecord(
            code="C", category="SYSTEM", message="m", detail="", suggestion="", retryable=False, location=place
        ),
        Globals(),
        source,
    )
    assert capsys.readouterr().err.splitlines() == ["C: m", "  in f.yaml:9:1"]


def test_all_problems_of_an_error_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConfigInvalid([Problem(message="one", suggestion="Do this."), Problem(message="two\x1b[2J")])
    print_failure(error, Globals())
    assert capsys.readouterr().err.splitlines() == [
        "CONFIG_INVALID: Invalid configuration",
        "error: one",
        "  Do this.",
        "error: two\\x1b[2J",
    ]


def test_a_trace_shows_what_each_step_got_and_gave(capsys: pytest.CaptureFixture[str]) -> None:
    step = StepRun(
        step_id="a", kind="tool", status="completed", inputs={"x": 1}, output="done\x07", printed="line one\nline two\n"
    )
    print_steps(Execution(execution_id="exec-1", steps=[step]), Globals(), trace=True)
    shown = capsys.readouterr().err
    assert '"x": 1' in shown
    assert "printed: line one\n      line two\n" in shown
    assert "output: done\\x07" in shown


@pytest.mark.parametrize(("outputs", "printed"), [("text", "text\n"), ("", "\n"), (None, "null\n"), (5, "5\n")])
def test_a_string_is_printed_as_it_is_and_anything_else_as_json(
    outputs: JSONValue, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_result(Execution(execution_id="exec-1", outputs=outputs))
    assert capsys.readouterr().out == printed
