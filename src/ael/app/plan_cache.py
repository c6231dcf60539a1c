"""Plans remembered by the digest of their file, in the state directory.

An entry is JSON; the compiled code in it is opaque here and only ever loaded by a sandbox child. An entry that is
not ours alone, or that does not decode, is as good as none.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from ael import __version__
from ael.plan import Plan


def _build() -> str:
    """Return what changes when AEL does: a plan of another build may mean something else."""
    package = Path(__file__).parent.parent
    stamps = [f"{path.name} {path.stat().st_mtime_ns}" for path in sorted(package.rglob("*.py"))]
    return hashlib.blake2b("\n".join([__version__, *stamps]).encode(), digest_size=16).hexdigest()


_BUILD = _build()

#: Largest file that is remembered, bytes.
_LARGEST = 1024 * 1024

#: Of more entries than this the oldest are forgotten. A look at all of them costs more than the rest of remembering: it
#: comes before the first new one, then once in so many.
_MOST_ENTRIES, _BETWEEN_LOOKS = 4096, 256


class PlanCache:
    """Finds and keeps plans in one directory; None keeps nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._remembered = 0

    def find(self, path: str, allowed_imports: tuple[str, ...]) -> tuple[str | None, Plan | None]:
        """Return the key of a file as it is now, and its plan when it is known.

        The key is None when the file cannot be remembered (absent, too large, no directory).
        """
        if self._directory is None:
            return None, None
        try:
            with open(path, "rb", opener=_open_regular) as file:  # Path.open takes no opener
                text = file.read(_LARGEST + 1)
        except OSError:
            return None, None
        if len(text) > _LARGEST:
            return None, None
        key = _key(path, text, allowed_imports)
        return key, self._read(key)

    def remember(self, key: str, plan: Plan) -> None:
        """Keep a plan; a directory that cannot be written to is no error, the next run plans again."""
        if self._directory is None:
            return
        if self._remembered % _BETWEEN_LOOKS == 0:
            # Others may forget at the same time.
            with suppress(OSError):
                self._forget_oldest()
        self._remembered += 1
        with suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = self._directory / f".{key}.{os.getpid()}"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 # a descriptor
                file.write(msgspec.json.encode(plan))
            temporary.rename(self._directory / key)

    def _read(self, key: str) -> Plan | None:
        assert self._directory is not None
        try:
            with open(self._directory / key, "rb", opener=_open_regular) as file:  # Path.open takes no opener
                status = os.fstat(file.fileno())
                if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                    return None
                return msgspec.json.decode(file.read(), type=Plan)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def _forget_oldest(self) -> None:
        assert self._directory is not None
        entries = [entry for entry in os.scandir(self._directory) if entry.is_file()]
        if len(entries) > _MOST_ENTRIES:
            entries.sort(key=lambda entry: entry.stat().st_mtime)
            for entry in entries[: len(entries) - _MOST_ENTRIES + _BETWEEN_LOOKS]:
                Path(entry.path).unlink(missing_ok=True)


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file without waiting on a device or pipe."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor


def _key(path: str, text: bytes, allowed_imports: tuple[str, ...]) -> str:
    parts = (_BUILD, sys.implementation.cache_tag or "", path, ",".join(allowed_imports))
    state = hashlib.blake2b("\0".join(parts).encode() + b"\0", digest_size=16)
    state.update(text)
    return state.hexdigest()
