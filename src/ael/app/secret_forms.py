"""What secrets look like in a configuration, by the names of keys and the forms of values.

Asked while the file is read, so that what stands in it is masked, and before anything is written into it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

#: `$$`, `${NAME}`, `${NAME:-default}`, `${NAME:?message}`; a `${` that is none of them is matched alone and refused.
VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)([^}]*))?\}|(\{))")

#: Values that variables bring into these keys are secrets.
SECRET_KEYS = frozenset({"env", "headers", "auth"})

#: Names of variables, headers and keys whose values are secrets.
_SECRET_NAME = re.compile(
    r"token|secret|passw|pwd|credential|authorization|api[-_]?key|access[-_]?key|private[-_]?key|cookie|signature"
    r"|(^|[-_])(auth|key|pat)$",
    re.IGNORECASE,
)
#: Names that only sound like them.
_NO_SECRET_NAME = re.compile(
    r"(file|path|dir|url|uri|host|endpoint|name|id|type|timeout|limit|count|budget|mode|size|ttl)s?$", re.IGNORECASE
)
#: Forms that providers give to their keys, those of JWT and PEM, and passwords in URLs.
_FORMS = (
    r"\b(sk|pk|rk)[-_](live|test|proj|ant|or)?[-_]?[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|\bhf_[A-Za-z0-9]{20,}|\bnpm_[A-Za-z0-9]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|[?&](api[-_]?key|access_token|token|key|sig)=[^&\s$]{8,}"
    r"|://[^\s/@:]*:[^\s/@]+@"
)
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_.~-]{24,}")
#: What stands before a credential in a header.
_SCHEME = re.compile(r"\s*(bearer|basic|token|apikey|digest)\s+", re.IGNORECASE)
#: Settings rather than secrets, whatever their names.
_NO_SECRET = re.compile(r"\d{1,12}|true|false|yes|no|on|off|none|null", re.IGNORECASE)


@cache
def _forms() -> re.Pattern[str]:
    """Return the pattern; made late, since a workflow without a configuration needs none."""
    return re.compile(_FORMS)


def is_secret(parts: Sequence[str | int], value: str) -> bool:
    """Say whether a text at a path looks like a secret that is written out."""
    literal = literal_of(value)
    if not literal.strip():
        return False
    if _forms().search(literal):
        return True
    if not SECRET_KEYS & set(parts):
        return False
    name = str(parts[-1])
    bare = _SCHEME.sub("", literal, count=1)
    if _SCHEME.match(literal + " ") and not bare.strip():
        # `Bearer ${TOKEN}`
        return False
    if _NO_SECRET.fullmatch(bare.strip()):
        return False
    return names_secret(name) or _is_random(bare)


def names_secret(name: str) -> bool:
    """Say whether what has such a name is a secret."""
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET_NAME.search(name)


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


def secret_texts(parts: Sequence[str | int], value: str) -> list[str]:
    """Return what has to be masked of a text at a path: itself, and what of it is a secret by its form."""
    if not is_secret(parts, value):
        return []
    literal = literal_of(value)
    return [literal, _SCHEME.sub("", literal, count=1), *(found[0] for found in _forms().finditer(literal))]


def variable_name(text: str) -> str:
    """Return a name for a variable of the environment after any text."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper()
    return f"_{name}" if name[:1].isdigit() else name or "VALUE"
