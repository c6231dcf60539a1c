"""`ael init`: the files of a new project. What stands there already is left as it is."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from ael.app.settings import FILE_NAME
from ael.errors import ConfigInvalid, Problem
from ael.workflow.schema import workflow_schema

#: Of the starter's files, relative to the project.
_FILES = (FILE_NAME, "workflows/order-total.yaml")
_SCHEMA = ".ael/workflow.schema.json"


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a project."""

    path: str
    outcome: Literal["written", "kept"]


def start_project(directory: str) -> list[Started]:
    """Write the files that are missing, and the schema for editors, which is AEL's own and kept up to date.

    Raises `ConfigInvalid` where a file cannot be written.
    """
    root = Path(directory)
    starter = files("ael.app") / "starter"
    texts = {name: (starter / name).read_text("utf-8") for name in _FILES}
    texts[".ael/.gitignore"] = "*\n"
    try:
        found = [_write_new(root / name, text) for name, text in texts.items()]
        found.append(_write_schema(root / _SCHEMA))
    except OSError as error:
        raise ConfigInvalid([Problem(message=f"'{error.filename}' cannot be written: {error.strerror}")]) from error
    return found


def _write_new(path: Path, text: str) -> Started:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Also refuses a link that leads nowhere, which would be written through.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return Started(path=str(path), outcome="kept")
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    return Started(path=str(path), outcome="written")


def _write_schema(path: Path) -> Started:
    text = json.dumps(workflow_schema(), indent=2) + "\n"
    if path.is_file() and path.read_text("utf-8", errors="replace") == text:
        return Started(path=str(path), outcome="kept")
    path.unlink(missing_ok=True)
    return _write_new(path, text)
