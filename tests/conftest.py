"""Shared fixtures: a home of its own for every test, and the command line as a process."""

from __future__ import annotations

import asyncio
import compileall
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
Ael = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AEL_", "XDG_"))}
    return {**kept, "HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture
def ael(environment: dict[str, str], tmp_path: Path) -> Ael:
    """Run `ael` in a directory of its own and return what it did."""

    def run(*arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ael", *arguments],
            input=stdin,
            env={**environment, **more},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a file into the test's directory and return its path."""

    def make(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return make


class NamedPipe:
    """What other processes write to a path, taken as it comes: who waits for it need not look again and again."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        os.mkfifo(path)
        # For both directions: it can be opened before anybody writes, and does not end with a writer.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._taken = b""
        self._more = asyncio.Event()
        loop.add_reader(self._pipe, self._take)

    def _take(self) -> None:
        with suppress(BlockingIOError):
            while part := os.read(self._pipe, 64 * 1024):
                self._taken += part
                self._more.set()

    @property
    def text(self) -> str:
        """All that was written so far."""
        self._take()
        return self._taken.decode(errors="replace")

    def forget(self) -> None:
        """Begin anew, for another writer."""
        self._take()
        self._taken = b""

    async def until(self, true: Callable[[str], object], writer: asyncio.subprocess.Process | None = None) -> None:
        """Wait until something is true of all that was written; fails by a writer that ends before."""
        ended = asyncio.ensure_future(asyncio.Event().wait() if writer is None else writer.wait())
        try:
            async with asyncio.timeout(60):
                while not true(self.text):
                    assert not ended.done(), self.text
                    self._more.clear()
                    more = asyncio.ensure_future(self._more.wait())
                    await asyncio.wait((more, ended), return_when=asyncio.FIRST_COMPLETED)
                    more.cancel()
        finally:
            ended.cancel()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)


@pytest.fixture
async def named_pipe() -> AsyncIterator[Callable[[Path], NamedPipe]]:
    """Return a maker of named pipes."""
    made: list[NamedPipe] = []
    loop = asyncio.get_running_loop()

    def make(path: Path) -> NamedPipe:
        made.append(NamedPipe(path, loop))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Clock:
    """The time of an event loop, which a test moves on: what waits for minutes is there at once, and nothing else is.

    While it is held, nothing is too late, however long the machine takes for what a test prepares.
    """

    def __init__(self, real: Callable[[], float]) -> None:
        self._real = real
        self._ahead = 0.0
        self._held: float | None = None

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return self._real() + self._ahead if self._held is None else self._held

    def hold(self) -> None:
        """Let no time pass but by `advance`."""
        self._held = self.time()

    def go_on(self) -> None:
        """Let time pass again."""
        self._ahead, self._held = self.time() - self._real(), None

    def advance(self, seconds: float) -> None:
        """Let so much time have passed."""
        if self._held is None:
            self._ahead += seconds
        else:
            self._held += seconds


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the time of this test's event loop; it is the machine's again before fixtures end that came before."""
    loop = asyncio.get_running_loop()
    made = Clock(loop.time)
    monkeypatch.setattr(loop, "time", made.time)
    return made


def pytest_configure(config: pytest.Config) -> None:
    """Compile the sources once: where the environment forbids to keep that, each process would do it again."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(ROOT / "src", quiet=2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return twice as many as there are cores, where these are few: most tests wait, for processes and time limits."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(cores, min(2 * cores, 8))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: at the end all would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


# Whoever started the tests in the background had them ignore what some of them send; the processes that they start
# would inherit that.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# A shared machine may be slow for a moment; no test is about time.
settings.register_profile("ael", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ael")
