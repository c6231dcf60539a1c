"""Staged edits of the configuration: what an edit means is all that it changes."""

from __future__ import annotations

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ael.app.config_excerpts import masked_line
from ael.app.config_paths import parse_path, show_path
from ael.app.configuration import Draft
from ael.app.settings import ConfigSource
from ael.errors import AelError, ConfigInvalid, ConfigPathInvalid
from ael.values import JSONValue

TEXT = b"""\
# head
server: {name: mine}   # who we are
mcp:
  servers:
    # before one
    one:
      command: a   # its program
      args: ["x", 'y', z]   # quoted in three ways
      env:
        A: |
          two
          lines
    two: {url: "https://h/mcp"}   # far
workflows:
  directories:
  # first of the list
  - a
  - b   # second
execution:   # limits

  max_steps: 1_0
# foot
"""
TEXT = TEXT.replace(b"1_0", b"10")


def draft(text: bytes = TEXT) -> Draft:
    path = Path("ael-config.yaml")
    return Draft(ConfigSource(path=path, text=text, places=(path,)), {})


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"(?:^|\s)(#.*)", text))


def lost(before: str, after: str) -> set[str]:
    """Return the comments that no line of the new text ends with; names and values may hold what looks like one."""
    ends = after.split("\n")
    return {one for one in comments(before) if not any(line.endswith(one) for line in ends)}


NAMES = st.text("abcAZ09_-. é'\"#:[]{}", min_size=1, max_size=8)
WORDS = st.text(max_size=30).filter(
    lambda word: not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", word)
)
EDITS = st.one_of(
    st.tuples(st.just("execution.max_steps"), st.integers(1, 1000)),
    st.tuples(st.just("server.version"), WORDS),
    st.tuples(st.just("mcp.expose_tools"), st.lists(WORDS, max_size=3)),
    st.tuples(NAMES.map(lambda name: show_path(("mcp", "servers", name))), st.fixed_dictionaries({"command": WORDS})),
    st.tuples(NAMES.map(lambda name: show_path(("mcp", "servers", "one", "env", name))), WORDS),
    st.tuples(st.sampled_from(["workflows.directories[0]", "workflows.directories[2]"]), WORDS),
)


@settings(max_examples=40)
@given(edits=st.lists(EDITS, max_size=4))
def test_edits_keep_every_comment_and_every_other_value(edits: list[tuple[str, JSONValue]]) -> None:
    staged = draft()
    expected = staged.get()
    for path, value in edits:
        try:
            staged.set(path, value)
        except ConfigInvalid as error:
            assert "looks like a secret" in str(error)
            continue
        at = expected
        *above, last = parse_path(path)
        for part in above:
            at = at[part]  # type: ignore[index]  # JSON of a known shape
        if isinstance(at, list) and last == len(at):
            at.append(value)
        else:
            at[last] = value  # type: ignore[index]  # as above
        assert not lost(TEXT.decode(), staged.text)
    assert draft(staged.text.encode()).get() == expected


IN_BRACKETS = """\
# head
mcp:   # servers
  servers: {
    # before one
    one: {command: a, args: ["x", 'y', z]},   # its line
    "two": {
      "command": "b",
      env: {A: b}   # of two
    }   # the last
  }
server: {name: mine}
workflows: {directories: [
  a,  # first
  b,
]}
execution:
  # limits
  max_steps: 10   # not more
"""


@settings(max_examples=60)
@given(edits=st.lists(EDITS, max_size=4), removed=st.sampled_from(["mcp.servers.one", "mcp.servers.two.env", "server"]))
def test_edits_keep_comments_and_lines_of_values_in_brackets(edits: list[tuple[str, JSONValue]], removed: str) -> None:
    staged = draft(IN_BRACKETS.encode())
    for path, value in edits:
        with contextlib.suppress(ConfigInvalid):
            staged.set(path, value)
            assert staged.get(path) == value
        assert not lost(IN_BRACKETS, staged.text)
    staged.unset(removed)
    with pytest.raises(ConfigPathInvalid):
        staged.get(removed)
    gone = {"mcp.servers.one": "# its line", "mcp.servers.two.env": "# of two"}.get(removed)
    assert lost(IN_BRACKETS, staged.text) <= {gone}


JSON = """\
{
    "mcp": {
        "servers": {
            "git": {"command": "a"},
            "files": {
                "command": "npx",
                "args": ["-y", "b"]
            }
        }
    },
    "execution": {"max_steps": 10},
    "workflows": {}
}
"""


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        ("execution.max_steps", 11, '"max_steps": 10', '"max_steps": 11'),
        ("execution.parallel", False, "10},", '10, "parallel": false},'),
        ("mcp.servers.files.args[1]", "c", '"b"]', '"c"]'),
        ("mcp.servers.files.args[2]", "c", '"b"]', '"b", "c"]'),
        ("mcp.expose_tools", [], "        }\n    },", '        },\n        "expose_tools": []\n    },'),
        ("server.name", "x", "{}\n}", '{},\n    "server": {\n        "name": "x"\n    }\n}'),
        ("workflows.hot_reload", True, "{}", '{\n        "hot_reload": true\n    }'),
        ("mcp.servers.git", None, '            "git": {"command": "a"},\n', ""),
        ("workflows", None, ',\n    "workflows": {}', ""),
        ("execution.max_steps", None, '{"max_steps": 10}', "{}"),
    ],
)
def test_json_of_several_lines_stays_as_it_is_laid_out(path: str, value: JSONValue, before: str, after: str) -> None:
    for newline in ("\n", "\r\n"):
        staged = draft(JSON.replace("\n", newline).encode())
        if value is None:
            staged.unset(path)
        else:
            staged.set(path, value)
        assert staged.text == JSON.replace(before, after, 1).replace("\n", newline)


@pytest.mark.parametrize("text", [b"", b"# nothing yet\n", b"# nothing yet", b"---\n", b"\xef\xbb\xbf# bom\n"])
def test_a_file_without_values_keeps_its_comments(text: bytes) -> None:
    staged = draft(text)
    staged.set("logging.level", "INFO")
    assert staged.get() == {"logging": {"level": "INFO"}}
    assert comments(staged.text) == comments(text.decode("utf-8-sig"))


def test_line_ends_of_windows_stay() -> None:
    staged = draft(b"server:\r\n  name: a # x\r\n")
    staged.set("server.name", "b")
    assert staged.text == "server:\r\n  name: b # x\r\n"


def test_it_is_written_only_where_it_is_searched_for_and_only_over_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "ael-config.yaml"
    path.write_bytes(TEXT)
    staged = Draft(ConfigSource(path=path, text=TEXT, places=(path,)), {})
    staged.set("execution.max_steps", 11)
    with pytest.raises(ConfigInvalid, match="no place where AEL looks"):
        staged.save(tmp_path / "elsewhere.yaml")
    path.write_bytes(TEXT + b"# somebody else\n")
    with pytest.raises(ConfigInvalid, match="has changed since it was read"):
        staged.save()
    path.write_bytes(TEXT)
    staged.save()
    assert b"max_steps: 11" in path.read_bytes()
    staged.set("execution.max_steps", 12)
    staged.save()
    assert b"max_steps: 12" in path.read_bytes()


def test_of_those_who_edit_one_file_at_once_one_is_told_that_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ael-config.yaml"
    path.write_bytes(TEXT)
    drafts = [Draft(ConfigSource(path=path, text=TEXT, places=(path,)), {}) for _ in range(8)]
    for number, staged in enumerate(drafts, 21):
        staged.set("execution.max_steps", number)
    together = Barrier(len(drafts))

    def save(staged: Draft) -> str:
        together.wait()
        try:
            staged.save()
        except ConfigInvalid as error:
            return error.problems[0].message
        return "written"

    with ThreadPoolExecutor(len(drafts)) as pool:
        told = list(pool.map(save, drafts))
    assert sorted(told)[-2:] == [f"the configuration file '{path}' has changed since it was read", "written"]
    assert path.read_text() == drafts[told.index("written")].text


def test_a_diff_shows_no_secret_that_the_file_holds() -> None:
    staged = draft(b"mcp:\n  servers:\n    a:\n      command: x\n      env: {API_KEY: in-plain-sight}\n")
    staged.set("mcp.servers.a.timeout", 5)
    assert "+      timeout: 5\n" in staged.diff()
    assert "in-plain-sight" not in staged.diff()
    assert staged.get("mcp.servers.a.env.API_KEY") == "***"


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["    PASSWORD: two words"], "    PASSWORD: *** *****"),
        (["    - --password", "    - word: x"], "    * ****: *"),
        (['  {"a": {"TOKEN": "word"}, "args": ["x"]'], '  {"a": {"TOKEN*: ******}, ******: [***]'),
        (["env: {PASSWORD: a word, X: y"], "env: {PASSWORD: * ****, *: *"),
        (["    X: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"], f"    X: {'*' * 40}"),
        (["    url: https://me:word@h: x"], "    url: https://me:****@h: x"),
        (["    A_TOKEN: a", "      word of: two"], "      **** **: ***"),
        (["    A_TOKEN: a", "    B: {b: c"], "    B: {b: c"),
        (["    command: foo: bar"], "    command: foo: bar"),
        (["x" * 30_000], ""),
    ],
)
def test_a_line_of_a_broken_file_keeps_its_columns_and_nothing_that_may_be_a_secret(
    lines: list[str], shown: str
) -> None:
    assert masked_line(lines, len(lines) - 1) == shown


_HEAD = "mcp:\n  servers:\n    s:\n      command: x\n"
_TAIL = "\n      timeout: 5\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{_HEAD}      env:\n        A_TOKEN: |\n          w0rd one\n          w0rd two{_TAIL}",
        f"{_HEAD}      env:\n        A_TOKEN: >-\n          w0rd one\n\n          w0rd two\n        B: x{_TAIL}",
        f"{_HEAD}      env:\n        A_TOKEN: w0rd one\n          w0rd two\n        B: x{_TAIL}",
        f'{_HEAD}      env:\n        A_TOKEN: "w0rd \\x41\n          w0rd two"\n        B: x{_TAIL}',
        f'{_HEAD}      env: {{"A_TOKEN": "w0rd \\x41", B: x}}{_TAIL}',
        f"{_HEAD}      args:\n      - --password\n      - 'w0rd''s one'\n      - --key=w0rd-2 # and w0rd-2{_TAIL}",
        f"{_HEAD}      args: [--password, &p w0rd-one]{_TAIL}    t: {{command: y, args: [--token, *p]}}\n",
        f"mcp:\n  servers:\n    s:\n      command: >-\n        x --api-key w0rd-one\n        --region eu{_TAIL}",
    ],
)
def test_however_a_secret_is_written_neither_diff_nor_excerpt_nor_value_shows_it(text: str) -> None:
    staged = draft(text.encode())
    staged.set("mcp.servers.s.timeout", 6)
    assert "-      timeout: 5\n" in staged.diff()
    assert "***" in staged.diff()
    assert "w0rd" not in f"{staged.diff()}{staged.get()}"
    lines, told = text.splitlines(), 0
    for number in range(len(lines)):
        # A mistake on each line, as far as it is one: what is told of it shows the line.
        for mistake in (": {", '"', "\n\t- x: y: z"):
            try:
                draft("\n".join([*lines[:number], lines[number] + mistake, *lines[number + 1 :]]).encode()).validate()
            except ConfigInvalid as error:
                told += 1
                assert "w0rd" not in error.detail
    assert told > len(lines)


@given(path=st.text("abmcp.servrx[]0'\"", max_size=20))
def test_any_path_is_read_or_refused_with_a_code(path: str) -> None:
    try:
        parts = parse_path(path)
    except AelError as error:
        assert error.code == "CONFIG_PATH_INVALID"
    else:
        assert parse_path(show_path(parts)) == parts
