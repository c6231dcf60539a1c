"""How servers are reached, as the configuration writes it: what a lock file says of them, without secrets."""

from __future__ import annotations

import shlex
from pathlib import Path

from ael.app.config_paths import value_at
from ael.app.native_tools import NATIVE
from ael.app.settings import Settings
from ael.errors import ConfigInvalid
from ael.observe.masking import Masker
from ael.observe.secret_forms import mask_document
from ael.tools.last_seen import LastSeen
from ael.tools.pins import FILE_NAME, Origin, ToolPins
from ael.values import JSONValue, digest
from ael.workflow.yaml_reader import Reader, Unreadable


def tool_pins(settings: Settings) -> ToolPins | None:
    """Return what is pinned beside the configuration; None where there is none, and so no server."""
    if settings.path is None:
        return None
    path = settings.path
    return ToolPins(path.resolve().parent / FILE_NAME, lambda: _origins(path), Masker(settings.secrets))


def last_seen(settings: Settings, pins: ToolPins | None) -> LastSeen:
    """Return the names that the servers of a configuration offered before, and those that are pinned."""
    if settings.state is None or settings.path is None:
        return LastSeen()
    try:
        lock = None if pins is None else pins.lock()
    except ConfigInvalid:
        # The gateway says so, and calls nothing.
        lock = None
    pinned = {} if lock is None else {server: one.tools for server, one in lock.servers.items()}
    # Servers are known by names that mean something in one configuration only.
    name = digest(str(settings.path.resolve()).encode())
    return LastSeen(settings.state / "tools" / name, pinned, Masker(settings.secrets))


def _origins(path: Path) -> dict[str, Origin]:
    found = {NATIVE: Origin(command="ael native-tools")}
    try:
        reader = Reader(path.read_bytes(), str(path))
        document = {} if reader.is_empty() else reader.json(reader.root(), "")
    except (OSError, Unreadable):
        # It was read when AEL started; that it has gone since changes no server.
        return found
    for section in (("mcp", "servers"), ("tools", "mcp_servers")):
        servers = value_at(document, section)
        for name, server in servers.items() if isinstance(servers, dict) else ():
            if isinstance(server, dict):
                found[name] = _origin((*section, name), server)
    return found


def _origin(parts: tuple[str, ...], server: dict[str, JSONValue]) -> Origin:
    shown = mask_document(server, parts)
    assert isinstance(shown, dict)
    command, args, url = shown.get("command"), shown.get("args"), shown.get("url")
    if url is not None:
        return Origin(url=str(url))
    listed = [str(one) for one in args] if isinstance(args, list) else []
    return Origin(command=" ".join(filter(None, (str(command or ""), shlex.join(listed)))))
