"""Locks itself down, then forks children on request. Run by path as a script; standard library only.

    argv[1]   JSON: descriptor, modules, additional, paths, guarded, skip
    control   SOCK_SEQPACKET; the host asks, one answer each, in order
              b"F" + u64   fork a child with so many bytes of memory → pid, [socket, pidfd]
              b"R" + i32   reap a child that is dead or dying → wait status
              end of file  the host is gone: so are we, and the kernel takes the children with us

The order of the steps matters: what is imported late fails once the root is empty.
"""

import ctypes
import os
import sys

ADDR_NO_RANDOMIZE = 0x0040000


def fix_addresses() -> None:
    """Start over without address-space randomization, where the system allows: the order of sets follows addresses."""
    libc = ctypes.CDLL(None)
    persona = libc.personality(ctypes.c_ulong(0xFFFFFFFF))
    # What is refused stays as it was, and then there is no second start.
    if persona != -1 and not persona & ADDR_NO_RANDOMIZE:
        libc.personality(ctypes.c_ulong(persona | ADDR_NO_RANDOMIZE))
        if libc.personality(ctypes.c_ulong(0xFFFFFFFF)) & ADDR_NO_RANDOMIZE:
            os.execv(sys.executable, sys.orig_argv)  # noqa: S606 # ourselves, as we were started


if __name__ == "__main__":
    fix_addresses()

import array  # noqa: E402 # what follows would be imported twice
import gc  # noqa: E402 # as above
import json  # noqa: E402 # as above
import signal  # noqa: E402 # as above
import socket  # noqa: E402 # as above
import struct  # noqa: E402 # as above
from collections.abc import Callable  # noqa: E402 # as above
from functools import partial  # noqa: E402 # as above

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 # pathlib is not imported here
CONFIG = json.loads(sys.argv[1])
sys.path += CONFIG["paths"]

# What the standard library imports when it is first used.
import _strptime  # type: ignore[import-not-found]  # it has no stub  # noqa: E402, F401 # as above
import calendar  # noqa: E402, F401 # as above
import encodings.ascii  # noqa: E402 # as above
import encodings.idna  # noqa: E402 # as above
import encodings.latin_1  # noqa: E402 # as above
import encodings.utf_8_sig  # noqa: E402, F401 # as above
import linecache  # noqa: E402, F401 # as above
import locale  # noqa: E402, F401 # as above
import traceback  # noqa: E402 # as above
import unicodedata  # noqa: E402, F401 # as above

import guard  # noqa: E402 # needs the path
import kernel  # noqa: E402 # as above
import worker  # noqa: E402 # as above

CONTROL = 3


def exercise() -> None:
    """Use what initializes itself on first use."""
    "x".encode("idna")
    "ä".encode("latin-1", "replace").decode("utf-8-sig", "replace")
    import datetime  # as above
    import time  # as above

    time.strptime("2020", "%Y")
    datetime.datetime.strptime("2020-01-31", "%Y-%m-%d").astimezone()
    try:
        json.loads("{bad")
    except ValueError as error:
        traceback.format_exception(error)


def lock() -> dict[str, str]:
    """Take every layer that this system gives; return layer → "" or why not."""
    layers: dict[str, str] = {}
    try:
        kernel.become_nobody()
    except OSError as error:
        # Root without the capability to change users, as in a container that dropped them all.
        layers["own_user"] = str(error)
    skip = CONFIG.get("skip", [])
    for name, step in (
        ("namespaces", kernel.enter_namespaces),
        ("empty_root", kernel.enter_empty_root),
        ("capabilities", kernel.drop_capabilities),
        ("landlock", kernel.landlock),
    ):
        try:
            if name in skip:
                layers[name] = "switched off"
                continue
            if name == "empty_root" and layers["namespaces"]:
                layers[name] = "needs namespaces"
                continue
            if name == "landlock":
                kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            step()
            layers[name] = ""
            if name == "namespaces":
                become_first()
        except OSError as error:
            layers[name] = str(error)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.limit_zygote()
    layers["rlimits"] = ""
    return layers


def become_first() -> None:
    """Become process 1 of the new pid namespace; the process outside only waits."""
    inner = os.fork()
    if inner:
        os.closerange(0, 64)
        os.waitpid(inner, 0)
        os._exit(0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def probe(program: kernel.Filter) -> str:
    """Install the filter in a throwaway child and see that it bites; return what is wrong, or nothing."""
    pid = os.fork()
    if pid == 0:
        try:
            program.install()
        except OSError:
            os._exit(1)
        try:
            os.open("/", os.O_RDONLY)
            os._exit(2)
        except PermissionError:
            os._exit(0)
        except OSError:
            os._exit(3)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) == 1:
        return "the kernel refuses to install a seccomp filter"
    if status:
        return f"the seccomp filter does not hold (status {status})"
    pid = os.fork()
    if pid == 0:
        program.install()
        kernel.libc.syscall(1_000_000)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS):
        return "the seccomp filter lets unknown system calls through"
    return ""


def main() -> None:
    os.dup2(CONFIG["descriptor"], CONTROL)
    os.closerange(CONTROL + 1, 256)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=CONTROL)
    allowed = frozenset(CONFIG["modules"])
    world = guard.World()
    facades = guard.Facades(allowed, world)
    facades.load()
    allowed |= submodules(CONFIG["additional"])
    # Classes of code say that they are of this module; dataclasses look it up.
    sys.modules["step"] = type(sys)("step")
    exercise()
    missing = sorted(name for name in allowed if name not in sys.modules)
    base = kernel.address_space()
    try:
        layers = lock()
        program = kernel.Filter()
        problem = probe(program)
    except (OSError, kernel.Unsupported) as error:
        layers, problem, program = {}, str(error), None
    control.send(json.dumps({"layers": layers, "problem": problem, "missing": missing}).encode())
    if problem or program is None:
        os._exit(1)
    fork = ctypes.PyDLL(None).fork
    gc.collect()
    gc.freeze()
    gc.disable()
    serve(control, fork, program, base, worker_of(allowed, facades, world))


def submodules(packages: list[str]) -> frozenset[str]:
    """Return the public modules that came with packages named in `additional`."""
    prefixes = tuple(f"{name}." for name in packages)
    return frozenset(name for name in sys.modules if name.startswith(prefixes) and "._" not in name)


def worker_of(allowed: frozenset[str], facades: guard.Facades, world: guard.World) -> worker.Worker:
    """Make the worker that every child inherits."""
    return worker.Worker(worker.Channel(-1), allowed, facades, world, guarded=CONFIG["guarded"])


def serve(control: socket.socket, fork: object, program: kernel.Filter, base: int, ready: worker.Worker) -> None:
    """Answer the host for ever."""
    rehearse(fork)
    while True:
        message = control.recv(64)
        if not message:
            os._exit(0)
        if message[:1] == b"R":
            reap(control, message)
            continue
        (memory,) = struct.unpack_from("<Q", message, 1)
        bear(control, fork, partial(become_child, control, program=program, memory=base + memory, ready=ready))


def rehearse(fork: object) -> None:
    """Bear children for nobody: the first of them leaves objects behind, and all that follow shall be alike."""
    host, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for _ in range(2):
        host.send(b"F" + struct.pack("<Q", 0))
        struct.unpack_from("<Q", control.recv(64), 1)
        pid = bear(control, fork, lambda ours, theirs: os._exit(0))
        reap(control, b"R" + struct.pack("<i", pid))
    host.close()
    control.close()


def bear(control: socket.socket, fork: object, live: Callable[[socket.socket, socket.socket], object]) -> int:
    """Fork a child that calls `live`, which never returns; send its pid, socket and pidfd, and return its pid."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    # fork() of libc, without Python's hooks: the child does nothing that would need them.
    pid: int = fork()  # type: ignore[operator]  # a C function
    if pid == 0:
        live(ours, theirs)
    try:
        pidfd = os.pidfd_open(pid)
        rights = array.array("i", [ours.fileno(), pidfd])
        control.sendmsg([struct.pack("<i", pid)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        os.close(pidfd)
    finally:
        ours.close()
        theirs.close()
    return pid


def reap(control: socket.socket, message: bytes) -> None:
    (pid,) = struct.unpack_from("<i", message, 1)
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        status = 0
    control.send(struct.pack("<i", status))


def become_child(
    control: socket.socket,
    ours: socket.socket,
    theirs: socket.socket,
    program: kernel.Filter,
    memory: int,
    ready: worker.Worker,
) -> None:
    """Lock this process for good and work; never returns."""
    try:
        descriptor = theirs.detach()
        for unwanted in (control.detach(), ours.detach(), 0, 1, 2):
            if unwanted != descriptor:
                try:
                    os.close(unwanted)
                except OSError:
                    continue
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        kernel.limit_child(memory)
        ready.channel.descriptor = descriptor
        program.install()
        # What came from the zygote is frozen: collecting costs what this child made, and copies no page.
        gc.enable()
        ready.serve()
    except MemoryError:
        os._exit(71)
    finally:
        os._exit(70)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, ConnectionResetError):
        # The host went away before we were ready; there is nobody to tell.
        os._exit(0)
