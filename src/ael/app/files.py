"""Files and directories of people: looked at without surprises; changed whole or not at all, mode and links kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path


def is_directory(path: Path) -> bool:
    """Return whether a directory is there; one that may not be looked at is none, and no error as for `Path.is_dir`."""
    return os.path.isdir(path)  # noqa: PTH112 # Path.is_dir raises


def replace_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file through a temporary one in its directory, which is made where it is missing; raises `OSError`.

    A link stays a link: what it leads to is written. A new file is for everybody to read as the umask allows, or
    `private`.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        before = target.stat()
    except FileNotFoundError:
        before = None
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if before is not None:
                # Only root may give a file away; whoever may write to another's file keeps it readable for them.
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode) if before else 0o600 if private else 0o666 & ~_umask())
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    _sync_directory(target.parent)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep every other AEL from changing a file between a look at it and its replacement; waits for its turn.

    Its directory is what is locked, since the file is another one after each change. Where the system refuses that, a
    change of the same moment may be lost.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            descriptor = os.open(Path(os.path.realpath(path)).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _umask() -> int:
    """Return the process's umask; the system has no way to ask without setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_directory(directory: Path) -> None:
    """Put the new name on disk; some file systems refuse that, and the file is there all the same."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
