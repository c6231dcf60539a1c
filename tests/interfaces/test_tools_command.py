"""`ael tools`: what servers offer, how they are doing, and a call of one of their tools."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.app.tools import ToolRow, parse_params
from ael.errors import ParamInvalid
from ael.values import JSONValue

Ael = Callable[..., CompletedProcess[str]]
Write = Callable[[str, str], str]

SERVERS = Path(__file__).parents[1] / "tools/servers"
HOSTILE = str(SERVERS / "hostile.py")


@pytest.fixture
def configured(ael: Ael, write: Write) -> Callable[..., Ael]:
    """Return `ael` with servers: a name and the way in which each behaves, `time` for the real one."""

    def make(**ways: str) -> Ael:
        servers = {
            name: {"command": "mcp-server-time", "args": ["--local-timezone", "UTC"]}
            if way == "time"
            else {"command": sys.executable, "args": [HOSTILE, way], "startup_timeout": 60, "timeout": 60}
            for name, way in ways.items()
        }
        write("ael-config.yaml", json.dumps({"mcp": {"servers": servers}}))
        return ael

    return make


def test_tools_are_listed_with_source_server_status_and_a_total(configured: Callable[..., Ael]) -> None:
    done = configured(clock="time")("tools", "list")
    assert done.returncode == 0
    assert done.stdout == (
        "NAME              SOURCE  SERVER  STATUS     DESCRIPTION\n"
        "python_exec       system  ael     available  Run Python in the sandbox, without…\n"
        "convert_time      mcp     clock   available  Convert time between timezones\n"
        "get_current_time  mcp     clock   available  Get current time in a specific tim…\n"
    )
    assert done.stderr == "3 tools\n"


def test_behind_its_server_a_tool_has_its_own_name_and_the_one_with_the_prefix(ael: Ael, write: Write) -> None:
    git = {"command": "mcp-server-git", "prefix": "my_"}
    write("ael-config.yaml", json.dumps({"mcp": {"servers": {"git": git}}}))
    for name in ("git__git_log", "git__my_git_log"):
        shown = ael("tools", "show", name).stdout
        assert shown.startswith("my_git_log  available\n")
    assert "\n  start_timestamp: null or string, optional, default null\n" in shown
    assert "Did you mean 'my_git_log'?" in ael("tools", "show", "git_log").stderr
    wrong = ael("tools", "call", "git__git_log", "-p", "repo_path=nowhere").stderr
    assert wrong.startswith("TOOL_FAILED: ")


def test_a_tool_that_cannot_be_used_and_a_server_that_fails_are_listed_with_the_reason(
    configured: Callable[..., Ael],
) -> None:
    ael = configured(good="echo", bad="exit")
    done = ael("tools", "list")
    assert done.returncode == 0
    assert re.search(r"^broken +mcp +good +unavailable +its schema is of type 'string'", done.stdout, re.MULTILINE)
    assert "cannot find the license" in " ".join(done.stderr.split())
    found = json.loads(ael("tools", "list", "--json", "--status", "unavailable", "--server", "good").stdout)
    assert {row["name"] for row in found["tools"]} >= {"broken"}
    assert [(row["name"], row["status"], row["tools"]) for row in found["servers"]] == [("good", "ready", 1)]
    down = json.loads(ael("tools", "list", "--json", "--server", "bad").stdout)["servers"][0]
    assert down["status"] == "failed"
    assert down["error"]["code"] == "MCP_CONNECTION_FAILED"
    assert down["stderr"] == ["cannot find the license"]


def test_a_server_at_a_url_is_listed_and_called_like_a_process(ael: Ael, write: Write) -> None:
    with subprocess.Popen(
        [sys.executable, str(SERVERS / "over_http.py"), "http"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/mcp"
            write("ael-config.yaml", json.dumps({"mcp": {"servers": {"far": {"url": url}}}}))
            listed = json.loads(ael("tools", "list", "--server", "far", "--json").stdout)
            assert [row["name"] for row in listed["tools"]] == ["act", "large"]
            done = ael("tools", "call", "far__act", "-p", "n=7")
            assert json.loads(done.stdout)["got"] == 7
        finally:
            server.kill()


def test_a_listing_is_narrowed_by_its_source(configured: Callable[..., Ael]) -> None:
    ael = configured(clock="time")
    assert [
        row["name"] for row in json.loads(ael("tools", "list", "--source", "system", "--json").stdout)["tools"]
    ] == ["python_exec"]
    assert len(json.loads(ael("tools", "list", "--source", "mcp", "--json").stdout)["tools"]) == 2
    assert json.loads(ael("tools", "list", "--source", "native", "--json").stdout)["tools"] == []


def test_names_that_several_servers_offer_are_listed_in_full(configured: Callable[..., Ael]) -> None:
    ael = configured(one="echo", two="echo")
    names = [row["name"] for row in json.loads(ael("tools", "list", "--json").stdout)["tools"]]
    assert {"one__act", "two__act"} <= set(names)
    assert "act" not in names
    ambiguous = ael("tools", "call", "act")
    assert ambiguous.returncode == 1
    assert "Name the one that you mean: one__act, two__act." in ambiguous.stderr
    assert json.loads(ael("tools", "call", "two__act", "-p", "n=1").stdout)["got"] == {"n": 1}


def test_the_values_that_a_parameter_may_have_are_shown(ael: Ael, write: Write) -> None:
    write("ael-config.yaml", json.dumps({"tools": {"native": True}}))
    shown = ael("tools", "show", "native_tools__fs_read").stdout
    assert "\n  encoding: utf-8 or latin-1 or base64, optional, default utf-8\n" in shown


def test_one_tool_is_shown_with_what_it_takes(configured: Callable[..., Ael]) -> None:
    ael = configured(clock="time")
    shown = ael("tools", "show", "convert_time").stdout
    assert shown.startswith("convert_time  available\nserver clock, ready, source mcp\n")
    assert "  source_timezone: string, required\n" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    full = json.loads(ael("tools", "show", "clock__convert_time", "--json").stdout)
    assert full["tool"]["input_schema"]["required"] == ["source_timezone", "time", "target_timezone"]
    wrong = ael("tools", "show", "convert_tiem")
    assert wrong.returncode == 1
    assert "Did you mean 'convert_time'?" in wrong.stderr


def test_a_tool_is_called_with_a_record(configured: Callable[..., Ael]) -> None:
    ael = configured(good="echo")
    done = ael("tools", "call", "act", "-p", "n=7")
    assert json.loads(done.stdout)["got"] == {"n": 7}
    assert json.loads(ael("tools", "call", "act", "--params-file", "-", stdin='{"n": 8}').stdout)["got"] == {"n": 8}
    recorded = json.loads(ael("executions", "list", "--json").stdout)
    assert [row["status"] for row in recorded] == ["completed", "completed"]
    assert ael("tools", "call", "python_exec", "-p", "code=return 6 * 7").stdout == "42\n"


def test_a_parameter_that_looks_like_a_template_stays_text(configured: Callable[..., Ael]) -> None:
    text = "{{ env.HOME }} {% if %} ${HOME}"
    done = configured(good="echo")("tools", "call", "act", "-p", f"{text}={text}")
    assert json.loads(done.stdout)["got"] == {text: text}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["act", "-p", "n=seven"], 1, "'n' is of type integer, not 'seven'"),
        (["act", "-p", "n=1.5"], 1, "params.n: 1.5 is not of type"),
        (["act", "-p", "n"], 2, "'n' has no '='. Write -p NAME=VALUE."),
        (["act", "-p", "n=@nowhere"], 1, "parameter 'n': 'nowhere' cannot be read"),
        (["act", "--params-file", "nowhere"], 1, "'nowhere' cannot be read"),
        (["broken"], 1, "its schema is of type 'string', not object"),
        (["good__nothing"], 1, "no server offers 'good__nothing'"),
        (["python_exec"], 1, "python_exec takes one parameter: `code`, a text"),
        (["python_exec", "-p", "code= "], 1, "python_exec takes one parameter: `code`, a text"),
        (["python_exec", "-p", "code=return ("], 1, "'(' was never closed"),
        (["act", "-t", "0"], 2, "0.0 is not in the range"),
    ],
)
def test_a_call_that_cannot_be_made_says_why(
    arguments: list[str], code: int, said: str, configured: Callable[..., Ael]
) -> None:
    done = configured(good="echo")("tools", "call", *arguments)
    assert done.returncode == code, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_failing_call_is_told_and_recorded(configured: Callable[..., Ael]) -> None:
    ael = configured(bad="error")
    done = ael("tools", "call", "act", "-p", "n=1")
    assert done.returncode == 1
    assert done.stderr.startswith("TOOL_FAILED")
    assert "no such thing" in done.stderr
    assert json.loads(ael("executions", "list", "--json").stdout)[0]["status"] == "failed"


def test_the_limit_of_a_call_is_its_own_whatever_the_server_has(configured: Callable[..., Ael], tmp_path: Path) -> None:
    ael = configured(slow="silent_call")
    config = tmp_path / "ael-config.yaml"
    config.write_text(config.read_text().replace('"timeout": 60', '"timeout": 0.1'))
    done = ael("tools", "call", "act", "-t", "0.7")
    assert done.returncode == 1
    assert done.stderr.startswith("TOOL_TIMEOUT: Tool 'act' timed out after 0.7s\n")
    assert "step" not in done.stderr


def test_a_tool_of_a_server_that_is_down_is_told_with_the_reason_once(
    configured: Callable[..., Ael], tmp_path: Path
) -> None:
    ael = configured(good="echo", bad="exit")
    for name in ("bad__act", "elsewhere"):
        done = ael("tools", "call", name)
        assert done.returncode == 1
        assert done.stderr.count("MCP_CONNECTION_FAILED") == 1
        assert f"no server that runs offers '{name}'; server 'bad': the server's process ended" in " ".join(
            done.stderr.split()
        )
        told = json.loads(ael("tools", "show", name, "--json").stdout)["error"]
        assert "cannot find the license" in told["detail"]
    config = tmp_path / "ael-config.yaml"
    config.write_text(config.read_text().replace('"exit"]', '"exit"], "enabled": false'))
    assert "server 'bad' is disabled" in ael("tools", "call", "bad__act").stderr


def test_refresh_says_how_each_server_is_doing(configured: Callable[..., Ael]) -> None:
    ael = configured(good="echo", bad="exit")
    done = ael("tools", "refresh")
    assert done.returncode == 1
    assert done.stdout == "✓ good  1 tool\n✗ bad  failed\n"
    assert ael("tools", "refresh", "--server", "good").returncode == 0
    wrong = ael("tools", "refresh", "--server", "god")
    assert wrong.returncode == 2
    assert "Did you mean 'good'?" in wrong.stderr


def test_a_secret_that_a_server_repeats_is_shown_nowhere(ael: Ael, write: Write) -> None:
    token = "tok-1234567890abcdef"
    told = {"command": sys.executable, "args": [HOSTILE, "tells"], "env": {"TOKEN": "${TOKEN}"}}
    write("ael-config.yaml", json.dumps({"mcp": {"servers": {"s": told}}}))
    for arguments in (
        ("tools", "list"),
        ("tools", "list", "--json"),
        ("tools", "show", "act", "-v"),
        ("tools", "show", "act", "--json"),
        ("tools", "show", "broken"),
        ("tools", "show", "xyz"),
        ("tools", "call", "broken"),
        ("tools", "refresh", "--json"),
    ):
        done = ael(*arguments, TOKEN=token)
        # Why one cannot be used is told in words of ours.
        assert "***" in done.stdout + done.stderr or "broken" in arguments, arguments
        assert token not in done.stdout + done.stderr, arguments


def test_what_a_server_says_cannot_steer_the_terminal(configured: Callable[..., Ael]) -> None:
    ael = configured(evil="escapes")
    for shown in (ael("tools", "list").stdout, ael("tools", "show", "act").stdout):
        assert r"\x1b[2Jnothing to see\x07" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


_KINDS = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])


@given(name=st.text(min_size=1, max_size=20), types=st.sets(_KINDS, max_size=3), given_text=st.text(max_size=40))
def test_a_parameter_is_read_as_the_schema_says_or_refused(name: str, types: set[str], given_text: str) -> None:
    listed: list[JSONValue] = [*sorted(types)]
    schema: dict[str, JSONValue] = {"type": "object", "properties": {name: {"type": listed} if types else {}}}
    tool = ToolRow(name="t", source="mcp", server="s", status="available", input_schema=schema)
    try:
        value = parse_params(tool, {name: given_text})[name]
    except ParamInvalid:
        assert types
        assert "string" not in types
        return
    if types == {"string"}:
        assert value == given_text
    else:
        assert value == given_text or msgspec.json.decode(given_text) == value
