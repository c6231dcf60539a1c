"""The workspace: the only directory that file tools reach, and the parts of it that they do not.

A path is walked by hand: each name is opened in the directory before it, whose descriptor is held, and never through
a symbolic link; a link's target takes the link's place in what is left to walk, and `..` in it goes back to a
descriptor that is held. So no path leaves the workspace, whatever is renamed or swapped meanwhile. The kernel's own
way (openat2, RESOLVE_BENEATH) was not taken: it shows only the end of the way, and protected directories have to be
seen on it.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import msgspec

from native_tools.environment import Environment
from native_tools.tool import ToolError

#: Never reached, wherever in the workspace they are: AEL's own files.
_OURS = frozenset({".ael", "ael-config.yaml", "ael-tools.lock"})

#: A directory on the way: searched, not read, where the system knows the difference.
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: Symbolic links on one way, as in the kernel.
_MOST_LINKS = 40
_LONGEST_PATH = 4096

#: Entries of protected directories that are looked at to tell whether a file with several names is one of theirs.
_MOST_PROTECTED = 20_000

_HOW_TO_SET = "Set WORKSPACE_DIR, or tools.native.workspace in AEL's configuration, to another one."

#: The identity of a file on this machine: device and inode.
Identity = tuple[int, int]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a path leads: a name in an open directory; what is there is no link that was to be followed."""

    #: A descriptor, open as long as the workspace is.
    directory: int
    #: `.` for the workspace itself.
    name: str
    #: None: nothing is there.
    status: os.stat_result | None
    #: The path as it was asked for, without `.` and empty parts; `.` for the workspace.
    path: str


class Workspace:
    """An open workspace: `with open_workspace(environment) as workspace`. Blocks: for threads."""

    def __init__(self, root: int, protected: Protected) -> None:
        self.protected = protected
        self._root = root
        self._open = [root]

    def find(self, path: str, *, follow: bool = True, create: bool = False) -> Place:
        """Walk to a path; raises `ToolError` for one that leads out, to what is protected, or nowhere.

        The last name may be missing, and is followed where it is a link only if `follow`. With `create` directories
        on the way are made.
        """
        asked = parts_of(path)
        pending = deque(asked)
        way = [(self._root, identity(os.fstat(self._root)))]
        shown = "/".join(asked) or "."
        links = 0
        while pending:
            name = pending.popleft()
            if name == "..":
                way.pop()
                if not way:
                    raise _leads_out(shown)
                continue
            here, here_identity = way[-1]
            if self.protected.holds_place(here_identity, name):
                raise is_protected(shown)
            status = look(here, name)
            if status is not None and stat.S_ISLNK(status.st_mode) and (pending or follow):
                links += 1
                if links > _MOST_LINKS:
                    raise ToolError(f"'{shown}' goes through more than {_MOST_LINKS} links.")
                pending.extendleft(reversed(_parts_of_link(here, name, shown)))
                continue
            if status is not None and self.protected.holds(status):
                raise is_protected(shown)
            if not pending:
                return Place(directory=here, name=name, status=status, path=shown)
            way.append(self._step(here, name, status, shown, create=create))
        here = way[-1][0]
        return Place(directory=here, name=".", status=os.fstat(here), path=shown)

    def _step(
        self, here: int, name: str, status: os.stat_result | None, shown: str, *, create: bool
    ) -> tuple[int, Identity]:
        """Go into a directory on the way."""
        if status is None and not create:
            raise missing(here, name, shown)
        with explained(shown):
            if status is None:
                with _already_there():
                    os.mkdir(name, dir_fd=here)
            elif not stat.S_ISDIR(status.st_mode):
                raise ToolError(f"'{name}' in '{shown}' is not a directory.")
            descriptor = os.open(name, _STEP, dir_fd=here)
        self._open.append(descriptor)
        # What was opened is judged, not what was there a moment before.
        reached = os.fstat(descriptor)
        if self.protected.holds(reached):
            raise is_protected(shown)
        return descriptor, identity(reached)

    def check_root(self) -> None:
        """Refuse a workspace that is, or is in, a protected directory; raises `ToolError`."""
        here = self._root
        while True:
            status = os.fstat(here)
            if self.protected.holds(status):
                raise ToolError(f"the workspace is in a directory that belongs to AEL itself. {_HOW_TO_SET}")
            above = os.open("..", _STEP, dir_fd=here)
            self._open.append(above)
            if identity(os.fstat(above)) == identity(status):
                return
            here = above

    def close(self) -> None:
        """Close every descriptor."""
        for descriptor in self._open:
            os.close(descriptor)
        self._open = []


@contextmanager
def open_workspace(environment: Environment) -> Iterator[Workspace]:
    """Open the workspace, making it where only its last part is missing; raises `ToolError`."""
    path = environment.workspace
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        try:
            root = os.open(path, flags)
        except FileNotFoundError:
            with _already_there():
                path.mkdir()
            root = os.open(path, flags)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ToolError(f"the workspace {path} cannot be opened: {reason}. {_HOW_TO_SET}") from error
    workspace = Workspace(root, Protected(environment.protected))
    try:
        with explained("."):
            workspace.check_root()
        yield workspace
    finally:
        workspace.close()


class Protected:
    """What is out of bounds, as it is on the disk now: by place, and by identity, so that no other name helps."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = paths
        self._identities: set[Identity] = set()
        self._places: set[tuple[Identity, str]] = set()
        for path in paths:
            for looked in (path.lstat, path.stat):
                try:
                    self._identities.add(identity(looked()))
                except OSError:
                    # It does not exist: then its place is what is protected.
                    continue
            self._protect_place(path.absolute())

    def _protect_place(self, path: Path) -> None:
        """Protect a name in its directory; where that does not exist either, the first name that is missing."""
        for name, parent in zip((path, *path.parents), path.parents, strict=False):
            try:
                self._places.add((identity(parent.stat()), _folded(name.name)))
            except OSError:
                continue
            return

    def holds_place(self, directory: Identity, name: str) -> bool:
        """Return whether a name in a directory is protected, in whatever case it is written."""
        folded = _folded(name)
        return folded in _OURS or (directory, folded) in self._places

    def holds(self, status: os.stat_result) -> bool:
        """Return whether a file or directory is a protected one, by whatever name it was found."""
        found = identity(status)
        if found in self._identities:
            return True
        has_names = status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
        return has_names and self._holds_another_name(found)

    def _holds_another_name(self, wanted: Identity) -> bool:
        """Return whether a file with several names is one in a protected directory; yes where that takes too long."""
        looked = 0
        for path in self._paths:
            for directory, _, names in os.walk(path):
                for name in names:
                    looked += 1
                    if looked > _MOST_PROTECTED:
                        return True
                    found = look(None, str(Path(directory) / name))
                    if found is not None and identity(found) == wanted:
                        return True
        return False


def parts_of(path: str) -> list[str]:
    """Return the names in a path that a caller gave; raises `ToolError` for one that could only lead out."""
    if path.startswith("/"):
        raise ToolError(f"'{_short(path)}' is absolute. Paths are relative to the workspace.")
    if len(path) > _LONGEST_PATH:
        raise ToolError(f"the path has {len(path)} characters, at most {_LONGEST_PATH} are allowed.")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ToolError("the path holds characters that are not Unicode text.") from error
    if "\0" in path:
        raise ToolError("the path holds a NUL character.")
    names = [name for name in path.split("/") if name not in {"", "."}]
    if ".." in names:
        raise ToolError(f"'{_short(path)}' goes up by '..'. Name the path from the workspace down.")
    return names


def _parts_of_link(directory: int, name: str, shown: str) -> list[str]:
    try:
        target = os.readlink(name, dir_fd=directory)
    except OSError as error:
        raise _swapped(shown) from error
    if target.startswith("/"):
        raise _leads_out(shown)
    return [part for part in target.split("/") if part not in {"", "."}]


def look(directory: int | None, name: str) -> os.stat_result | None:
    """Return what a name is, not followed; None when it is nothing. Raises `ToolError`."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure(name, error) from error


def identity(status: os.stat_result) -> Identity:
    """Return which file it is."""
    return status.st_dev, status.st_ino


def _folded(name: str) -> str:
    """Return a name as a file system that ignores case would compare it."""
    return unicodedata.normalize("NFC", name).casefold()


def _short(path: str) -> str:
    return path if len(path) <= 120 else f"{path[:119]}…"


# -- failures ---------------------------------------------------------------------------------------------------------


def is_protected(path: str) -> ToolError:
    """Return the refusal of a path."""
    return ToolError(f"'{_short(path)}' is out of bounds: it belongs to AEL's own configuration, workflows or records.")


def _leads_out(path: str) -> ToolError:
    return ToolError(f"'{_short(path)}' leads out of the workspace by a link.")


def _swapped(path: str) -> ToolError:
    return ToolError(f"'{_short(path)}' was changed by somebody else meanwhile. Try again.", retryable=True)


def missing(directory: int, name: str, path: str) -> ToolError:
    """Return that a name does not exist, with the nearest one that does."""
    message = f"'{_short(path)}' does not exist"
    if name not in path.split("/")[-1:]:
        message += f": there is no '{_short(name)}'"
    try:
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return ToolError(f"{message}.")
    try:
        with os.scandir(readable) as entries:
            looked_at = [entry.name for entry, _ in zip(entries, range(1000), strict=False)]
            # What cannot be printed cannot be asked for either: it may be no text.
            names = [one for one in looked_at if one not in _OURS and one.isprintable()]
    finally:
        os.close(readable)
    close = get_close_matches(name, names, 1)
    return ToolError(f"{message}. Did you mean '{close[0]}'?" if close else f"{message}.")


_WHY = {
    errno.ENOSPC: "there is no space left on its disk",
    errno.EDQUOT: "the quota of its disk is used up",
    errno.EFBIG: "the file would be larger than this process may write",
    errno.EACCES: "this user may not do that there",
    errno.EPERM: "this user may not do that there",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "a name in it is too long",
    errno.ENOTEMPTY: "the directory is not empty",
    errno.EISDIR: "it is a directory",
    errno.EMFILE: "too many files are open",
}
#: What others did between two looks.
_SWAPPED = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENXIO, errno.EEXIST})
_PASSING = frozenset({errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})


def failure(path: str, error: OSError) -> ToolError:
    """Return what an operation of the system that failed means for a path."""
    if error.errno in _SWAPPED:
        return _swapped(path)
    why = _WHY.get(error.errno or 0) or (error.strerror or str(error)).lower()
    return ToolError(f"'{_short(path)}': {why}.", retryable=error.errno in _PASSING)


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn the system's errors into `ToolError`."""
    try:
        yield
    except OSError as error:
        raise failure(path, error) from error


@contextmanager
def _already_there() -> Iterator[None]:
    """Make a directory, or be content that somebody else did."""
    try:
        yield
    except FileExistsError:
        return
