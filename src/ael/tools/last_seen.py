"""The names that servers offered when they were last seen.

While a server is down nobody else can know what it offers; without this, a server of the same tool could take its calls
over. Kept in the state directory, a file for each server: what two processes see at once costs neither's servers.
What cannot be read or written costs that protection and nothing else. No secret that is known here is in a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from ael.observe.masking import Masker
from ael.values import digest

_MAX_FILE = 4 * 1024 * 1024


class LastSeen:
    """Names by server, in memory and in a directory; None keeps them in memory."""

    def __init__(
        self,
        directory: Path | None = None,
        pinned: Mapping[str, Iterable[str]] | None = None,
        masker: Masker | None = None,
    ) -> None:
        """Take the directory, and names that are known otherwise, which are masked as well."""
        self._directory = directory
        self._masker = masker or Masker(())
        self._names: dict[str, frozenset[str]] = {}
        self._pinned = {server: frozenset(names) for server, names in (pinned or {}).items()}

    def offered(self, server: str, name: str) -> bool:
        """Say whether a server offered a tool, by the tool's own name."""
        shown = self._masker.text(name)
        return shown in self._known(server) or shown in self._pinned.get(server, ())

    def keep(self, server: str, names: Iterable[str]) -> None:
        """Remember what a server offers now."""
        found = frozenset(map(self._masker.text, names))
        if self._known(server) == found:
            return
        self._names[server] = found
        if self._directory is None:
            return
        with suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._path(self._directory, server)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(sorted(found)))
            temporary.replace(path)

    def _path(self, directory: Path, server: str) -> Path:
        # A server's name may be no name of a file.
        return directory / f"{digest(server.encode())}.json"

    def _known(self, server: str) -> frozenset[str]:
        if server not in self._names:
            self._names[server] = self._read(server)
        return self._names[server]

    def _read(self, server: str) -> frozenset[str]:
        if self._directory is None:
            return frozenset()
        try:
            path = self._path(self._directory, server)
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if os.fstat(descriptor).st_uid != os.geteuid():
                    return frozenset()
                return msgspec.json.decode(file.read(_MAX_FILE), type=frozenset[str])
        except (OSError, msgspec.MsgspecError, UnicodeError):
            return frozenset()
