"""What becomes of an answer for clients of each protocol version."""

from __future__ import annotations

from typing import Any

import pytest

from ael.app.serving.names import safe_name
from ael.app.serving.served import Answer
from ael.errors import CodeRuntime, CodeSyntax, Location, Problem
from ael.interfaces.mcp.results import result_of


@pytest.mark.parametrize(
    ("version", "structured", "kept"),
    [
        ("2024-11-05", {"a": 1}, False),
        ("2025-03-26", {"a": 1}, False),
        ("2025-06-18", {"a": 1}, True),
        ("2025-11-25", [1], False),
        ("2025-11-25", {"a": 1}, True),
        ("2026-07-28", [1], True),
    ],
)
def test_structured_content_goes_to_those_who_know_it(version: str, structured: Any, kept: bool) -> None:
    raw = {"content": [], "structuredContent": structured, "resultType": "complete"}
    is_modern = version == "2026-07-28"
    result = result_of(Answer(raw=raw), version, is_modern=is_modern)
    assert ("structuredContent" in result) is kept
    assert ("resultType" in result) is is_modern
    assert raw["structuredContent"] == structured


def test_a_failure_names_the_line_of_the_code_once() -> None:
    error = CodeRuntime(
        "KeyError: 'a'", step_id="sum", location=Location(file="/far/away/totals.yaml", line=7, column=1)
    )
    said = result_of(Answer(error=error.record()), "2025-11-25", is_modern=False)["content"][0]["text"]
    assert said.splitlines()[1] == "It is line 7 of totals.yaml."
    told = CodeSyntax([Problem(message="'(' was never closed", location=error.location)])
    said = result_of(Answer(error=told.record()), "2025-11-25", is_modern=False)["content"][0]["text"]
    assert said.count("totals.yaml") == 1


def test_a_malformed_answer_of_a_server_breaks_nothing() -> None:
    assert result_of(Answer(raw={"_meta": 7}), "2025-11-25", is_modern=False) == {"content": []}


def test_safe_names_are_taken_by_every_host_and_differ_where_names_differ() -> None:
    names = ["workflow:a", "workflow:" + "n" * 64, "workflow:" + "n" * 63 + "m", "a.b", "a b", "a_b", "ü" * 80]
    safe = [safe_name(name) for name in names]
    assert safe[0] == "workflow_a"
    assert safe[5] == "a_b"
    assert len(set(safe)) == len(names)
    for name in safe:
        assert len(name) <= 60
        assert name.replace("_", "").replace("-", "").isalnum()
        assert name.isascii()
