"""The boundary: what the kernel lets a child do. ctypes alone; x86_64 and aarch64.

The seccomp allow-list is the boundary; namespaces, the empty root and Landlock stand behind it where the system
gives them. The order of the calls is the zygote's.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 4, 24, 38, 47
_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_REC, _MS_PRIVATE = 1, 2, 4, 8, 32, 0x4000, 1 << 18
_MNT_DETACH = 2

ALLOWED = [
    "read",
    "write",
    "recvfrom",
    "sendto",
    "poll",
    "ppoll",
    "futex",
    "mmap",
    "munmap",
    "brk",
    "mremap",
    "madvise",
    "mprotect",
    "getrandom",
    "clock_gettime",
    "gettimeofday",
    "time",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "close",
    "fstat",
    "lseek",
    "rt_sigprocmask",
    "rt_sigaction",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "sched_yield",
    "rseq",
    "getpid",
    "gettid",
    "exit",
    "exit_group",
]
#: Refused with EPERM, so that Python raises a PermissionError; everything else kills the child.
REFUSED = [
    "open",
    "openat",
    "openat2",
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getcwd",
    "ioctl",
    "fcntl",
    "getdents64",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat2",
    "dup",
    "dup2",
    "dup3",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "uname",
    "sysinfo",
    "getrusage",
    "prlimit64",
    "sched_getaffinity",
    "getppid",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "shutdown",
    "pread64",
    "writev",
    "pipe2",
    "epoll_create1",
    "eventfd2",
    "socket",
    # abort() of the C library, when memory ran out: refused, it goes on to an instruction that crashes.
    "tgkill",
]

_X86_64 = {
    "tgkill": 234,
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8, "mmap": 9,
    "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
    "ioctl": 16, "pread64": 17, "writev": 20, "access": 21, "sched_yield": 24, "mremap": 25, "madvise": 28,
    "dup": 32, "dup2": 33, "nanosleep": 35, "getpid": 39, "socket": 41, "sendto": 44, "recvfrom": 45, "shutdown": 48,
    "getsockname": 51, "getpeername": 52, "setsockopt": 54, "getsockopt": 55, "exit": 60, "uname": 63, "fcntl": 72,
    "getcwd": 79, "rename": 82, "mkdir": 83, "unlink": 87, "readlink": 89, "gettimeofday": 96, "getrusage": 98,
    "sysinfo": 99, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "sigaltstack": 131,
    "gettid": 186, "time": 201, "futex": 202, "sched_getaffinity": 204, "getdents64": 217, "restart_syscall": 219,
    "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "openat": 257,
    "mkdirat": 258, "newfstatat": 262, "unlinkat": 263, "readlinkat": 267, "faccessat": 269, "ppoll": 271,
    "eventfd2": 290, "epoll_create1": 291, "dup3": 292, "pipe2": 293, "prlimit64": 302, "renameat2": 316,
    "getrandom": 318, "statx": 332, "rseq": 334, "openat2": 437, "faccessat2": 439,
}  # fmt: skip
_AARCH64 = {
    "tgkill": 131, "getcwd": 17, "eventfd2": 19, "epoll_create1": 20, "dup": 23, "dup3": 24, "fcntl": 25, "ioctl": 29,
    "mkdirat": 34, "unlinkat": 35, "faccessat": 48, "openat": 56, "close": 57, "pipe2": 59, "getdents64": 61,
    "lseek": 62, "read": 63, "write": 64, "writev": 66, "pread64": 67, "ppoll": 73, "readlinkat": 78,
    "newfstatat": 79, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98, "nanosleep": 101, "clock_gettime": 113,
    "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128,
    "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "uname": 160,
    "getrusage": 165, "gettimeofday": 169, "getpid": 172, "getppid": 173, "getuid": 174, "geteuid": 175,
    "getgid": 176, "getegid": 177, "gettid": 178, "sysinfo": 179, "socket": 198, "getsockname": 204,
    "getpeername": 205, "sendto": 206, "recvfrom": 207, "setsockopt": 208, "getsockopt": 209, "shutdown": 210,
    "brk": 214, "munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226, "madvise": 233, "prlimit64": 261,
    "renameat2": 276, "getrandom": 278, "statx": 291, "rseq": 293, "openat2": 437, "faccessat2": 439,
}  # fmt: skip

#: Machine → (AUDIT_ARCH of linux/audit.h, call numbers of the filter, numbers of calls made here).
MACHINES = {
    "x86_64": (0xC000003E, _X86_64, {"seccomp": 317, "pivot_root": 155, "capset": 126}),
    "aarch64": (0xC00000B7, _AARCH64, {"seccomp": 277, "pivot_root": 41, "capset": 91}),
}
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ACT_ALLOW, ACT_KILL, ACT_EPERM = 0x7FFF0000, 0x80000000, 0x00050001
_PROT_EXEC = 4


class Unsupported(Exception):
    """This machine cannot give the boundary."""


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(option: int, value: int = 0) -> None:
    """Call prctl; raises `OSError`."""
    arguments = [ctypes.c_ulong(number) for number in (value, 0, 0, 0)]
    _check(libc.prctl(option, *arguments), f"prctl {option}")


def become_nobody() -> None:
    """Leave root behind, where we are root, for the unprivileged user 65534."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        # Changing users makes a process undumpable, and then it may not write its own uid_map.
        prctl(PR_SET_DUMPABLE, 1)


def enter_namespaces() -> None:
    """Enter fresh user, network, IPC, host name, mount and pid namespaces; the next fork is pid 1."""
    uid, gid = os.getuid(), os.getgid()
    _check(libc.unshare(_CLONE_NEWUSER), "unshare")
    for name, line in (("setgroups", "deny"), ("uid_map", f"65534 {uid} 1"), ("gid_map", f"65534 {gid} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    # Last: once a pid namespace waits for its first process, a failure could not be taken back.
    flags = _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS | _CLONE_NEWNS | _CLONE_NEWPID
    _check(libc.unshare(flags), "unshare")


def enter_empty_root() -> None:
    """Make an empty read-only tmpfs without /proc the root; needs `enter_namespaces`."""
    _check(libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "mount private")
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    place = b"/tmp"  # only a mount point in our own namespace
    _check(libc.mount(b"tmpfs", place, b"tmpfs", ctypes.c_ulong(flags), b"size=4k,mode=555"), "mount tmpfs")
    os.chdir(place)
    _check(libc.syscall(_numbers()["pivot_root"], b".", b"."), "pivot_root")
    _check(libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")
    _check(libc.mount(None, b"/", None, ctypes.c_ulong(flags | _MS_REMOUNT | _MS_RDONLY), None), "remount")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_capabilities() -> None:
    """Give up every capability, now and through any later exec."""
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    libc.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0)
    header = _CapabilityHeader(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(libc.syscall(_numbers()["capset"], ctypes.byref(header), none), "capset")


def landlock() -> int:
    """Deny every file system and network right that this kernel's Landlock knows; return its version.

    Raises `OSError` when there is no Landlock.
    """
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version <= 0:
        _check(-1, "landlock")
    files = (1 << 13) - 1
    for since, right in ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15)):
        files |= right if version >= since else 0
    rules = struct.pack("QQQ", files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    descriptor = libc.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(size), 0)
    if descriptor < 0:
        _check(-1, "landlock_create_ruleset")
    _check(libc.syscall(_LANDLOCK_RESTRICT, ctypes.c_int(descriptor), 0), "landlock_restrict_self")
    os.close(descriptor)
    return int(version)


def _numbers() -> dict[str, int]:
    return _machine()[2]


def _machine() -> tuple[int, dict[str, int], dict[str, int]]:
    known = MACHINES.get(platform.machine())
    if known is None:
        raise Unsupported(f"no system call table for {platform.machine()}")
    return known


# -- seccomp ---------------------------------------------------------------------------------------------------------


def filter_program(machine: str) -> bytes:
    """Return the BPF program: a binary search over call numbers, unknown ones kill."""
    audit, table, _ = MACHINES[machine]
    verdicts = {table[name]: "refuse" for name in REFUSED if name in table}
    verdicts |= {table[name]: "allow" for name in ALLOWED if name in table}
    verdicts |= {table["mmap"]: "no exec", table["mprotect"]: "no exec"}
    ranges: list[tuple[int, str]] = []
    # One past the last known number, so that the last range, which has no end, kills.
    for number in range(max(table.values()) + 2):
        verdict = verdicts.get(number, "kill")
        if not ranges or ranges[-1][1] != verdict:
            ranges.append((number, verdict))
    nodes: list[list[int | str]] = []

    def search(low: int, high: int) -> int | str:
        """Return the label of a leaf, or the index of the node that splits [low, high)."""
        if high - low == 1:
            return ranges[low][1]
        middle = (low + high) // 2
        index = len(nodes)
        nodes.append([ranges[middle][0], 0, 0])
        nodes[index][2] = search(low, middle)
        nodes[index][1] = search(middle, high)
        return index

    search(0, len(ranges))
    end = len(nodes)
    labels = {"no exec": end, "refuse": end + 2, "allow": end + 3, "kill": end + 4}
    code = [
        _instruction(_LOAD, 0, 0, 4),
        _instruction(_JUMP_EQUAL, 1, 0, audit),
        _instruction(_RETURN, 0, 0, ACT_KILL),
        _instruction(_LOAD, 0, 0, 0),
    ]
    for place, (pivot, above, below) in enumerate(nodes):
        jumps = [(labels[part] if isinstance(part, str) else part) - place - 1 for part in (above, below)]
        code.append(_instruction(_JUMP_GREATER_EQUAL, jumps[0], jumps[1], int(pivot)))
    code += [
        _instruction(_LOAD, 0, 0, 32),  # the third argument: the protection of the mapping
        _instruction(_JUMP_SET, 0, 1, _PROT_EXEC),
        _instruction(_RETURN, 0, 0, ACT_EPERM),
        _instruction(_RETURN, 0, 0, ACT_ALLOW),
        _instruction(_RETURN, 0, 0, ACT_KILL),
    ]
    return b"".join(code)


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


class Filter:
    """A seccomp program in memory, ready to install."""

    def __init__(self) -> None:
        _machine()
        code = filter_program(platform.machine())
        self._buffer = ctypes.create_string_buffer(code, len(code))
        self._program = _Program(len(code) // 8, ctypes.addressof(self._buffer))
        self._number = _numbers()["seccomp"]

    def install(self) -> None:
        """Lock this process; raises `OSError`, and then nothing may run."""
        _check(libc.syscall(self._number, 1, 0, ctypes.byref(self._program)), "seccomp")


def limit_zygote() -> None:
    """Set the limits that zygote and children share."""
    for name in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE):
        resource.setrlimit(name, (0, 0))


def limit_child(memory: int) -> None:
    """Set the limits of one child; `memory` is bytes of address space."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def address_space() -> int:
    """Return the bytes of address space that this process uses."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 # pathlib is not imported here
        return int(file.read().split()[0]) * resource.getpagesize()
