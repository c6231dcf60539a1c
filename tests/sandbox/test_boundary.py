"""The kernel's boundary, with the language guard switched OFF: code with all of Python still reaches nothing."""

from __future__ import annotations

import importlib.util
import os
import platform
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ael.sandbox.contract import CodeFailure, CodeRequest, CodeSource, Limits, PackageSet
from ael.sandbox.pool import KernelSandbox

_spec = importlib.util.spec_from_file_location(
    "kernel_under_test", Path(__file__).parents[2] / "src/ael/sandbox/child/kernel.py"
)
assert _spec is not None
assert _spec.loader is not None
kernel = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kernel)

LAYERS = {"all layers": (), "seccomp alone": ("namespaces", "empty_root", "landlock")}

#: Code that tries to get out; each must fail, or say "refused" itself.
ATTACKS = {
    "read a file": "return open('/etc/passwd').read()",
    "read by descriptor": "import os\nreturn os.read(os.open('/etc/passwd', 0), 10)",
    "write a file": "open('CANARY', 'w').write('x')",
    "list a directory": "import os\nreturn os.listdir('/')",
    "read own memory map": "return open('/proc/self/maps').read()",
    "read the environment": "import os\nif 'AEL_CANARY' not in os.environ: raise PermissionError('refused')",
    "tcp socket": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)",
    "unix socket": "import socket\nsocket.socket(socket.AF_UNIX)",
    "udp socket": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "netlink socket": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "socket pair": "import socket\nsocket.socketpair()",
    "fork": "import os\nos.fork()",
    "fork by libc": "import ctypes\nctypes.CDLL(None).fork()",
    "system": "import os\nif os.system('touch CANARY'): raise PermissionError('refused')",
    "exec": "import os\nos.execv('/bin/sh', ['sh', '-c', 'touch CANARY'])",
    "spawn": "import subprocess\nsubprocess.run(['/bin/true'])",
    "posix_spawn": "import os\nos.posix_spawn('/bin/true', ['true'], {})",
    "thread": "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()",
    "kill the parent": "import os\nos.kill(os.getppid(), 9)",
    "kill everything": "import os\nos.kill(-1, 9)",
    "kill the host": "import os\nos.kill(HOST, 9)",
    "ptrace": "import ctypes\nif ctypes.CDLL(None).ptrace(16, HOST, 0, 0) == -1: raise PermissionError('refused')",
    "process memory": "import ctypes\nctypes.CDLL(None).syscall(310, HOST, 0, 0, 0, 0, 0)",
    "io_uring": "import ctypes\nctypes.CDLL(None).syscall(425, 8, 0)",
    "memfd": "import os\nos.memfd_create('x')",
    "bpf": "import ctypes\nctypes.CDLL(None).syscall(321, 0, 0, 0)",
    "userfaultfd": "import ctypes\nctypes.CDLL(None).syscall(323, 0)",
    "keyctl": "import ctypes\nctypes.CDLL(None).syscall(250, 0, 0, 0)",
    "perf": "import ctypes\nctypes.CDLL(None).syscall(298, 0, 0, 0, 0, 0)",
    "unshare": "import ctypes\nctypes.CDLL(None).unshare(0x10000000)",
    "mount": "import ctypes\nctypes.CDLL(None).mount(b'a', b'/', b'tmpfs', 0, None)",
    "setuid": "import os\nos.setuid(0)",
    "chroot": "import os\nos.chroot('/')",
    "raise a limit": "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (10, 10))",
    "x32 system call": "import ctypes\nctypes.CDLL(None).syscall(0x40000000 + 39)",
    "unknown system call": "import ctypes\nctypes.CDLL(None).syscall(9999)",
    "executable memory": "import mmap\nmmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "make memory executable": (
        "import ctypes, mmap\nm = mmap.mmap(-1, 4096)\na = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
        "if ctypes.CDLL(None).mprotect(ctypes.c_void_p(a), 4096, 7): raise PermissionError('refused')"
    ),
    "end the process": "import os\nos._exit(0)",
    "segfault": "import ctypes\nctypes.string_at(0)",
    "overflow the C stack": "import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nf()",
    "close the connection": "import os\nfor d in range(16):\n    try: os.close(d)\n    except OSError: pass\nwhile True: pass",
}


@pytest.fixture(params=list(LAYERS))
async def open_sandbox(request: pytest.FixtureRequest) -> AsyncIterator[KernelSandbox]:
    made = KernelSandbox(guarded=False, skip=LAYERS[request.param])
    yield made
    await made.close()


async def attempt(sandbox: KernelSandbox, code: str) -> Any:
    (facts,) = await sandbox.check(PackageSet(), [CodeSource(step_id="s", source=code)])
    # Short for what goes on for ever once it has done its worst, long for what ends by something else.
    seconds = 1 if code.endswith(("while True: pass", "f = lambda: f()\nf()")) else 60
    limits = Limits(timeout_seconds=seconds, max_memory=256 << 20)

    async def no_tool(name: str, params: dict[str, Any]) -> Any:
        return 1

    async with sandbox.session("e", PackageSet()) as session:
        return (await session.run(CodeRequest(blob=facts.blob, limits=limits), no_tool)).result


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the attacks use numbers of x86_64")
@pytest.mark.parametrize("name", ATTACKS)
async def test_code_without_a_guard_reaches_nothing(
    open_sandbox: KernelSandbox, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEL_CANARY", "sing")
    canary = tmp_path / "canary"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        code = (
            ATTACKS[name].replace("CANARY'", f"{canary}'").replace("PORT", str(port)).replace("HOST", str(os.getpid()))
        )
        if name == "read the environment":
            code = ATTACKS[name]
        with pytest.raises(CodeFailure) as caught:
            await attempt(open_sandbox, code)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert caught.value.error.code in {  # type: ignore[attr-defined]  # an AelError
        "CODE_SECURITY",
        "CODE_RUNTIME",
        "CODE_CRASHED",
        "CODE_TIMEOUT",
        "CODE_MEMORY",
    }
    assert not canary.exists()
    assert await attempt(open_sandbox, "return 1 + 1") == 2


HOSTILE = {
    "forged result": b'\x10\x00\x00\x00{"t": "what ever}',
    "oversized": b"\xff\xff\xff\xff" + b"x" * 100,
    "not UTF-8": b"\x04\x00\x00\x00\xff\xfe\xfd\xfc",
    "pickle": b"\x0b\x00\x00\x00\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00",
    "deep": struct.pack("<I", 200_000) + b"[" * 200_000,
    "unknown field": b'\x26\x00\x00\x00{"t":"done","printed":"","result":1,"x"',
    "call without a name": b'\x1b\x00\x00\x00{"t":"call","id":1,"name":2}',
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_the_host_takes_no_forged_message(name: str) -> None:
    sandbox = KernelSandbox(guarded=False)
    code = f"import os\nd = {HOSTILE[name]!r}\nwhile d: d = d[os.write(3 if False else FD, d):]\nwhile True: pass"
    # The child's one descriptor is the lowest that takes a write.
    code = code.replace("FD", "next(d for d in range(16) if takes(d))")
    probe = "import os\ndef takes(d):\n    try:\n        os.write(d, b'')\n        return True\n    except OSError:\n        return False\n"
    with pytest.raises(CodeFailure) as caught:
        await attempt(sandbox, probe + code)
    assert caught.value.error.code in {"CODE_CRASHED", "CODE_TIMEOUT"}  # type: ignore[attr-defined]  # an AelError
    assert await attempt(sandbox, "return 3") == 3
    await sandbox.close()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_decides_every_call_of_both_machines_as_the_tables_say(machine: str) -> None:
    audit, table, _ = kernel.MACHINES[machine]
    program = kernel.filter_program(machine)
    instructions = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    allowed = {table[name] for name in kernel.ALLOWED if name in table} - {table["mmap"], table["mprotect"]}
    refused = {table[name] for name in kernel.REFUSED if name in table}
    for number in [*range(600), 0x40000000 + 39, 2**31, 2**32 - 1]:
        verdict = _decide(instructions, number, audit, protection=3)
        if number in {table["mmap"], table["mprotect"]}:
            assert verdict == kernel.ACT_ALLOW
            assert _decide(instructions, number, audit, protection=7) == kernel.ACT_EPERM
        elif number in allowed:
            assert verdict == kernel.ACT_ALLOW
        elif number in refused:
            assert verdict == kernel.ACT_EPERM
        else:
            assert verdict == kernel.ACT_KILL, number
    assert _decide(instructions, table["read"], audit ^ 1, protection=0) == kernel.ACT_KILL


def _decide(program: list[tuple[int, ...]], number: int, audit: int, *, protection: int) -> int:
    """Run a filter as the kernel does: data is (number, architecture, …, third argument)."""
    data = {0: number, 4: audit, 32: protection}
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        if code == 0x20:
            accumulator, at = data[value], at + 1
        elif code == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            at += 1 + (if_true if holds else if_false)
