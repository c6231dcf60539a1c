"""The descriptors of the protocol, moved out of the way of everything that prints or reads. Standard library only."""

from __future__ import annotations

import fcntl
import os


def divert() -> tuple[int, int]:
    """Move the protocol away from descriptors 0 and 1; return where it is now.

    From here on descriptor 1 is standard error and descriptor 0 is empty: whatever libraries, workflows or child
    servers print or read, nothing but the protocol is on the wire. Raises `OSError` where there is no protocol: one of
    them is closed.
    """
    wire_in, wire_out = (fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3) for descriptor in (0, 1))
    _become(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.fstat(2)
    except OSError:
        # Nobody hears what we say besides the protocol, which is no reason not to speak it.
        _become(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(2, 1)
    return wire_in, wire_out


def _become(descriptor: int, number: int) -> None:
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    else:
        os.set_inheritable(descriptor, True)  # as it is named
