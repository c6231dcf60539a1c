"""Secrets that are written out in a configuration: those belong into the environment, the file says `${VAR}`."""

from __future__ import annotations

from pathlib import Path

from ael.app.config_paths import Part, show_path
from ael.errors import Problem
from ael.observe.masking import Masker
from ael.observe.secret_forms import find_secrets, secret_texts, variable_name
from ael.values import JSONValue
from ael.workflow.yaml_reader import Reader, Unreadable


def written_secrets(path: Path) -> list[str]:
    """Return where secrets are written out in a file; nothing for one that cannot be read."""
    try:
        reader = Reader(path.read_bytes(), str(path))
        document = {} if reader.is_empty() else reader.json(reader.root(), "")
    except (OSError, Unreadable):
        return []
    return [show_path(secret.parts) for secret in find_secrets(document) if secret.written]


def refusal(parts: tuple[Part, ...], name: str = "") -> Problem:
    """Return what to tell about a secret that is written out; the value itself is not in it."""
    named = name or next((part for part in reversed(parts) if isinstance(part, str)), "SECRET")
    variable = variable_name(named)
    shown = show_path(parts)
    return Problem(
        message=f"the value of '{shown}' looks like a secret, which belongs into the environment, not into a file",
        suggestion=f"Set a variable such as {variable} and write ${{{variable}}}.",
        path=shown,
    )


def masker_of(*documents: JSONValue) -> Masker:
    """Return what masks the secrets that are written out in documents."""
    found = (text for document in documents for one in find_secrets(document) for text in secret_texts(one.written))
    return Masker(found)
