"""Workflow files as agents write them: inside the registered directories only, whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ael.app.definitions import MAX_FILE, SUFFIXES
from ael.errors import Problem, WorkflowInvalid


def create_file(directories: Sequence[Path], name: str, text: str) -> str:
    """Write `NAME.yaml` into the first directory and return its path; raises `WorkflowInvalid` where one exists."""
    if not directories:
        raise _refused("there is no workflow directory", "Set workflows.directory.")
    path = directories[0] / f"{name}.yaml"
    with _told(path):
        directories[0].mkdir(parents=True, exist_ok=True)
        temporary = _written(path, text)
        try:
            # A link, unlike a rename, replaces nothing that came there meanwhile.
            os.link(temporary, path)
        except FileExistsError as error:
            raise _refused(f"the file '{path}' exists already", "Use workflow_update, or another name.") from error
        finally:
            temporary.unlink()
    return str(path)


def replace_file(directories: Sequence[Path], file: str, text: str) -> None:
    """Replace a workflow file at once; raises `WorkflowInvalid` where that is not allowed or not possible."""
    path = _inside(directories, file)
    with _told(path):
        mode = path.stat().st_mode & 0o777
        temporary = _written(path, text)
        try:
            temporary.chmod(mode)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def delete_file(directories: Sequence[Path], file: str) -> None:
    """Delete a workflow file; raises `WorkflowInvalid` where that is not allowed or not possible."""
    path = _inside(directories, file)
    with _told(path):
        path.unlink()


def read_file(directories: Sequence[Path], file: str) -> str:
    """Return the text of a workflow file; raises `WorkflowInvalid` where that is not allowed or not possible."""
    path = _inside(directories, file)
    with _told(path, "read"), path.open("rb") as stream:
        return stream.read(MAX_FILE).decode("utf-8", "replace")


def _inside(directories: Sequence[Path], file: str) -> Path:
    """Return the path of a file that is really in one of the directories, not behind a link out of them."""
    path = Path(file)
    real = path.resolve()
    roots = [directory.resolve() for directory in directories]
    if path.is_symlink() or path.suffix not in SUFFIXES or not any(real.is_relative_to(root) for root in roots):
        raise _refused(f"'{file}' is not a plain file of the workflow directories", "Change it by hand.")
    return path


def _written(path: Path, text: str) -> Path:
    """Write a text beside a path, under a name that is no workflow's."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


@contextmanager
def _told(path: Path, done: str = "written") -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _refused(f"'{path}' cannot be {done}: {reason}", "") from error


def _refused(message: str, suggestion: str) -> WorkflowInvalid:
    return WorkflowInvalid([Problem(message=message, suggestion=suggestion)])
