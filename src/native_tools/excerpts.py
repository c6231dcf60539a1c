"""Beginnings of texts that messages repeat."""

from __future__ import annotations


def excerpt(text: str, most: int) -> str:
    """Return a text, or so many characters of it and `…`: by that AEL sees where a secret may have been cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
