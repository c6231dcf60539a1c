"""AEL's entry in the files of MCP clients: put in and taken out; the rest of a file keeps every byte."""

from __future__ import annotations

import difflib
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from ael.app import jsonc
from ael.app.client_files import Client, is_ael
from ael.app.config_excerpts import unreadable
from ael.app.files import alone, replace_file
from ael.app.settings import FILE_NAME, UserFolders, config_source, user_folders
from ael.errors import ConfigInvalid, Problem
from ael.observe.secret_forms import mask_document
from ael.values import JSONValue

Scope = Literal["user", "project"]
Outcome = Literal["added", "updated", "unchanged", "removed", "restored", "absent"]

_BACKUP = ".ael-backup"
#: Client → the key of its file that holds the servers, and whether the file may hold comments.
_FORMS: dict[Client, tuple[str, bool]] = {
    "claude-desktop": ("mcpServers", False),
    "claude-code": ("mcpServers", False),
    "cursor": ("mcpServers", True),
    "vscode": ("servers", True),
}


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a client's file, or would be."""

    client: Client
    path: str
    outcome: Outcome
    #: The entry that the file has, or had, without secrets.
    entry: JSONValue = None
    #: How the entry changes, without secrets; the other entries are not in it.
    diff: str = ""
    #: The file as it was before AEL touched it for the first time.
    backup: str | None = None
    #: False for a dry run, and where there was nothing to do.
    written: bool = False
    #: The configuration that the entry names is not there yet: AEL starts in configuration mode.
    unconfigured: bool = False


class Installer:
    """One client's file."""

    def __init__(
        self,
        client: Client,
        scope: Scope,
        *,
        name: str = "ael",
        config: str | None = None,
        environment: Mapping[str, str] | None = None,
        platform: str = sys.platform,
    ) -> None:
        """Find the file; raises `ConfigInvalid` where the client has none of this scope."""
        self.client: Client = client
        self._scope = scope
        self._name = name
        self._config = config
        self._environment = environment
        self._folders = user_folders(environment, platform)
        self.path = client_path(client, scope, self._folders)
        self._section, self._comments = _FORMS[client]

    def install(self, *, dry_run: bool = False) -> Installation:
        """Put the entry in; raises `ConfigInvalid` when the file cannot be read, or the name is somebody else's."""
        with alone(self.path):
            return self._install(dry_run=dry_run)

    def _install(self, *, dry_run: bool) -> Installation:
        before = self._read()
        entry = self.entry()
        existing = None if before is None else self._entry_in(before)
        if existing is not None and not _is_ours(existing):
            message = f"'{self.path}' has another server of the name '{self._name}'"
            raise ConfigInvalid([Problem(message=message, suggestion="Give AEL another name with --name.")])
        if existing == entry:
            return self._report("unchanged", entry, before, before, written=False)
        after = self._edited(before, entry)
        outcome: Outcome = "added" if existing is None else "updated"
        if not dry_run:
            self._write(before, after)
        return self._report(outcome, entry, before, after, written=not dry_run)

    def undo(self, *, dry_run: bool = False) -> Installation:
        """Take the entry out, or put back the one that stood there first; raises `ConfigInvalid` as `install` does."""
        with alone(self.path):
            return self._undo(dry_run=dry_run)

    def _undo(self, *, dry_run: bool) -> Installation:
        before = self._read()
        existing = None if before is None else self._entry_in(before)
        if before is None or existing is None:
            return self._report("absent", None, before, before, written=False)
        if not _is_ours(existing):
            message = f"the server '{self._name}' in '{self.path}' does not start AEL, so it is left alone"
            raise ConfigInvalid([Problem(message=message)])
        original = self._read_backup()
        first = None if original is None else self._entry_in(original)
        if first is not None and first != existing:
            after: str | None = self._put(before, first)
            outcome: Outcome = "restored"
        else:
            after, outcome = self._without(before, original), "removed"
        if not dry_run:
            self._write(before, after, backup=False)
            if original is not None and after == original:
                self._backup.unlink(missing_ok=True)
        return self._report(outcome, existing, before, after, written=not dry_run)

    def entry(self) -> dict[str, JSONValue]:
        """Return the entry: a command that works from anywhere, for one configuration."""
        command = ael_command()
        args: list[JSONValue] = [*command[1:], "serve", "--config", str(self._config_path()), "--tool-names", "safe"]
        kind: dict[str, JSONValue] = {"type": "stdio"} if self.client in {"claude-code", "vscode"} else {}
        return {**kind, "command": command[0], "args": args}

    def _config_path(self) -> Path:
        """Return the configuration that is found here, else where one of this scope would be."""
        source = config_source(self._config, self._environment)
        if source.text is not None or self._config is not None:
            return source.path.absolute()
        if self._scope == "project":
            return Path(FILE_NAME).absolute()
        return self._folders.home / ".ael" / "config.yaml"

    # -- the file -----------------------------------------------------------------------------------------------

    @property
    def _backup(self) -> Path:
        real = Path(os.path.realpath(self.path))
        return real.with_name(real.name + _BACKUP)

    def _read(self) -> str | None:
        try:
            return _read_text(self.path)
        except ConfigInvalid as error:
            raise self._refused(error.problems[0], "") from error

    def _read_backup(self) -> str | None:
        return _read_text(self._backup)

    def _entry_in(self, text: str) -> JSONValue:
        """Return what the file has under our name; raises `ConfigInvalid` with what to paste."""
        if not text.strip():
            return None
        try:
            root = jsonc.parse(text, str(self.path), comments=self._comments)
        except jsonc.Unreadable as error:
            raise self._refused(error.problem, text) from error
        servers = root.value.get(self._section) if isinstance(root.value, dict) else None
        if not isinstance(root.value, dict) or (servers is not None and not isinstance(servers, dict)):
            message = f"'{self.path}' has no object where '{self._section}' is expected"
            raise self._refused(Problem(message=message), text)
        return None if servers is None else servers.get(self._name)

    def _refused(self, problem: Problem, text: str) -> ConfigInvalid:
        entry = json.dumps({self._name: self.entry()}, ensure_ascii=False)
        hint = f"Nothing was changed. Repair the file, or add this to its '{self._section}' by hand: {entry}"
        return ConfigInvalid(unreadable([problem], text).problems, suggestion=hint)

    def _edited(self, before: str | None, entry: JSONValue) -> str:
        if before is None or not before.strip():
            return json.dumps({self._section: {self._name: entry}}, indent=2, ensure_ascii=False) + "\n"
        return self._put(before, entry)

    def _put(self, text: str, entry: JSONValue) -> str:
        try:
            return jsonc.put(text, str(self.path), (self._section, self._name), entry, comments=self._comments)
        except jsonc.Unreadable as error:
            raise self._refused(error.problem, text) from error

    def _without(self, before: str, original: str | None) -> str | None:
        """Return a text without our entry, and without what was made for it; None for a file that was ours alone.

        Where the file was there and empty, it is empty again.
        """
        after = jsonc.remove(before, str(self.path), (self._section, self._name), comments=self._comments)
        root = jsonc.parse(after, str(self.path), comments=self._comments)
        had_section = original is not None and self._section in _keys(original, self._comments)
        if not had_section and root.members[self._section].node.value == {}:
            after = jsonc.remove(after, str(self.path), (self._section,), comments=self._comments)
            blank = original is None or not original.strip()
            if blank and jsonc.parse(after, str(self.path), comments=self._comments).value == {}:
                return original
        return after

    def _write(self, before: str | None, after: str | None, *, backup: bool = True) -> None:
        try:
            self._replace(before, after, backup=backup)
        except OSError as error:
            message = f"'{error.filename or self.path}' cannot be written: {error.strerror}"
            raise ConfigInvalid([Problem(message=message)]) from error

    def _replace(self, before: str | None, after: str | None, *, backup: bool) -> None:
        if _read_text(self.path) != before:
            message = f"'{self.path}' was changed by somebody else meanwhile"
            raise ConfigInvalid([Problem(message=message, suggestion="Try again.")])
        if backup and before is not None:
            self._back_up(before)
        if after is None:
            Path(os.path.realpath(self.path)).unlink()
        else:
            replace_file(self.path, after.encode(), private=True)

    def _back_up(self, text: str) -> None:
        """Keep the file as it is, unless an older one is kept already."""
        mode = os.stat(self.path).st_mode & 0o777  # noqa: PTH116 # of what a link leads to
        try:
            descriptor = os.open(self._backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            os.fchmod(descriptor, mode)

    def _report(
        self, outcome: Outcome, entry: JSONValue, before: str | None, after: str | None, *, written: bool
    ) -> Installation:
        backup = str(self._backup) if self._backup.exists() else None
        return Installation(
            client=self.client,
            path=str(self.path),
            outcome=outcome,
            entry=self._shown(entry),
            diff=self._diff(before, after),
            backup=backup,
            written=written,
            unconfigured=outcome in {"added", "updated", "unchanged"} and not self._config_path().exists(),
        )

    def _shown(self, entry: JSONValue) -> JSONValue:
        """Return an entry without secrets: its user may have given it some."""
        return mask_document(entry, (self._section, self._name))

    def _diff(self, before: str | None, after: str | None) -> str:
        """Return how the entry changes. Nothing else does, and its neighbours may stand on the same line."""
        old, new = (self._lines(None if text is None else self._entry_in(text)) for text in (before, after))
        lines = difflib.unified_diff(old, new, f"{self.path} (as it is)", f"{self.path} (new)", lineterm="")
        return "\n".join(lines)

    def _lines(self, entry: JSONValue) -> list[str]:
        """Return an entry below the key of its section; nothing where there is none."""
        if entry is None:
            return []
        whole = {self._section: {self._name: self._shown(entry)}}
        return json.dumps(whole, indent=2, ensure_ascii=False).splitlines()


def client_path(client: Client, scope: Scope, folders: UserFolders) -> Path:
    """Return where a client keeps its servers; raises `ConfigInvalid` where it has no such place."""
    if scope == "project":
        relative: dict[Client, str] = {
            "claude-code": ".mcp.json",
            "cursor": ".cursor/mcp.json",
            "vscode": ".vscode/mcp.json",
        }
        if client not in relative:
            raise ConfigInvalid([Problem(message="Claude Desktop has no servers of a project; use `--scope user`")])
        return Path.cwd() / relative[client]
    if client == "claude-desktop":
        return folders.settings / "Claude" / "claude_desktop_config.json"
    if client == "claude-code":
        return folders.claude / ".claude.json"
    if client == "cursor":
        return folders.home / ".cursor" / "mcp.json"
    return folders.settings / "Code" / "User" / "mcp.json"


def ael_command() -> list[str]:
    """Return a command that starts this very AEL from any directory and without its environment."""
    # Not resolved: what a virtual environment links to would start without it.
    python = Path(sys.executable).absolute()
    script = python.with_name("ael.exe" if python.suffix == ".exe" else "ael")
    return [str(script)] if script.is_file() and os.access(script, os.X_OK) else [str(python), "-m", "ael"]


def _is_ours(entry: JSONValue) -> bool:
    return isinstance(entry, dict) and is_ael(entry.get("command"), entry.get("args"))


def _keys(text: str, comments: bool) -> set[str]:
    try:
        return set(jsonc.parse(text, "", comments=comments).members)
    except jsonc.Unreadable:
        return set()


def _read_text(path: Path) -> str | None:
    """Return a file's text, None where there is no file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigInvalid([Problem(message=f"'{path}' is not a regular file")])
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigInvalid([Problem(message=f"'{path}' cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        message = f"'{path}' is not UTF-8"
        raise ConfigInvalid([Problem(message=message, suggestion="Save it as UTF-8.")]) from error
