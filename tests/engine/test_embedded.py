"""The host in this process: what it says is durable is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ael.engine.embedded import EmbeddedHost
from ael.journal.events import Event, StepCancelled
from ael.journal.memory import MemoryJournal


class SlowJournal(MemoryJournal):
    """Takes several turns of the loop for an append."""

    def __init__(self) -> None:
        super().__init__()
        self.durable = 0

    async def append(self, execution_id: str, first: int, events: Sequence[Event]) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        await super().append(execution_id, first, events)
        self.durable = first + len(events)


async def test_a_commit_returns_when_all_before_it_is_durable() -> None:
    journal = SlowJournal()
    host = EmbeddedHost("e", journal, 1)

    async def step(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)
        host.record(StepCancelled(at=number, step_id=f"s{number}"))
        recorded = len(host.events)
        await host.commit()
        assert journal.durable >= recorded

    await asyncio.gather(*(step(number) for number in range(12)))
    assert journal.durable == 12


async def test_what_nobody_waits_for_is_durable_before_long() -> None:
    written = asyncio.Event()

    class Telling(MemoryJournal):
        async def append(self, execution_id: str, first: int, events: Sequence[Event]) -> None:
            await super().append(execution_id, first, events)
            written.set()

    host = EmbeddedHost("e", Telling(), 1)
    host.record(StepCancelled(at=1, step_id="s"))
    # The step goes on; whoever lists executions meanwhile sees it.
    async with asyncio.timeout(60):
        await written.wait()
