"""Which workflow files changed: looked at by their status, several times a second.

Not by the kernel's notices: those see no change behind a link (a mounted ConfigMap), on a network share or in a
directory that does not exist yet. A look at 1,000 files takes some milliseconds, in a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ael.app.definitions import workflow_files

#: What tells one state of a file from another.
Signature = tuple[int, int, int, int]

#: Seconds between looks, while all is quiet and after a change; a look takes at most this part of the time.
_CALM, _ALERT, _SHARE = 0.4, 0.05, 0.05

#: A storm of changes counts as over after so many seconds, even if it goes on.
_LONGEST_STORM = 1.0


def look(directories: Iterable[Path]) -> dict[str, Signature]:
    """Return the workflow files of some directories, by path, sorted."""
    found: dict[str, Signature] = {}
    for directory in directories:
        for path, status in workflow_files(directory):
            found[path] = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
    return dict(sorted(found.items()))


async def next_change(directories: tuple[Path, ...], known: Mapping[str, Signature]) -> None:
    """Wait until the files differ from those known and hold still, or have not done so for long."""
    pause, started = _CALM, 0.0
    last: Mapping[str, Signature] = known
    while True:
        await asyncio.sleep(pause)
        begun = time.monotonic()
        seen = await asyncio.to_thread(look, directories)
        now = time.monotonic()
        if seen == known:
            last, started = known, 0.0
        elif seen == last or (started and now - started > _LONGEST_STORM):
            return
        else:
            last, started = seen, started or now
        pause = max(_ALERT if started else _CALM, (now - begun) / _SHARE)
