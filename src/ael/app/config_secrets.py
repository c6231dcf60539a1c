"""Which values of a configuration look like secrets: those belong into the environment, the file says `${VAR}`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ael.app.config_paths import Part, leaves_of, show_path
from ael.app.settings import SECRET_KEYS, VARIABLE
from ael.errors import Problem
from ael.values import JSONValue

#: Names of variables, headers and keys whose values are secrets.
_SECRET_NAME = re.compile(
    r"token|secret|passw|pwd|credential|authorization|api[-_]?key|access[-_]?key|private[-_]?key|cookie|signature"
    r"|(^|[-_])(auth|key|pat)$",
    re.IGNORECASE,
)
#: Names that only sound like them.
_NO_SECRET_NAME = re.compile(
    r"(file|path|dir|url|uri|host|endpoint|name|id|type|timeout|limit|count)s?$", re.IGNORECASE
)
#: Forms that providers give to their keys, and those of JWT and PEM.
_SECRET_FORM = re.compile(
    r"\b(sk|pk|rk)[-_](live|test|proj|ant|or)?[-_]?[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|\bhf_[A-Za-z0-9]{20,}|\bnpm_[A-Za-z0-9]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|[?&](api[-_]?key|access_token|token|key|sig)=[^&\s$]{8,}",
)
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_.~-]{24,}")
#: What stands before a credential in a header.
_SCHEME = re.compile(r"\s*(bearer|basic|token|apikey|digest)\s+", re.IGNORECASE)


def find_secrets(document: JSONValue) -> Iterator[tuple[tuple[Part, ...], str]]:
    """Yield path and text of every literal in a document that looks like a secret."""
    for parts, value in leaves_of(document):
        if isinstance(value, str) and is_secret(parts, value):
            yield parts, value


def is_secret(parts: tuple[Part, ...], value: str) -> bool:
    """Say whether a text at a path looks like a secret that is written out."""
    literal = literal_of(value)
    if not literal.strip():
        return False
    if _SECRET_FORM.search(literal):
        return True
    if not SECRET_KEYS & set(parts):
        return False
    name = str(parts[-1])
    bare = _SCHEME.sub("", literal, count=1)
    if _SCHEME.match(literal + " ") and not bare.strip():
        # `Bearer ${TOKEN}`
        return False
    if _SECRET_NAME.search(name) and not _NO_SECRET_NAME.search(name):
        return True
    return _is_random(bare)


def literal_of(value: str) -> str:
    """Return a value's own text: without references to variables, with the defaults that they carry."""
    return VARIABLE.sub(lambda found: "$" if found[1] else (found[4] or "") if found[3] == ":-" else "", value)


def _is_random(text: str) -> bool:
    """Say whether a text has a long word of letters and digits that no person would write."""
    word = _LONG_WORD.fullmatch(text.strip())
    if word is None or text.count("/") > 1:
        return False
    kinds = (any(map(str.isdigit, text)), any(map(str.islower, text)), any(map(str.isupper, text)))
    return kinds[0] and (sum(kinds) == 3 or len(set(text)) >= 12) and "." not in text


def refusal(parts: tuple[Part, ...]) -> Problem:
    """Return what to tell about a secret that is written out; the value itself is not in it."""
    variable = variable_name(str(parts[-1]) if parts else "SECRET")
    shown = show_path(parts)
    return Problem(
        message=f"the value of '{shown}' looks like a secret, which belongs into the environment, not into a file",
        suggestion=f"Set a variable such as {variable} and write ${{{variable}}}.",
        path=shown,
    )


def variable_name(text: str) -> str:
    """Return a name for a variable of the environment after any text."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper()
    return f"_{name}" if name[:1].isdigit() else name or "VALUE"
