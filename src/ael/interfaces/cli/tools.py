"""`ael tools`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

import click
import msgspec

from ael.app.application import App, parse_document
from ael.app.tool_lock import LockReport, check_lock, lock_tools
from ael.app.tools import ServerRow, ToolReport, ToolRow, call_tool, find, list_tools, parse_params, select, types_of
from ael.errors import McpConnectionFailed, ToolUnavailable, did_you_mean
from ael.interfaces.cli.options import Globals, check_pairs, global_options
from ael.interfaces.cli.render import (
    columns,
    cut,
    json_text,
    print_error,
    print_json,
    print_result,
    print_total,
    printable,
    say,
    wrapped,
)
from ael.interfaces.cli.running import text_of
from ael.interfaces.cli.session import with_app
from ael.values import shortened, text

_LONGEST_NAME, _LONGEST_SERVER = 36, 16

#: Characters of the values that a parameter may have.
_LONGEST_CHOICE = 40

#: Columns that a description gets at least.
_LEAST_ROOM = 20
_HEAD = ("NAME", "SOURCE", "SERVER", "STATUS", "DESCRIPTION")
_LOCK_MARKS = {
    "unchanged": ("✓", "green"),
    "new": ("+", "green"),
    "accepted": ("✓", "yellow"),
    "changed": ("✗", "red"),
    "unused": ("-", "yellow"),
    "unseen": ("?", "yellow"),
}


@click.group("tools")
@global_options
def tools_command() -> None:
    """Look at tools and the servers that offer them, and call one."""


@tools_command.command("list")
@click.option("--source", type=click.Choice(["mcp", "system", "native"]), help="Only those from there.")
@click.option("--server", metavar="NAME", help="Only those of this server; no other is started.")
@click.option("--status", type=click.Choice(["available", "unavailable"]), help="Only those in this status.")
@global_options
@click.pass_obj
def list_command(settings: Globals, source: str | None, server: str | None, status: str | None) -> int:
    """List the tools that workflows can call; starts the servers."""

    async def show(app: App) -> int:
        report = await _report(app, server)
        rows = select(report, source=source, status=status)
        if settings.json:
            print_json({"tools": rows, "servers": report.servers})
            return 0
        for line in _table(rows):
            click.echo(line)
        print_total(len(rows), "tool", settings)
        _say_failures(report, settings)
        return 0

    return with_app(settings, show)


@tools_command.command("show")
@click.argument("name")
@global_options
@click.pass_obj
def show_command(settings: Globals, name: str) -> int:
    """Show one tool, and how its server is doing.

    With -v also what the server wrote to its standard error.
    """

    async def show(app: App) -> int:
        report = await _report(app, _server_of(app, name))
        row = _found(app, report, name)
        server = next((one for one in report.servers if one.name == row.server), None)
        if settings.json:
            print_json({"tool": row, "server": server})
            return 0
        for line in _details(row, server, with_stderr=settings.verbose > 0):
            click.echo(printable(line))
        return 0

    return with_app(settings, show)


@tools_command.command("refresh")
@click.option("--server", metavar="NAME", help="Only this server.")
@global_options
@click.pass_obj
def refresh_command(settings: Globals, server: str | None) -> int:
    """Ask the servers for their tools again.

    Exits with 1 when one of them fails.
    """

    async def work(app: App) -> int:
        report = await _report(app, server)
        failed = any(row.error is not None for row in report.servers)
        if settings.json:
            print_json({"servers": report.servers})
            return int(failed)
        for row in report.servers:
            mark, color = ("✗", "red") if row.error else ("○", "yellow") if row.status == "disabled" else ("✓", "green")
            count = f"{row.tools} tool{'s' * (row.tools != 1)}" if row.status == "ready" else row.status
            click.echo(f"{click.style(mark, fg=color)} {printable(row.name)}  {count}", color=settings.color)
        _say_failures(report, settings)
        return int(failed)

    return with_app(settings, work)


@tools_command.command("call")
@click.argument("name")
@click.option(
    "-p",
    "--param",
    "pairs",
    multiple=True,
    metavar="K=V",
    help="A parameter, read by the tool's schema; K=@FILE reads a file, K=@@… is a literal @. Repeatable.",
)
@click.option("--params-file", metavar="F", help="Parameters as a JSON or YAML file; - reads stdin.")
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    metavar="SECONDS",
    help="Limit of the call; else that of its server.",
)
@global_options
@click.pass_obj
def call_command(
    settings: Globals, name: str, pairs: tuple[str, ...], params_file: str | None, timeout: float | None
) -> int:
    """Call one tool as a workflow would: checked, with a record. Prints its result."""
    check_pairs(pairs, "-p")

    async def work(app: App) -> int:
        report = await _report(app, _server_of(app, name))
        row = _found(app, report, name)
        params = {} if params_file is None else parse_document(text_of(params_file), params_file)
        given = dict(pair.split("=", 1) for pair in pairs)
        params |= parse_params(row, {key: _read(key, value) for key, value in given.items()})
        execution = await call_tool(app, name, params, timeout)
        if settings.json:
            print_json(execution)
        elif execution.status == "completed":
            print_result(execution)
        elif execution.error is not None:
            # Its one step is not the caller's.
            print_error(msgspec.structs.replace(execution.error, step_id=None), settings)
        return 0 if execution.status == "completed" else 1

    return with_app(settings, work)


@tools_command.command("lock")
@click.option(
    "--accept", multiple=True, metavar="NAME", help="Take over the change of this tool or server; repeatable."
)
@click.option("--check", is_flag=True, help="Show what differs; write nothing.")
@global_options
@click.pass_obj
def lock_command(settings: Globals, accept: tuple[str, ...], check: bool) -> int:
    """Pin the definitions of the tools that registered workflows use, in ael-tools.lock.

    A pinned tool that its server changes is refused until the change is accepted by name. Exits with 1 where something
    differs.
    """
    if check and accept:
        raise click.UsageError("--check writes nothing, so it accepts nothing. Leave one of them out.")

    async def work(app: App) -> int:
        report = await (check_lock(app) if check else lock_tools(app, accept))
        failed = bool(report.errors) or (
            report.differs if check else any(tool.state == "changed" for tool in report.tools)
        )
        if settings.json:
            print_json(report)
        else:
            _print_lock(report, settings)
        return int(failed)

    return with_app(settings, work)


def _print_lock(report: LockReport, settings: Globals) -> None:
    for tool in report.tools:
        mark, color = _LOCK_MARKS[tool.state]
        fields = f"  {', '.join(tool.fields)}" if tool.fields else ""
        line = f"{click.style(mark, fg=color)} {printable(tool.name)}  {tool.state}{fields}"
        click.echo(line, color=settings.color)
        for part in tool.diff.splitlines():
            click.echo(f"    {printable(part)}")
    for error in report.errors:
        print_error(error, settings)
    if not settings.quiet:
        for name in dict.fromkeys(tool.accept for tool in report.tools if tool.state == "changed"):
            say(printable(f"refused until it is accepted: ael tools lock --accept {name}"), settings)
        say(printable(f"{'written to' if report.written else 'nothing written to'} {report.path}"), settings)


def _read(key: str, given: str) -> str:
    if given.startswith("@@"):
        return given[1:]
    return text_of(given[1:], f"parameter '{key}': ") if given.startswith("@") else given


def _server_of(app: App, name: str) -> str | None:
    """Return the server that a `server__tool` names, so that no other starts."""
    server, separator, _ = name.partition("__")
    return server if separator and server in app.settings.servers else None


async def _report(app: App, server: str | None) -> ToolReport:
    """List the tools; a server that is not configured is wrong usage."""
    if app.settings.servers_refused and app.settings.servers:
        raise ToolUnavailable(app.settings.servers_refused, retryable=False)
    if server is not None and server not in app.settings.servers:
        hint = did_you_mean(server, app.settings.servers, "server") or "Add it under mcp.servers in ael-config.yaml."
        raise click.BadParameter(f"there is no server '{server}'. {hint}", param_hint="--server")
    return await list_tools(app, server)


def _found(app: App, report: ToolReport, name: str) -> ToolRow:
    """Return the tool that a name means; raises `McpConnectionFailed` where a server that is down may offer it."""
    row = find(app, report, name)
    if row is not None:
        return row
    same = [one.name for one in report.tools if one.name.endswith(f"__{name}")]
    if len(same) > 1:
        hint = f"Name the one that you mean: {', '.join(same)}."
        raise ToolUnavailable(
            f"several servers offer '{shortened(name, 100)}'", suggestion=hint, tool_name=name, retryable=False
        )
    close = did_you_mean(name, [one.name for one in report.tools], "tool")
    for server in report.servers:
        if server.status == "disabled" and name.startswith(f"{server.name}__"):
            detail = f"server '{server.name}' is disabled"
            raise ToolUnavailable(detail, suggestion="Set `enabled: true`.", tool_name=name, retryable=False)
    failed = [one.error for one in report.servers if one.error is not None]
    if failed:
        detail = f"no server that runs offers '{name}'; {'; '.join(error.detail for error in failed)}"
        raise McpConnectionFailed(detail, suggestion=failed[0].suggestion, tool_name=name)
    hint = close or "See them all: ael tools list"
    raise ToolUnavailable(
        f"no server offers '{shortened(name, 100)}'", suggestion=hint, tool_name=name, retryable=False
    )


def _say_failures(report: ToolReport, settings: Globals) -> None:
    for row in report.servers:
        if row.error is not None:
            print_error(row.error, settings)
        elif row.status == "disabled" and not settings.quiet:
            say(f"server '{row.name}' is disabled", settings)


def _table(rows: list[ToolRow]) -> Iterator[str]:
    """Yield the lines of a table: names are never cut, descriptions end at the terminal's width, or at 80 columns.

    A description that names leave no room stands below them.
    """
    width = columns(sys.stdout)
    cells = [(row.name, row.source, row.server, row.status, _summary(row)) for row in rows]
    widths = [
        min(limit, max((len(cell[at]) for cell in [_HEAD, *cells]), default=0))
        for at, limit in enumerate((_LONGEST_NAME, 6, _LONGEST_SERVER, 11))
    ]
    for cell in [_HEAD, *cells] if cells else []:
        start = "  ".join(printable(part).ljust(wide) for part, wide in zip(cell, widths, strict=False))
        said = printable(cell[4])
        if width - len(start) - 2 < min(len(said), _LEAST_ROOM):
            yield start.rstrip()
            start = "  "
        yield f"{start}  {cut(said, width - len(start) - 2)}".rstrip()


def _summary(row: ToolRow) -> str:
    return " ".join((row.reason or row.description).split())


def _details(row: ToolRow, server: ServerRow | None, *, with_stderr: bool) -> Iterator[str]:
    yield f"{row.name}  {row.status}"
    yield f"server {row.server}" + (f", {server.status}" if server else "") + f", source {row.source}"
    if row.reason:
        yield from wrapped(row.reason)
    for line in row.description.splitlines():
        yield from wrapped(line) if line else [""]
    yield "takes"
    yield from _parameters(row.input_schema)
    if row.output_schema is not None:
        yield "gives"
        yield from (f"  {line}" for line in json_text(row.output_schema).splitlines())
    if with_stderr and server is not None and server.stderr:
        yield "the server wrote"
        yield from (f"  {line}" for line in server.stderr)


def _choice(options: object) -> str:
    """Return the values that a parameter may have; empty where they are many: --json has them all."""
    if not isinstance(options, list):
        return ""
    words = " or ".join(text(one) or json_text(one) for one in options)
    return words if len(words) <= _LONGEST_CHOICE else ""


def _parameters(schema: Mapping[str, object]) -> Iterator[str]:
    properties = schema.get("properties")
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    if not isinstance(properties, dict) or not properties:
        yield "  nothing"
        return
    for name, about in properties.items():
        said = about if isinstance(about, dict) else {}
        kind = _choice(said.get("enum")) or " or ".join(sorted(types_of(said))) or "any"
        # Null and the empty text are no words.
        default = f", default {text(said['default']) or json_text(said['default'])}" if "default" in said else ""
        yield f"  {name}: {kind}, {'required' if name in needed else 'optional'}{default}"
        description = said.get("description")
        if isinstance(description, str):
            yield from (f"    {line.strip()}" for line in wrapped(" ".join(description.split())))
