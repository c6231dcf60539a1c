"""`ael-tools.lock`: definitions of tools as somebody has seen and accepted them.

A server may change what a tool says about itself after it was looked at, and agents and authors believe such words. A
pinned tool whose definition or whose server's command or URL differs is not called until the change is accepted. The
digest is of the whole tool object in its canonical form (RFC 8785), without the secrets that are known here: with them,
whoever has the file could try which words give it, and each new password would be a change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ael.errors import ConfigInvalid, Problem, ToolRejected
from ael.observe.masking import Masker
from ael.tools import ToolInfo
from ael.values import JSONValue

FILE_NAME = "ael-tools.lock"
_VERSION = 1
_MAX_FILE = 64 * 1024 * 1024

#: Fields of a tool object (MCP, schema); what else a server adds is not named in an error that an agent reads.
_FIELDS = ("name", "title", "description", "inputSchema", "outputSchema", "annotations", "icons", "execution", "_meta")

Stamp = tuple[int, int, int]


class Pin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool as it was accepted."""

    digest: str
    #: The tool object as the server lists it, without secrets: the file is one to share.
    definition: dict[str, JSONValue]


class ServerPins(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A server as it was accepted, and its tools by their own names."""

    #: As the configuration writes it: variables unfilled, and `***` for secrets that stand in it.
    command: str | None = None
    url: str | None = None
    tools: dict[str, Pin] = {}


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    version: int = _VERSION
    servers: dict[str, ServerPins] = {}


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is reached, as the configuration writes it, without secrets."""

    command: str | None = None
    url: str | None = None


class ToolPins:
    """The file, as it is now, held against what servers offer."""

    def __init__(self, path: Path, origins: Callable[[], Mapping[str, Origin]], masker: Masker) -> None:
        """Take the file's path and what tells how servers are reached; that is asked for when it is first needed."""
        self.path = path
        self.masker = masker
        self._origins = origins
        self._known_origins: dict[str, Origin] | None = None
        self._lock: Lock | None = None
        self._read_at: Stamp | None = None
        #: Definition that was compared → the fields that differ; it lives as long as the catalog does.
        self._compared: dict[int, tuple[dict[str, JSONValue], Pin, tuple[str, ...]]] = {}

    @property
    def origins(self) -> dict[str, Origin]:
        """How servers are reached now."""
        if self._known_origins is None:
            self._known_origins = dict(self._origins())
        return self._known_origins

    def stamp(self) -> Stamp | None:
        """Return what changes when the file does; None without one. Raises `ConfigInvalid`."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path, f"cannot be read: {error.strerror}") from error
        return status.st_mtime_ns, status.st_size, status.st_ino

    def lock(self) -> Lock | None:
        """Return the file, read again when it has changed; None without one. Raises `ConfigInvalid`."""
        stamp = self.stamp()
        if stamp is None:
            self._lock = self._read_at = None
            return None
        if stamp != self._read_at:
            self._lock, self._read_at = read_lock(self.path), stamp
            self._compared.clear()
        return self._lock

    def check(self, info: ToolInfo, name: str) -> None:
        """Raise `ToolRejected` for a tool that is not what was accepted; `name` is what the caller calls it.

        The error names fields and none of the server's words: whoever reads it may be the agent that a changed
        description wants to speak to.
        """
        if self.lock() is None:
            return
        changed = self.changes(info)
        if changed:
            accepted = info.ref.server if self.moved(info.ref.server) else str(info.ref)
            raise ToolRejected(
                f"it is not what was accepted in {FILE_NAME}: {', '.join(changed)} changed",
                suggestion="A person looks at it with `ael tools lock --check` and accepts it with "
                f"`ael tools lock --accept {accepted}`.",
                tool_name=name,
            )

    def changes(self, info: ToolInfo) -> tuple[str, ...]:
        """Return the names of what differs from what was accepted; nothing for a tool that is not pinned."""
        server = (self.lock() or Lock()).servers.get(info.ref.server)
        if server is None:
            return ()
        changed = self.moved(info.ref.server)
        pin = server.tools.get(self.masker.text(info.ref.name))
        if pin is None:
            return changed
        known = self._compared.get(id(info.definition))
        if known is None or known[0] is not info.definition or known[1] is not pin:
            differing = self._differing(pin, info.definition)
            known = self._compared[id(info.definition)] = (info.definition, pin, differing)
        return (*changed, *known[2])

    def _differing(self, pin: Pin, definition: Mapping[str, JSONValue]) -> tuple[str, ...]:
        """Return the names of fields that differ. Both sides are seen without the secrets that are known here.

        Who pinned the tool may have known others: a word that is one here and was none there is no change.
        """
        accepted, offered = (make_pin(one, self.masker) for one in (pin.definition, definition))
        if offered.digest in {pin.digest, accepted.digest}:
            return ()
        return _changed_fields(accepted.definition, offered.definition)

    def moved(self, server: str) -> tuple[str, ...]:
        """Return whether a server is started or reached otherwise than when it was accepted, as names of fields."""
        pinned = (self.lock() or Lock()).servers.get(server)
        origin = self.origins.get(server, Origin())
        if pinned is None or (pinned.command, pinned.url) == (origin.command, origin.url):
            return ()
        return ("the server's command or url",)


def make_pin(definition: Mapping[str, JSONValue], masker: Masker) -> Pin:
    """Pin a tool object as its server lists it; a server may have put a secret that it was given into it."""
    shown = masker.value(dict(definition))
    assert isinstance(shown, dict)
    return Pin(digest=digest_of(shown), definition=shown)


def digest_of(definition: Mapping[str, JSONValue]) -> str:
    """Return the digest of a tool object."""
    import rfc8785  # noqa: PLC0415 # only where tools are pinned

    return f"sha256:{hashlib.sha256(rfc8785.dumps(_exact(definition))).hexdigest()}"


def read_lock(path: Path) -> Lock:
    """Read a lock file; raises `ConfigInvalid` for one that was damaged: what it says could not be trusted."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    if len(data) > _MAX_FILE:
        raise _unusable(path, f"is larger than {_MAX_FILE} bytes")
    try:
        lock = msgspec.json.decode(data, type=Lock)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _unusable(path, f"is no lock file: {error}") from error
    if lock.version != _VERSION:
        raise _unusable(path, f"is of version {lock.version}; this AEL reads version {_VERSION}")
    for server, pins in lock.servers.items():
        for tool, pin in pins.tools.items():
            if digest_of(pin.definition) != pin.digest:
                raise _unusable(path, f"was edited: the digest of '{server}__{tool}' is not that of its definition")
    return lock


def write_lock(lock: Lock) -> bytes:
    """Return a lock file's text: sorted, so that a change of one tool is a change of its lines alone."""
    return msgspec.json.format(msgspec.json.encode(lock, order="sorted"), indent=2) + b"\n"


def _changed_fields(accepted: Mapping[str, JSONValue], offered: Mapping[str, JSONValue]) -> tuple[str, ...]:
    fields = [key for key in _FIELDS if accepted.get(key) != offered.get(key)]
    # Equal in Python and different in JSON (1 and true) is named as something else too.
    others = {*accepted, *offered} - set(_FIELDS)
    if not fields or any(accepted.get(key) != offered.get(key) for key in others):
        fields.append("another field")
    return tuple(fields)


def _exact(value: Any) -> Any:  # noqa: ANN401 # JSON
    """Return a value whose integers RFC 8785 can write: it knows those of doubles only."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return f"integer {value}"
    return value


def _unusable(path: Path, why: str) -> ConfigInvalid:
    hint = "Restore it from version control, or delete it and run `ael tools lock`."
    return ConfigInvalid([Problem(message=f"the lock file '{path}' {why}", suggestion=hint)])
