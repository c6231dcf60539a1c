"""A journal in one SQLite file that many processes may share.

One thread writes, and takes all that waits into one transaction (group commit); another reads. The event loop never
waits on disk. Every transaction that may write is BEGIN IMMEDIATE: read-then-write fails at once when two meet.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from ael.errors import AelError, ExecutionConflict, JournalUnavailable
from ael.journal import ExecutionSummary
from ael.journal.events import TERMINAL, Event, ExecutionStarted
from ael.journal.memory import LONGEST_ID, whole_id
from ael.journal.repeats import Repeated, Repeats, put_back
from ael.journal.sealing import Seal
from ael.journal.summary import status_after
from ael.values import bulk

Durability = Literal["lazy", "commit", "fsync"]

_VERSION = 4
#: Versions that are brought up to this one: 2 knew no `Repeated`, and neither says for whom an execution ran.
_OLDER = frozenset({2, 3})
#: Seconds that a writer waits for another process's transaction.
_BUSY_LIMIT = 10.0
#: Seconds that `lazy` gathers.
_LAZY_PAUSE = 0.005
#: Bytes of a transaction that is copied from the log into the file only after it was acknowledged.
_MUCH = 1024 * 1024
#: Pages of the log after which others are copied, as is SQLite's own habit.
_LOG_PAGES = 1000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Event | Repeated]).decode
_NO_DEFINITION = msgspec.Raw(b"null")

_T = TypeVar("_T")
_INSERT = (
    "INSERT INTO events SELECT :id, :first, :next, :sealed, :payload WHERE :first = coalesce("
    "(SELECT next FROM events WHERE execution_id = :id ORDER BY first DESC LIMIT 1), 0)"
)
_DEFINE = "INSERT OR IGNORE INTO definitions VALUES (?, ?)"
_START = "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = "UPDATE executions SET status = ?, completed_at = ? WHERE execution_id = ?"


class _Append(msgspec.Struct):
    """One append on its way to the writer."""

    execution_id: str
    first: int
    next: int
    is_sealed: bool
    #: What is encoded: by the event loop, or by the writer where some of it is large.
    events: Sequence[Event | Repeated]
    is_large: bool
    definition: tuple[str, bytes] | None
    start: tuple[str, str, str, str, int, None, str | None, str] | None
    update: tuple[str, int | None, str] | None
    done: Callable[[AelError | None], None]
    row: dict[str, str | int | bytes] = {}
    #: Bytes of the row's events.
    size: int = 0


class SqliteJournal:
    """Implements `Journal`; opens the file when it is first used."""

    def __init__(self, path: Path, durability: Durability = "commit") -> None:
        self._path = path
        self._durability = durability
        self._seal = Seal(path.with_name(path.name + ".key"))
        self._sealed: set[str] = set()
        #: The last update of the listing of each execution that runs.
        self._told: dict[str, tuple[str, int | None, str]] = {}
        self._repeats = Repeats()
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ael-journal-read")
        self._read_connection: sqlite3.Connection | None = None
        self._late: AelError | None = None
        self._closed = False

    # -- the Protocol -------------------------------------------------------------------------------------------

    async def append(self, execution_id: str, first: int, events: Sequence[Event]) -> None:
        """See `Journal.append`."""
        if self._closed:
            raise JournalUnavailable("the journal is closed")
        if self._late is not None:
            error, self._late = self._late, None
            raise error
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="ael-journal-write", daemon=True)
            self._writer.start()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] | None = None
        done: Callable[[AelError | None], None]
        if self._durability == "lazy":
            done = self._late_error
        else:
            waiting = loop.create_future()
            done = _tell(loop, waiting)
        append = self._planned(execution_id, first, events, done)
        if not append.is_large:
            # What is large would hold up the event loop; the writer has the time.
            self._encoded(append)
        self._queue.put(append)
        if waiting is not None:
            try:
                await waiting
            except AelError:
                self._repeats.forget(execution_id)
                raise

    async def read(self, execution_id: str) -> tuple[str, list[Event]]:
        """See `Journal.read`."""
        return await self._in_reader(lambda connection: self._read(connection, execution_id))

    async def summaries(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> list[ExecutionSummary]:
        """See `Journal.summaries`."""
        wanted = {"status": status, "workflow": workflow, "since": since, "until": until, "limit": limit}
        return await self._in_reader(lambda connection: _summaries(connection, wanted))

    async def workflows(self) -> list[str]:
        """See `Journal.workflows`."""
        asked = "SELECT DISTINCT workflow FROM executions ORDER BY workflow"
        return await self._in_reader(lambda connection: [name for (name,) in connection.execute(asked)])

    async def close(self) -> None:
        """See `Journal.close`; raises what a lazy write failed with."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._reader.shutdown)
        if self._read_connection is not None:
            self._read_connection.close()
        if self._late is not None:
            raise self._late

    # -- writing ------------------------------------------------------------------------------------------------

    def _planned(
        self, execution_id: str, first: int, events: Sequence[Event], done: Callable[[AelError | None], None]
    ) -> _Append:
        """Decide what a batch of events changes; they are one row."""
        start = definition = status = completed = None
        count = len(events)
        head, last = events[0], events[-1]
        for event in events:
            status = status_after(event) or status
        if isinstance(head, ExecutionStarted):
            begun = (head.at, None, head.parent, head.principal)
            start = (execution_id, head.workflow, head.version, "running", *begun)
            if head.secrets:
                # The key stands beside the file, so the directory must be there before the writer makes it.
                with _ours(self._path):
                    _make_directory(self._path.parent)
                self._sealed.add(execution_id)
            else:
                # A plan that is sealed stays where it is: a secret may be a default in it.
                definition = (head.definition_digest, bytes(head.definition))
                events = [msgspec.structs.replace(head, definition=_NO_DEFINITION), *events[1:]]
        written, is_large = self._repeats.leave_out(execution_id, first, events)
        is_sealed = execution_id in self._sealed
        if isinstance(last, TERMINAL):
            completed = last.at
            self._sealed.discard(execution_id)
            self._repeats.forget(execution_id)
        # A start that goes on running and a batch without news change nothing in the listing.
        update = (status, completed, execution_id) if status and not (start and status == "running") else None
        if update == self._told.get(execution_id):
            update = None
        elif update is not None and completed is None:
            self._told[execution_id] = update
        if completed is not None:
            self._told.pop(execution_id, None)
        number = first + count
        return _Append(execution_id, first, number, is_sealed, written, is_large, definition, start, update, done)

    def _encoded(self, append: _Append) -> None:
        """Make the row of an append, outside any transaction."""
        payload = bulk.encode_all(append.events) if append.is_large else _encode(append.events)
        append.events = ()
        if append.is_sealed:
            with _ours(self._path):
                payload = self._seal.close(f"{append.execution_id}/{append.first}", payload)
        append.size = len(payload)
        append.row = {
            "id": append.execution_id,
            "first": append.first,
            "next": append.next,
            "sealed": int(append.is_sealed),
            "payload": payload,
        }

    def _write(self) -> None:
        """Run the writer's thread until it is told to stop."""
        connection: sqlite3.Connection | None = None
        stopping = False
        while not stopping:
            batch = self._gather()
            stopping = None in batch
            appends = [one for one in batch if one is not None and self._is_ready(one)]
            if not appends:
                continue
            try:
                if connection is None:
                    connection = _open(self._path, self._durability)
                self._commit(connection, appends)
            except (AelError, sqlite3.Error, OSError) as error:
                problem = _unavailable(self._path, error)
                if connection is not None:
                    _roll_back(connection)
                for append in appends:
                    append.done(problem)
        if connection is not None:
            connection.close()

    def _is_ready(self, append: _Append) -> bool:
        """Encode what is not encoded yet; tell whether there is a row to write."""
        try:
            if append.is_large:
                self._encoded(append)
        except AelError as error:
            append.done(error)
            return False
        return True

    def _gather(self) -> list[_Append | None]:
        """Wait for work and take all that is there."""
        batch = [self._queue.get()]
        if self._durability == "lazy" and batch[0] is not None:
            # A pause that a stop need not wait out would be no shorter than this one.
            threading.Event().wait(_LAZY_PAUSE)
        while True:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                return batch

    def _commit(self, connection: sqlite3.Connection, appends: list[_Append]) -> None:
        if sum(append.size for append in appends) < _MUCH:
            self._transact(connection, appends)
            return
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        try:
            self._transact(connection, appends)
        finally:
            # Nobody waits for that any more. What cannot be copied now is in the log, and is copied another time.
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _transact(self, connection: sqlite3.Connection, appends: list[_Append]) -> None:
        refused: dict[int, AelError] = {}
        connection.execute("BEGIN IMMEDIATE")
        try:
            _apply(connection, appends)
        except sqlite3.IntegrityError:
            # One that conflicts takes back nothing of the others.
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            for index, append in enumerate(appends):
                connection.execute("SAVEPOINT one")
                try:
                    _apply(connection, [append])
                except sqlite3.IntegrityError:
                    connection.execute("ROLLBACK TO one")
                    refused[index] = ExecutionConflict(
                        f"event {append.first} of '{append.execution_id}' is not the next",
                        suggestion="Another process runs this execution.",
                    )
                connection.execute("RELEASE one")
        connection.execute("COMMIT")
        for index, append in enumerate(appends):
            append.done(refused.get(index))

    def _late_error(self, error: AelError | None) -> None:
        if error is not None:
            self._late = error

    # -- reading ------------------------------------------------------------------------------------------------

    async def _in_reader(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        def run() -> _T:
            with _ours(self._path):
                if self._read_connection is None:
                    self._read_connection = _open(self._path, self._durability)
                return work(self._read_connection)

        return await asyncio.get_running_loop().run_in_executor(self._reader, run)

    def _read(self, connection: sqlite3.Connection, given: str) -> tuple[str, list[Event]]:
        if len(given) > LONGEST_ID:
            whole_id(given, [])
        escaped = given.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found = connection.execute(
            "SELECT execution_id FROM executions WHERE execution_id LIKE ? ESCAPE '\\' LIMIT 6", (f"{escaped}%",)
        ).fetchall()
        execution_id = whole_id(given, [row[0] for row in found])
        rows = connection.execute(
            "SELECT first, sealed, payload FROM events WHERE execution_id = ? ORDER BY first", (execution_id,)
        )
        events: list[Event] = []
        for first, sealed, payload in rows:
            data = self._seal.open(f"{execution_id}/{first}", payload) if sealed else payload
            try:
                put_back(events, _decode(data))
            except (msgspec.MsgspecError, LookupError) as error:
                raise JournalUnavailable(f"event {first} of '{execution_id}' is damaged: {error}") from error
        if events and isinstance(head := events[0], ExecutionStarted) and bytes(head.definition) == b"null":
            texts = connection.execute("SELECT text FROM definitions WHERE digest = ?", (head.definition_digest,))
            text = next((row[0] for row in texts), b"null")
            events[0] = msgspec.structs.replace(head, definition=msgspec.Raw(text))
        return execution_id, events


def _apply(connection: sqlite3.Connection, appends: list[_Append]) -> None:
    definitions = [append.definition for append in appends if append.definition is not None]
    starts = [append.start for append in appends if append.start is not None]
    updates = [append.update for append in appends if append.update is not None]
    written = connection.executemany(_INSERT, [append.row for append in appends]).rowcount
    if written != len(appends):
        raise sqlite3.IntegrityError("an append does not follow what is there")
    if definitions:
        connection.executemany(_DEFINE, dict(definitions).items())
    if starts:
        connection.executemany(_START, starts)
    if updates:
        connection.executemany(_UPDATE, updates)


def _summaries(connection: sqlite3.Connection, wanted: dict[str, str | int | None]) -> list[ExecutionSummary]:
    rows = connection.execute(
        "SELECT execution_id, workflow, version, status, started_at, completed_at, parent, principal FROM executions "
        "WHERE (:status IS NULL OR status = :status) AND (:workflow IS NULL OR workflow = :workflow) "
        "AND (:since IS NULL OR started_at >= :since) AND (:until IS NULL OR started_at < :until) "
        "ORDER BY started_at DESC, execution_id LIMIT :limit",
        wanted,
    )
    fields = ExecutionSummary.__struct_fields__
    return [ExecutionSummary(**dict(zip(fields, row, strict=True))) for row in rows]


def _tell(loop: asyncio.AbstractEventLoop, waiting: asyncio.Future[None]) -> Callable[[AelError | None], None]:
    def settle(error: AelError | None) -> None:
        if waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)

    def done(error: AelError | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, error)

    return done


@contextmanager
def _ours(path: Path) -> Iterator[None]:
    """Turn errors of the system and of SQLite into `JournalUnavailable`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _unavailable(path, error) from error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _unavailable(path: Path, error: Exception) -> AelError:
    if isinstance(error, AelError):
        return error
    text = str(error)
    hints = {
        "full": "Free some space on the disk; nothing that was acknowledged is lost.",
        "locked": "Another process holds the journal; see who with `fuser`.",
        "not a database": "Move the file away; it is damaged or no journal.",
        "malformed": "Move the file away and keep it; it is damaged.",
        "readonly": "Make the file and its directory writable.",
        "unable to open": "Make the directory writable, or name another file with AEL_DB.",
    }
    hint = next((hint for part, hint in hints.items() if part in text), "")
    if isinstance(error, PermissionError):
        hint = hints["unable to open"]
    return JournalUnavailable(f"{path}: {text}", suggestion=hint)


# -- opening ---------------------------------------------------------------------------------------------------------


def _open(path: Path, durability: Durability) -> sqlite3.Connection:
    """Open the file, making or checking its tables under a lock that other processes respect."""
    _make_directory(path.parent)
    with _file_lock(path):
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, timeout=_BUSY_LIMIT, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'fsync' else 'NORMAL'}")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                connection.executescript(
                    "BEGIN IMMEDIATE;" + (files(__package__) / "schema.sql").read_text() + "COMMIT;"
                )
            elif version in _OLDER:
                connection.executescript(
                    "BEGIN IMMEDIATE; ALTER TABLE executions ADD COLUMN principal TEXT NOT NULL DEFAULT '';"
                    f"PRAGMA user_version = {_VERSION}; COMMIT;"
                )
            elif version != _VERSION:
                raise _wrong_version(path, version)  # noqa: TRY301 # the connection is closed either way
        except BaseException:
            connection.close()
            raise
        return connection


def _wrong_version(path: Path, version: int) -> JournalUnavailable:
    return JournalUnavailable(
        f"{path} has version {version} of the journal's tables, this AEL knows {_VERSION}",
        suggestion="Use the version of AEL that wrote it, or another file.",
    )


def _make_directory(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    ignore = directory / ".gitignore"
    if directory.name == ".ael" and not ignore.exists():
        ignore.write_text("*\n")


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
