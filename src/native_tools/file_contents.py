"""The contents of files in the workspace: read whole or in parts, replaced at once, appended to. All of it blocks."""

from __future__ import annotations

import base64
import binascii
import codecs
import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from native_tools.environment import Environment
from native_tools.tool import Arguments, Result, ToolError
from native_tools.workspace import Place, Workspace, explained, is_protected, missing, open_workspace

#: Bytes of a file, or of a part, that one call reads or writes.
MOST_BYTES = 8 * 1024 * 1024

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a link",
}
#: Special files are never waited for, links never followed: whatever is put there between a look and the opening.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: Where Linux names the files that this process has open.
_DESCRIPTORS = "/proc/self/fd"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of a file."""

    data: bytes
    #: The path, as it was understood.
    path: str
    #: Bytes of the whole file.
    size: int


def read_part(workspace: Workspace, path: str, offset: int = 0, length: int | None = None) -> Part:
    """Read a file, or a part of it; raises `ToolError`. Blocks."""
    place = workspace.find(path)
    if place.status is None:
        raise missing(place.directory, place.name, place.path)
    _check_regular(place.status, place.path)
    with explained(place.path):
        descriptor = os.open(place.name, _READ, dir_fd=place.directory)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _check_opened(workspace, status, place.path)
            wanted = MOST_BYTES if length is None else length
            file.seek(offset)
            data = file.read(wanted + 1)
    if len(data) > wanted and length is None:
        size = f"'{place.path}' has {status.st_size} bytes, at most {MOST_BYTES} are read at once"
        raise ToolError(f"{size}. Read it in parts: `offset` and `length`.")
    whole = len(data) <= wanted
    # Files that the kernel makes up say that they have no size.
    size_seen = offset + len(data) if whole and data else status.st_size
    return Part(data=data[:wanted], path=place.path, size=max(size_seen, status.st_size))


def _check_regular(status: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        hint = " List it with fs_list." if stat.S_ISDIR(status.st_mode) else ""
        raise ToolError(f"'{path}' is {kind}, not a file.{hint}")


def _check_opened(workspace: Workspace, status: os.stat_result, path: str) -> None:
    """Judge a file that is open: between the look and the opening it may have become another one."""
    _check_regular(status, path)
    if workspace.protected.holds(status):
        raise is_protected(path)


def read_file(arguments: Arguments, environment: Environment) -> Result:
    """Do what fs_read does; raises `ToolError`."""
    offset, length = arguments.get("offset", 0), arguments.get("length")
    with open_workspace(environment) as workspace:
        part = read_part(workspace, arguments["path"], offset, length)
    at_end = offset + len(part.data) >= part.size
    content, used = _decoded(part, arguments.get("encoding", "utf-8"), offset, is_last=at_end)
    following = offset + used
    return {
        "path": part.path,
        "content": content,
        "size": part.size,
        "next_offset": following if following < part.size and used else None,
    }


def _decoded(part: Part, encoding: str, offset: int, *, is_last: bool) -> tuple[str, int]:
    """Return text and how many bytes it took: a character that is cut by the part's end is left to the next one."""
    if encoding == "base64":
        return base64.b64encode(part.data).decode("ascii"), len(part.data)
    if encoding == "latin-1":
        return part.data.decode("latin-1"), len(part.data)
    try:
        return codecs.utf_8_decode(part.data, "strict", is_last)
    except UnicodeDecodeError as error:
        where = f"'{part.path}' is not UTF-8 text at byte {offset + error.start}"
        raise ToolError(f"{where}. Read it with encoding base64, or latin-1.") from error


# -- writing ----------------------------------------------------------------------------------------------------------


def write_file(arguments: Arguments, environment: Environment) -> Result:
    """Do what fs_write does; raises `ToolError`."""
    data = _encoded(arguments["content"], arguments.get("encoding", "utf-8"))
    mode = arguments.get("mode", "overwrite")
    with open_workspace(environment) as workspace:
        place = workspace.find(arguments["path"], create=arguments.get("create_directories", True))
        if place.status is not None:
            _check_regular(place.status, place.path)
            if mode == "create":
                raise ToolError(f"'{place.path}' exists already. Write it with mode overwrite, or by another name.")
        with explained(place.path):
            if mode == "append":
                size = _append(workspace, place, data)
            else:
                _replace(place, data, is_new=mode == "create")
                size = len(data)
    return {"path": place.path, "size": size, "created": place.status is None}


def _encoded(content: str, encoding: str) -> bytes:
    try:
        data = base64.b64decode(content, validate=True) if encoding == "base64" else content.encode(encoding)
    except binascii.Error as error:
        raise ToolError(f"`content` is not base64: {error}.") from error
    except UnicodeEncodeError as error:
        raise ToolError(f"`content` cannot be written as {encoding}: character {error.start} is not in it.") from error
    if len(data) > MOST_BYTES:
        raise ToolError(f"`content` has {len(data)} bytes, at most {MOST_BYTES} are written. Append in parts.")
    return data


def _replace(place: Place, data: bytes, *, is_new: bool) -> None:
    """Put a file in its place at once: whoever reads it sees the old one or the new one, also after a crash.

    Where the system can, it has no name until it is whole, so that a crash leaves nothing beside it.
    """
    temporary = f".{secrets.token_hex(8)}.tmp"
    unnamed = _open_unnamed(place.directory)
    descriptor = os.open(temporary, _NEW, 0o666, dir_fd=place.directory) if unnamed is None else unnamed
    try:
        with os.fdopen(descriptor, "wb") as file:
            _keep_permissions(descriptor, place.status)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
            written = temporary if unnamed is None else f"{_DESCRIPTORS}/{descriptor}"
            if is_new:
                _link_new(written, place)
            else:
                if unnamed is not None:
                    os.link(written, temporary, dst_dir_fd=place.directory)
                os.replace(temporary, place.name, src_dir_fd=place.directory, dst_dir_fd=place.directory)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=place.directory)
    _sync_directory(place.directory)


def _open_unnamed(directory: int) -> int | None:
    """Open a new file without a name; None where the system, or its disk, knows no such thing."""
    flags = getattr(os, "O_TMPFILE", 0)
    if not flags or not Path(_DESCRIPTORS).is_dir():
        return None
    try:
        return os.open(".", flags | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=directory)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}:
            return None
        raise


def _keep_permissions(descriptor: int, old: os.stat_result | None) -> None:
    if old is None:
        return
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
        # Only root may give a file away; for others the new one is theirs.
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


def _link_new(written: str, place: Place) -> None:
    """Give a file its name, unless there is one of that name now: a rename would put it away."""
    try:
        os.link(written, place.name, src_dir_fd=place.directory, dst_dir_fd=place.directory)
    except FileExistsError as error:
        raise ToolError(f"'{place.path}' exists already: somebody else has just made it.") from error


def _sync_directory(directory: int) -> None:
    descriptor = os.open(".", _DIRECTORY, dir_fd=directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append(workspace: Workspace, place: Place, data: bytes) -> int:
    """Write at the end of a file; what was written is taken back where not all of it could be.

    Several may do so at once, also to a file that none of them found: it is made by whoever is the first.
    """
    descriptor = os.open(place.name, _APPEND, 0o666, dir_fd=place.directory)
    with os.fdopen(descriptor, "ab", buffering=0) as file:
        status = os.fstat(descriptor)
        _check_opened(workspace, status, place.path)
        if status.st_nlink > 1:
            # Its other name may be outside.
            raise ToolError(f"'{place.path}' has several names (hard links): nothing is appended to such a file.")
        left = memoryview(data)
        try:
            while left:
                left = left[file.write(left) :]
            os.fsync(descriptor)
        except OSError:
            # What somebody else has written meanwhile is not ours to take back.
            if os.fstat(descriptor).st_size == status.st_size + len(data) - len(left):
                os.ftruncate(descriptor, status.st_size)
            raise
        size = os.fstat(descriptor).st_size
    if place.status is None:
        _sync_directory(place.directory)
    return size
