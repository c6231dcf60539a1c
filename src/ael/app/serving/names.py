"""Names of tools: the canonical one, and the one for hosts that take only `^[a-zA-Z0-9_-]{1,64}$`."""

from __future__ import annotations

import hashlib
import re

WORKFLOW = "workflow:"

#: Names of AEL's own tools, those that are not offered just now among them: agents know them, and no server may take
#: one over while it is free.
_OURS = frozenset(
    {
        "python_exec",
        *(f"workflow_{verb}" for verb in ("schema", "validate", "run", "create", "update", "delete", "get")),
        *(f"config_{verb}" for verb in ("get", "set", "validate", "diff", "done", "location", "reset", "schema")),
        "import_config",
        "tool_schema",
    }
)

_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")

#: Hosts put a prefix of their own before a name, and the whole may have 64 characters.
_LONGEST, _HASH = 60, 8


def is_ours(name: str) -> bool:
    """Return whether only a tool of AEL's own may have a name."""
    return name in _OURS or name.startswith(WORKFLOW)


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
