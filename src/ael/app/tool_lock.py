"""Pinning of tools: which ones the registered workflows use, and how they differ from what was accepted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from ael.app.application import App
from ael.app.files import alone, replace_file
from ael.errors import AelError, ConfigInvalid, ErrorRecord, Problem, ToolUnavailable, did_you_mean
from ael.observe.masking import Masker
from ael.plan import Plan
from ael.tools import ToolInfo
from ael.tools.pins import Lock, Pin, ServerPins, ToolPins, make_pin, write_lock
from ael.values import JSONValue

State = Literal["unchanged", "new", "changed", "accepted", "unused", "unseen"]


class LockedTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool of the lock file, or one that belongs into it."""

    #: `server__tool`.
    name: str
    state: State
    #: What changed.
    fields: tuple[str, ...] = ()
    #: The name by which the change is accepted: the tool's, or its server's where that is what changed.
    accept: str = ""
    #: The change of the definition, line by line, as the server wrote it: for eyes, not for agents.
    diff: str = ""


class LockReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a lock file says, or would."""

    path: str
    tools: tuple[LockedTool, ...]
    #: Servers and workflows that could not be asked; what they use stays as it was.
    errors: tuple[ErrorRecord, ...] = ()
    written: bool = False

    @property
    def differs(self) -> bool:
        """Whether something is used that was not accepted as it is."""
        return any(tool.state in {"new", "changed"} for tool in self.tools)


async def check_lock(app: App) -> LockReport:
    """Return how the tools that workflows use differ from the lock file; writes nothing."""
    return (await _compare(app, ()))[0]


async def lock_tools(app: App, accept: Sequence[str] = ()) -> LockReport:
    """Pin new tools, forget unused ones, and take over the changes of those named; other changes stay unaccepted.

    Raises `ToolUnavailable` for a name that is not in question, `ConfigInvalid` when the file cannot be written.
    """
    pins = _pins(app)
    stamp = pins.stamp()
    report, lock = await _compare(app, accept)
    if lock == pins.lock():
        return report
    try:
        with alone(pins.path):
            if pins.stamp() != stamp:
                message = f"the lock file '{pins.path}' has changed meanwhile"
                raise ConfigInvalid([Problem(message=message, suggestion="Run `ael tools lock` again.")])
            replace_file(pins.path, write_lock(lock))
    except OSError as error:
        message = f"the lock file '{pins.path}' cannot be written: {error.strerror}"
        raise ConfigInvalid([Problem(message=message)]) from error
    return msgspec.structs.replace(report, written=True)


def _pins(app: App) -> ToolPins:
    if app.parts.pins is None:
        message = "there is no configuration, so there are no servers whose tools could be pinned"
        raise ConfigInvalid([Problem(message=message, suggestion="Start with `ael init`.")])
    return app.parts.pins


async def _compare(app: App, accept: Sequence[str]) -> tuple[LockReport, Lock]:
    """Return a report, and the lock file as it becomes."""
    pins = _pins(app)
    before = pins.lock() or Lock()
    used, errors = await _used(app)
    masker = pins.masker
    used = {f"{info.ref.server}__{masker.text(info.ref.name)}": info for info in used.values()}
    pinned = {f"{server}__{tool}": (server, tool) for server, one in before.servers.items() for tool in one.tools}
    if pinned:
        errors += _directories_gone(app)
    names = sorted({*used, *pinned})
    _check_names(accept, names, before)
    rows: list[LockedTool] = []
    kept: dict[str, dict[str, Pin]] = {}
    for name in names:
        info = used.get(name)
        pin = None
        if name in pinned:
            server, tool = pinned[name]
            pin = before.servers[server].tools[tool]
        row, after = _judge(name, info, pin, pins, accept, masker)
        if row.state == "unused" and errors:
            # Its server, or a workflow that may use it, could not be asked.
            row, after = LockedTool(name=name, state="unseen"), pin
        rows.append(row)
        if after is not None:
            server, tool = pinned[name] if info is None else (info.ref.server, masker.text(info.ref.name))
            kept.setdefault(server, {})[tool] = after
    report = LockReport(path=str(pins.path), tools=tuple(rows), errors=tuple(map(masker.record, errors)))
    return report, Lock(
        servers={server: _server(server, tools, pins, before, accept) for server, tools in kept.items()}
    )


def _judge(
    name: str, info: ToolInfo | None, pin: Pin | None, pins: ToolPins, accept: Sequence[str], masker: Masker
) -> tuple[LockedTool, Pin | None]:
    """Return what to say about a tool, and its pin from now on."""
    if info is None:
        return LockedTool(name=name, state="unused"), None
    offered = make_pin(info.definition, masker)
    moved = () if info.ref.server in accept else pins.moved(info.ref.server)
    to_accept = info.ref.server if moved else name
    if pin is None:
        if moved:
            return LockedTool(name=name, state="changed", fields=moved, accept=to_accept), None
        return LockedTool(name=name, state="new"), offered
    changed = pins.changes(info)
    if not changed:
        # Who accepted it may have known fewer secrets.
        return LockedTool(name=name, state="unchanged"), make_pin(pin.definition, masker)
    diff = masker.text(_diff(name, pin.definition, offered.definition))
    if {name, info.ref.name, info.ref.server} & set(accept):
        if moved:
            return LockedTool(name=name, state="changed", fields=moved, accept=to_accept, diff=diff), offered
        return LockedTool(name=name, state="accepted", fields=changed, diff=diff), offered
    return LockedTool(name=name, state="changed", fields=changed, accept=to_accept, diff=diff), pin


def _server(server: str, tools: dict[str, Pin], pins: ToolPins, before: Lock, accept: Sequence[str]) -> ServerPins:
    """Return a server's part of the file: how it is reached changes only where that was accepted."""
    known = before.servers.get(server)
    origin = pins.origins.get(server)
    if known is not None and pins.moved(server) and server not in accept:
        return msgspec.structs.replace(known, tools=tools)
    return ServerPins(command=origin.command if origin else None, url=origin.url if origin else None, tools=tools)


def _check_names(accept: Sequence[str], names: Sequence[str], before: Lock) -> None:
    for one in accept:
        same = [name for name in names if one == name.partition("__")[2]]
        if len(same) > 1:
            hint = f"Name the one that you mean: {', '.join(same)}."
            raise ToolUnavailable("it is on several servers", suggestion=hint, tool_name=one, retryable=False)
        if not same and one not in names and one not in before.servers:
            raise ToolUnavailable(
                "no workflow uses it and it is not pinned",
                suggestion=did_you_mean(one, names, "tool"),
                tool_name=one,
                retryable=False,
            )


def _diff(name: str, before: Mapping[str, JSONValue], after: Mapping[str, JSONValue]) -> str:
    old, new = (
        msgspec.json.format(msgspec.json.encode(one, order="sorted"), indent=2).decode().splitlines()
        for one in (before, after)
    )
    return "\n".join(difflib.unified_diff(old, new, f"{name} (accepted)", f"{name} (offered)", lineterm=""))


async def _used(app: App) -> tuple[dict[str, ToolInfo], list[ErrorRecord]]:
    """Return the tools that registered workflows may call, and why some could not be found."""
    catalog = app.parts.catalog()
    errors: list[ErrorRecord] = []
    names: dict[str, None] = {}
    for path in app.workflow_files():
        try:
            plan: Plan = (await app.prepare(str(path))).plan
        except AelError as error:
            errors.append(error.record())
        else:
            names |= dict.fromkeys(plan.tools)
    names.pop("python_exec", None)
    offered, failures = await catalog.everything() if names else ([], {})
    errors += [error.record() for error in failures.values()]
    found: dict[str, ToolInfo] = {}
    for name in names:
        if "*" in name or "?" in name or "[" in name:
            found |= {str(info.ref): info for info in _matching(name, offered)}
            continue
        try:
            info, _ = await catalog.resolve(name, {})
        except AelError as error:
            if not failures:
                errors.append(error.record())
        else:
            found[str(info.ref)] = info
    return found, errors


def _directories_gone(app: App) -> list[ErrorRecord]:
    """Say which directories of workflows are not there: nobody knows what is used in them."""
    return [
        ConfigInvalid(
            [
                Problem(
                    message=f"the directory of workflows '{directory}' is not there: what is pinned stays pinned",
                    suggestion="Bring it back, or correct `workflows.directories`.",
                )
            ]
        ).record()
        for directory in app.parts.definitions.directories
        if not directory.is_dir()
    ]


def _matching(pattern: str, offered: Iterable[ToolInfo]) -> list[ToolInfo]:
    return [info for info in offered if fnmatchcase(info.ref.name, pattern) or fnmatchcase(str(info.ref), pattern)]
