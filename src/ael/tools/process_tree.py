"""Everything that a process has started, wherever it went: found by a mark in the environment, and killed.

A process group is left by `setsid`, and a parent by ending: the environment stays. What cleared it is found by its
session, or by its parent as long as that is there. Linux only; elsewhere groups are all there is.

`python -I -S process_tree.py MARK SINCE` is the process that does so for servers whose AEL died without stopping them.
It reads their numbers from its input, `+7` for one that came and `-7` for one that went, until AEL's end closes it. It
is started by path, and imports next to nothing.
"""

from __future__ import annotations

import os
import sys
import time

#: The variable that holds the marks of a process and of those whose children it is among, the outermost first.
VARIABLE = "AEL_PROCESS_TREE"

_SIGKILL = 9

#: Seconds in which what was killed is gone, as a rule.
PATIENCE = 1.0

#: Seconds that servers have to end by themselves, as their input has ended.
_GRACE = 0.5

#: Seconds between two looks.
PAUSE = 0.01


def own_start() -> int:
    """Return when this process was started, in the system's ticks; 0 where nobody can tell."""
    seen = _process(str(os.getpid()))
    return seen.start if seen is not None else 0


class Process:
    """A process that was seen."""

    __slots__ = ("is_alive", "marks", "number", "parent", "session", "start")

    def __init__(self, number: int, fields: list[bytes]) -> None:
        """Take its number and what proc(5) says of it in `stat`, from the state on."""
        self.number = number
        self.is_alive = fields[0] not in {b"Z", b"X"}
        self.parent, self.session, self.start = int(fields[1]), int(fields[3]), int(fields[19])
        self.marks = b""


#: Processes: number → start.
Tree = dict[int, int]


def living(since: int) -> list[Process]:
    """Return the processes that were started since a time, in the system's ticks; blocks for some milliseconds."""
    found = []
    for name in _numbers():
        seen = _process(name, since)
        if seen is not None:
            seen.marks = _marks(name)
            found.append(seen)
    return found


def tree(processes: list[Process], mark: str, sessions: frozenset[int]) -> Tree:
    """Return who is alive of those with a mark, of those in a session, and of their descendants."""
    sought = mark.encode()
    children: dict[int, list[Process]] = {}
    pending = []
    for one in processes:
        children.setdefault(one.parent, []).append(one)
        if one.session in sessions or sought in one.marks:
            pending.append(one)
    found: dict[int, Process] = {}
    while pending:
        one = pending.pop()
        if one.number not in found:
            found[one.number] = one
            pending += children.get(one.number, ())
    return {number: one.start for number, one in found.items() if one.is_alive}


def kill(found: Tree) -> None:
    """Kill processes that were seen."""
    for number, start in found.items():
        _kill(number, start)


def reap(found: Tree) -> None:
    """Take leave of those who ended and became our children: process 1 of a container inherits everybody's."""
    for number, start in found.items():
        seen = _process(str(number))
        if seen is not None and seen.start == start and not seen.is_alive and seen.parent == os.getpid():
            os.waitpid(number, os.WNOHANG)


def _numbers() -> list[str]:
    try:
        return [name for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 # pathlib costs 10 ms
    except OSError:
        return []


def _process(name: str, since: int = 0) -> Process | None:
    """Return a process, unless it is gone or was started before a time."""
    try:
        descriptor = os.open(f"/proc/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 4096)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    # Its name stands in brackets, and may hold anything.
    fields = text[text.rfind(b")") + 2 :].split(None, 20)
    return Process(int(name), fields) if len(fields) > 20 and int(fields[19]) >= since else None


def _marks(name: str) -> bytes:
    _, found, rest = (b"\0" + _read(f"/proc/{name}/environ")).partition(b"\0" + VARIABLE.encode() + b"=")
    return rest.partition(b"\0")[0] if found else b""


def _read(path: str) -> bytes:
    """Return a file of /proc; nothing where the process is gone, or is none of ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts = []
    try:
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _kill(number: int, start: int) -> None:
    """Kill a process that was seen, not another one that has its number now."""
    try:
        descriptor = os.pidfd_open(number)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        # An old kernel, or one that is none.
        descriptor = -1
    try:
        seen = _process(str(number))
        if seen is None or seen.start != start:
            return
        if descriptor < 0:
            os.kill(number, _SIGKILL)
        else:
            from signal import pidfd_send_signal  # noqa: PLC0415 # 2 ms, for the few that kill

            pidfd_send_signal(descriptor, _SIGKILL)
    except OSError:
        # It is gone, or another user's: sudo and its like.
        return
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def main() -> None:
    """Wait for the end of those who started us, then kill what they left."""
    mark, since = sys.argv[1], int(sys.argv[2])
    sessions = _sessions_left()
    begun = time.monotonic()
    seen: Tree = {}
    while found := tree(living(since), mark, sessions):
        seen |= found
        passed = time.monotonic() - begun
        if passed > _GRACE:
            kill(seen)
        if passed > _GRACE + PATIENCE:
            return
        time.sleep(PAUSE)
    kill(seen)
    if not since:
        _kill_groups(sessions)


def _sessions_left() -> frozenset[int]:
    """Return the numbers that were given and not taken back until the input ended."""
    left: set[int] = set()
    rest = b""
    while data := os.read(0, 65536):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            (left.add if line[:1] == b"+" else left.discard)(int(line[1:]))
    return frozenset(left)


def _kill_groups(numbers: frozenset[int]) -> None:
    """Do what can be done where processes cannot be looked at."""
    time.sleep(_GRACE)
    for number in numbers:
        try:
            os.killpg(number, _SIGKILL)
        except OSError:
            continue


if __name__ == "__main__":
    main()
