"""The names that servers offered when they were last seen.

While a server is down nobody else can know what it offers; without this, a server of the same tool could take its calls
over. Kept in the state directory; what cannot be read or written costs that protection and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

_MAX_FILE = 4 * 1024 * 1024
_Names = dict[str, frozenset[str]]


class LastSeen:
    """Names by server, in memory and in a file; None keeps them in memory."""

    def __init__(self, path: Path | None = None, pinned: Mapping[str, Iterable[str]] | None = None) -> None:
        """Take the file, and names that are known otherwise."""
        self._path = path
        self._names: _Names | None = None
        self._pinned = {server: frozenset(names) for server, names in (pinned or {}).items()}

    def names(self, server: str) -> frozenset[str]:
        """Return what a server offered, by its own names."""
        return self._known().get(server, frozenset()) | self._pinned.get(server, frozenset())

    def keep(self, server: str, names: Iterable[str]) -> None:
        """Remember what a server offers now."""
        found = frozenset(names)
        known = self._known()
        if known.get(server) == found:
            return
        known[server] = found
        if self._path is None:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode({name: sorted(one) for name, one in known.items()}))
            temporary.replace(self._path)

    def _known(self) -> _Names:
        if self._names is None:
            self._names = self._read()
        return self._names

    def _read(self) -> _Names:
        if self._path is None:
            return {}
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if os.fstat(descriptor).st_uid != os.geteuid():
                    return {}
                return msgspec.json.decode(file.read(_MAX_FILE), type=_Names)
        except (OSError, msgspec.MsgspecError, UnicodeError):
            return {}
