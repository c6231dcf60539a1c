"""`ael install`: AEL's entry in the files of MCP clients, and nothing else of them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ael.app import jsonc
from ael.app.installing import Installer, client_path
from ael.app.settings import user_folders
from ael.errors import ConfigInvalid

Ael = Callable[..., CompletedProcess[str]]

#: Client → its file of a user on Linux, its key, the text that is there.
USER = {
    "claude-desktop": (
        ".config/Claude/claude_desktop_config.json",
        "mcpServers",
        '{\n    "globalShortcut": "",\n    "mcpServers": {\n        "other": {"command": "x"}\n    }\n}\n',
    ),
    "claude-code": (".claude.json", "mcpServers", '{"numStartups":3,"projects":{"/x":{"a":[1,2]}}}'),
    "cursor": (".cursor/mcp.json", "mcpServers", '{\r\n\t"mcpServers": {} // none yet\r\n}\r\n'),
    "vscode": (
        ".config/Code/User/mcp.json",
        "servers",
        '{\n  // mine\n  "servers": {\n    "other": {"command": "x"}, // the other\n  },\n  "inputs": [],\n}\n',
    ),
}
PROJECT = {"claude-code": ".mcp.json", "cursor": ".cursor/mcp.json", "vscode": ".vscode/mcp.json"}


@pytest.mark.parametrize("client", USER)
def test_the_entry_is_put_in_and_taken_out_and_every_other_byte_stays(
    client: str, ael: Ael, home: Path, tmp_path: Path
) -> None:
    name, key, text = USER[client]
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    path.chmod(0o640)
    dry = ael("install", client, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "serve" in dry.stdout
    assert path.read_bytes().decode() == text
    done = ael("install", client, "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert (report["outcome"], report["path"]) == ("added", str(path))
    entry = report["entry"]
    assert entry["args"][-5:] == ["serve", "--config", str(home / ".ael/config.yaml"), "--tool-names", "safe"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    backup = Path(report["backup"])
    assert backup.read_bytes().decode() == text
    assert stat.S_IMODE(backup.stat().st_mode) == 0o640
    written = path.read_bytes().decode()
    found, before = jsonc.parse(written, "f").value, jsonc.parse(text, "f").value
    assert isinstance(found, dict)
    assert isinstance(before, dict)
    assert found[key] == {**before.get(key, {}), "ael": entry}  # type: ignore[dict-item]  # an object
    assert {**found, key: None} == {**before, key: None}
    assert written.count("//") == text.count("//")
    # Once more changes nothing.
    assert json.loads(ael("install", client, "--json").stdout)["outcome"] == "unchanged"
    assert path.read_bytes().decode() == written
    undone = ael("install", client, "--undo")
    assert undone.returncode == 0, undone.stderr
    assert path.read_bytes().decode() == text
    assert not backup.exists()
    assert json.loads(ael("install", client, "--undo", "--json").stdout)["outcome"] == "absent"


@pytest.mark.parametrize("client", PROJECT)
def test_a_project_has_its_own_file_which_is_made_and_goes_again(client: str, ael: Ael, tmp_path: Path) -> None:
    path = tmp_path / PROJECT[client]
    done = ael("install", client, "--scope", "project")
    assert done.returncode == 0, done.stderr
    key = "servers" if client == "vscode" else "mcpServers"
    entry = json.loads(path.read_text())[key]["ael"]
    assert entry["args"][-3] == str(tmp_path / "ael-config.yaml")
    assert ("type" in entry) is (client != "cursor")
    assert ael("install", client, "--scope", "project", "--undo").returncode == 0
    assert not path.exists()


def test_what_is_installed_starts_ael_from_anywhere(ael: Ael, home: Path, tmp_path: Path) -> None:
    (tmp_path / "ael-config.yaml").write_text("{}\n")
    entry = json.loads(ael("install", "claude-desktop", "--json").stdout)["entry"]
    assert entry["args"][entry["args"].index("--config") + 1] == str(tmp_path / "ael-config.yaml")
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    with subprocess.Popen(
        [entry["command"], *entry["args"]], cwd="/", env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        started.stdin.write(json.dumps(hello) + "\n")
        started.stdin.flush()
        assert json.loads(started.stdout.readline())["result"]["serverInfo"]["title"] == "AEL"
        started.stdin.close()
        assert started.wait() == 0


def test_it_is_said_that_there_is_no_configuration_yet(ael: Ael, home: Path, tmp_path: Path) -> None:
    assert "there is no configuration yet" in ael("install", "cursor").stderr
    (tmp_path / "ael-config.yaml").write_text("{}\n")
    assert "there is no configuration yet" not in ael("install", "cursor").stderr


def test_several_at_once_are_all_written(ael: Ael, home: Path) -> None:
    (home / ".claude.json").write_text('{"mine": 1}\n')
    names = [f"n{number}" for number in range(4)]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda name: ael("install", "claude-code", "--name", name), names))
    assert [one.returncode for one in done] == [0, 0, 0, 0], done
    found = json.loads((home / ".claude.json").read_text())
    assert (set(found["mcpServers"]), found["mine"]) == (set(names), 1)
    assert (home / ".claude.json.ael-backup").read_text() == '{"mine": 1}\n'


def test_an_entry_of_ours_is_updated_and_undo_puts_the_first_one_back(ael: Ael, home: Path) -> None:
    path = home / ".cursor/mcp.json"
    path.parent.mkdir()
    text = '{"mcpServers": {"ael": {"command": "/old/ael", "args": ["serve"]}}}'
    path.write_text(text)
    assert json.loads(ael("install", "cursor", "--json").stdout)["outcome"] == "updated"
    assert json.loads(ael("install", "cursor", "--undo", "--json").stdout)["outcome"] == "restored"
    assert json.loads(path.read_text()) == json.loads(text)


def test_another_server_of_that_name_is_left_alone(ael: Ael, home: Path) -> None:
    path = home / ".cursor/mcp.json"
    path.parent.mkdir()
    text = '{"mcpServers": {"ael": {"command": "something", "args": ["else"]}}}'
    path.write_text(text)
    for arguments in ((), ("--undo",)):
        done = ael("install", "cursor", *arguments)
        assert done.returncode == 1
        assert path.read_text() == text
    assert "--name" in ael("install", "cursor").stderr
    assert ael("install", "cursor", "--name", "workflows").returncode == 0
    assert set(json.loads(path.read_text())["mcpServers"]) == {"ael", "workflows"}


@pytest.mark.parametrize(
    ("client", "text", "said"),
    [
        ("claude-desktop", '{"mcpServers": {}, // mine\n}', "may not hold comments"),
        ("claude-desktop", "{", "the text ends before '}'"),
        ("cursor", '{"mcpServers": []}', "no object where 'mcpServers' is expected"),
        ("vscode", '{"servers": {}, "servers": {}}', "stands twice"),
        ("cursor", "[]", "no object"),
        ("cursor", "\udcff", "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_left_alone_and_what_to_paste_is_said(
    client: str, text: str, said: str, ael: Ael, home: Path
) -> None:
    path = home / USER[client][0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = ael("install", client)
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert '"--tool-names", "safe"' in " ".join(done.stderr.split())
    assert path.read_bytes() == text.encode("utf-8", "surrogateescape")
    assert len(list(path.parent.glob("*.ael-backup"))) == 0


@pytest.mark.parametrize("text", ["", " \n"], ids=["empty", "blank"])
def test_a_file_with_nothing_in_it_has_nothing_in_it_again(text: str, ael: Ael, home: Path) -> None:
    path = home / ".cursor/mcp.json"
    path.parent.mkdir()
    path.write_text(text)
    assert ael("install", "cursor").returncode == 0
    assert "ael" in json.loads(path.read_text())["mcpServers"]
    assert ael("install", "cursor", "--undo").returncode == 0
    assert path.read_text() == text
    assert [one.name for one in path.parent.iterdir()] == ["mcp.json"]


def test_a_name_that_cannot_be_shown_is_refused(ael: Ael, home: Path) -> None:
    for name in ("", " ", "a\nb"):
        refused = ael("install", "cursor", "--name", name)
        assert (refused.returncode, "--name is a text that can be shown" in refused.stderr) == (2, True)
    assert not (home / ".cursor").exists()


def test_a_link_is_followed_and_an_older_copy_is_kept(ael: Ael, home: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "cursor.json"
    real.parent.mkdir()
    real.write_text("{}")
    path = home / ".cursor/mcp.json"
    path.parent.mkdir()
    path.symlink_to(real)
    backup = real.with_name("cursor.json.ael-backup")
    backup.write_text('{"older": true}')
    assert ael("install", "cursor").returncode == 0
    assert path.is_symlink()
    assert "mcpServers" in json.loads(real.read_text())
    assert json.loads(backup.read_text()) == {"older": True}


def test_a_dry_run_shows_the_entry_and_nothing_of_others_on_its_line(ael: Ael, home: Path) -> None:
    path = home / ".cursor/mcp.json"
    path.parent.mkdir()
    other = {"command": "x", "args": ["run", "not-known-as-a-secret"], "env": {"API_KEY": "in-plain-sight"}}
    ours = {"command": "/old/ael", "args": ["serve"], "env": {"SHOP_TOKEN": "swordfish"}}
    for servers, old in (({"a": other}, []), ({"a": other, "ael": ours}, ['-      "command": "/old/ael",'])):
        path.write_text(json.dumps({"mcpServers": servers}))
        done = ael("install", "cursor", "--dry-run")
        lines = done.stdout.splitlines()
        assert any(line.startswith("+") and '"serve"' in line for line in lines)
        assert [line for line in lines if line.startswith("-      ") and "command" in line] == old
        told = done.stdout + ael("install", "cursor", "--dry-run", "--json").stdout
        told += ael("install", "cursor", "--undo", "--dry-run", "--json").stdout
        for hidden in ("in-plain-sight", "not-known-as-a-secret", "swordfish"):
            assert hidden not in told


def test_claude_desktop_has_no_projects(ael: Ael) -> None:
    done = ael("install", "claude-desktop", "--scope", "project")
    assert done.returncode == 1
    assert "Claude Desktop has no servers of a project" in done.stderr
    assert ael("install", "emacs").returncode == 2


@pytest.mark.parametrize(
    ("platform", "client", "expected"),
    [
        ("darwin", "claude-desktop", "/h/Library/Application Support/Claude/claude_desktop_config.json"),
        ("darwin", "vscode", "/h/Library/Application Support/Code/User/mcp.json"),
        ("win32", "claude-desktop", "/roaming/Claude/claude_desktop_config.json"),
        ("win32", "vscode", "/roaming/Code/User/mcp.json"),
        ("linux", "vscode", "/h/.config/Code/User/mcp.json"),
        ("linux", "cursor", "/h/.cursor/mcp.json"),
    ],
)
def test_each_system_has_its_places(platform: str, client: str, expected: str) -> None:
    folders = user_folders({"HOME": "/h", "APPDATA": "/roaming"}, platform)
    assert str(client_path(client, "user", folders)) == expected  # type: ignore[arg-type]  # one of the literals


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=40)
@given(
    document=st.dictionaries(st.sampled_from(["mcpServers", "a", "é"]), _JSON, max_size=3),
    indent=st.sampled_from([None, 1, 2, 4, "\t"]),
)
def test_whatever_else_a_file_holds_is_read_the_same_after_it(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object], indent: int | str | None
) -> None:
    home = tmp_path_factory.mktemp("home")
    path = home / ".cursor/mcp.json"
    path.parent.mkdir()
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    path.write_bytes(text.encode())
    installer = Installer("cursor", "user", environment={"HOME": str(home)})
    servers = document.get("mcpServers")
    try:
        installer.install()
    except ConfigInvalid:
        assert "mcpServers" in document
        assert not isinstance(servers, dict)
        assert path.read_bytes() == text.encode()
        return
    found = json.loads(path.read_bytes())
    assert found["mcpServers"].pop("ael")
    expected = servers if isinstance(servers, dict) else {}
    assert found == {**document, "mcpServers": expected}
    installer.undo()
    assert json.loads(path.read_bytes()) == document
    # The copy goes where it is no longer needed.
    assert (os.listdir(path.parent) == ["mcp.json"]) is (path.read_bytes() == text.encode())
