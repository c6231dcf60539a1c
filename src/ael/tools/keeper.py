"""Sees to it that nothing of a server outlives it, nor us: its children's children, and all of them after `kill -9`.

A small process waits for our end on a pipe (`process_tree`); it is there as long as a server is. The kernel's own ways
were not taken: PR_SET_PDEATHSIG reaches one process and no children of it, a control group is rarely ours to make, a
namespace is another world for a server, and a subreaper has to wait for every stranger.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress

from ael.tools import process_tree

#: Most characters of marks that are passed on: some twenty AELs in each other.
_LONGEST_MARKS = 600


class Keeper:
    """The waiting process, shared by servers."""

    def __init__(self) -> None:
        self._mark = os.urandom(8).hex()
        self._since = process_tree.own_start()
        self._count = 0
        self._families: set[Family] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._looking: asyncio.Task[list[process_tree.Process]] | None = None

    def family(self) -> Family:
        """Return a family for a process that is about to start, and for its descendants; it has to be ended."""
        self._count += 1
        family = Family(self, f"{self._mark}-{self._count}.")
        self._families.add(family)
        self._start_if_due()
        return family

    def _start_if_due(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._stop()
        with suppress(OSError):
            # Without it the servers are stopped all the same, unless we are killed.
            self._process = subprocess.Popen(  # noqa: S603 # our own interpreter and script
                [sys.executable, "-I", "-S", process_tree.__file__, self._mark, str(self._since)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd="/",
                env={},
                start_new_session=True,
            )
        for family in self._families:
            self._tell("+", family.pid)

    def _tell(self, sign: str, pid: int) -> None:
        if pid and self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                # It is gone: the next server has another one started.
                self._process.stdin.write(f"{sign}{pid}\n".encode())

    def came(self, family: Family) -> None:
        """Take notice of a process that runs."""
        self._tell("+", family.pid)

    def went(self, family: Family) -> None:
        """Take notice of one that is gone, and wait no longer once all are."""
        self._families.discard(family)
        self._tell("-", family.pid)
        if not self._families:
            self._stop()

    async def living(self) -> list[process_tree.Process]:
        """Return who lives, as seen after this was called; those who ask at the same time share a look."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> list[process_tree.Process]:
        self._looking = None
        return await asyncio.to_thread(process_tree.living, self._since) if self._since else []

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.kill()
            process.wait()
            process.stdin.close()


class Family:
    """A process and its descendants."""

    def __init__(self, keeper: Keeper, mark: str) -> None:
        self._keeper = keeper
        self._mark = mark
        #: Of the process itself; 0 until it runs.
        self.pid = 0
        self._seen: process_tree.Tree = {}
        outer = os.environ.get(process_tree.VARIABLE, "")
        #: What the process has to be started with.
        self.environment = {process_tree.VARIABLE: (outer + mark if len(outer) < _LONGEST_MARKS else mark)}

    def came(self, pid: int) -> None:
        """Take notice that the process runs, as the leader of a session."""
        self.pid = pid
        self._keeper.came(self)

    async def look(self) -> process_tree.Tree:
        """Return who is left; those without a mark are seen while their parents live, and remembered."""
        found = process_tree.tree(await self._keeper.living(), self._mark, frozenset({self.pid}))
        self._seen |= found
        return found

    async def end(self) -> None:
        """Kill whoever is left, and see them gone."""
        until = time.monotonic() + process_tree.PATIENCE
        try:
            while self.pid and await self.look() and time.monotonic() < until:
                process_tree.kill(self._seen)
                await asyncio.sleep(process_tree.PAUSE)
            process_tree.kill(self._seen)
            # Asyncio waits for the process itself.
            process_tree.reap({number: start for number, start in self._seen.items() if number != self.pid})
        finally:
            self._keeper.went(self)
