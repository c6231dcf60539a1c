"""Every tool, by group, and which of them are offered."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase

from native_tools import data, extraction, files, firecrawl, ml, tables
from native_tools.environment import Environment, EnvironmentInvalid
from native_tools.kafka import tools as kafka
from native_tools.network import tools as network
from native_tools.tool import Tool

#: Group → its tools, in the order of the listing.
GROUPS: dict[str, tuple[Tool, ...]] = {
    "files": files.TOOLS,
    "network": network.TOOLS,
    "data": (*data.TOOLS, *tables.TOOLS),
    "extraction": extraction.TOOLS,
    "kafka": kafka.TOOLS,
    "firecrawl": firecrawl.TOOLS,
    "ml": ml.TOOLS,
}


def offered(environment: Environment) -> dict[str, Tool]:
    """Return the tools that are enabled, by name; raises `EnvironmentInvalid` for a word that means none."""
    every = {tool.name: tool for tools in GROUPS.values() for tool in tools}
    if not environment.enabled:
        return every
    chosen = {name for word in environment.enabled for name in _named(word, every)}
    return {name: tool for name, tool in every.items() if name in chosen}


def _named(word: str, every: dict[str, Tool]) -> list[str]:
    """Return the tools that a group, a name or a pattern means."""
    if word in GROUPS:
        return [tool.name for tool in GROUPS[word]]
    found = [name for name in every if fnmatchcase(name, word)]
    if not found:
        known = [*every, *GROUPS]
        close = get_close_matches(word, known, 1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
        raise EnvironmentInvalid(f"there is no native tool, group or pattern '{word[:80]}'. {hint}")
    return found
