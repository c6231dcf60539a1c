"""The descriptors of the protocol, moved out of the way of everything that prints or reads. Standard library only."""

from __future__ import annotations

import fcntl
import os


def divert() -> tuple[int, int]:
    """Move the protocol away from descriptors 0 and 1; return where it is now.

    From here on descriptor 1 is standard error and descriptor 0 is empty: whatever libraries, workflows or child
    servers print or read, nothing but the protocol is on the wire.
    """
    wire_in, wire_out = (fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3) for descriptor in (0, 1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire_in, wire_out
