"""What becomes of an answer for clients of each protocol version."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from ael.app.serving.builtin import BuiltinTools
from ael.app.serving.names import safe_name
from ael.app.serving.served import Answer, Caller, ServedTool
from ael.app.serving.toolbox import Toolbox
from ael.errors import CodeRuntime, CodeSyntax, Location, Problem
from ael.interfaces.mcp.listing import PAGE, Listing
from ael.interfaces.mcp.results import result_of
from ael.values import JSONValue


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


async def nothing(_: dict[str, JSONValue], __: Caller) -> Answer:
    return Answer()


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_a_long_list_comes_in_pages_that_hold_each_tool_once(version: str) -> None:
    is_modern = version == "2026-07-28"
    definition = {"description": "Does it.", "inputSchema": {"type": "object"}}
    names = [f"workflow:w{number}" for number in range(2 * PAGE + 1)]
    tools = [ServedTool(name=one, safe_name=safe_name(one), definition=definition, call=nothing) for one in names]
    listing = Listing("safe")
    pages = [listing.page(tools, version, None, is_modern=is_modern)]
    while "nextCursor" in pages[-1]:
        pages.append(listing.page(tools, version, pages[-1]["nextCursor"], is_modern=is_modern))
    assert [len(page["tools"]) for page in pages] == [PAGE, PAGE, 1]
    assert [tool["name"] for page in pages for tool in page["tools"]] == [safe_name(name) for name in names]
    assert all(("ttlMs" in page) is is_modern for page in pages)
    with pytest.raises(MCPError, match="begin again"):
        listing.page(tools[:PAGE], version, "workflow_w1500", is_modern=is_modern)


class Alternating(BuiltinTools):
    """Offers one of two lists of tools, the other after each change."""

    def __init__(self, *lists: list[ServedTool]) -> None:
        super().__init__(lists[0])
        self._lists = [tuple(one) for one in lists]

    def change(self) -> None:
        self._lists = self._lists[::-1]
        self._tools = self._lists[0]


def test_a_server_that_names_its_tools_anew_all_the_time_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    definition = {"description": "Does it.", "inputSchema": {"type": "object"}}
    first, other = (
        [ServedTool(name=name, safe_name=name, full_name=f"s__{name}", definition=definition, call=nothing)]
        for name in ("python_exec", "act")
    )
    server = Alternating(first, other)
    toolbox = Toolbox([server], contextlib.nullcontext)
    for _ in range(10):
        assert [tool.name for tool in toolbox.listed()] == ["s__python_exec"]
        server.change()
        assert [tool.name for tool in toolbox.listed()] == ["act"]
        server.change()
    assert [one.getMessage() for one in caplog.records] == [
        "python_exec is offered as s__python_exec: its name is taken"
    ]


def test_one_malformed_definition_costs_no_other_tool() -> None:
    good: dict[str, Any] = {"description": "Does it.", "inputSchema": {"type": "object"}}
    found: dict[str, dict[str, Any]] = {"a": good, "b": {**good, "annotations": 5}, "c": {"inputSchema": 7}, "d": good}
    tools = [ServedTool(name=one, safe_name=one, definition=found[one], call=nothing) for one in found]
    listed = Listing("canonical").page(tools, "2025-11-25", None, is_modern=False)["tools"]
    assert [tool["name"] for tool in listed] == ["a", "b", "d"]
    assert "annotations" not in listed[1]
