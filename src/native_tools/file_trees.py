"""Directories in the workspace: listed, and deleted with all that is in them. All of it blocks."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime

from native_tools.environment import Environment
from native_tools.file_patterns import matches
from native_tools.tool import Arguments, Result, ToolError
from native_tools.workspace import Place, Workspace, explained, identity, is_protected, look, missing, open_workspace

#: Entries that one call looks at to list some.
_MOST_LOOKED_AT = 200_000

#: Entries of one directory that are deleted with it.
_MOST_DELETED = 100_000
_DEEPEST = 128

_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Listing:
    """A walk over a directory: sorted, links not followed, protected entries left out."""

    def __init__(self, workspace: Workspace, *, recursive: bool, pattern: str | None, most: int) -> None:
        self.entries: list[Result] = []
        self.truncated = False
        self.unreadable = 0
        self._workspace = workspace
        self._recursive = recursive
        self._pattern = pattern
        self._most = most
        self._looked_at = 0

    def walk(self, directory: int, prefix: str, depth: int = 0) -> None:
        """Add what is in a directory; stops where there is too much."""
        here = identity(os.fstat(directory))
        for name, status in self._sorted(directory):
            if self.truncated:
                return
            if self._workspace.protected.holds_place(here, name) or self._workspace.protected.holds(status):
                continue
            path = prefix + name
            if self._pattern is None or matches(path, self._pattern):
                if len(self.entries) == self._most:
                    self.truncated = True
                    return
                self.entries.append(_entry(path, status))
            if self._recursive and stat.S_ISDIR(status.st_mode):
                self._descend(directory, name, f"{path}/", depth)

    def _descend(self, directory: int, name: str, prefix: str, depth: int) -> None:
        if depth == _DEEPEST:
            self.truncated = True
            return
        try:
            inner = os.open(name, _LIST, dir_fd=directory)
        except OSError:
            # No longer there, or not for us.
            self.unreadable += 1
            return
        try:
            if not self._workspace.protected.holds(os.fstat(inner)):
                self.walk(inner, prefix, depth + 1)
        finally:
            os.close(inner)

    def _sorted(self, directory: int) -> list[tuple[str, os.stat_result]]:
        found: list[tuple[str, os.stat_result]] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                self._looked_at += 1
                if self._looked_at > _MOST_LOOKED_AT:
                    self.truncated = True
                    break
                try:
                    entry.name.encode()
                    found.append((entry.name, entry.stat(follow_symlinks=False)))
                except (UnicodeEncodeError, OSError):
                    self.unreadable += 1
        return sorted(found, key=lambda one: one[0])


def _entry(path: str, status: os.stat_result) -> Result:
    mode = status.st_mode
    kind = "directory" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "file"
    modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
    return {
        "path": path,
        "type": kind if kind != "file" or stat.S_ISREG(mode) else "other",
        "size": status.st_size if stat.S_ISREG(mode) else None,
        "modified": modified,
    }


def list_directory(arguments: Arguments, environment: Environment) -> Result:
    """Do what fs_list does; raises `ToolError`."""
    with open_workspace(environment) as workspace:
        place = workspace.find(arguments.get("path", "."))
        if place.status is None:
            raise missing(place.directory, place.name, place.path)
        if not stat.S_ISDIR(place.status.st_mode):
            raise ToolError(f"'{place.path}' is not a directory. Read a file with fs_read.")
        listing = _Listing(
            workspace,
            recursive=arguments.get("recursive", False),
            pattern=arguments.get("pattern"),
            most=arguments.get("limit", 1000),
        )
        with explained(place.path):
            directory = os.open(place.name, _LIST, dir_fd=place.directory)
            try:
                if workspace.protected.holds(os.fstat(directory)):
                    raise is_protected(place.path)
                listing.walk(directory, "")
            finally:
                os.close(directory)
    return {
        "path": place.path,
        "entries": listing.entries,
        "truncated": listing.truncated,
        "unreadable": listing.unreadable,
    }


# -- deleting ---------------------------------------------------------------------------------------------------------


def delete(arguments: Arguments, environment: Environment) -> Result:
    """Do what fs_delete does; raises `ToolError`."""
    recursive = arguments.get("recursive", False)
    with open_workspace(environment) as workspace:
        place = workspace.find(arguments["path"], follow=False)
        if place.name == ".":
            raise ToolError("the workspace itself is not deleted. Name what is in it.")
        if place.status is None:
            if arguments.get("missing_ok", False):
                return {"path": place.path, "deleted": 0}
            raise missing(place.directory, place.name, place.path)
        is_directory = stat.S_ISDIR(place.status.st_mode)
        if is_directory and not recursive:
            raise ToolError(f"'{place.path}' is a directory. Delete it and all that is in it with recursive: true.")
        with explained(place.path):
            if not is_directory:
                os.unlink(place.name, dir_fd=place.directory)
                return {"path": place.path, "deleted": 1}
            # First a look at all of it: nothing is deleted beside something that must stay.
            for _ in _tree(workspace, place, place.directory, place.name, 0):
                pass
            count = 0
            for directory, name, kind in _tree(workspace, place, place.directory, place.name, 0):
                (os.rmdir if kind == "directory" else os.unlink)(name, dir_fd=directory)
                count += 1
    return {"path": place.path, "deleted": count}


def _tree(workspace: Workspace, place: Place, directory: int, name: str, depth: int) -> Iterator[tuple[int, str, str]]:
    """Yield what is in a directory, then the directory: (descriptor, name, kind). Raises for what is protected."""
    if depth > _DEEPEST:
        raise ToolError(f"'{place.path}' is nested deeper than {_DEEPEST} directories.")
    inner = os.open(name, _LIST, dir_fd=directory)
    try:
        status = os.fstat(inner)
        here = identity(status)
        if workspace.protected.holds(status):
            raise is_protected(place.path)
        names = os.listdir(inner)  # noqa: PTH208 # pathlib knows no descriptors
        if len(names) > _MOST_DELETED:
            raise ToolError(f"'{place.path}' holds more than {_MOST_DELETED} files in one directory.")
        for one in names:
            found = look(inner, one)
            if found is None:
                continue
            if workspace.protected.holds_place(here, one) or workspace.protected.holds(found):
                raise ToolError(f"'{place.path}' holds '{one}', which belongs to AEL; nothing was deleted.")
            if stat.S_ISDIR(found.st_mode):
                yield from _tree(workspace, place, inner, one, depth + 1)
            else:
                yield inner, one, "file"
    finally:
        os.close(inner)
    yield directory, name, "directory"
