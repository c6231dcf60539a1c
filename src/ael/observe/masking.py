"""Masking of secrets, wherever people or sinks see data.

Guaranteed forms: raw, JSON-escaped, URL-encoded, and base64 at each alignment, also inside longer strings. One
linear-time pass by RE2, which is imported only where there are secrets.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from ael.values import JSONValue

MASK = "***"

#: A secret shorter than this is masked only where it is a whole value: "a" is in too many words.
_SHORTEST_INSIDE = 4

#: Encoded forms shorter than this say too little to be told from chance.
_SHORTEST_ENCODED = 6


class Masker:
    """Replaces secrets; false when there are none."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if secret}
        self._whole = frozenset(known)
        forms = {form for secret in known if len(secret) >= _SHORTEST_INSIDE for form in _forms(secret)}
        self._pattern = _compile(forms) if forms else None

    def __bool__(self) -> bool:
        return bool(self._whole)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        if text in self._whole:
            return MASK
        if self._pattern is None or not text:
            return text
        masked: str = self._pattern.sub(MASK, text)
        return masked

    def value(self, value: Any) -> Any:  # noqa: ANN401 # JSON in, JSON out
        """Return a JSON value without secrets, keys included."""
        if not self._whole:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key) if isinstance(key, str) else key: self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if type(value) in {int, float} and str(value) in self._whole:
            return MASK
        return value


def _forms(secret: str) -> set[str]:
    """Return a secret in every form that is guaranteed to be found."""
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    for ascii_only in (True, False):
        forms.add(json.dumps(secret, ensure_ascii=ascii_only)[1:-1])
    raw = secret.encode()
    for alignment in range(3):
        # What the surrounding bytes decide is cut off: the first and last characters of a group that they share.
        shifted = base64.b64encode(b"\0" * alignment + raw).decode()
        start = (0, 2, 3)[alignment]
        end = (alignment + len(raw)) // 3 * 4
        core = shifted[start:end]
        if len(core) >= _SHORTEST_ENCODED:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return {form for form in forms if form}


def _compile(forms: set[str]) -> Any:  # noqa: ANN401 # re2 has no types
    import re2  # noqa: PLC0415 # needed only where there are secrets

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re2.compile("|".join(re2.escape(form) for form in longest_first), options)


def leaves(value: JSONValue) -> list[str]:
    """Return the texts of all scalars of a value, booleans and null aside."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [] if value is None or isinstance(value, bool) else [str(value)]
