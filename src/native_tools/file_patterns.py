"""Patterns of paths: `*`, `?` and `[…]` within a name, `**` for any directories."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(path: str, pattern: str) -> bool:
    """Return whether a path is as the pattern says; one without `/` is about the last name alone."""
    names = path.split("/")
    if "/" not in pattern and pattern != "**":
        return fnmatchcase(names[-1], pattern)
    # Which numbers of names the pattern's parts so far can have taken: linear in both, however many `**` there are.
    taken = {0}
    for part in pattern.split("/"):
        if part == "**":
            taken = set(range(min(taken), len(names) + 1)) if taken else taken
        else:
            taken = {at + 1 for at in taken if at < len(names) and fnmatchcase(names[at], part)}
    return len(names) in taken
