"""File tools: what they do, and that nothing leads them out of the workspace or to what is AEL's."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from native_tools.environment import Environment
from native_tools.file_patterns import matches
from native_tools.server import NativeTools
from native_tools.tool import ToolError
from native_tools.workspace import open_workspace
from tests.native_tools.conftest import Call, calls, failing, refused

SECRET = "what is outside"

#: Writes a file and is killed when all of it is on the disk, but not in its place.
KILLED = """
import os, signal, sys
from pathlib import Path
from native_tools.environment import Environment
from native_tools.file_contents import write_file
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
write_file({"path": "f", "content": "new", "mode": sys.argv[2]}, Environment(workspace=Path(sys.argv[1])))
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    made = tmp_path / "outside"
    made.mkdir()
    (made / "secret").write_text(SECRET)
    return made


def knows_unnamed_files(directory: Path) -> bool:
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o600))
    except (AttributeError, OSError):
        return False
    return Path("/proc/self/fd").is_dir()


# -- what they do -----------------------------------------------------------------------------------------------------


async def test_a_file_is_written_read_listed_and_deleted_through_the_server(call, workspace) -> None:
    assert await call("fs_write", path="a/b.txt", content="hé") == {"path": "a/b.txt", "size": 3, "created": True}
    assert (workspace / "a/b.txt").read_text() == "hé"
    assert await call("fs_read", path="./a//b.txt") == {
        "path": "a/b.txt",
        "content": "hé",
        "size": 3,
        "next_offset": None,
    }
    listed = await call("fs_list", recursive=True)
    assert [(one["path"], one["type"], one["size"]) for one in listed["entries"]] == [
        ("a", "directory", None),
        ("a/b.txt", "file", 3),
    ]
    assert await call("fs_delete", path="a", recursive=True) == {"path": "a", "deleted": 2}
    assert await call("fs_delete", path="a", missing_ok=True) == {"path": "a", "deleted": 0}
    error = await failing(call, "fs_read", path="../outside")
    assert (error.code, error.retryable) == ("TOOL_FAILED", False)


async def test_bytes_go_both_ways_as_base64(tools, workspace) -> None:
    data = bytes(range(256))
    await tools("fs_write", path="bytes", content=base64.b64encode(data).decode(), encoding="base64")
    assert (workspace / "bytes").read_bytes() == data
    found = await tools("fs_read", path="bytes", encoding="base64")
    assert base64.b64decode(found["content"]) == data
    assert (await tools("fs_read", path="bytes", encoding="latin-1"))["content"] == data.decode("latin-1")
    assert "not UTF-8 text at byte 128" in await refused(tools, "fs_read", path="bytes")
    assert "not base64" in await refused(tools, "fs_write", path="x", content="!", encoding="base64")
    assert "cannot be written" in await refused(tools, "fs_write", path="x", content="€", encoding="latin-1")


async def test_a_file_in_parts_is_the_file(tools, workspace) -> None:
    text = "aé€😀" * 50
    (workspace / "f").write_text(text)
    part = await tools("fs_read", path="f", length=7)
    found = part["content"]
    while part["next_offset"] is not None:
        part = await tools("fs_read", path="f", offset=part["next_offset"], length=7)
        found += part["content"]
    assert found == text


async def test_a_large_file_is_read_in_parts_only(tools, workspace) -> None:
    with (workspace / "large").open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    assert "`offset` and `length`" in await refused(tools, "fs_read", path="large")
    part = await tools("fs_read", path="large", length=10)
    assert (part["content"], part["size"], part["next_offset"]) == ("\0" * 10, 9 * 1024 * 1024, 10)
    assert "at most" in await refused(tools, "fs_write", path="new", content="x" * (8 * 1024 * 1024 + 1))


async def test_modes_of_writing(tools, workspace) -> None:
    assert (await tools("fs_write", path="f", content="one", mode="create"))["created"]
    assert "exists already" in await refused(tools, "fs_write", path="f", content="two", mode="create")
    assert await tools("fs_write", path="f", content="+", mode="append") == {"path": "f", "size": 4, "created": False}
    assert (await tools("fs_write", path="new", content="+", mode="append"))["created"]
    assert (workspace / "f").read_text() == "one+"
    assert "does not exist" in await refused(tools, "fs_write", path="d/f", content="", create_directories=False)


async def test_names_that_are_no_text_are_left_out_and_keep_nobody_waiting(call, workspace) -> None:
    (workspace / os.fsdecode(b"caf\xe9.txt")).write_text("")
    (workspace / "link").symlink_to(os.fsdecode(b"caf\xe9/x"))
    listed = await call("fs_list")
    assert ([one["path"] for one in listed["entries"]], listed["unreadable"]) == (["link"], 1)
    assert (await failing(call, "fs_read", path="cafe.txt")).detail == "'cafe.txt' does not exist."
    assert r"there is no 'caf\udce9'" in (await failing(call, "fs_read", path="link")).detail


async def test_what_is_appended_at_once_is_all_there_though_the_file_was_not(tools, workspace) -> None:
    lines = [f"line {number}" for number in range(30)]
    made = await asyncio.gather(*(tools("fs_write", path="log", content=f"{line}\n", mode="append") for line in lines))
    assert sorted((workspace / "log").read_text().splitlines()) == sorted(lines)
    assert max(one["size"] for one in made) == (workspace / "log").stat().st_size


async def test_a_file_that_is_replaced_keeps_its_permissions(tools, workspace) -> None:
    (workspace / "f").write_text("old")
    (workspace / "f").chmod(0o640)
    await tools("fs_write", path="f", content="new")
    assert stat.S_IMODE((workspace / "f").stat().st_mode) == 0o640
    assert [path.name for path in workspace.iterdir()] == ["f"]


async def test_lists_are_sorted_limited_and_by_pattern(tools, workspace) -> None:
    for name in ("b.csv", "a.txt", "deep/er/c.csv", "deep/d.csv"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text("")

    async def paths(**params: object) -> list[str]:
        return [one["path"] for one in (await tools("fs_list", **params))["entries"]]

    assert await paths() == ["a.txt", "b.csv", "deep"]
    assert await paths(recursive=True, pattern="*.csv") == ["b.csv", "deep/d.csv", "deep/er/c.csv"]
    assert await paths(recursive=True, pattern="deep/**/*.csv") == ["deep/d.csv", "deep/er/c.csv"]
    assert await paths(path="deep", pattern="*.csv") == ["d.csv"]
    short = await tools("fs_list", limit=1)
    assert ([one["path"] for one in short["entries"]], short["truncated"]) == (["a.txt"], True)
    assert not (await tools("fs_list", limit=3))["truncated"]
    assert "is not a directory" in await refused(tools, "fs_list", path="a.txt")


async def test_names_that_no_json_holds_are_counted(tools, workspace) -> None:
    (workspace / os.fsdecode(b"\xff")).write_text("")
    (workspace / "a").write_text("")
    listed = await tools("fs_list")
    assert ([one["path"] for one in listed["entries"]], listed["unreadable"]) == (["a"], 1)
    assert "not Unicode text" in await refused(tools, "fs_read", path="\udcff")


async def test_what_is_missing_is_told_with_the_nearest_name(tools, workspace) -> None:
    (workspace / "report.csv").write_text("")
    assert "Did you mean 'report.csv'?" in await refused(tools, "fs_read", path="reprot.csv")
    assert "there is no 'd'" in await refused(tools, "fs_read", path="d/e")
    assert "is not a directory" in await refused(tools, "fs_read", path="report.csv/e")
    assert "is a directory" in await refused(tools, "fs_read", path=".")
    assert "with recursive: true" in await refused(tools, "fs_delete", path=(await made_directory(tools)))
    assert "itself is not deleted" in await refused(tools, "fs_delete", path=".", recursive=True)


async def made_directory(tools) -> str:
    await tools("fs_write", path="made/f", content="")
    return "made"


@pytest.mark.parametrize(
    ("tool", "params", "parts"),
    [
        ("fs_read", {}, ['"path" is a required property']),
        ("fs_read", {"path": 1, "encoding": "utf8", "more": 1}, ["path:", "encoding:", "'more' was unexpected"]),
        ("fs_read", {"path": "a", "offset": -1, "length": 0}, ["offset:", "length:"]),
        ("fs_write", {"path": "a"}, ['"content" is a required property']),
        ("fs_write", {"path": "", "content": None, "mode": "x"}, ["path:", "content:", "mode:"]),
        ("fs_list", {"limit": 0, "recursive": "yes"}, ["limit:", "recursive:"]),
        ("fs_delete", {"path": "a", "recursive": 1}, ["recursive:", "It takes: path (required), recursive"]),
    ],
)
async def test_all_that_is_wrong_with_parameters_is_said_at_once(tools, tool, params, parts) -> None:
    message = await refused(tools, tool, **params)
    assert [part for part in parts if part not in message] == []


# -- attacks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "..", "../outside/secret", "a/../../outside/secret", "a/..", "\0", "x" * 300, "a/" * 3000]
)
async def test_paths_that_could_lead_out_are_refused_by_every_tool(tools, workspace, outside, path: str) -> None:
    (workspace / "a").mkdir()
    for tool, more in (("fs_read", {}), ("fs_write", {"content": "x"}), ("fs_list", {}), ("fs_delete", {})):
        await refused(tools, tool, path=path, **more)
    assert (outside / "secret").read_text() == SECRET


async def test_links_out_are_not_followed_wherever_they_are(tools, workspace, outside) -> None:
    links = {
        "file": outside / "secret",
        "directory": outside,
        "up": Path("../outside"),
        "a/up": Path("../../outside"),
        "itself": workspace,
        "proc": Path("/proc/self/root"),
    }
    (workspace / "a").mkdir()
    for name, target in links.items():
        (workspace / name).symlink_to(target)
    (workspace / "chain").symlink_to("a/up")
    for path in ("file", "directory/secret", "up/secret", "a/up/secret", "chain/secret", "proc/etc/passwd", "itself/f"):
        assert "leads out" in await refused(tools, "fs_read", path=path)
        assert "leads out" in await refused(tools, "fs_write", path=path, content="x")
    assert "leads out" in await refused(tools, "fs_list", path="directory")
    listed = await tools("fs_list", recursive=True)
    assert {one["path"] for one in listed["entries"] if one["type"] != "link"} == {"a"}
    assert await tools("fs_delete", path="file") == {"path": "file", "deleted": 1}
    await tools("fs_write", path="tree/x", content="")
    (workspace / "tree/out").symlink_to(outside)
    assert (await tools("fs_delete", path="tree", recursive=True))["deleted"] == 3
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == SECRET


async def test_links_that_stay_inside_are_followed(tools, workspace) -> None:
    (workspace / "a/b").mkdir(parents=True)
    (workspace / "f").write_text("inside")
    (workspace / "a/b/l").symlink_to("../../f")
    (workspace / "d").symlink_to("a/b")
    assert (await tools("fs_read", path="d/l"))["content"] == "inside"
    await tools("fs_write", path="d/l", content="new")
    assert (workspace / "f").read_text() == "new"
    assert (workspace / "a/b/l").is_symlink()
    (workspace / "loop").symlink_to("loop")
    assert "40 links" in await refused(tools, "fs_read", path="loop")


async def test_special_files_are_refused_at_once(tools, workspace) -> None:
    os.mkfifo(workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(workspace)
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        with suppress(PermissionError):
            os.mknod(workspace / "device", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        for path in workspace.iterdir():
            for tool, more in (("fs_read", {}), ("fs_write", {"content": "x"}), ("fs_list", {})):
                assert " not a " in await refused(tools, tool, path=path.name, **more)
            assert "not a file" in await refused(tools, "fs_write", path=path.name, content="x", mode="append")
    listed = await tools("fs_list")
    assert {one["type"] for one in listed["entries"]} == {"other"}


async def test_what_is_aels_is_out_of_bounds_by_every_name(workspace, tmp_path) -> None:
    (workspace / "flows").mkdir()
    (workspace / "flows/w.yaml").write_text(SECRET)
    (workspace / "main.yaml").write_text(SECRET)
    (workspace / ".ael").mkdir()
    (workspace / ".ael/ael.db").write_text(SECRET)
    (workspace / "sub").mkdir()
    protected = ("flows", "main.yaml", ".ael", "absent.lock", "absent/directory")
    tools = calls(
        NativeTools(Environment(workspace=workspace, protected=tuple(workspace / name for name in protected)))
    )
    os.link(workspace / "flows/w.yaml", workspace / "hard")
    os.link(workspace / "main.yaml", workspace / "sub/hard")
    (workspace / "soft").symlink_to("flows")
    (workspace / "sub/soft").symlink_to("../main.yaml")
    others = ["hard", "sub/hard", "soft/w.yaml", "sub/soft", "FLOWS/w.yaml", "Main.YAML", ".AEL/x", "sub/.ael/x"]
    named = ["flows", "flows/w.yaml", "flows/new", "main.yaml", ".ael/ael.db", "absent.lock", "absent/directory/x"]
    ours = ["ael-config.yaml", "sub/ael-tools.lock"]
    for path in others + named + ours:
        assert "out of bounds" in await refused(tools, "fs_read", path=path), path
        assert "out of bounds" in await refused(tools, "fs_write", path=path, content="x"), path
        assert "out of bounds" in await refused(tools, "fs_list", path=path), path
    for path in ("flows", ".ael", "hard", "sub/hard"):
        assert "out of bounds" in await refused(tools, "fs_delete", path=path, recursive=True)
    assert "nothing was deleted" in await refused(tools, "fs_delete", path="sub", recursive=True)
    listed = await tools("fs_list", recursive=True)
    assert {one["path"] for one in listed["entries"]} == {"sub", "sub/soft", "soft"}
    assert (workspace / "sub/hard").read_text() == SECRET


_SWAPPER = """
import os, sys
place, spare, link = sys.argv[1:]
print("ready", flush=True)
while True:
    os.rename(place, spare)
    os.rename(link, place)
    os.rename(place, link)
    os.rename(spare, place)
"""


@contextmanager
def swapping(place: Path, link_to: Path) -> Iterator[None]:
    """Make a name now what it is and now a link to something else, as fast as another process can."""
    link, spare = place.with_name("link"), place.with_name("spare")
    link.symlink_to(link_to)
    command = [sys.executable, "-c", _SWAPPER, str(place), str(spare), str(link)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout is not None
        assert swapper.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            assert swapper.poll() is None
            swapper.kill()


async def test_a_directory_that_is_swapped_for_a_link_never_leads_out(tools, workspace, outside) -> None:
    (workspace / "d").mkdir()
    (workspace / "d/secret").write_text("inside")
    (outside / "written").write_text("untouched")
    with swapping(workspace / "d", outside):
        for _ in range(300):
            with suppress(ToolError):
                assert (await tools("fs_read", path="d/secret"))["content"] == "inside"
            with suppress(ToolError):
                await tools("fs_write", path="d/written", content="changed", create_directories=False)
            with suppress(ToolError):
                listed = await tools("fs_list", path="d")
                assert len(listed["entries"]) <= 2
                assert "other" not in {one["path"] for one in listed["entries"]}
    assert (outside / "written").read_text() == "untouched"
    assert sorted(path.name for path in outside.iterdir()) == ["secret", "written"]


async def test_a_file_that_is_swapped_for_a_link_is_never_read_nor_written_outside(tools, workspace, outside) -> None:
    (workspace / "f").write_text("inside")
    with swapping(workspace / "f", outside / "secret"):
        for _ in range(1000):
            with suppress(ToolError):
                assert SECRET not in (await tools("fs_read", path="f"))["content"]
            with suppress(ToolError):
                await tools("fs_write", path="f", content="x", mode="append")
    assert (outside / "secret").read_text() == SECRET


async def test_a_whole_number_may_be_written_with_a_fraction_of_nothing(call, workspace) -> None:
    (workspace / "f").write_text("content")
    assert (await call("fs_read", path="f", offset=1.0, length=-0.0 + 3))["content"] == "ont"
    assert (await call("extract_text", path="f", max_chars=2.0))["text"] == "co"


@pytest.fixture
def replaced(workspace, tmp_path, monkeypatch) -> Callable[[str], Call]:
    """Return tools beside somebody who puts what is protected under a name, the moment after it was looked at."""
    (workspace / "d").mkdir()
    (workspace / "d/f").write_text("inside")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/f").write_text(SECRET)
    really_open = os.open

    def beside(name: str) -> Call:
        ours = tmp_path / ("ours/f" if name == "f" else "ours")
        place = workspace / ("d/f" if name == "f" else "d")

        def open_another(path: str, *arguments: int, **more: int) -> int:
            if path == name and ours.exists():
                place.rename(workspace / "was")
                ours.rename(place)
            return really_open(path, *arguments, **more)

        monkeypatch.setattr(os, "open", open_another)
        return calls(NativeTools(Environment(workspace=workspace, protected=(ours,))))

    return beside


@pytest.mark.parametrize(
    ("name", "tool", "params"),
    [
        ("d", "fs_read", {"path": "d/f"}),
        ("f", "fs_read", {"path": "d/f"}),
        ("d", "fs_list", {"path": "d"}),
        ("d", "fs_delete", {"path": "d", "recursive": True}),
    ],
)
async def test_what_is_protected_from_one_look_to_the_next_is_out_of_bounds(
    replaced, workspace, tmp_path, name: str, tool: str, params: dict[str, Any]
) -> None:
    assert "out of bounds" in await refused(replaced(name), tool, **params)
    # It was exchanged, and nothing happened to it.
    assert not (tmp_path / "ours/f").exists()
    assert (workspace / "d/f").read_text() == SECRET


async def test_what_is_protected_from_one_look_to_the_next_is_not_listed(replaced, workspace) -> None:
    listed = await replaced("d")("fs_list", recursive=True)
    assert (workspace / "d/f").read_text() == SECRET
    assert [one["path"] for one in listed["entries"]] == ["d"]


_NAMES = st.sampled_from(["a", "b", "..", ".", "", "up", "out", "in", "/", "ä", "…", "~", "$HOME"])


@given(st.lists(_NAMES, max_size=8))
def test_no_path_ever_leaves_the_workspace(tmp_path_factory, names: list[str]) -> None:
    root = tmp_path_factory.getbasetemp() / "resolution"
    workspace = root / "w"
    if not root.exists():
        (workspace / "a/b").mkdir(parents=True)
        (workspace / "up").symlink_to("..")
        (workspace / "a/out").symlink_to("/")
        (workspace / "a/in").symlink_to("../a/b/../b")
        (workspace / "a/b/up").symlink_to("../../..")
    inside = {(workspace / "a/..").stat().st_ino, *(path.lstat().st_ino for path in workspace.rglob("*"))}
    with open_workspace(Environment(workspace=workspace)) as opened, suppress(ToolError):
        place = opened.find("/".join(names))
        assert os.fstat(place.directory).st_ino in inside
        assert "/" not in place.name
        assert place.status is None or place.status.st_ino in inside


@given(st.text(alphabet="ab*?[]/", max_size=12), st.text(alphabet="ab/", min_size=1, max_size=12))
def test_any_pattern_is_decided(pattern: str, path: str) -> None:
    assert isinstance(matches(path, pattern or "*"), bool)
    assert matches(path, "**")


# -- faults -----------------------------------------------------------------------------------------------------------


def test_a_server_killed_while_it_writes_leaves_the_old_file_or_the_new_one(workspace: Path) -> None:
    whole = {letter * 2_000_000 for letter in "ab"}
    (workspace / "f").write_text("a" * 2_000_000)
    with subprocess.Popen(
        [sys.executable, "-m", "native_tools"],
        env={**os.environ, "WORKSPACE_DIR": str(workspace)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        to_server, from_server = server.stdin, server.stdout
        assert to_server is not None
        assert from_server is not None

        def send(method: str, number: int | None = None, **params: object) -> None:
            message = {"jsonrpc": "2.0", "method": method, "params": params}
            to_server.write(json.dumps(message if number is None else {**message, "id": number}).encode() + b"\n")
            to_server.flush()

        about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        send("initialize", 0, **about)
        from_server.readline()
        send("notifications/initialized")
        for number in range(1, 9):
            content = "ab"[number % 2] * 2_000_000
            send("tools/call", number, name="fs_write", arguments={"path": "f", "content": content})
            if number > 3:
                assert not json.loads(from_server.readline())["result"].get("isError")
        server.kill()
    assert (workspace / "f").read_text() in whole


async def test_a_full_disk_fails_the_write_and_keeps_the_file(native, workspace) -> None:
    (workspace / "f").write_text("old")
    program = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "runpy.run_module('native_tools', run_name='__main__', alter_sys=True)"
    )
    call = native(arguments=("-c", program))
    for mode in ("overwrite", "append"):
        error = await failing(call, "fs_write", path="f", content="x" * 200_000, mode=mode)
        assert "larger than this process may write" in error.detail
        assert (workspace / "f").read_text() == "old"
    assert [path.name for path in workspace.iterdir()] == ["f"]


async def test_a_workspace_that_is_not_there_is_made_or_explained(tmp_path) -> None:
    tools = calls(NativeTools(Environment(workspace=tmp_path / "made")))
    assert (await tools("fs_list"))["entries"] == []
    tools = calls(NativeTools(Environment(workspace=tmp_path / "not/made")))
    assert "Set WORKSPACE_DIR" in await refused(tools, "fs_list")


@pytest.mark.parametrize("mode", ["create", "overwrite"])
async def test_whoever_is_killed_while_writing_leaves_the_old_file_and_nothing_else(workspace, mode: str) -> None:
    old = {} if mode == "create" else {"f": "old"}
    for name, text in old.items():
        (workspace / name).write_text(text)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(workspace), mode], check=False)
    assert ended.returncode == -signal.SIGKILL
    if not knows_unnamed_files(workspace):
        (left,) = (one for one in workspace.iterdir() if one.name != "f")
        assert left.name.endswith(".tmp")
        left.unlink()
    assert {one.name: one.read_text() for one in workspace.iterdir()} == old


async def test_files_are_written_where_they_need_a_name_from_the_start(tools, workspace, monkeypatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    await tools("fs_write", path="f", content="one", mode="create")
    assert "exists already" in await refused(tools, "fs_write", path="f", content="two", mode="create")
    await tools("fs_write", path="f", content="three")
    assert {one.name: one.read_text() for one in workspace.iterdir()} == {"f": "three"}
