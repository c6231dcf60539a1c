"""Secrets that are written out in a configuration: those belong into the environment, the file says `${VAR}`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ael.app.config_paths import Part, leaves_of, show_path
from ael.app.secret_forms import is_secret, variable_name
from ael.errors import Problem
from ael.values import JSONValue
from ael.workflow.yaml_reader import Reader, Unreadable


def find_secrets(document: JSONValue) -> Iterator[tuple[tuple[Part, ...], str]]:
    """Yield path and text of every literal in a document that looks like a secret."""
    for parts, value in leaves_of(document):
        if isinstance(value, str) and is_secret(parts, value):
            yield parts, value


def written_secrets(path: Path) -> list[str]:
    """Return where secrets are written out in a file; nothing for one that cannot be read."""
    try:
        reader = Reader(path.read_bytes(), str(path))
        document = {} if reader.is_empty() else reader.json(reader.root(), "")
    except (OSError, Unreadable):
        return []
    return [show_path(parts) for parts, _ in find_secrets(document)]


def refusal(parts: tuple[Part, ...]) -> Problem:
    """Return what to tell about a secret that is written out; the value itself is not in it."""
    variable = variable_name(next((part for part in reversed(parts) if isinstance(part, str)), "SECRET"))
    shown = show_path(parts)
    return Problem(
        message=f"the value of '{shown}' looks like a secret, which belongs into the environment, not into a file",
        suggestion=f"Set a variable such as {variable} and write ${{{variable}}}.",
        path=shown,
    )
