"""Runs a command on a system that refuses some system calls, as old kernels and strict containers do.

python refusing.py NAMES COMMAND...      NAMES: comma-separated, as in CALLS
"""

import ctypes
import os
import struct
import sys

#: Name → numbers on x86_64 and aarch64, errno, and what the first argument must be for a refusal.
CALLS = {
    "seccomp": ((317, 277), 38, None),
    "prctl_seccomp": ((157, 167), 22, 22),
    "unshare": ((272, 97), 1, None),
    "mount": ((165, 40), 1, None),
    "landlock": ((444, 444), 95, None),
    "personality": ((135, 92), 1, None),
}


def program(names: list[str]) -> bytes:
    machine = ("x86_64", "aarch64").index(os.uname().machine)
    lines = []
    for name in names:
        numbers, errno, first = CALLS[name]
        refusal = (0x06, 0, 0, 0x00050000 | errno)
        if first is None:
            lines += [(0x20, 0, 0, 0), (0x15, 0, 1, numbers[machine]), refusal]
        else:
            lines += [(0x20, 0, 0, 0), (0x15, 0, 3, numbers[machine]), (0x20, 0, 0, 16), (0x15, 0, 1, first), refusal]
    lines.append((0x06, 0, 0, 0x7FFF0000))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def main() -> None:
    code = ctypes.create_string_buffer(program(sys.argv[1].split(",")))
    described = struct.pack("HxxxxxxP", (len(code) - 1) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((38, 1, 0, 0, 0), (22, 2, ctypes.create_string_buffer(described))):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "this system has no filters to take away")
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])


if __name__ == "__main__":
    main()
