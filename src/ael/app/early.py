"""What a run can begin before the rest of AEL is imported: the sandbox's process, while the imports go on.

This module imports next to nothing, and must stay so.
"""

from __future__ import annotations

import os
import sys

from ael.sandbox.spawn import ZygoteProcess, spawn

_LARGEST = 1024 * 1024


def start_early(reference: str) -> ZygoteProcess | None:
    """Start a sandbox for a workflow file that looks as if it had code; None where it does not, or is no file."""
    if sys.platform != "linux":
        return None
    try:
        descriptor = os.open(reference, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, _LARGEST)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return spawn() if b"code:" in text else None
