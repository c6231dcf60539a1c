"""Whatever is wrong with what AEL is given is told in a few lines: which file or option, where, and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Ael = Callable[..., CompletedProcess[str]]
Write = Callable[[str, str], str]

HOSTILE = str(Path(__file__).parents[1] / "tools/servers/hostile.py")
DEMO = "name: demo\nversion: 1\n"
FETCH = "steps:\n  - id: fetch\n    tool: fs_read\n"
RETURN = "steps: [{id: a, code: return 1}]\n"
#: Each letter nine times the one before it.
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


def told(done: CompletedProcess[str], code: int, *parts: str) -> None:
    """Check that a command failed with `code` and said all `parts` on standard error, fit for a terminal."""
    assert done.returncode == code, done.stderr
    shown = " ".join(done.stderr.split())
    for part in parts:
        assert part in shown
    assert "Traceback" not in done.stderr
    assert "INTERNAL_ERROR" not in done.stderr
    # A path and the line that it names are as long as they are; what AEL says is not.
    assert all(len(line) <= 80 for line in done.stderr.splitlines() if not _names_a_path(line)), done.stderr


def _names_a_path(line: str) -> bool:
    return any(name in line for name in ("flow.yaml:", "ael-config.yaml:", sys.executable, HOSTILE))


# -- workflow files ----------------------------------------------------------------------------------------------------

FILES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "not YAML": ('name: "demo\n', ("flow.yaml:1:7: error: a quote is not closed", "Add the missing quote.")),
    "empty": ("", ("flow.yaml:1:1: error: the file is empty",)),
    "a comment": ("# later\n", ("flow.yaml:1:1: error: the file holds nothing but comments",)),
    "a list": ("- id: a\n", ("flow.yaml:1:1: error: a workflow is a mapping, not a list",)),
    "text": ("hello\n", ("flow.yaml:1:1: error: a workflow is a mapping, not the text 'hello'",)),
    "unknown key": (
        DEMO + FETCH + "ouput: 1\n",
        ("flow.yaml:6:1: error: unknown key 'ouput'", "Did you mean 'output'?"),
    ),
    "unknown key of a step": (DEMO + FETCH + "    parms: {}\n", ("flow.yaml:6:5:", "Did you mean 'params'?")),
    "unknown key of an input": (
        DEMO + "inputs: [{a: {typ: x}}]\n" + FETCH,
        ("flow.yaml:3:15:", "Did you mean 'type'?"),
    ),
    "unknown key of retry": (DEMO + FETCH + "    retry: {jiter: 1}\n", ("flow.yaml:6:13:", "Did you mean 'jitter'?")),
    "unknown key of defaults": (DEMO + FETCH + "defaults: {retyr: 1}\n", ("flow.yaml:6:12:", "Did you mean 'retry'?")),
    "unknown key of an output": (
        DEMO + FETCH + "outputs: {a: {vale: 1}}\n",
        ("flow.yaml:6:15: error: unknown key 'vale' in output 'a'", "Did you mean 'value'?"),
    ),
    "duplicate key": (DEMO + DEMO + FETCH, ("flow.yaml:3:1: error: the key 'name' stands twice, first on line 1",)),
    "tab": ("name: demo\nsteps:\n\t- id: a\n", ("flow.yaml:3:1: error: a tab", "Indent with spaces.")),
    "alias bomb": (BOMB, ("flow.yaml:", "aliases expand too far")),
    "deep nesting": (DEMO + "tags: " + "[" * 3_000 + "]" * 3_000, ("flow.yaml:3:70: error: nested deeper than 64",)),
    "5 MiB": ("#" * 5 * 1024 * 1024, ("'flow.yaml' has 5242880 bytes, the limit is 1048576", "Split it")),
    "not UTF-8": (DEMO.encode() + b"title: caf\xe9\n", ("flow.yaml:3:11: error: the file is not UTF-8",)),
    "a zero byte": (DEMO + "title: a\0b\n", ("flow.yaml:3:9: error: the file holds the character U+0000",)),
    "an escape sequence": (
        DEMO + 'title: "\x1b[31mred"\n',
        ("flow.yaml:3:9: error: the file holds the character U+001B",),
    ),
    "wrong type": (DEMO + FETCH + "    timeout: 5s\n", ("flow.yaml:6:14: error: 'timeout' is a number",)),
    "two wrong types": (
        DEMO + "tags: a\nsteps:\n  - id: [a]\n    tool: t\n",
        ("flow.yaml:3:7: error: 'tags' is a list", "flow.yaml:5:9: error: 'id' is text, not a list"),
    ),
    "hyphen in a step id": (
        DEMO + "steps: [{id: fetch-page, tool: t}]\n",
        ("flow.yaml:3:14: error: the step id 'fetch-page' is not allowed: a hyphen reads as minus", "'fetch_page'"),
    ),
    "unknown step": (
        DEMO + FETCH + "output: '{{ steps.fech.output }}'\n",
        ("STEP_NOT_FOUND", "flow.yaml:6:13: error: unknown step 'fech'", "Did you mean 'fetch'?"),
    ),
    "cycle": (
        DEMO + "steps:\n  - {id: a, tool: t, depends_on: b}\n  - {id: b, tool: t, depends_on: a}\n",
        ("CIRCULAR_DEPENDENCY", "flow.yaml:4:3: error: steps wait for each other: a → b → a"),
    ),
    "code that does not parse": (
        DEMO + "steps:\n  - id: a\n    code: |\n      return (\n",
        ("CODE_SYNTAX", "flow.yaml:6:14: error: '(' was never closed"),
    ),
    "forbidden import": (
        DEMO + "steps:\n  - id: a\n    code: |\n      import os\n      return 1\n",
        ("CODE_SECURITY", "flow.yaml:6:7: error: the import of 'os' is not allowed"),
    ),
}


@pytest.mark.parametrize(("text", "parts"), FILES.values(), ids=FILES)
def test_a_wrong_workflow_file_is_named_with_the_place(
    text: str | bytes, parts: tuple[str, ...], ael: Ael, tmp_path: Path
) -> None:
    tmp_path.joinpath("flow.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    told(ael("run", "flow.yaml"), 1, *parts)
    # The codes are of the errors that end a command; a validation only lists problems.
    told(ael("validate", "flow.yaml"), 1, *(part for part in parts if not part.isupper()))


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("directory", ("'directory' is a directory", "Name a file in it")),
        ("nowhere.yaml", ("there is no file 'nowhere.yaml'",)),
        ("nowhere/at/all.yaml", ("there is no file 'nowhere/at/all.yaml'",)),
        ("flwo.yaml", ("there is no file 'flwo.yaml'", "Did you mean 'flow.yaml'?")),
        ("flow.yaml/more.yaml", ("'flow.yaml/more.yaml' cannot be read: Not a directory",)),
        ("/dev/zero", ("'/dev/zero' is not a regular file",)),
        ("", ("WORKFLOW_NOT_FOUND", "no file in workflows has the name ''")),
        ("nobody-knows-this", ("WORKFLOW_NOT_FOUND", "no file in workflows has the name 'nobody-knows-this'")),
    ],
)
def test_a_path_that_leads_to_no_workflow_is_named(path: str, parts: tuple[str, ...], ael: Ael, write: Write) -> None:
    write("flow.yaml", DEMO + FETCH)
    write("directory/readme.txt", "nothing here")
    told(ael("run", path), 1, *parts)


# -- inputs ------------------------------------------------------------------------------------------------------------

TAKES = (
    DEMO + "inputs:\n  - url: {pattern: '^https://'}\n  - count: {type: integer, default: 1, maximum: 10}\n" + RETURN
)


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        ([], 1, ("INPUT_INVALID", "input 'url' is missing", "give it a value (`-i url=…`")),
        (["-i", "url"], 2, ("Invalid value for -i: 'url' has no '='.", "Write -i NAME=VALUE.")),
        (["-i"], 2, ("Option '-i' requires an argument",)),
        (["-i", "=x"], 2, ("'=x' has no name before '='.", "Write -i NAME=VALUE.")),
        (["-i", "ulr=x"], 1, ("unknown input 'ulr'", "input 'url' is missing")),
        (["-i", "url=@nowhere", "-i", "count=11"], 1, ("input 'url': 'nowhere' cannot be read", "at most 10, not 11")),
        (["-i", "ulr=https://x"], 1, ("unknown input 'ulr'", "Did you mean 'url'?")),
        (["-i", "colour=red"], 1, ("unknown input 'colour'", "Known inputs: count, url.")),
        (["-i", "url=ftp://x"], 1, ("input 'url' matches ^https://, which \"ftp://x\" does not",)),
        (["-i", "url=https://x", "-i", "count=five"], 1, ("input 'count' is an integer, not \"five\"", "-i count=5")),
        (["-i", "url=https://x", "-i", "count=11"], 1, ("input 'count' is at most 10, not 11",)),
        (["-i", "url=x", "-i", "count=11"], 1, ("input 'url' matches", "input 'count' is at most 10, not 11")),
        (["-i", "url=@nowhere.txt"], 1, ("'nowhere.txt' cannot be read: No such file or directory",)),
        (["-i", "url=@latin.json"], 1, ("'latin.json' cannot be read: it is not UTF-8",)),
        (["--input-file", "nowhere.json"], 1, ("'nowhere.json' cannot be read: No such file or directory",)),
        (["--input-file", "directory"], 1, ("'directory' cannot be read: Is a directory",)),
        (["--input-file", "broken.json"], 1, ("broken.json:2:2: error: a '{' is not closed, or a comma is missing",)),
        (["--input-file", "twice.json"], 1, ("twice.json:1:22: error: the key 'url' stands twice",)),
        (["--input-file", "list.json"], 1, ("'list.json' holds no mapping of inputs", "Write `name: value`.")),
        (["--input-file", "latin.json"], 1, ("'latin.json' cannot be read: it is not UTF-8",)),
        (["--input-file", "empty.json"], 1, ("input 'url' is missing",)),
        (
            ["--input-file", "types.json"],
            1,
            ("input 'url' is a string, not [1]", "input 'count' is an integer, not {}"),
        ),
        (["--timeout", "soon"], 2, ("'--timeout': 'soon' is not a valid float",)),
        (["--timeout", "0"], 2, ("'--timeout': 0.0 is not in the range",)),
        (["--seed", "9" * 20], 2, ("Invalid value for --seed: it takes more than 63 bits.",)),
        (["--seed", "-1"], 2, ("'--seed': -1 is not in the range",)),
        (["--seed", "x"], 2, ("'--seed': 'x' is not a valid integer",)),
        (["--tarce"], 2, ("No such option '--tarce'", "--trace")),
        (["flow.yaml"], 2, ("unexpected extra argument",)),
    ],
)
def test_a_wrong_input_or_option_is_named(
    arguments: list[str], code: int, parts: tuple[str, ...], ael: Ael, write: Write, tmp_path: Path
) -> None:
    write("flow.yaml", TAKES)
    write("directory/readme.txt", "nothing here")
    write("broken.json", '{"url": "https://x"\n "count": 1}')
    write("twice.json", '{"url": "https://x", "url": "https://y"}')
    write("list.json", '["https://x"]')
    write("empty.json", "")
    write("types.json", '{"url": [1], "count": {}}')
    tmp_path.joinpath("latin.json").write_bytes(b'{"url": "https://caf\xe9"}')
    told(ael("run", "flow.yaml", *arguments), code, *parts)


def test_under_json_a_wrong_input_is_an_error_object_on_standard_output(ael: Ael, write: Write) -> None:
    write("flow.yaml", TAKES)
    done = ael("run", "flow.yaml", "--json", "-i", "url=x", "-i", "count=11")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "INPUT_INVALID"
    assert len(error["problems"]) == 2


# -- the configuration -------------------------------------------------------------------------------------------------

CONFIGS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "not YAML": ("mcp: {servers\n", ("ael-config.yaml:1:6: error: a '{' is not closed",)),
    "unknown section": ("mpc: {}\n", ("ael-config.yaml:1:1: error: unknown key 'mpc'", "Did you mean 'mcp'?")),
    "unknown key of a server": (
        "mcp: {servers: {a: {comand: x}}}\n",
        ("ael-config.yaml:1:21: error: unknown key 'comand' in 'mcp.servers.a'", "Did you mean 'command'?"),
    ),
    "wrong type": (
        "execution: {max_parallel_steps: many}\n",
        ("ael-config.yaml:1:33: error: 'max_parallel_steps' is an",),
    ),
    "duplicate key": ("mcp: {}\nmcp: {}\n", ("ael-config.yaml:2:1: error: the key 'mcp' stands twice",)),
    "tab": ("mcp:\n\tservers: {}\n", ("ael-config.yaml:2:1: error: a tab in the indentation",)),
    "alias bomb": (BOMB, ("ael-config.yaml:", "aliases expand too far")),
    "deep nesting": ("mcp: " + "[" * 3_000, ("ael-config.yaml:1:69: error: nested deeper than 64 levels",)),
    "5 MiB": ("#" * 5 * 1024 * 1024, ("ael-config.yaml", "the limit is 1048576")),
    "not UTF-8": (b"mcp: {servers: {caf\xe9: {}}}\n", ("ael-config.yaml:1:20: error: the file is not UTF-8",)),
    "a list": ("- mcp\n", ("ael-config.yaml:1:1: error:", "is a mapping, not a list")),
    "a server without command": (
        "mcp: {servers: {a: {}}}\n",
        ("ael-config.yaml:1:20: error: server 'a' needs exactly one of 'command' and 'url'",),
    ),
    "a variable that is not set": (
        'mcp: {servers: {a: {command: x, env: {T: "${NO_SUCH_NAME}"}}}}\n',
        ("ael-config.yaml:1:42: error: the variable NO_SUCH_NAME is not set", "Set NO_SUCH_NAME"),
    ),
}


@pytest.mark.parametrize(("text", "parts"), CONFIGS.values(), ids=CONFIGS)
def test_a_wrong_configuration_is_named_with_the_place(
    text: str | bytes, parts: tuple[str, ...], ael: Ael, write: Write, tmp_path: Path
) -> None:
    write("flow.yaml", DEMO + RETURN)
    tmp_path.joinpath("ael-config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    told(ael("run", "flow.yaml", "-c", "ael-config.yaml"), 1, "CONFIG_INVALID", *parts)


def test_a_configuration_that_is_not_there_is_named(ael: Ael, write: Write, tmp_path: Path) -> None:
    write("flow.yaml", DEMO + RETURN)
    told(ael("run", "flow.yaml", "-c", "nowhere.yaml"), 1, "CONFIG_INVALID", "file 'nowhere.yaml' does not exist")
    told(ael("run", "flow.yaml", "-c", "."), 1, "CONFIG_INVALID", "file '.' is a directory")
    told(ael("run", "flow.yaml", "-c"), 2, "Option '-c' requires an argument")


# -- servers and results -----------------------------------------------------------------------------------------------


def test_a_tool_that_no_server_has_is_told_the_nearest_name(ael: Ael, write: Write) -> None:
    write("flow.yaml", DEMO + "steps: [{id: now, tool: get_current_tiem, params: {timezone: UTC}}]\n")
    write("ael-config.yaml", "mcp: {servers: {time: {command: mcp-server-time, args: [--local-timezone, UTC]}}}\n")
    told(
        ael("run", "flow.yaml", "-c", "ael-config.yaml"),
        1,
        "TOOL_UNAVAILABLE: Tool 'get_current_tiem' is unavailable",
        "in step 'now'",
        "Did you mean 'get_current_time'?",
    )


@pytest.mark.parametrize(
    ("server", "parts"),
    [
        ({"command": "no-such-command-here"}, ("the command 'no-such-command-here' does not exist", "Install it")),
        ({"command": sys.executable, "args": [HOSTILE, "exit"]}, ("it wrote: cannot find the license",)),
        (
            {"command": sys.executable, "args": [HOSTILE, "garbage"], "startup_timeout": 0.5},
            ("it did not answer within 0.5s",),
        ),
        (
            {"command": sys.executable, "args": [HOSTILE, "silent"], "startup_timeout": 0.5},
            ("it did not answer within 0.5s", "Run the command by hand"),
        ),
    ],
    ids=["no command", "exits at once", "prints garbage", "never answers"],
)
def test_a_server_that_does_not_start_is_named(
    server: dict[str, object], parts: tuple[str, ...], ael: Ael, write: Write
) -> None:
    write("flow.yaml", DEMO + "steps: [{id: fetch, tool: act}]\n")
    # JSON is YAML: no path needs quoting by hand.
    write("ael-config.yaml", json.dumps({"mcp": {"servers": {"odd": server}}}))
    told(
        ael("run", "flow.yaml", "-c", "ael-config.yaml"), 1, "MCP_CONNECTION_FAILED", "server 'odd'", "'fetch'", *parts
    )


@pytest.mark.parametrize(
    ("way", "parts"),
    [
        ("not_json", ("TOOL_FAILED", "server 'odd': the answer is not valid: JSON is malformed")),
        ("bad_utf8", ("TOOL_FAILED", "server 'odd'")),
        ("crash", ("TOOL_UNAVAILABLE", "server 'odd' went away", "it wrote: segmentation fault, sort of")),
        ("half", ("TOOL_UNAVAILABLE", "server 'odd' went away")),
        ("error", ("TOOL_FAILED", "no such thing")),
    ],
)
def test_a_server_whose_answer_is_none_is_named(way: str, parts: tuple[str, ...], ael: Ael, write: Write) -> None:
    write("flow.yaml", DEMO + "steps: [{id: fetch, tool: act, params: {n: 1}}]\n")
    server = {"command": sys.executable, "args": [HOSTILE, way]}
    write("ael-config.yaml", json.dumps({"mcp": {"servers": {"odd": server}}}))
    told(ael("run", "flow.yaml", "-c", "ael-config.yaml"), 1, "in step 'fetch'", *parts)


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("return object()", "result is of type object, which is not JSON"),
        ("return {'rows': [1, {2}]}", "result.rows[1] is of type set, which is not JSON"),
        ("return float('nan')", "result is nan, which JSON cannot hold"),
        ("return b'bytes'", "result is of type bytes, which is not JSON"),
    ],
)
def test_a_result_that_is_no_json_is_named_with_its_place(code: str, detail: str, ael: Ael, write: Write) -> None:
    write("flow.yaml", f"{DEMO}steps:\n  - id: count\n    code: |\n      {code}\n")
    told(ael("run", "flow.yaml"), 1, "OUTPUT_INVALID: Invalid output", "in step 'count'", detail)
