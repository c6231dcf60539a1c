"""Every attack of attacks/: refused by the guard, stopped by the kernel, and without a trace afterwards.

An attack is a file with the block of code that a user would submit, below a header:

    # guard: CODE_SECURITY           the codes it may end with while the guard is on
    # bare: CODE_RUNTIME|-           the same with the guard off, whatever other layers there are
    # what: one line of what it tries
    # machine: x86_64                only there (optional)

Codes are separated by `|`; `-` stands for code that returns, having done no harm; `KERNEL` in the line of the guard
stands for CODE_SECURITY where the guard has no opinion and the kernel ends it. What an attack returns when it got
through starts with ESCAPED. Code finds its targets in `inputs` (see `Targets.inputs`).
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from ael.errors import AelError, ToolFailed
from ael.sandbox.contract import CodeFailure, CodeRequest, CodeSource, Limits, PackageSet
from ael.sandbox.pool import KernelSandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the boundary is the Linux kernel's")

ATTACKS = Path(__file__).parent / "attacks"
#: Mode → arguments of the sandbox. The last one is what an ordinary user without namespaces gets.
MODES: dict[str, dict[str, Any]] = {
    "guard": {"guarded": True},
    "bare": {"guarded": False},
    "seccomp": {"guarded": False, "skip": ("namespaces", "empty_root", "capabilities", "landlock")},
}
#: Short for what ends at its time limit, and long for what ends by something else, however busy the machine is.
SHORT, LONG = (Limits(timeout_seconds=seconds, max_memory=128 << 20, max_output=1 << 20) for seconds in (0.5, 50))
PACKAGES = PackageSet()
VARIABLE = "AEL_ATTACK_CANARY"
#: Seconds within which one attack must be over, whatever it does; far above its time limit.
PATIENCE = 60
#: Seconds of work that one turn of the host's event loop may take, by the clock of its thread: others' work is not in it.
LONGEST_TURN = 1.0
#: Characters of what is kept of printed text, and of an error's text.
LONGEST_PRINTED = (1 << 20) + 1024
LONGEST_ERROR = 64 * 1024
#: What the kernel's refusals look like; an attack that gets so far has passed the guard.
BY_KERNEL = ("code has no files, network or processes", "forbidden system call")
LEAST = {
    "attributes": 20,
    "frames": 8,
    "evaluation": 8,
    "modules": 12,
    "code_objects": 6,
    "memory": 5,
    "files": 14,
    "sockets": 8,
    "processes": 12,
    "kernel_calls": 16,
    "resources": 16,
    "protocol": 14,
}


class Attack(NamedTuple):
    """One file."""

    name: str
    source: str
    header: dict[str, str]

    def expected(self, mode: str) -> set[str]:
        return set(self.header["guard" if mode == "guard" else "bare"].split("|"))

    def limits(self, mode: str) -> Limits:
        return SHORT if "CODE_TIMEOUT" in self.expected(mode) else LONG


class Outcome(NamedTuple):
    """How one attack ended: a code or `-`, and everything that came out."""

    code: str
    text: str = ""
    result: Any = None
    printed: str = ""


class Targets:
    """What attacks may try to reach, open to anyone on this machine: only the sandbox stands between."""

    def __init__(self, place: Path, elsewhere: Path) -> None:
        self.secret = secrets.token_hex(16)
        self.file = place / "canary"
        self.journal = place / "journal.jsonl"
        self.other_file = elsewhere / "canary"
        self.drop = elsewhere / "drop"
        for file in (self.file, self.journal, self.other_file):
            file.write_text(self.secret)
            file.chmod(0o644)
        self.drop.mkdir()
        for directory, permissions in ((place, 0o755), (elsewhere, 0o755), (self.drop, 0o777)):
            directory.chmod(permissions)
        self.abstract = f"ael-attack-{secrets.token_hex(8)}"
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.unix = _listen(str(elsewhere / "listener"))
        self.named = _listen(f"\0{self.abstract}")
        (elsewhere / "listener").chmod(0o777)
        for listener in (self.tcp, self.unix, self.named):
            listener.setblocking(False)
        nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        self.process = subprocess.Popen([shutil.which("cat") or "/bin/cat"], stdin=subprocess.PIPE, cwd="/", **nobody)

    def inputs(self, mode: str, zygote: int) -> dict[str, Any]:
        return {
            "guarded": mode == "guard",
            "file": str(self.file),
            "other_file": str(self.other_file),
            "journal": str(self.journal),
            "drop": str(self.drop),
            "variable": VARIABLE,
            "port": self.tcp.getsockname()[1],
            "unix": self.unix.getsockname(),
            "abstract": self.abstract,
            "process": self.process.pid,
            "host": os.getpid(),
            "zygote": zygote,
        }

    def assert_untouched(self) -> None:
        for file in (self.file, self.journal, self.other_file):
            assert file.read_text() == self.secret
        assert list(self.drop.iterdir()) == []
        assert os.environ[VARIABLE] == self.secret
        for listener in (self.tcp, self.unix, self.named):
            with pytest.raises(BlockingIOError):
                listener.accept()
        assert self.process.poll() is None

    def close(self) -> None:
        for listener in (self.tcp, self.unix, self.named):
            listener.close()
        self.process.communicate()


class Arena:
    """One sandbox in one mode, and what it looks like at rest."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        # No spares: at rest, nothing but the zygote lives.
        self.sandbox = KernelSandbox(spares=0, max_workers=4, **MODES[mode])
        self.probe = b""
        self.rest: tuple[int, int, frozenset[int], int] = (0, 0, frozenset(), 0)

    async def open(self) -> None:
        (facts,) = await self.sandbox.check(
            PACKAGES, [CodeSource(step_id="s", source="return sum(range(inputs['n'] + 1))")]
        )
        self.probe = facts.blob
        assert await self.ask(10) == 55
        self.rest = await self.state()

    @property
    def zygote(self) -> int:
        return self.sandbox._zygotes[PACKAGES]._process.pid

    async def ask(self, number: int) -> Any:
        """Run an ordinary block in a session of its own."""
        async with self.sandbox.session("ordinary", PACKAGES) as session:
            limits = Limits(timeout_seconds=60, max_memory=128 << 20)
            request = CodeRequest(blob=self.probe, inputs={"n": number}, limits=limits)
            return (await session.run(request, call_tool)).result

    async def state(self) -> tuple[int, int, frozenset[int], int]:
        """Return children that the pool counts, the zygote, all processes below it, our open descriptors."""
        zygote = self.sandbox._zygotes[PACKAGES]
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        # The zygote answers in order: once it has refused to reap what is no child, everything before is reaped.
        zygote.post(b"R" + struct.pack("<i", 2**31 - 1), answer)
        await answer
        return self.sandbox.alive, self.zygote, _descendants(self.zygote), len(os.listdir("/proc/self/fd"))

    async def attempt(self, attack: Attack, inputs: dict[str, Any]) -> Outcome:
        """Submit a block and run it, as an execution would."""
        (facts,) = await self.sandbox.check(PACKAGES, [CodeSource(step_id="s", source=attack.source)])
        if facts.problems:
            return Outcome(facts.problems[0].code, facts.problems[0].message)
        async with self.sandbox.session("attack", PACKAGES) as session:
            try:
                request = CodeRequest(blob=facts.blob, inputs=inputs, limits=attack.limits(self.mode))
                done = await session.run(request, call_tool)
            except CodeFailure as failure:
                assert isinstance(failure.error, AelError)
                return Outcome(failure.error.code, str(failure.error), None, failure.printed)
            return Outcome("-", "", done.result, done.printed)


def _listen(address: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(address)
    made.listen()
    return made


def _descendants(ancestor: int) -> frozenset[int]:
    """Return the processes below one, the dead that nobody reaped included."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return frozenset(found)


async def call_tool(name: str, params: dict[str, Any]) -> Any:
    if name == "never":
        await asyncio.Event().wait()
    if name == "fail":
        raise ToolFailed("no", tool_name=name, retryable=False)
    return {"name": name, "params": params}


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note how long the event loop works on each thing that is due."""
    noted: list[float] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        begun = time.thread_time()
        run(handle)
        noted.append(time.thread_time() - begun)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    return noted


def _read(path: Path) -> Attack:
    source = path.read_text()
    header: dict[str, str] = {}
    for line in source.splitlines():
        if not line.startswith("# "):
            break
        key, _, value = line[2:].partition(": ")
        header[key] = value.strip()
    return Attack(f"{path.parent.name}/{path.stem}", source, header)


FOUND = {attack.name: attack for attack in map(_read, sorted(ATTACKS.glob("*/*.py")))}


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    with (
        tempfile.TemporaryDirectory(dir="/tmp", prefix="ael-attack-") as elsewhere,
        pytest.MonkeyPatch.context() as patch,
    ):
        made = Targets(tmp_path_factory.mktemp("targets"), Path(elsewhere))
        patch.setenv(VARIABLE, made.secret)
        yield made
        made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(MODES))
async def arena(request: pytest.FixtureRequest, targets: Targets) -> AsyncIterator[Arena]:
    made = Arena(request.param)
    await made.open()
    yield made
    await made.sandbox.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", FOUND)
async def test_an_attack_gets_nowhere_and_leaves_nothing(
    arena: Arena, targets: Targets, turns: list[float], name: str
) -> None:
    attack = FOUND[name]
    if attack.header.get("machine", platform.machine()) != platform.machine():
        pytest.skip(f"its numbers are those of {attack.header['machine']}")
    async with asyncio.timeout(PATIENCE):
        outcome = await arena.attempt(attack, targets.inputs(arena.mode, arena.zygote))
        number = secrets.randbelow(1000)
        assert await arena.ask(number) == number * (number + 1) // 2
        assert await arena.state() == arena.rest
    assert_harmless(attack, arena.mode, outcome, targets.secret)
    targets.assert_untouched()
    assert max(turns) < LONGEST_TURN


def assert_harmless(attack: Attack, mode: str, outcome: Outcome, secret: str) -> None:
    assert not str(outcome.result).startswith("ESCAPED"), str(outcome.result)[:300]
    leaked = secret in json.dumps([outcome.result, outcome.printed, outcome.text])
    assert not leaked, "the secret came out"
    expected = attack.expected(mode)
    told = f"{outcome.code}: {outcome.text[:300]} {str(outcome.result)[:300]}"
    if mode == "guard" and any(sign in outcome.text for sign in BY_KERNEL):
        assert "KERNEL" in expected, f"it passed the guard, and the kernel stopped it: {told}"
    elif outcome.code not in expected:
        pytest.fail(told)
    size, printed, text = len(_dumps(outcome.result)), len(outcome.printed), len(outcome.text)
    assert size <= LONG.max_output
    assert printed <= LONGEST_PRINTED
    assert text <= LONGEST_ERROR


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@pytest.mark.parametrize("group", LEAST)
def test_a_group_has_its_attacks(group: str) -> None:
    found = [attack for name, attack in FOUND.items() if name.startswith(f"{group}/")]
    assert len(found) >= LEAST[group]
    for attack in found:
        assert {"guard", "bare", "what"} <= set(attack.header), attack.name


def test_every_group_is_known() -> None:
    assert {name.partition("/")[0] for name in FOUND} == set(LEAST)
