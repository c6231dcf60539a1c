"""The files in which MCP clients keep their servers, read: Claude Desktop, Claude Code, VS Code, Cursor.

Each server becomes what `mcp.servers` holds. Secrets that are written out become `${VAR}`; what has no meaning here
is said, never dropped in silence. Nothing of the values of secrets is in what this module returns.
"""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias

import msgspec

from ael.app import jsonc
from ael.app.config_excerpts import unreadable
from ael.errors import ConfigInvalid, Problem
from ael.observe.secret_forms import Region, find_regions, masked, variable_name
from ael.values import JSONValue

Client: TypeAlias = Literal["claude-desktop", "claude-code", "vscode", "cursor"]
_MAX_FILE = 64 * 1024 * 1024

#: Files whose clients take no comments.
_STRICT = frozenset({"claude_desktop_config.json", ".mcp.json", ".claude.json"})
_TRANSPORTS: dict[str, Literal["http", "sse"]] = {
    **dict.fromkeys(("http", "streamable-http", "streamableHttp", "streamable_http", "ws"), "http"),
    "sse": "sse",
}
_KNOWN = frozenset(
    {"command", "args", "env", "envFile", "cwd", "url", "headers", "type", "transport", "disabled", "enabled"}
)
#: `${NAME}`, `${NAME:-default}`, `${env:NAME}`, `${input:id}`, `${workspaceFolder}`, and a dollar alone.
_REFERENCE = re.compile(r"\$(?:\{(?:([a-z]+):(?!-))?([A-Za-z_/][\w./-]*)(?:(:-)([^{}]*))?\})?")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that must be set for an imported server."""

    name: str
    server: str
    #: What it is for, where the file says so.
    description: str = ""


class FoundServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server of a client's file."""

    name: str
    #: As `mcp.servers` holds it; empty when it cannot be taken over.
    definition: dict[str, JSONValue] = {}
    notes: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    #: Why it is not taken over.
    skipped: str = ""


class ClientFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a client's file offers."""

    file: str
    client: Client
    servers: tuple[FoundServer, ...]


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A server as the file has it."""

    name: str
    raw: JSONValue
    #: What relative paths and `${workspaceFolder}` are about.
    folder: Path | None
    disabled: bool = False
    project: str = ""


def read_client_file(path: Path) -> ClientFile:
    """Read a client's file; raises `ConfigInvalid` when it is none."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigInvalid([Problem(message=f"'{path}' is not a regular file")])
        if status.st_size > _MAX_FILE:
            raise ConfigInvalid([Problem(message=f"'{path}' is larger than {_MAX_FILE} bytes")])
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigInvalid([Problem(message=f"'{path}' cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid([Problem(message=f"'{path}' is not UTF-8")]) from error
    try:
        root = jsonc.parse(text, str(path), comments=path.name not in _STRICT).value
    except jsonc.Unreadable as error:
        raise unreadable([error.problem], text) from error
    listed, client, inputs = _listed(root, path)
    taken: dict[str, str] = {}
    return ClientFile(
        file=str(path), client=client, servers=tuple(_Import(one, inputs, taken).server() for one in listed)
    )


def is_ael(command: JSONValue, args: JSONValue) -> bool:
    """Say whether a server's command starts `ael serve`: AEL must not become its own server."""
    words = [one for one in (command, *(args if isinstance(args, list) else [])) if isinstance(one, str)]
    if len(words) == 1:
        try:
            words = shlex.split(words[0])
        except ValueError:
            return False
    if "serve" not in words:
        return False
    before = words[: words.index("serve")]
    return any(PurePath(word.replace("\\", "/")).name.removesuffix(".exe") == "ael" for word in before)


def _listed(root: JSONValue, path: Path) -> tuple[list[_Listed], Client, dict[str, str]]:
    """Return the servers of a file, whose it is, and what its inputs are for."""
    if not isinstance(root, dict):
        raise ConfigInvalid([Problem(message=f"'{path}' holds no object")])
    folder = path.resolve().parent
    if folder.name in {".vscode", ".cursor"}:
        folder = folder.parent
    settings = root.get("mcp")
    if isinstance(settings, dict):
        return list(_servers(settings.get("servers"), folder)), "vscode", _inputs(settings.get("inputs"))
    if "mcp.servers" in root:
        return list(_servers(root["mcp.servers"], folder)), "vscode", _inputs(root.get("mcp.inputs"))
    if "projects" in root or path.name == ".claude.json":
        return list(_claude_code(root)), "claude-code", {}
    if "mcpServers" in root:
        desktop = path.name == "claude_desktop_config.json"
        client: Client = "claude-desktop" if desktop else "claude-code" if path.name == ".mcp.json" else "cursor"
        return list(_servers(root["mcpServers"], None if desktop else folder)), client, {}
    if "servers" in root:
        return list(_servers(root["servers"], folder)), "vscode", _inputs(root.get("inputs"))
    message = f"'{path}' names no MCP servers: it has neither 'mcpServers' nor 'servers'"
    hint = "Name the file of Claude Desktop, Claude Code, VS Code or Cursor that has them."
    raise ConfigInvalid([Problem(message=message, suggestion=hint)])


def _servers(
    raw: JSONValue, folder: Path | None, disabled: frozenset[str] = frozenset(), project: str = ""
) -> Iterator[_Listed]:
    if raw is not None and not isinstance(raw, dict):
        raise ConfigInvalid([Problem(message="what should hold the servers, by their names, is no object")])
    if isinstance(raw, dict):
        for name, server in raw.items():
            yield _Listed(name=name, raw=server, folder=folder, disabled=name in disabled, project=project)


def _claude_code(root: dict[str, JSONValue]) -> Iterator[_Listed]:
    """Yield the servers of a user and of each project of `~/.claude.json`."""
    yield from _servers(root.get("mcpServers"), None)
    projects = root.get("projects")
    for directory, project in projects.items() if isinstance(projects, dict) else ():
        if isinstance(project, dict):
            listed = project.get("disabledMcpServers")
            off = frozenset(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else frozenset()
            yield from _servers(project.get("mcpServers"), Path(directory), off, directory)


def _inputs(raw: JSONValue) -> dict[str, str]:
    """Return id → description of VS Code's inputs."""
    found: dict[str, str] = {}
    for one in raw if isinstance(raw, list) else []:
        if isinstance(one, dict) and isinstance(one.get("id"), str):
            found[str(one["id"])] = str(one.get("description") or "")
    return found


class _Import:
    """Turns one server of a file into one of ours."""

    def __init__(self, listed: _Listed, inputs: Mapping[str, str], taken: dict[str, str]) -> None:
        self._listed = listed
        self._inputs = inputs
        #: Variable → the secret that it stands for, across the file: one name never means two values.
        self._taken = taken
        self._notes: list[str] = [f"from the project {listed.project}"] if listed.project else []
        self._variables: dict[str, Variable] = {}
        self._unknown: list[str] = []
        self.name = listed.name

    def server(self) -> FoundServer:
        raw = self._listed.raw
        if not isinstance(raw, dict):
            return self._skip("it is no object")
        if is_ael(raw.get("command"), raw.get("args")):
            return self._skip("it is AEL itself")
        if wrong := _misshapen(raw):
            return self._skip(wrong)
        if _holds_credentials(raw.get("url")):
            return self._skip("its url holds a name or a password, which belong into `headers`")
        self.name = re.sub(r"__+", "_", "".join(filter(str.isprintable, self._listed.name))).rstrip("_")
        if self.name != self._listed.name:
            self._notes.append(
                f"named '{self.name}' here: a name may not hold '__' nor what cannot be printed, nor end with '_'"
            )
        if not self.name.strip():
            return self._skip("it has no name")
        definition = self._definition(raw)
        if self._unknown:
            return self._skip(f"it uses {', '.join(dict.fromkeys(self._unknown))}, which means nothing outside of it")
        if ("command" in definition) == ("url" in definition):
            return self._skip("it has neither a command nor a url, or both")
        if "envFile" in raw:
            self._notes.append("envFile is not read: write what the server needs of it into env, as NAME: ${NAME}")
        other = sorted(set(raw) - _KNOWN)
        if other:
            self._notes.append(f"not taken over: {', '.join(key[:40] for key in other)}")
        return FoundServer(
            name=self.name,
            definition=definition,
            notes=tuple(self._notes),
            variables=tuple(self._variables.values()),
        )

    def _skip(self, why: str) -> FoundServer:
        return FoundServer(name=self.name, skipped=why, notes=tuple(self._notes))

    def _definition(self, raw: dict[str, JSONValue]) -> dict[str, JSONValue]:
        made: dict[str, JSONValue] = {}
        command, args, url = raw.get("command"), raw.get("args"), raw.get("url")
        if isinstance(command, str):
            # A client starts it as it stands; here it is split like a shell would.
            made["command"] = shlex.quote(self._program(self._text(command, ("command",))))
        elif isinstance(command, list):
            made["command"] = shlex.join(self._args([_scalar(one) for one in command]))
        if isinstance(args, list) and args:
            made["args"] = list(self._args([_scalar(one) for one in args]))
        if isinstance(raw.get("cwd"), str):
            cwd = self._text(str(raw["cwd"]), ("cwd",))
            made["cwd"] = cwd if cwd.startswith(("/", "$")) else str(self._folder() / cwd)
        if isinstance(url, str):
            made["url"] = self._text(url, ("url",))
            kind = _TRANSPORTS.get(str(raw.get("type") or raw.get("transport") or ""))
            if kind:
                made["transport"] = kind
        made |= self._texts(raw, "env") | self._texts(raw, "headers")
        if _says(raw.get("disabled"), "true") or _says(raw.get("enabled"), "false") or self._listed.disabled:
            made["enabled"] = False
            self._notes.append("disabled there, and here")
        return made

    def _args(self, words: list[str]) -> Iterator[str]:
        """Yield the arguments of a program."""
        for index, (before, word) in enumerate(zip(["", *words], words, strict=False)):
            yield self._text(word, ("args", index), before)

    def _texts(self, raw: dict[str, JSONValue], key: str) -> dict[str, JSONValue]:
        found = raw.get(key)
        if not isinstance(found, dict) or not found:
            return {}
        nulls = [name for name, value in found.items() if value is None]
        if nulls:
            self._notes.append(f"{key} without a value: {', '.join(nulls)}")
        return {
            key: {name: self._text(_scalar(value), (key, name)) for name, value in found.items() if value is not None}
        }

    def _folder(self) -> Path:
        return self._listed.folder or Path.home()

    def _program(self, command: str) -> str:
        """Return a program; one with a path is found from wherever AEL runs."""
        if "/" not in command or command.startswith(("/", "$", "~")) or self._listed.folder is None:
            return command
        return str(self._listed.folder / command)

    def _text(self, text: str, parts: tuple[str | int, ...], before: str = "") -> str:
        """Return a text with references as AEL writes them, and without the secrets that stand in it."""
        written = _REFERENCE.sub(lambda found: self._reference(found, parts), text)
        regions = [one for one in find_regions(parts, written, before) if one.is_written]
        if not regions:
            return written
        key = str(parts[-1]) if isinstance(parts[-1], str) else _UNNAMED
        if "://" in written:
            # A part of a URL would have to be escaped by whoever sets it.
            regions = [Region(start=0, end=len(written), value=written, name=key)]
        names = iter([self._secret(one.name or key, one.value) for one in regions])
        return masked(written, regions, lambda _: f"${{{next(names)}}}")

    def _secret(self, key: str, value: str) -> str:
        prefix, name = variable_name(self.name), variable_name(key)
        base = name if name.startswith(f"{prefix}_") else f"{prefix}_{name}"
        candidate, number = base, 1
        while self._taken.setdefault(candidate, value) != value:
            number += 1
            candidate = f"{base}_{number}"
        about = "a secret in its arguments" if key == _UNNAMED else f"the value of '{key}'"
        self._variables[candidate] = Variable(name=candidate, server=self.name, description=about)
        return candidate

    def _reference(self, found: re.Match[str], parts: tuple[str | int, ...]) -> str:
        kind, name, operator, default = found.groups()
        if name is None:
            return "$$"
        if kind is None and name in _OF_PROJECTS and self._listed.folder is not None:
            return str(self._listed.folder)
        if kind is None and parts[0] == "args" and not operator and self._gives(name):
            # The program finds it in its own environment, and puts it in itself.
            return f"$${{{name}}}"
        if kind == "input":
            variable = variable_name(name)
            about = self._inputs.get(name, "")
            self._variables[variable] = Variable(name=variable, server=self.name, description=about)
            return f"${{{variable}}}"
        if (
            kind in {None, "env"}
            and _VARIABLE_NAME.fullmatch(name)
            and (kind == "env" or not _OF_EDITORS.fullmatch(name))
        ):
            if operator:
                return f"${{{name}:-{default}}}"
            self._variables.setdefault(name, Variable(name=name, server=self.name))
            return f"${{{name}}}"
        return self._place(name if kind is None else f"{kind}:{name}")

    def _gives(self, name: str) -> bool:
        """Say whether the server gets a variable with a value that is written out."""
        env = self._listed.raw.get("env") if isinstance(self._listed.raw, dict) else None
        value = env.get(name) if isinstance(env, dict) else None
        return value is not None and "${" not in _scalar(value)

    def _place(self, name: str) -> str:
        """Return what an editor's variable means outside of it."""
        if name == "userHome":
            return "${HOME}"
        if name in {"pathSeparator", "/"}:
            return "/"
        folder = self._listed.folder
        if folder is not None and name == "workspaceFolder":
            return str(folder)
        if folder is not None and name == "workspaceFolderBasename":
            return folder.name
        self._unknown.append(f"${{{name}}}")
        return ""


#: Variables of editors: places, and what is open or selected, which means nothing outside of them.
_OF_EDITORS = re.compile(
    r"workspaceFolder(Basename)?|userHome|pathSeparator|file([A-Z]\w*)?|relativeFile(Dirname)?|(line|column)Number"
    r"|selectedText|execPath|cwd|defaultBuildTask|extensionInstallFolder"
)
#: Variables of Claude Code for the directory in which a file of servers stands.
_OF_PROJECTS = frozenset({"CLAUDE_PROJECT_DIR", "CLAUDE_PLUGIN_ROOT"})

#: The key of a secret that has none.
_UNNAMED = "SECRET"


def _misshapen(raw: Mapping[str, JSONValue]) -> str:
    """Return what of a server's keys is not what it has to be; half a server is worse than none."""
    args, cwd = raw.get("args"), raw.get("cwd")
    if args is not None and not (isinstance(args, list) and all(map(_is_scalar, args))):
        return "its args are no list of texts"
    if cwd is not None and not isinstance(cwd, str):
        return "its cwd is no text"
    for key in ("env", "headers"):
        named = raw.get(key)
        if named is None:
            continue
        if not isinstance(named, dict) or not all(value is None or _is_scalar(value) for value in named.values()):
            return f"its {key} is no object of texts"
        if key == "env" and any(not name or "=" in name for name in named):
            return "its env has a name that no variable can have"
    if "\\u0000" in msgspec.json.encode(raw).decode():
        return "it holds a NUL character"
    return ""


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _says(value: object, word: str) -> bool:
    """Say whether a switch is set so, as a truth value or as a text."""
    return isinstance(value, bool | str) and str(value).strip().lower() == word


def _holds_credentials(url: JSONValue) -> bool:
    """Say whether a URL has something before an `@` in its host."""
    return isinstance(url, str) and "@" in url.partition("://")[2].partition("/")[0]


def _scalar(value: Any) -> str:  # noqa: ANN401 # JSON
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
