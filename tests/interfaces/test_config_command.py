"""`ael config`: what is in effect, edits that keep what people wrote, and servers of other clients."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ael.values import JSONValue

Ael = Callable[..., CompletedProcess[str]]
Write = Callable[[str, str], str]

CONFIG = """\
# Of the team; ask before changing.

mcp:   # servers
  servers:
    git: {command: mcp-server-git}   # the one
    files:
      command: 'npx -y'   # quoted
      args:
        - a   # first
        - b
      # before env
      env: {TOKEN: "${FILES_TOKEN}"}

# about execution
execution:
  max_concurrent: 20   # not more
"""


@pytest.fixture
def config(write: Write) -> Path:
    return Path(write("ael-config.yaml", CONFIG))


def told(done: CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split())


def test_an_edit_changes_its_own_line_and_keeps_comments_and_order(ael: Ael, config: Path) -> None:
    config.chmod(0o640)
    done = ael("config", "set", "execution.max_concurrent", "30")
    assert done.returncode == 0, done.stderr
    assert config.read_text() == CONFIG.replace("max_concurrent: 20", "max_concurrent: 30")
    assert "-  max_concurrent: 20   # not more\n+  max_concurrent: 30   # not more\n" in done.stdout
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert not list(config.parent.glob(".ael-config*"))


def test_an_edit_of_values_in_brackets_changes_its_own_line(ael: Ael, write: Write) -> None:
    text = '{\n    "mcp": {\n        "servers": {}\n    },\n    "execution": {"max_concurrent": 20}\n}\n'
    path = Path(write("ael-config.yaml", text))
    assert ael("config", "set", "execution.max_concurrent", "30").returncode == 0
    assert path.read_text() == text.replace("20", "30")
    text = "mcp: {servers: {\n  # first\n  a: {command: a},  # its line\n  b: {command: b}\n}}\n"
    path.write_text(text)
    assert ael("config", "set", "mcp.servers.a.command", "c").returncode == 0
    assert path.read_text() == text.replace("command: a", "command: c")


def test_a_variable_that_is_not_set_yet_is_a_warning_of_an_edit(ael: Ael, config: Path) -> None:
    done = ael("config", "set", "logging.level", "DEBUG", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert [one["message"] for one in found["warnings"]] == ["the variable FILES_TOKEN is not set, or empty"]
    assert ael("config", "validate").returncode == 1
    assert ael("config", "validate", FILES_TOKEN="t").stdout == "✓ Configuration 'ael-config.yaml' is valid\n"


def test_a_link_stays_a_link_and_what_it_leads_to_is_written(ael: Ael, config: Path, tmp_path: Path) -> None:
    real = tmp_path / "real" / "config.yaml"
    real.parent.mkdir()
    config.rename(real)
    config.symlink_to(real)
    assert ael("config", "set", "execution.max_steps", "5").returncode == 0
    assert config.is_symlink()
    assert "max_steps: 5" in real.read_text()


@pytest.mark.parametrize(
    ("path", "value", "code", "said"),
    [
        ("execution.max_concurent", "1", "CONFIG_PATH_INVALID", "Did you mean 'execution.max_concurrent'?"),
        ("max_steps", "1", "CONFIG_PATH_INVALID", "Did you mean 'execution.max_steps'?"),
        ("mcp.servers.git.comand", "x", "CONFIG_PATH_INVALID", "Did you mean 'mcp.servers.git.command'?"),
        ("server.name.first", "x", "CONFIG_PATH_INVALID", "'server.name' is a single value"),
        ("workflows.directories[3]", "x", "CONFIG_PATH_INVALID", "the list has 0 items; the next is [0]"),
        ("mcp.[", "x", "CONFIG_PATH_INVALID", "not readable from column 4"),
        ("execution.max_concurrent", "many", "CONFIG_INVALID", "'max_concurrent' is an integer, not the text 'many'"),
        ("execution.max_concurrent", "0", "CONFIG_INVALID", "'max_concurrent' is at least 1"),
        ("execution.max_concurrent", "[1", "CONFIG_INVALID", "is not closed"),
        ("mcp.servers.a__b", "{command: x}", "CONFIG_INVALID", "the server name 'a__b' is empty or holds '__'"),
        ("mcp.servers.a_", "{command: x}", "CONFIG_INVALID", "the server name 'a_' ends with '_'"),
        ("mcp.servers.git.url", "http://x/mcp", "CONFIG_INVALID", "needs exactly one of 'command' and 'url'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_nothing_is_written(
    path: str, value: str, code: str, said: str, ael: Ael, config: Path
) -> None:
    done = ael("config", "set", path, value)
    assert done.returncode == 1
    assert done.stderr.startswith(code)
    assert said in told(done)
    assert "Traceback" not in done.stderr
    assert config.read_text() == CONFIG
    if code == "CONFIG_INVALID" and value == "many":
        # The caret stands under the value as it would be in the file.
        _, _, line, caret = done.stderr.splitlines()
        assert line.index("many") == caret.index("^")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mcp.servers.git.env.GITHUB_TOKEN", "abc"),
        ("mcp.servers.git.env.GITHUB_TOKEN", "${TOKEN:-abc}"),
        ("mcp.servers.git.env", '{"PASSWORD": "hunter2"}'),
        ("mcp.servers.git.env.PLAIN", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"),
        ("mcp.servers.web", "{url: 'https://h/mcp', headers: {Authorization: Bearer abcdef}}"),
        ("mcp.servers.git.args", "[--token, ghp_0123456789abcdefghijABCDEFGHIJ012345]"),
    ],
)
def test_a_secret_is_never_written_into_the_file(path: str, value: str, ael: Ael, config: Path) -> None:
    done = ael("config", "set", path, value)
    assert done.returncode == 1
    assert "looks like a secret" in told(done)
    # A place in a list names no variable.
    assert "${_" not in told(done)
    assert "write ${" in told(done)
    for secret in ("hunter2", "abcdef", "9f86d0", "ghp_0"):
        assert secret not in done.stdout + done.stderr
    assert config.read_text() == CONFIG


def test_a_secret_that_stands_in_the_file_is_masked_and_told_of(ael: Ael, write: Write) -> None:
    token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    server = {"command": "false", "args": [f"--token={token}"], "env": {"PASSWORD": "in-plain-sight"}}
    write("ael-config.yaml", json.dumps({"mcp": {"servers": {"s": server}}}))
    for command in (("tools", "list"), ("tools", "list", "--json"), ("config", "show"), ("doctor",)):
        done = ael(*command)
        assert token not in done.stdout + done.stderr
        assert "in-plain-sight" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert "secrets stand in it: mcp.servers.s.args[0], mcp.servers.s.env.PASSWORD" in ael("doctor").stdout


def test_references_to_variables_and_plain_values_may_stand_under_env(ael: Ael, config: Path) -> None:
    for path, value in (
        ("mcp.servers.git.env.GITHUB_TOKEN", "${GITHUB_TOKEN}"),
        ("mcp.servers.git.env.LOG_LEVEL", "debug"),
        ("mcp.servers.git.env.MAX_TOKENS", "100000"),
        ("mcp.servers.git.env.DIRECTORY", "/srv/a/very/long/path/with/numbers/123456"),
        ("mcp.servers.web", "{url: 'https://h/mcp', headers: {Authorization: 'Bearer ${WEB_TOKEN}'}}"),
    ):
        assert ael("config", "set", path, value).returncode == 0


def test_values_are_read_as_yaml_or_json_and_text_stays_text(ael: Ael, tmp_path: Path) -> None:
    for path, value in (
        ("server.version", "1.0"),
        ("tools.native", "true"),
        ("workflows.directories", "[a, b]"),
        ("mcp.expose_tools", '["git__*"]'),
        ("mcp.servers.x", '{"command": "run: it", "enabled": false}'),
        ("execution.default_timeout", "1.5"),
    ):
        assert ael("config", "set", path, value).returncode == 0, path
    assert (tmp_path / "ael-config.yaml").read_text() == (
        "server:\n  version: '1.0'\ntools:\n  native: true\nworkflows:\n  directories: [a, b]\n"
        "mcp:\n  expose_tools: [git__*]\n  servers:\n    x:\n      command: 'run: it'\n      enabled: false\n"
        "execution:\n  default_timeout: 1.5\n"
    )
    assert ael("config", "unset", "mcp.servers.x").returncode == 0
    assert "run: it" not in (tmp_path / "ael-config.yaml").read_text()
    assert ael("config", "unset", "mcp.servers.x").returncode == 1


def test_show_marks_where_each_value_comes_from_and_masks_secrets(ael: Ael, config: Path) -> None:
    done = ael("config", "show", FILES_TOKEN="the-files-token", LOG_LEVEL="debug")
    assert "  max_concurrent: 20  # ael-config.yaml:16\n" in done.stdout
    assert "  queue_limit: 1000\n" in done.stdout
    assert '  level: "DEBUG"  # environment LOG_LEVEL\n' in done.stdout
    assert '        TOKEN: "***"  # ael-config.yaml:12 (${FILES_TOKEN})\n' in done.stdout
    assert "the-files-token" not in done.stdout + done.stderr
    found = json.loads(ael("config", "show", "--section", "execution", "--json", FILES_TOKEN="t").stdout)
    assert found["values"]["max_concurrent"] == 20
    assert found["sources"]["execution.max_concurrent"] == "ael-config.yaml:16"
    assert found["sources"]["execution.parallel"] == "default"
    wrong = ael("config", "show", "--section", "executon", FILES_TOKEN="t")
    assert wrong.returncode == 1
    assert "Did you mean 'execution'?" in wrong.stderr


def test_get_prints_one_value(ael: Ael, config: Path) -> None:
    assert ael("config", "get", "execution.max_concurrent", FILES_TOKEN="t").stdout == "20\n"
    assert ael("config", "get", "mcp.servers.files.command", FILES_TOKEN="t").stdout == "npx -y\n"
    assert ael("config", "get", "mcp.servers.files.env.TOKEN", FILES_TOKEN="short").stdout == "***\n"
    assert json.loads(ael("config", "get", "server", "--json", FILES_TOKEN="t").stdout)["value"]["name"] == "ael"
    missing = ael("config", "get", "mcp.servers.gti", FILES_TOKEN="t")
    assert missing.returncode == 1
    assert "Did you mean 'git'?" in missing.stderr


def test_without_a_file_the_defaults_are_shown_and_the_first_edit_makes_one(ael: Ael, tmp_path: Path) -> None:
    assert ael("config", "get", "execution.max_steps").stdout == "1000\n"
    assert "no configuration file" in ael("config", "show").stderr
    assert ael("config", "validate").returncode == 0
    named = ael("config", "set", "execution.max_steps", "7", "-c", "nowhere.yaml")
    assert named.returncode == 1
    assert "'nowhere.yaml' does not exist" in named.stderr
    assert ael("config", "set", "execution.max_steps", "7").returncode == 0
    assert (tmp_path / "ael-config.yaml").read_text() == "execution:\n  max_steps: 7\n"


def test_a_file_that_others_can_write_to_is_not_edited(ael: Ael, config: Path) -> None:
    config.chmod(0o666)
    done = ael("config", "set", "execution.max_steps", "7")
    assert done.returncode == 1
    assert "others can write to" in told(done)
    assert config.read_text() == CONFIG


def test_text_that_two_keys_share_is_not_edited(ael: Ael, write: Write) -> None:
    text = "mcp:\n  servers:\n    a: &same {command: x}\n    b: *same\n"
    path = Path(write("ael-config.yaml", text))
    done = ael("config", "set", "mcp.servers.a.timeout", "5")
    assert done.returncode == 1
    assert "shares its text with another key" in told(done)
    assert path.read_text() == text


def test_the_schema_is_printed(ael: Ael) -> None:
    assert json.loads(ael("config", "schema").stdout)["title"] == "AEL configuration"


# -- import -----------------------------------------------------------------------------------------------------------

DESKTOP = {
    "mcpServers": {
        "github": {
            "command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-github"],
            "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "hunter2hunter2", "LOG": "info", "PRICE": "5$"},
        },
        "my__files": {"command": "/opt/My Tools/files", "args": ["~/x"], "autoApprove": ["a"]},
        "off": {"command": "x", "disabled": True},
        "ael": {"command": "/usr/bin/ael", "args": ["serve", "--config", "/x.yaml"]},
        "nothing": {"note": "?"},
    }
}


def test_servers_of_claude_desktop_are_taken_over_without_their_secrets(ael: Ael, write: Write, tmp_path: Path) -> None:
    path = write("claude_desktop_config.json", json.dumps(DESKTOP))
    dry = ael("config", "import", path, "--dry-run")
    assert dry.returncode == 0
    assert "+    github:" in dry.stdout
    assert not (tmp_path / "ael-config.yaml").exists()
    done = ael("config", "import", path, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["client"] == "claude-desktop"
    assert {one["name"]: one["outcome"] for one in report["servers"]} == {
        "github": "added",
        "my_files": "added",
        "off": "added",
        "ael": "skipped",
        "nothing": "skipped",
    }
    notes = {one["name"]: "; ".join(one["notes"]) for one in report["servers"]}
    assert (
        "named 'my_files' here: a name may not hold '__' nor what cannot be printed, nor end with '_'; not taken over:"
        in notes["my_files"]
    )
    assert notes["ael"] == "it is AEL itself"
    assert notes["nothing"] == "it has neither a command nor a url, or both"
    assert [one["name"] for one in report["variables"]] == ["GITHUB_PERSONAL_ACCESS_TOKEN"]
    written = (tmp_path / "ael-config.yaml").read_text()
    for shown in (dry.stdout, dry.stderr, done.stdout, done.stderr, written):
        assert "hunter2" not in shown
    assert "GITHUB_PERSONAL_ACCESS_TOKEN: ${GITHUB_PERSONAL_ACCESS_TOKEN}\n" in written
    assert "PRICE: 5$$\n" in written
    assert "command: \"'/opt/My Tools/files'\"\n" in written
    assert "enabled: false\n" in written
    again = json.loads(ael("config", "import", path, "--json").stdout)
    assert {one["outcome"] for one in again["servers"]} == {"unchanged", "skipped"}
    assert again["written"] is False


def test_passwords_in_urls_and_behind_options_are_left_out_and_no_server_costs_another(
    ael: Ael, write: Write, tmp_path: Path
) -> None:
    servers = {
        "db": {
            "command": "x",
            "args": ["--password", "swordfish", "--token=swordfish", "postgres://me:swordfish@h/db", "--path", "/a"],
            "env": {"DATABASE_URL": "mysql://me:swordfish@h/db", "PROXY": "http://proxy:8080"},
        },
        "worded": {
            "command": "docker run --api-key swordfish",
            "args": [
                "-e",
                "A_TOKEN=swordfish",
                "--header",
                "Authorization: Bearer swordfish",
                '{"apiKey": "swordfish"}',
            ],
        },
        "listed": {"command": ["x", "--secret", "swordfish", "y"]},
        "keyed": {"url": "https://h/mcp?api_key=swordfish1"},
        "named": {"url": "https://me:swordfish@h/mcp"},
        "odd": {"url": "https://h/mcp", "headers": {"not a name": "x"}},
        "good": {"command": "y"},
    }
    done = ael("config", "import", write("mcp.json", json.dumps({"servers": servers})))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "ael-config.yaml").read_text()
    assert "swordfish" not in done.stdout + done.stderr + text
    assert "args: [--password, '${DB_PASSWORD}', '--token=${DB_TOKEN}', '${DB_SECRET}', --path, /a]\n" in text
    assert "DATABASE_URL: ${DB_DATABASE_URL}\n        PROXY: http://proxy:8080\n" in text
    assert "url: ${KEYED_URL}\n    good:\n" in text
    assert "command: \"'docker run --api-key ${WORDED_API_KEY}'\"\n" in text
    for word in ("A_TOKEN=${WORDED_A_TOKEN}", "Authorization: Bearer ${WORDED_AUTHORIZATION}", "${WORDED_APIKEY}"):
        assert word in text
    assert "command: x --secret '${LISTED_SECRET}' y\n" in text
    assert "named  skipped  its url holds a name or a password" in done.stdout
    assert "odd  skipped  the header 'not a name' cannot be sent" in done.stdout
    # What is wrong already is told before anything is taken over.
    write("ael-config.yaml", "server: {nam: x}\n")
    assert "nam" in ael("config", "import", str(tmp_path / "mcp.json")).stderr


def test_servers_of_vs_code_are_taken_over_with_inputs_as_variables(ael: Ael, write: Write, tmp_path: Path) -> None:
    path = write(
        "project/.vscode/mcp.json",
        """{
  // what VS Code asks for
  "inputs": [{"type": "promptString", "id": "search-key", "description": "Key of the search", "password": true}],
  "servers": {
    "search": {
      "type": "http", "url": "https://search.example.com/mcp",
      "headers": {"Authorization": "Bearer ${input:search-key}", "X-Team": "${env:TEAM}"},
    },
    "local": {"type": "stdio", "command": "./run.sh", "args": ["${workspaceFolder}/data", "${userHome}"],
      "env": {"UNSET": null, "N": 5}, "envFile": "${workspaceFolder}/.env"},
    "odd": {"command": "x", "args": ["${config:some.setting}"]},
  },
}
""",
    )
    done = ael("config", "import", path, "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["client"] == "vscode"
    assert [(one["name"], one["description"]) for one in report["variables"]] == [
        ("SEARCH_KEY", "Key of the search"),
        ("TEAM", ""),
    ]
    shown = json.loads(ael("config", "get", "mcp.servers", "--json", SEARCH_KEY="k", TEAM="t").stdout)["value"]
    assert shown["search"]["transport"] == "http"
    assert shown["local"]["command"] == f"{tmp_path}/project/run.sh"
    assert shown["local"]["args"][0] == f"{tmp_path}/project/data"
    assert shown["local"]["env"]["N"] == "5"
    text = (tmp_path / "ael-config.yaml").read_text()
    assert "Authorization: Bearer ${SEARCH_KEY}" in text
    assert "X-Team: ${TEAM}" in text
    notes = {one["name"]: "; ".join(one["notes"]) for one in report["servers"]}
    assert notes["local"] == (
        "env without a value: UNSET; envFile is not read: write what the server needs of it into env, as NAME: ${NAME}"
    )
    assert notes["odd"] == "it uses ${config:some.setting}, which means nothing outside of it"


def test_servers_of_claude_code_include_those_of_projects(ael: Ael, write: Write) -> None:
    path = write(
        "home/.claude.json",
        json.dumps(
            {
                "numStartups": 3,
                "mcpServers": {"one": {"type": "stdio", "command": "a", "env": {"K": "${K:-x}"}}},
                "projects": {
                    "/srv/app": {
                        "mcpServers": {"two": {"type": "sse", "url": "https://h/sse"}, "one": {"command": "b"}},
                        "disabledMcpServers": ["two"],
                    }
                },
            }
        ),
    )
    report = json.loads(ael("config", "import", path, "--json").stdout)
    assert report["client"] == "claude-code"
    assert [(one["name"], one["outcome"]) for one in report["servers"]] == [
        ("one", "added"),
        ("two", "added"),
        ("one", "conflict"),
    ]
    two = json.loads(ael("config", "get", "mcp.servers.two", "--json").stdout)["value"]
    assert (two["url"], two["transport"], two["enabled"]) == ("https://h/sse", "sse", False)


def test_references_mean_here_what_they_meant_there(ael: Ael, write: Write, tmp_path: Path) -> None:
    header = {
        "args": ["mcp-remote", "https://h/mcp", "--header", "Authorization:${AUTH}"],
        "env": {"AUTH": "Bearer x1y2z3w4"},
    }
    servers = {
        # The program gets AUTH and puts it in itself.
        "remote": {"command": "npx", **header},
        "both": {"command": "x", "args": ["--key=${API_KEY}"], "env": {"API_KEY": "${API_KEY}"}},
        "beside": {"command": "x", "args": ["${CLAUDE_PROJECT_DIR:-.}/a", "${CLAUDE_PLUGIN_ROOT}/b"]},
        "editor": {"command": "x", "args": ["${file}"]},
    }
    done = ael("config", "import", write("project/.mcp.json", json.dumps({"mcpServers": servers})))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "ael-config.yaml").read_text()
    assert "'Authorization:$${AUTH}'" in text
    assert "AUTH: Bearer ${REMOTE_AUTH}\n" in text
    assert "args: ['--key=${API_KEY}']\n      env:\n        API_KEY: ${API_KEY}\n" in text
    assert f"args: [{tmp_path}/project/a, {tmp_path}/project/b]\n" in text
    assert "editor  skipped  it uses ${file}, which means nothing outside of it" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"args": "-y"}, "its args are no list of texts"),
        ({"args": ["a", None]}, "its args are no list of texts"),
        ({"args": [{"a": 1}]}, "its args are no list of texts"),
        ({"env": "A=b"}, "its env is no object of texts"),
        ({"env": {"A": ["b"]}}, "its env is no object of texts"),
        ({"env": {"A=B": "c"}}, "its env has a name that no variable can have"),
        ({"cwd": 5}, "its cwd is no text"),
        ({"args": ["a\0b"]}, "it holds a NUL character"),
    ],
)
def test_half_a_server_is_not_taken_over(server: dict[str, JSONValue], said: str, ael: Ael, write: Write) -> None:
    done = ael("config", "import", write("mcp.json", json.dumps({"servers": {"s": {"command": "x", **server}}})))
    assert (done.returncode, done.stdout) == (0, f"○ s  skipped  {said}\n")


def test_switches_that_are_texts_count_and_a_file_without_servers_is_said_to_be_one(
    ael: Ael, write: Write, tmp_path: Path
) -> None:
    servers = {
        "a": {"command": "x", "disabled": "true"},
        "b": {"command": "x", "disabled": "false"},
        "c\x1b[2J": {"command": "x"},
    }
    assert ael("config", "import", write("mcp.json", json.dumps({"servers": servers}))).returncode == 0
    found = json.loads(ael("config", "get", "mcp.servers", "--json").stdout)["value"]
    assert {name: one["enabled"] for name, one in found.items()} == {"a": False, "b": True, "c[2J": True}
    assert ael("config", "import", write("mcp.json", '{"servers": {}}')).stdout == "The file names no servers.\n"


def test_only_the_servers_that_are_named_are_taken_over(ael: Ael, write: Write, tmp_path: Path) -> None:
    path = write(".cursor/mcp.json", '{"mcpServers": {"a": {"command": "x"}, "b": {"command": "${env:HOME}/b"}}}')
    assert ael("config", "import", path, "--server", "b").returncode == 0
    # In quotes: a home with a space in it would be two words.
    assert (tmp_path / "ael-config.yaml").read_text() == "mcp:\n  servers:\n    b:\n      command: \"'${HOME}/b'\"\n"
    wrong = ael("config", "import", path, "--server", "bb")
    assert wrong.returncode == 1
    assert "has no server 'bb'" in wrong.stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("claude_desktop_config.json", '{"mcpServers": {} // no\n}', "this file may not hold comments"),
        (".mcp.json", '{"mcpServers": {"a": 1,}}', "a comma stands before '}'"),
        ("mcp.json", '{"servers": {"a": {"command": "x"}', "the text ends before '}'"),
        ("mcp.json", '{"servers": {}, "servers": {}}', "the key 'servers' stands twice"),
        ("mcp.json", '{"tools": {}}', "names no MCP servers"),
        ("mcp.json", '{"servers": []}', "what should hold the servers, by their names, is no object"),
        ("mcp.json", "[]", "holds no object"),
        ("mcp.json", "[" * 100, "nested deeper than 64 levels"),
    ],
)
def test_a_file_that_is_none_of_a_client_is_refused(name: str, text: str, said: str, ael: Ael, write: Write) -> None:
    done = ael("config", "import", write(name, text))
    assert done.returncode == 1
    assert done.stderr.startswith("CONFIG_INVALID")
    assert said in told(done)
    assert ael("config", "import", "nowhere.json").returncode == 1
