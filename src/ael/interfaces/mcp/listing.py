"""`tools/list`: the wire form of each tool, made once while the list does not change, in pages."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, methods
from pydantic import ValidationError

from ael.app.serving.served import ServedTool

_log = logging.getLogger("ael.serving")

#: Tools on a page. Many hosts ask for the first page only, so it is large.
PAGE = 1000

Spelling = Literal["canonical", "safe"]


class Listing:
    """The list of tools in one spelling of their names."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        #: Nobody has asked yet.
        self.is_unread = True
        self._tools: Sequence[ServedTool] = ()
        self._wire: dict[str, list[dict[str, Any]]] = {}

    def spell(self, spelling: Spelling) -> None:
        """Spell names so from now on."""
        if spelling != self._spelling:
            self._spelling, self._wire = spelling, {}

    def page(self, tools: Sequence[ServedTool], version: str, cursor: str | None, *, is_modern: bool) -> dict[str, Any]:
        """Return one page as a result; a cursor is the name of the last tool of the page before."""
        self.is_unread = False
        if tools is not self._tools:
            self._tools, self._wire = tools, {}
        wire = self._wire.get(version)
        if wire is None:
            wire = self._wire[version] = self._made(tools, version, is_modern=is_modern)
        start = 0
        if cursor is not None:
            start = next((at for at, tool in enumerate(wire, 1) if tool["name"] == cursor), 0)
            if not start:
                raise MCPError(INVALID_PARAMS, "the list has changed since this cursor was given: begin again")
        shown = wire[start : start + PAGE]
        result: dict[str, Any] = {"tools": shown}
        if start + PAGE < len(wire):
            result["nextCursor"] = shown[-1]["name"]
        if is_modern:
            result |= _FRESHNESS
        return result

    def _made(self, tools: Sequence[ServedTool], version: str, *, is_modern: bool) -> list[dict[str, Any]]:
        entries = [self._entry(tool, is_modern=is_modern) for tool in tools]
        try:
            return _checked(entries, version)
        except ValidationError:
            return [one for entry in entries for one in _alone(entry, version)]

    def _entry(self, tool: ServedTool, *, is_modern: bool) -> dict[str, Any]:
        name = tool.name if self._spelling == "canonical" else tool.safe_name
        entry = {"name": name, **tool.definition}
        schema = entry.get("outputSchema")
        # Of any kind in the modern era, an object before it.
        if not is_modern and schema is not None and (not isinstance(schema, dict) or schema.get("type") != "object"):
            del entry["outputSchema"]
        return entry


#: What the modern era wants to know of a list: it may change at any time, and is for this caller.
_FRESHNESS = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}


def _checked(entries: Iterable[dict[str, Any]], version: str) -> list[dict[str, Any]]:
    """Return the entries as this version spells them; raises `ValidationError`."""
    result = methods.serialize_server_result("tools/list", version, {"tools": list(entries), **_FRESHNESS})
    found: list[dict[str, Any]] = result["tools"]
    return found


def _alone(entry: dict[str, Any], version: str) -> list[dict[str, Any]]:
    """Return one entry without what is malformed in it: one bad tool must not cost the whole list."""
    least: dict[str, Any] = {key: entry[key] for key in ("name", "description", "inputSchema") if key in entry}
    for form in (entry, least):
        try:
            return _checked([form], version)
        except ValidationError as error:
            _log.warning("the definition of %s is malformed: %s", entry["name"], error.errors()[0]["msg"])
    return []
