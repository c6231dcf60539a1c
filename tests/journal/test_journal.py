"""Journals by their Protocol, and what SQLite adds: durability, sharing, sealing, true errors."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.errors import ErrorRecord, ExecutionConflict, ExecutionNotFound, JournalUnavailable
from ael.journal import Journal, events
from ael.journal.events import Event
from ael.journal.fold import fold
from ael.journal.memory import MemoryJournal
from ael.journal.sqlite import Durability, SqliteJournal
from ael.values import JSONValue

ERROR = ErrorRecord(code="CODE_RUNTIME", category="EXECUTION", message="m", detail="", suggestion="", retryable=False)


def start(at: int = 1000, secrets: tuple[str, ...] = (), **inputs: object) -> events.ExecutionStarted:
    return events.ExecutionStarted(
        at=at,
        workflow="w",
        version="1",
        definition_digest="d",
        inputs=inputs,  # type: ignore[arg-type]  # JSON by the caller's word
        seed=1,
        steps=(("a", "code"), ("b", "tool")),
        secrets=secrets,
    )


RECORD: list[Event] = [
    start(),
    events.StepStarted(at=1001, step_id="a"),
    events.StepRetried(at=1002, step_id="a", attempt=1, error=ERROR, delay_seconds=0.0),
    events.StepStarted(at=1003, step_id="a", attempt=2),
    events.StepSucceeded(at=1004, step_id="a", attempt=2, output=[1]),
    events.StepStarted(at=1004, step_id="b", items=2),
    events.StepStarted(at=1005, step_id="b", index=1),
    events.ToolCalled(at=1005, step_id="b", index=1, call=1, tool="t"),
    events.ToolReturned(at=1006, step_id="b", index=1, call=1, tool="t", duration_ms=1.0, result=2),
    events.StepSucceeded(at=1006, step_id="b", index=1, output=2),
    events.StepFailed(at=1007, step_id="b", error=ERROR),
    events.ExecutionFailed(at=1008, error=ERROR),
]


@pytest.fixture(params=["memory", "commit", "fsync"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    made: Journal = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "j.db", request.param)
    yield made
    await made.close()


async def test_events_come_back_as_they_went_in(journal: Journal) -> None:
    await journal.append("exec-1", 0, RECORD[:5])
    await journal.append("exec-1", 5, RECORD[5:])
    assert await journal.read("exec-1") == ("exec-1", RECORD)


async def test_an_id_may_be_shortened_while_it_is_unique(journal: Journal) -> None:
    for name in ("exec-ab1", "exec-ab2", "exec-c"):
        await journal.append(name, 0, RECORD[:1])
    assert (await journal.read("exec-c"))[0] == "exec-c"
    assert (await journal.read("exec-ab2"))[0] == "exec-ab2"
    for name in ("exec-ab", "nothing", "", "exec-%"):
        with pytest.raises(ExecutionNotFound):
            await journal.read(name)


async def test_a_number_that_is_taken_is_a_conflict_and_changes_nothing(journal: Journal) -> None:
    await journal.append("exec-1", 0, RECORD[:3])
    with pytest.raises(ExecutionConflict):
        await journal.append("exec-1", 2, RECORD[2:4])
    assert len((await journal.read("exec-1"))[1]) == 3


async def test_listings_are_newest_first_and_filtered(journal: Journal) -> None:
    await journal.append("exec-1", 0, RECORD)
    await journal.append("exec-2", 0, [start(2000), events.ExecutionSucceeded(at=2001, outputs=1)])
    await journal.append("exec-3", 0, [start(3000)])
    listed = await journal.summaries()
    assert [(one.execution_id, one.status) for one in listed] == [
        ("exec-3", "running"),
        ("exec-2", "completed"),
        ("exec-1", "failed"),
    ]
    assert [one.execution_id for one in await journal.summaries(status="failed")] == ["exec-1"]
    assert await journal.summaries(workflow="other") == []
    assert await journal.workflows() == ["w"]


async def test_many_append_at_once(journal: Journal) -> None:
    async def one(number: int) -> None:
        for index, event in enumerate(RECORD):
            await journal.append(f"exec-{number}", index, [event])

    await asyncio.gather(*(one(number) for number in range(30)))
    for number in (0, 15, 29):
        assert (await journal.read(f"exec-{number}"))[1] == RECORD


@given(st.integers(0, len(RECORD)), st.permutations(RECORD[1:]))
def test_any_prefix_and_any_order_folds(length: int, shuffled: list[Event]) -> None:
    fold("e", RECORD[:length])
    execution = fold("e", [RECORD[0], *shuffled])
    assert execution.steps_completed + execution.steps_failed + execution.steps_skipped <= len(execution.steps)


def test_the_fold_tells_the_whole_story() -> None:
    execution = fold("exec-1", RECORD)
    first, second = execution.steps
    assert (execution.status, execution.duration_ms, execution.completed_at) == (
        "failed",
        8.0,
        "1970-01-01T00:00:01.008Z",
    )
    assert [(attempt.number, attempt.error is not None) for attempt in first.attempts] == [(1, True), (2, False)]
    assert second.items is not None
    assert [item.status for item in second.items] == ["pending", "completed"]
    assert second.items[1].calls[0].result == 2
    assert (execution.steps_completed, execution.steps_failed) == (1, 1)


# -- SQLite ----------------------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from ael.journal.sqlite import SqliteJournal
from ael.journal.events import StepStarted, ExecutionStarted
async def main():
    journal = SqliteJournal(Path(sys.argv[1]), sys.argv[2])
    name = sys.argv[3]
    await journal.append(name, 0, [ExecutionStarted(at=1, workflow="w", version="1", definition_digest="", inputs={}, seed=1)])
    for number in range(1, int(sys.argv[4])):
        await journal.append(name, number, [StepStarted(at=number, step_id="s")])
        print(number, flush=True)
    await journal.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("durability", ["commit", "fsync"])
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, durability: str) -> None:
    path = tmp_path / "j.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), durability, "exec-1", "100000"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = 0
    with writer:
        while acknowledged < 50:
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        acknowledged = max([acknowledged, *(int(line) for line in rest if line.isdigit())][:-1] or [acknowledged])
    journal = SqliteJournal(path)
    assert len((await journal.read("exec-1"))[1]) > acknowledged
    await journal.append("exec-2", 0, [start()])
    await journal.close()


async def test_ten_processes_may_make_and_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / ".ael" / "j.db"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), "commit", f"exec-{number}", "20"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number in range(10)
    ]
    for writer in writers:
        _, complaint = writer.communicate()
        assert writer.returncode == 0, complaint.decode()
    journal = SqliteJournal(path)
    assert len(await journal.summaries()) == 10
    await journal.close()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert (path.parent / ".gitignore").read_text() == "*\n"


async def test_records_with_secrets_are_sealed_and_only_the_key_opens_them(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = SqliteJournal(path)
    record: list[Event] = [start(secrets=("hunter2-hunter2",), token="hunter2-hunter2"), RECORD[1]]
    await journal.append("exec-1", 0, record)
    assert (await journal.read("exec-1"))[1] == record
    await journal.close()
    assert not any(b"hunter2" in file.read_bytes() for file in tmp_path.iterdir())
    key = tmp_path / "j.db.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_bytes(os.urandom(32))
    other = SqliteJournal(path)
    with pytest.raises(JournalUnavailable, match="cannot be opened with the key"):
        await other.read("exec-1")
    await other.close()
    key.unlink()
    missing = SqliteJournal(path)
    with pytest.raises(JournalUnavailable, match="is missing"):
        await missing.read("exec-1")
    await missing.close()


@pytest.mark.parametrize("damage", ["text", "newer", "directory"])
async def test_a_file_that_is_no_journal_is_left_alone_with_a_clear_error(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "j.db"
    if damage == "text":
        path.write_text("this is not a database, it is a letter to a friend " * 100)
    elif damage == "newer":
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    else:
        path.mkdir()
    journal = SqliteJournal(path)
    with pytest.raises(JournalUnavailable) as caught:
        await journal.append("exec-1", 0, [start()])
    assert str(path) in caught.value.detail
    with pytest.raises(JournalUnavailable):
        await journal.summaries()
    await journal.close()


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from ael.errors import JournalUnavailable
from ael.journal.sqlite import SqliteJournal
from ael.journal.events import ExecutionStarted
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main():
    journal = SqliteJournal(Path(sys.argv[1]))
    def event(size): return ExecutionStarted(at=1, workflow="w", version="1", definition_digest="", inputs={"x": "y" * size}, seed=1)
    await journal.append("exec-small", 0, [event(1)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    try:
        await journal.append("exec-big", 0, [event(2_000_000)])
    except JournalUnavailable as error:
        print("refused")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await journal.append("exec-after", 0, [event(1)])
    print(sorted(one.execution_id for one in await journal.summaries()))
    await journal.close()
asyncio.run(main())
"""


def test_a_full_disk_refuses_what_does_not_fit_and_loses_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "j.db")], capture_output=True, text=True, check=False
    )
    assert done.stdout == "refused\n['exec-after', 'exec-small']\n", done.stderr


async def test_lazy_appends_return_at_once_and_are_there_after_close(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db", "lazy")
    for number in range(100):
        await journal.append("exec-1", number, [start() if number == 0 else RECORD[1]])
    await journal.close()
    again = SqliteJournal(tmp_path / "j.db")
    assert len((await again.read("exec-1"))[1]) == 100
    await again.close()


# -- large values ----------------------------------------------------------------------------------------------------

ROWS: list[JSONValue] = [{"id": number, "name": f"row {number}"} for number in range(20_000)]
LARGE: JSONValue = {"rows": ROWS}
#: A tool answers, the step gives that out, and so does the execution; another step makes the same on its own.
OF_ONE_VALUE: list[Event] = [
    events.StepStarted(at=1001, step_id="b", inputs={"all": LARGE}),
    events.ToolCalled(at=1001, step_id="b", call=1, tool="t", params={"all": LARGE}),
    events.ToolReturned(at=1002, step_id="b", call=1, tool="t", duration_ms=1.0, result=LARGE),
    events.StepSucceeded(at=1002, step_id="b", output=LARGE),
    events.StepSucceeded(at=1003, step_id="a", output={"rows": [*ROWS]}),
    events.ExecutionSucceeded(at=1004, outputs=LARGE),
]


@asynccontextmanager
async def opened(path: Path, durability: Durability = "commit") -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(path, durability)
    try:
        yield journal
    finally:
        await journal.close()


def stored(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("SELECT sum(length(payload)) FROM events").fetchone()
    return int(size)


@pytest.mark.parametrize("secrets", [(), ("hunter2-hunter2",)])
@pytest.mark.parametrize("together", [1, 4, 7])
async def test_a_large_value_of_many_events_is_written_once_and_comes_back_in_each(
    tmp_path: Path, together: int, secrets: tuple[str, ...]
) -> None:
    record: list[Event] = [start(secrets=secrets), *OF_ONE_VALUE]
    async with opened(tmp_path / "j.db") as journal:
        for first in range(0, len(record), together):
            await journal.append("exec-1", first, record[first : first + together])
        assert (await journal.read("exec-1"))[1] == record
    async with opened(tmp_path / "j.db") as journal:
        assert (await journal.read("exec-1"))[1] == record
    once = len(msgspec.json.encode(LARGE))
    # As parameters, as the answer, and as what another step made.
    assert 3 * once < stored(tmp_path / "j.db") < 3.1 * once


async def test_executions_share_no_large_values(tmp_path: Path) -> None:
    async with opened(tmp_path / "j.db") as journal:
        for name in ("exec-1", "exec-2"):
            await journal.append(name, 0, [start(), *OF_ONE_VALUE])
    with closing(sqlite3.connect(tmp_path / "j.db")) as connection, connection:
        connection.execute("DELETE FROM events WHERE execution_id = 'exec-1'")
    async with opened(tmp_path / "j.db") as journal:
        assert (await journal.read("exec-2"))[1] == [start(), *OF_ONE_VALUE]


async def test_what_is_large_is_sealed_also_where_nobody_waits_for_the_record(tmp_path: Path) -> None:
    secret = "hunter2-hunter2"
    record: list[Event] = [start(secrets=(secret,)), *OF_ONE_VALUE[:4]]
    record[3] = msgspec.structs.replace(record[3], result=[secret, LARGE])
    async with opened(tmp_path / "j.db", "lazy") as journal:
        for number, event in enumerate([*record, events.ExecutionFailed(at=1005, error=ERROR)]):
            await journal.append("exec-1", number, [event])
    assert not any(secret.encode() in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("version", [2, 3])
async def test_a_journal_of_a_version_before_is_read_and_written_on(tmp_path: Path, version: int) -> None:
    path = tmp_path / "j.db"
    async with opened(path) as journal:
        await journal.append("exec-1", 0, RECORD)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE executions DROP COLUMN principal")
        connection.execute(f"PRAGMA user_version = {version}")
    async with opened(path) as journal:
        await journal.append("exec-2", 0, [start(), *OF_ONE_VALUE])
        assert (await journal.read("exec-1"))[1] == RECORD
        assert (await journal.read("exec-2"))[1] == [start(), *OF_ONE_VALUE]
        assert {one.execution_id: one.principal for one in await journal.summaries()} == {
            "exec-1": "",
            "exec-2": "local",
        }
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (4,)


@pytest.mark.parametrize("whose", ["[[1, 9]]", "[[9, 0]]", "[[2, 1]]", "[[1, 2]]"])
async def test_a_record_that_repeats_what_is_not_there_is_damaged(tmp_path: Path, whose: str) -> None:
    path = tmp_path / "j.db"
    async with opened(path) as journal:
        await journal.append("exec-1", 0, RECORD[:3])
    with closing(sqlite3.connect(path)) as connection, connection:
        (row,) = connection.execute("SELECT payload FROM events").fetchone()
        made = row[:-1] + b',{"event": "Repeated", "values": ' + whose.encode() + b"}]"
        connection.execute("UPDATE events SET payload = ?", (made,))
    async with opened(path) as journal:
        with pytest.raises(JournalUnavailable, match="damaged"):
            await journal.read("exec-1")
