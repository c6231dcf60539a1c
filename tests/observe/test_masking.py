"""No secret leaves, in any guaranteed form, in one pass."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.errors import ConfigInvalid, ErrorRecord, Location, Problem
from ael.journal.fold import Execution, StepRun
from ael.observe.logs import escape
from ael.observe.masking import MASK, Masker
from ael.values import JSONValue, beginning

SECRET = 'p"ss wörd/+&42'


@given(st.binary(max_size=7).map(lambda raw: raw.decode("latin-1")), st.text(max_size=7))
def test_every_form_is_found_at_any_place(before: str, after: str) -> None:
    masker = Masker([SECRET])
    for form in (
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET, safe=""),
    ):
        assert form not in masker.text(before + form + after)
    encoded = base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()
    assert MASK in masker.text(encoded)
    hidden = masker.text(encoded)
    assert base64.b64encode(SECRET.encode()).decode()[:-4] not in hidden


def test_values_are_masked_at_any_depth_keys_included() -> None:
    masker = Masker(["secret-value", "12345678"])
    masked = masker.value({"a": ["x secret-value y", {"secret-value": 1}], "n": 12345678})
    assert masked == {"a": [f"x {MASK} y", {MASK: 1}], "n": MASK}


def test_a_short_secret_is_masked_where_it_is_the_whole_value() -> None:
    masker = Masker(["no"])
    assert masker.value(["no", "nothing"]) == [MASK, "nothing"]


def test_without_secrets_nothing_is_touched() -> None:
    value: JSONValue = {"a": 1}
    masker = Masker([])
    assert not masker
    assert masker.value(value) is value


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2Jb", "a\u2028b", "a\x00b"])
def test_a_log_line_stays_one_line(text: str) -> None:
    assert len(escape(text).splitlines()) == 1
    assert "\x1b" not in escape(text)


def test_a_secret_that_reads_like_a_state_leaves_records_whole() -> None:
    masker = Masker(["completed", "CODE_RUNTIME"])
    error = ErrorRecord(
        code="CODE_RUNTIME", category="EXECUTION", message="m", detail="was completed", suggestion="", retryable=False
    )
    step = StepRun(step_id="completed", kind="code", status="completed", output=["completed"], error=error)
    masked = masker.record(Execution(execution_id="completed", status="completed", outputs="completed", steps=[step]))
    assert (masked.status, masked.outputs, masked.steps[0].step_id) == ("completed", MASK, "completed")
    assert masked.steps[0].output == [MASK]
    assert masked.steps[0].error is not None
    assert (masked.steps[0].error.code, masked.steps[0].error.detail) == ("CODE_RUNTIME", f"was {MASK}")


@given(
    before=st.text("ab ", max_size=300),
    secret=st.text("XYZ0123456789+/=", min_size=8, max_size=96),
    after=st.text("ab "),
)
def test_no_secret_is_cut_in_two_where_a_text_is_shortened(before: str, secret: str, after: str) -> None:
    shown = beginning(f"{before} {secret}{after}", 200)
    assert len(shown) <= 200
    assert shown.rstrip("…") in f"{before} {secret}{after}"
    masked = Masker([secret]).text(shown)
    assert not set(masked) & set(secret)


@given(
    before=st.text("ab", max_size=20),
    secret=st.text('XYZ0123456789+/= "\\ü', min_size=8, max_size=400),
    after=st.text("ab"),
    data=st.data(),
)
def test_no_part_of_a_secret_stays_beside_a_cut(before: str, secret: str, after: str, data: st.DataObject) -> None:
    masker = Masker([secret])
    for form in (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
    ):
        at = data.draw(st.integers(4, len(form)))
        cut = [f"{before}{form[:at]}…{after}", f"{before}… {form[-at:]}{after}"]
        if not set(form) & {'"', "\\"}:
            cut.append(json.dumps(cut[0]))
        for text in cut:
            shown = masker.text(text)
            assert MASK in shown
            assert not set(shown.replace("u2026", "")) & set("XYZ0123456789")


@pytest.mark.parametrize(("secret", "cut"), [("0000 000", "a … 000 000 b"), ("000 0000", "a 000 000 … b")])
def test_the_space_beside_a_cut_does_not_pass_for_all_that_is_left_of_a_secret(secret: str, cut: str) -> None:
    masker = Masker([secret])
    assert "0" not in masker.text(cut)
    other = cut.replace("0", "1")
    assert masker.text(other) == other


def test_an_error_and_a_problem_are_masked_in_every_text() -> None:
    masker = Masker(["secret-value"])
    place = Location(file="f", line=1, column=1)
    problem = Problem(
        message="m secret-value", suggestion="s secret-value", source_line="x: secret-value", location=place
    )
    error = ConfigInvalid([problem], suggestion="or secret-value")
    masker.error(error)
    assert "secret-value" not in str(msgspec.to_builtins(error.record())) + str(msgspec.to_builtins(error.problems))
    assert error.problems[0].message == f"m {MASK}"
