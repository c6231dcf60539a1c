"""Servers of other MCP clients become servers of the configuration."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ael.app.client_files import Client, FoundServer, Variable, read_client_file
from ael.app.config_paths import show_path
from ael.app.configuration import Draft
from ael.errors import ConfigInvalid, Problem, did_you_mean
from ael.values import JSONValue

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
    known = draft.servers()
    fresh: dict[str, JSONValue] = {}
    outcomes: list[tuple[Outcome, str]] = []
    for server in chosen:
        outcomes.append(_outcome(server, known | fresh))
        if outcomes[-1][0] == "added":
            fresh[server.name] = dict(server.definition)
    refused = _stage(draft, fresh)
    servers: list[ImportedServer] = []
    variables: dict[str, Variable] = {}
    for server, (outcome, note) in zip(chosen, outcomes, strict=True):
        if outcome == "added" and server.name in refused:
            outcome, note = "skipped", refused[server.name]  # noqa: PLW2901 # what became of it after all
        elif outcome == "added":
            variables |= {one.name: one for one in server.variables}
        notes = (*([note] if note else []), *server.notes)
        servers.append(ImportedServer(name=server.name, outcome=outcome, notes=notes))
    return ImportReport(
        file=found.file, client=found.client, servers=tuple(servers), variables=tuple(variables.values())
    )


def _outcome(server: FoundServer, known: Mapping[str, JSONValue]) -> tuple[Outcome, str]:
    """Return what is to become of a server, and why where it is not added."""
    if server.skipped:
        return "skipped", server.skipped
    if server.name in known:
        same = known[server.name] == server.definition
        return ("unchanged", "") if same else ("conflict", "another server has this name; it was kept")
    return "added", ""


def _stage(draft: Draft, servers: Mapping[str, JSONValue]) -> dict[str, str]:
    """Stage servers at once; return those that cannot be used, and why: they are found by halves, and cost no other."""
    if not servers:
        return {}
    trial = copy.copy(draft)
    try:
        trial.set_all({show_path(("mcp", "servers", name)): definition for name, definition in servers.items()})
        trial.validate()
    except ConfigInvalid as error:
        if len(servers) == 1:
            return dict.fromkeys(servers, error.problems[0].message)
        names = list(servers)
        halves = names[: len(names) // 2], names[len(names) // 2 :]
        return {
            name: why for half in halves for name, why in _stage(draft, {one: servers[one] for one in half}).items()
        }
    draft.take(trial)
    return {}
