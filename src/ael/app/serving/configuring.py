"""Configuration mode: tools with which an agent sets AEL up. Edits are staged; `config_done` writes them.

Whoever may set a server's command runs programs on this machine: these tools are for the one client at our standard
streams, never for a port without authentication.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from ael.app.application import config_schema
from ael.app.config_paths import hint_at, parse_path, read_value
from ael.app.configuration import Draft
from ael.app.importing import import_servers
from ael.app.serving.builtin import BuiltinTools, builtin_tool, problem_shown
from ael.app.serving.served import Answer, Caller, ServedTool
from ael.app.settings import config_source
from ael.errors import AelError, ConfigInvalid, Problem
from ael.values import JSONValue, shortened

#: Runs AEL with the configuration of a file; returns why that is not possible now, else nothing.
Switch = Callable[[Path], Awaitable[str]]

_PATH = {
    "type": "string",
    "maxLength": 500,
    "description": "Keys with dots between them, such as mcp.servers.git.command.",
}
#: What no path of a file is longer than, and which holds no character that no path has.
_FILE = {"type": "string", "maxLength": 4096, "pattern": "^[^\\x00]*$"}
_READS: dict[str, bool] = {"readOnlyHint": True}
_STAGES: dict[str, bool] = {"readOnlyHint": False, "destructiveHint": False, "openWorldHint": False}
_WRITES: dict[str, bool] = {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True}

#: Where clients keep their servers.
_CLIENT_FILES = ("claude_desktop_config.json", ".mcp.json", ".claude.json", "mcp.json", "settings.json")

#: What a tool does with its checked arguments.
_Work = Callable[[dict[str, Any]], Awaitable[JSONValue]]


class ConfigTools(BuiltinTools):
    """Offers the tools of configuration mode."""

    def __init__(self, named: str | None, switch: Switch) -> None:
        """Take the file that was named and what runs AEL with a configuration; raises `ConfigInvalid`."""
        self._switch = switch
        self._named = named
        self._draft = Draft(config_source(named))
        self._target = self._draft.path
        super().__init__(
            (
                _tool(
                    "config_get",
                    "Return what the configuration says at a path, staged edits included; without a path, all of it. "
                    "Secrets are masked.",
                    {"path": _PATH},
                    (),
                    _READS,
                    self._get,
                ),
                _tool(
                    "config_set",
                    "Stage a value at a path, such as mcp.servers.git with {command: mcp-server-git}; without a value, "
                    "stage that nothing stands there. Secrets go into the environment: write ${NAME} for them.",
                    {"path": _PATH, "value": {"description": "A value of any kind."}},
                    ("path",),
                    _STAGES,
                    self._set,
                ),
                _tool(
                    "config_validate",
                    "Check the staged configuration: every mistake with line, caret and repair, and variables to set.",
                    {},
                    (),
                    _READS,
                    self._validate,
                ),
                _tool("config_diff", "Return the staged edits as a diff.", {}, (), _READS, self._show_diff),
                _tool(
                    "config_done",
                    "Write the staged configuration, if it is valid, and run with it: the tools then are workflows and "
                    "tools of servers.",
                    {"write_to": {**_FILE, "description": "A file of config_location's places."}},
                    (),
                    _WRITES,
                    self._done,
                ),
                _tool(
                    "config_location",
                    "Return where the configuration is written to and the places that AEL searches; with a path or a "
                    "scope, choose one of them.",
                    {
                        "path": {**_FILE, "description": "One of the places."},
                        "scope": {"enum": ["project", "user"], "description": "This directory, or the user's home."},
                    },
                    (),
                    _STAGES,
                    self._location,
                ),
                _tool("config_reset", "Forget all staged edits.", {}, (), _STAGES, self._reset),
                _tool("config_schema", "Return the JSON Schema of the configuration.", {}, (), _READS, self._schema),
                _tool(
                    "import_config",
                    "Stage the servers of another MCP client: of claude_desktop_config.json, .mcp.json, .claude.json, "
                    "or the mcp.json of VS Code or Cursor. Their secrets become references to variables, which are "
                    "listed.",
                    {
                        "file": {**_FILE, "description": "The client's file."},
                        "servers": {
                            "type": "array",
                            "items": {"type": "string", "maxLength": 200},
                            "description": "Only these; without, all.",
                        },
                    },
                    ("file",),
                    _STAGES,
                    self._import,
                ),
            )
        )

    # -- look ---------------------------------------------------------------------------------------------------

    async def _get(self, arguments: dict[str, Any]) -> JSONValue:
        path = arguments.get("path", "")
        return {"path": path, "value": self._draft.get(path), "staged": self._draft.changed}

    async def _schema(self, _: dict[str, Any]) -> JSONValue:
        return config_schema()

    async def _show_diff(self, _: dict[str, Any]) -> JSONValue:
        return {"diff": self._draft.diff()}

    async def _validate(self, _: dict[str, Any]) -> JSONValue:
        try:
            problems, valid = list(self._draft.validate()), True
        except ConfigInvalid as error:
            problems, valid = list(error.problems), False
        return {"valid": valid, "problems": [problem_shown(problem) for problem in problems]}

    # -- stage --------------------------------------------------------------------------------------------------

    async def _set(self, arguments: dict[str, Any]) -> JSONValue:
        path: str = arguments["path"]
        parts = parse_path(path)
        if "value" not in arguments:
            self._draft.unset(path)
        else:
            value: JSONValue = arguments["value"]
            if isinstance(value, str) and str not in hint_at(parts):
                # Many an agent writes a number, or a whole mapping, as text.
                value = read_value(value, parts)
            self._draft.set(path, value)
        return {"path": path, "diff": self._draft.diff()}

    async def _reset(self, _: dict[str, Any]) -> JSONValue:
        # Read again: it may have been edited by hand.
        self._draft = Draft(config_source(self._named))
        return {"staged": False}

    async def _import(self, arguments: dict[str, Any]) -> JSONValue:
        report = import_servers(self._draft, _client_file(arguments["file"]), arguments.get("servers", ()))
        found: JSONValue = msgspec.to_builtins(report)
        return found

    # -- write --------------------------------------------------------------------------------------------------

    async def _location(self, arguments: dict[str, Any]) -> JSONValue:
        if "path" in arguments:
            self._target = self._place(arguments["path"])
        elif "scope" in arguments:
            self._target = self._of_scope(arguments["scope"])
        return {
            # In full: an agent does not know in which directory its client has started us.
            "path": str(self._target.absolute()),
            "exists": self._target.exists(),
            "places": [str(place.absolute()) for place in self._draft.source.places],
        }

    def _of_scope(self, scope: Literal["project", "user"]) -> Path:
        places = self._draft.source.places
        if len(places) == 1:
            message = f"the configuration was named when AEL was started: it is '{places[0]}'"
            raise ConfigInvalid([Problem(message=message)])
        return places[0] if scope == "project" else places[-1]

    def _place(self, path: str) -> Path:
        """Return a place of the search order, also by its absolute path; raises `ConfigInvalid` for any other."""
        wanted = _expanded(path).absolute()
        places = self._draft.source.places
        for place in places:
            if place.absolute() == wanted:
                return place
        message = f"'{shortened(path, 200)}' is no place where AEL looks for its configuration"
        hint = f"Write to one of: {', '.join(map(str, places))}."
        raise ConfigInvalid([Problem(message=message, suggestion=hint)])

    async def _done(self, arguments: dict[str, Any]) -> JSONValue:
        target = self._place(arguments["write_to"]) if "write_to" in arguments else self._target
        warnings = self._draft.save(target)
        self._target = target
        done: dict[str, JSONValue] = {"written": str(target.absolute())}
        if warnings:
            # It cannot be read without them, and they come with the environment of a new process.
            hint = "Set them where AEL is started, and start it again."
            return {**done, "mode": "configuration", "problems": [problem_shown(one) for one in warnings], "next": hint}
        why = await self._switch(target)
        if why:
            return {**done, "next": why}
        return {**done, "mode": "running", "next": "The list of tools has changed: read it again."}


def _expanded(name: str) -> Path:
    """Return a path with the home directory in place of `~`, where there is one."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def _client_file(name: str) -> Path:
    """Return a client's file; raises `ConfigInvalid` for one of another name.

    An error shows the line that it is about, and these tools are no way to read any file.
    """
    file = _expanded(name)
    if file.name in _CLIENT_FILES:
        return file
    message = f"'{shortened(file.name, 200)}' is no name of a client's file"
    raise ConfigInvalid([Problem(message=message, suggestion=f"It is one of {', '.join(_CLIENT_FILES)}.")])


def _tool(
    name: str,
    description: str,
    properties: dict[str, Any],
    required: tuple[str, ...],
    annotations: dict[str, bool],
    work: _Work,
) -> ServedTool:
    async def answer(arguments: dict[str, Any], _: Caller) -> Answer:
        return Answer(value=await work(arguments))

    return builtin_tool(name, description, properties, required, annotations, answer)


def refuse_over_http() -> AelError:
    """Return the error for configuration mode at a port."""
    message = "configuration mode over HTTP needs authentication, which there is none of yet"
    hint = "Use stdio, or `ael config set` and `ael config import` in a shell."
    return ConfigInvalid([Problem(message=message, suggestion=hint)])
