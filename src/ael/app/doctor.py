"""Whether this installation works: Python, sandbox layers, configuration, servers, journal."""

from __future__ import annotations

import asyncio
import sys
from typing import Literal

import msgspec

from ael import __version__
from ael.app.build import Parts
from ael.app.config_secrets import written_secrets
from ael.app.settings import Settings
from ael.errors import AelError, ConfigInvalid
from ael.sandbox.contract import CodeSource, PackageSet


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    suggestion: str = ""


async def check_installation(settings: Settings, parts: Parts) -> list[Check]:
    """Look at everything that a run may need."""
    python = ".".join(map(str, sys.version_info[:3]))
    checks = [
        Check(name="ael", status="ok", detail=__version__),
        Check(name="python", status="ok", detail=f"{python} ({sys.executable})"),
        _configuration(settings),
    ]
    checks += await _sandbox(parts)
    checks.append(await _journal(settings, parts))
    checks += await _servers(settings, parts)
    checks += await _lock(parts)
    return checks


async def _lock(parts: Parts) -> list[Check]:
    """Say whether pinned tools are what was accepted, as far as their servers run."""
    name = "tool lock"
    try:
        lock = None if parts.pins is None else parts.pins.lock()
        if parts.pins is None or lock is None:
            return []
        offered, _ = await parts.catalog().everything()
        changed = [str(info.ref) for info in offered if parts.pins.changes(info)]
    except ConfigInvalid as error:
        wrong = error.problems[0]
        return [Check(name=name, status="failed", detail=wrong.message, suggestion=wrong.suggestion)]
    if changed:
        hint = "Look at them with `ael tools lock --check`; calls are refused until they are accepted."
        return [Check(name=name, status="failed", detail=f"changed: {', '.join(changed)}", suggestion=hint)]
    count = sum(len(server.tools) for server in lock.servers.values())
    return [Check(name=name, status="ok", detail=f"{count} tool{'s' * (count != 1)} pinned")]


def _configuration(settings: Settings) -> Check:
    if settings.path is None:
        return Check(name="configuration", status="ok", detail="none (not needed to run a file)")
    if settings.servers_refused:
        return Check(name="configuration", status="warning", detail=settings.servers_refused)
    written = written_secrets(settings.path)
    if written:
        listed = ", ".join(written)
        hint = "Put them into the environment and write ${NAME}."
        return Check(name="configuration", status="warning", detail=f"secrets stand in it: {listed}", suggestion=hint)
    return Check(name="configuration", status="ok", detail=str(settings.path))


async def _sandbox(parts: Parts) -> list[Check]:
    try:
        await parts.sandbox.check(PackageSet(), [CodeSource(step_id="doctor", source="return 1")])
    except AelError as error:
        return [Check(name="sandbox", status="failed", detail=str(error), suggestion=error.suggestion)]
    layers = ", ".join(parts.sandbox.layers())
    checks = [Check(name="sandbox", status="ok", detail=f"kernel boundary in force: {layers}")]
    for name, reason in parts.sandbox.absent_layers().items():
        hint = "seccomp is the boundary and holds; this layer is depth behind it."
        checks.append(
            Check(name=f"sandbox: {name}", status="warning", detail=f"not in force: {reason}", suggestion=hint)
        )
    return checks


async def _journal(settings: Settings, parts: Parts) -> Check:
    if settings.journal is None or settings.file.execution.durability == "off":
        return Check(name="journal", status="warning", detail="in memory: executions are forgotten at exit")
    try:
        await parts.journal().summaries(limit=1)
    except AelError as error:
        return Check(name="journal", status="failed", detail=str(error), suggestion=error.suggestion)
    return Check(name="journal", status="ok", detail=f"{settings.journal} ({settings.file.execution.durability})")


async def _servers(settings: Settings, parts: Parts) -> list[Check]:
    if settings.servers_refused:
        return []
    sources = parts.catalog().sources

    async def look(name: str) -> Check:
        if not settings.servers[name].enabled:
            return Check(name=f"server {name}", status="warning", detail="disabled")
        try:
            tools = await sources[name].tools()
        except AelError as error:
            return Check(name=f"server {name}", status="failed", detail=error.detail, suggestion=error.suggestion)
        return Check(name=f"server {name}", status="ok", detail=f"{len(tools)} tools")

    return list(await asyncio.gather(*(look(name) for name in sources)))
