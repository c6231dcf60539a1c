"""The SDK's low-level server with what is served here.

`tools/list` and `tools/call` are answered before the SDK would take results apart and check them field by field: the
list is checked once while it does not change, and what a server upstream answered is passed on as it is, with what
this version of the SDK does not know yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, SERVER_INFO_META_KEY, methods
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from ael import __version__
from ael.app.serving.names import WORKFLOW
from ael.app.serving.resources import EXECUTIONS, WORKFLOWS, workflow_uri
from ael.app.serving.served import Caller, Presence, ServedTool
from ael.app.serving.serving import Serving
from ael.errors import AelError, ExecutionNotFound, ToolUnavailable, WorkflowNotFound
from ael.interfaces.mcp.listing import Listing, Spelling
from ael.interfaces.mcp.messages import explain_params
from ael.interfaces.mcp.news import News
from ael.interfaces.mcp.progress import Relay
from ael.interfaces.mcp.results import result_of

_INSTRUCTIONS = (
    "Tools whose names begin with 'workflow' each run a whole workflow of many steps in one call, the same way every "
    "time: prefer them to calling the single tools one by one. A result's _meta.execution_id names the record of the "
    "execution, which is the resource ael://executions/ID."
)
_UNPRINTABLE = re.compile(r"[^A-Za-z0-9._ -]+")

#: Where the ASGI scope of a request holds its `Presence`.
PRESENCE = "ael.presence"

#: Methods that are answered here, and those that need no session.
_OURS, _BEFORE_SESSIONS = frozenset({"tools/call", "tools/list"}), frozenset({"initialize", "ping"})

_Context = ServerRequestContext[Any, Any]


class McpServer(Server[Any]):
    """The SDK's server; says in the handshake that its lists change."""

    def __init__(self, serving: Serving, spelling: Spelling | None, presence: Presence | None = None) -> None:
        """Take what is served; `presence` is of the one client where there are no requests of HTTP.

        `spelling` wins over that of the configuration.
        """
        section = serving.app.settings.file.server
        self.news = News()
        super().__init__(
            section.name,
            version=section.version or __version__,
            title="AEL",
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list_tools,  # type: ignore[arg-type]  # results are dicts, as the SDK allows
            on_call_tool=self._call_tool,  # type: ignore[arg-type]  # as above
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_subscriptions_listen=self._listen,
            get_tool_input_schema=self._input_schema,
        )
        self._serving = serving
        self._toolbox = serving.toolbox
        self._spelling = spelling
        self._listing = Listing(self._spelled)
        self._presence = presence
        self._stamp = self.server_info_stamp
        if not serving.app.settings.file.telemetry.enabled:
            # The SDK's spans, which nobody would see.
            self.middleware.clear()
        self._told: dict[str, ServedTool] = {}
        self.middleware.append(self._first)
        self._toolbox.subscribe(self._changed)

    @property
    def _spelled(self) -> Spelling:
        return self._spelling or self._serving.app.settings.file.mcp.tool_names

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """See the SDK; our lists change."""
        options = notification_options or NotificationOptions(tools_changed=True, resources_changed=True)
        return super().create_initialization_options(options, experimental_capabilities, extensions)

    def _changed(self) -> None:
        """Tell clients what is new, where it makes a difference to them: to nobody before anybody has read a list."""
        before, self._told = self._told, {tool.name: tool for tool in self._toolbox.listed()}
        self._listing.spell(self._spelled)
        if self._listing.is_unread:
            return
        new = [tool for tool in self._told.values() if before.get(tool.name) is not tool]
        if before.keys() != self._told.keys() or any(before[one.name].definition != one.definition for one in new):
            self.news.changed()
        updated = [one.name.removeprefix(WORKFLOW) for one in new if one.name.startswith(WORKFLOW)]
        self.news.updated(map(workflow_uri, updated))

    async def _listen(
        self, context: _Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Serve a subscription; who asks to be told may have read the lists in an earlier life of ours."""
        self._listing.is_unread = False
        return await self.news.listen(context, params)

    # -- tools --------------------------------------------------------------------------------------------------

    async def _first(self, ctx: _Context, call_next: CallNext) -> HandlerResult:
        """Answer the methods of tools, see sessions begin, and say what is wrong with parameters."""
        if ctx.request_id is None:
            if ctx.method == "notifications/initialized":
                self.news.welcome(ctx.session)
            return await call_next(ctx)
        if ctx.method not in _BEFORE_SESSIONS and not self._is_open(ctx):
            raise MCPError(INVALID_PARAMS, "the session is not initialized yet: send 'initialize' first")
        with self._presence_of(ctx).answering():
            try:
                return await (self._answer if ctx.method in _OURS else call_next)(ctx)
            except ValidationError as error:
                wrong = explain_params(error, ctx.params)
                message = f"Invalid request parameters: {'; '.join(wrong)}. Send {ctx.method} as MCP defines it"
                raise MCPError(INVALID_PARAMS, f"{message} in {ctx.protocol_version}.", {"problems": wrong}) from error

    def _is_open(self, context: _Context) -> bool:
        """Return whether a request may be answered: in the handshake era only after the handshake."""
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS or context.session.client_params is not None:
            return True
        # What nobody answers is told that first.
        return self.get_request_handler(context.method) is None

    async def _answer(self, ctx: _Context) -> dict[str, Any]:
        methods.validate_client_request(ctx.method, ctx.protocol_version, ctx.params)
        answer = self._call_tool if ctx.method == "tools/call" else self._list_tools
        result = await answer(ctx)
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            meta = result.get("_meta") or {}
            result["_meta"] = {**meta, SERVER_INFO_META_KEY: self._stamp}
        return result

    async def _list_tools(self, context: _Context, _: object = None) -> dict[str, Any]:
        version = context.protocol_version
        cursor = (context.params or {}).get("cursor")
        tools = await self._toolbox.tools()
        return self._listing.page(tools, version, cursor, is_modern=version in MODERN_PROTOCOL_VERSIONS)

    async def _call_tool(self, context: _Context, _: object = None) -> dict[str, Any]:
        params = context.params or {}
        try:
            tool = await self._toolbox.find(params["name"], is_safe=self._spelled == "safe")
        except ToolUnavailable as error:
            record = error.record()
            message = f"Unknown tool: {error.tool_name}. {error.suggestion}"
            raise MCPError(INVALID_PARAMS, message, {"code": record.code, "suggestion": record.suggestion}) from error
        arguments = dict(params.get("arguments") or {})
        async with Relay(context) as relay:
            caller = Caller(
                presence=self._presence_of(context), principal=_principal(context), on_progress=relay.on_progress
            )
            answer = await self._toolbox.call(tool, arguments, caller)
        if answer.refusal is not None:
            raise MCPError(answer.refusal.code, answer.refusal.message, answer.refusal.data)
        version = context.protocol_version
        return result_of(answer, version, is_modern=version in MODERN_PROTOCOL_VERSIONS)

    def _presence_of(self, context: _Context) -> Presence:
        if self._presence is not None:
            return self._presence
        found = context.request.scope.get(PRESENCE) if context.request is not None else None
        return found if isinstance(found, Presence) else Presence()

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        tool = self._toolbox.known(name)
        return None if tool is None else tool.input_schema

    # -- resources ----------------------------------------------------------------------------------------------

    async def _list_resources(self, _: _Context, __: object) -> types.ListResourcesResult:
        try:
            found = await self._serving.resources.listed()
        except AelError as error:
            raise _failed(error) from error
        return types.ListResourcesResult(
            resources=[
                types.Resource(uri=one.uri, name=one.name, description=one.description, mime_type=one.mime_type)
                for one in found
            ]
        )

    async def _list_templates(self, _: _Context, __: object) -> types.ListResourceTemplatesResult:
        about = {
            f"{WORKFLOWS}{{name}}": ("workflow", "The definition of a workflow.", "application/yaml"),
            f"{EXECUTIONS}{{id}}": ("execution", "The record of an execution, with each step.", "application/json"),
        }
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(uri_template=uri, name=name, description=description, mime_type=kind)
                for uri, (name, description, kind) in about.items()
            ]
        )

    async def _read_resource(self, _: _Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            content = await self._serving.resources.read(uri)
        except (WorkflowNotFound, ExecutionNotFound) as error:
            raise _not_read(uri, f"{error}. {error.suggestion or ''}".strip()) from error
        except AelError as error:
            raise _failed(error) from error
        if content is None:
            raise _not_read(uri, f"there is {WORKFLOWS}NAME and {EXECUTIONS}ID")
        meta = None if content.problem is None else {"error": str(content.problem)}
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type=content.mime_type, text=content.text, _meta=meta)]
        )


def _failed(error: AelError) -> MCPError:
    """Return what went wrong here, not in the request, such as a journal that cannot be read."""
    record = error.record()
    told = {"code": record.code, "suggestion": record.suggestion, "retryable": record.retryable}
    return MCPError(INTERNAL_ERROR, f"{record.code}: {error}. {record.suggestion or ''}".strip(), told)


def _not_read(uri: str, why: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"Resource not found: {uri[:200]}: {why}", {"uri": uri[:200]})


def _principal(context: _Context) -> str:
    """Return who calls, by the name that the client gives itself: nobody has checked it."""
    known = context.session.client_params
    name = "" if known is None else _UNPRINTABLE.sub("_", known.client_info.name)[:64].strip()
    return f"mcp:{name}" if name else "mcp"
