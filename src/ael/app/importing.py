"""Servers of other MCP clients become servers of the configuration."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ael.app.client_files import Client, FoundServer, Variable, read_client_file
from ael.app.config_paths import show_path
from ael.app.configuration import Draft
from ael.errors import ConfigInvalid, Problem, did_you_mean

Outcome = Literal["added", "unchanged", "conflict", "skipped"]


class ImportedServer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one server of the file."""

    name: str
    outcome: Outcome
    notes: tuple[str, ...] = ()


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or would do."""

    file: str
    client: Client
    servers: tuple[ImportedServer, ...]
    #: To be set in the environment before the servers can start; values are nowhere in this report.
    variables: tuple[Variable, ...]


def import_servers(draft: Draft, path: Path, names: Sequence[str] = ()) -> ImportReport:
    """Stage the servers of a client's file, all or those named.

    Raises `ConfigInvalid` when it cannot be read, or the configuration as it is cannot be used.
    """
    draft.validate()
    found = read_client_file(path)
    offered = [server.name for server in found.servers]
    unknown = [name for name in names if name not in offered]
    if unknown:
        problems = [
            Problem(message=f"'{path}' has no server '{name}'", suggestion=did_you_mean(name, offered, "server"))
            for name in unknown
        ]
        raise ConfigInvalid(problems)
    chosen = [server for server in found.servers if not names or server.name in names]
    servers: list[ImportedServer] = []
    variables: dict[str, Variable] = {}
    for server in chosen:
        outcome, note = _stage(draft, server)
        notes = (*([note] if note else []), *server.notes)
        servers.append(ImportedServer(name=server.name, outcome=outcome, notes=notes))
        if outcome == "added":
            variables |= {one.name: one for one in server.variables}
    return ImportReport(
        file=found.file, client=found.client, servers=tuple(servers), variables=tuple(variables.values())
    )


def _stage(draft: Draft, server: FoundServer) -> tuple[Outcome, str]:
    """Stage one server; return what became of it, and why where it was not added."""
    if server.skipped:
        return "skipped", server.skipped
    existing = draft.servers()
    if server.name in existing:
        same = existing[server.name] == server.definition
        return ("unchanged", "") if same else ("conflict", "another server has this name; it was kept")
    path, definition = show_path(("mcp", "servers", server.name)), dict(server.definition)
    trial = copy.copy(draft)
    try:
        trial.set(path, definition)
        trial.validate()
    except ConfigInvalid as error:
        # One that cannot be used costs no other.
        return "skipped", error.problems[0].message
    draft.set(path, definition)
    return "added", ""
