"""Names of tools: the canonical one, and the one for hosts that take only `^[a-zA-Z0-9_-]{1,64}$`."""

from __future__ import annotations

import hashlib
import re

WORKFLOW = "workflow:"

_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")

#: Hosts put a prefix of their own before a name, and the whole may have 64 characters.
_LONGEST, _HASH = 60, 8


def safe_name(name: str, *, marked: bool = False) -> str:
    """Return a name that every host takes; one that had to be shortened or spelled anew ends in a hash.

    `workflow:NAME` is `workflow_NAME`; with `marked` it ends in a hash too.
    """
    spelled = name.replace(":", "_", 1) if name.startswith(WORKFLOW) else name
    safe = _UNSAFE.sub("_", spelled)
    if safe == spelled and len(safe) <= _LONGEST and not marked:
        return safe
    mark = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_HASH // 2).hexdigest()
    return f"{safe[: _LONGEST - _HASH - 1]}_{mark}"
