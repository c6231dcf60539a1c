"""`ael config`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec

from ael.app.application import JSONValue, Problem, config_schema
from ael.app.config_paths import parse_path, read_value, show_path
from ael.app.config_view import ConfigView, view_config
from ael.app.configuration import Draft
from ael.app.importing import ImportReport, import_servers
from ael.app.settings import config_source, load_settings
from ael.errors import AelError, ConfigInvalid
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import print_failure, print_json, print_problems, printable, say, wrapped

_MARKS = {"added": ("+", "green"), "unchanged": ("=", None), "conflict": ("!", "yellow"), "skipped": ("○", "yellow")}


def _told(command: Callable[..., int]) -> Callable[..., int]:
    """Print what a command raises, and exit with 1."""

    @functools.wraps(command)
    def run(settings: Globals, *arguments: object, **named: object) -> int:
        try:
            return command(settings, *arguments, **named)
        except AelError as error:
            print_failure(error, settings)
            return 1

    return run


@click.group("config")
@global_options
def config_command() -> None:
    """Look at the configuration, change it with comments kept, import servers of other clients."""


@config_command.command("show")
@click.option("--section", metavar="S", help="Only this section.")
@global_options
@click.pass_obj
@_told
def show_command(settings: Globals, section: str | None) -> int:
    """Show every value in effect and where it comes from; secrets are masked."""
    if section is not None:
        parse_path(section)
    view = view_config(section or "", settings.config)
    if settings.json:
        print_json(view)
        return 0
    if not settings.quiet:
        say(printable(view.path or "no configuration file: these are the defaults"), settings)
    for line in _lines(view, section or ""):
        click.echo(printable(line))
    return 0


@config_command.command("get")
@click.argument("path")
@global_options
@click.pass_obj
@_told
def get_command(settings: Globals, path: str) -> int:
    """Print the value in effect at a path, such as execution.max_concurrent."""
    view = view_config(path, settings.config)
    if settings.json:
        print_json({"path": path, "value": view.values, "sources": view.sources})
    elif isinstance(view.values, str):
        click.echo(printable(view.values))
    else:
        print_json(view.values)
    return 0


@config_command.command("set")
@click.argument("path")
@click.argument("value")
@global_options
@click.pass_obj
@_told
def set_command(settings: Globals, path: str, value: str) -> int:
    """Write a value, as YAML or JSON; nothing is written unless the whole file is valid then.

    Secrets go into the environment: write '${NAME}' for them.
    """
    draft = _draft(settings)
    parts = parse_path(path)
    draft.set(path, read_value(value, parts))
    return _save(draft, settings, show_path(parts))


@config_command.command("unset")
@click.argument("path")
@global_options
@click.pass_obj
@_told
def unset_command(settings: Globals, path: str) -> int:
    """Take a value out of the file, so that its default holds."""
    draft = _draft(settings)
    draft.unset(path)
    return _save(draft, settings, path)


@config_command.command("validate")
@global_options
@click.pass_obj
@_told
def validate_command(settings: Globals) -> int:
    """Check the file and the variables that it needs."""
    path = load_settings(settings.config).path
    if settings.json:
        print_json({"path": None if path is None else str(path), "valid": True})
    elif path is None:
        click.echo("✓ There is no configuration file; the defaults hold")
    else:
        click.echo(printable(f"✓ Configuration '{path}' is valid"))
    return 0


@config_command.command("schema")
@global_options
def schema_command() -> None:
    """Print the JSON Schema of the file."""
    print_json(config_schema())


@config_command.command("import")
@click.argument("file")
@click.option("--server", "names", multiple=True, metavar="NAME", help="Only this server; repeatable.")
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
@global_options
@click.pass_obj
@_told
def import_command(settings: Globals, file: str, names: tuple[str, ...], dry_run: bool) -> int:
    """Take over the servers of Claude Desktop, Claude Code, VS Code or Cursor from the FILE where it keeps them.

    Secrets that stand in it become references to variables, which are listed.
    """
    draft = _draft(settings)
    report = import_servers(draft, Path(file), names)
    changed, diff = draft.changed, draft.diff()
    if changed and dry_run:
        draft.validate()
    elif changed:
        draft.save()
    if settings.json:
        about = {"path": str(draft.path), "written": changed and not dry_run, "diff": diff}
        print_json({**about, **msgspec.to_builtins(report)})
        return 0
    _print_report(report, settings)
    if dry_run:
        click.echo(printable(diff), nl=False)
    elif not settings.quiet:
        say(printable(f"{'written to' if changed else 'nothing to change in'} {draft.path}"), settings)
    return 0


def _print_report(report: ImportReport, settings: Globals) -> None:
    if not report.servers:
        click.echo("The file names no servers.")
    for server in report.servers:
        mark, color = _MARKS[server.outcome]
        notes = f"  {'; '.join(server.notes)}" if server.notes else ""
        outcome = "" if server.outcome == "added" else f"  {server.outcome}"
        click.echo(f"{click.style(mark, fg=color)} {printable(server.name + outcome + notes)}", color=settings.color)
    if report.variables:
        click.echo("Set these variables before AEL starts:")
        for variable in report.variables:
            about = f": {variable.description}" if variable.description else ""
            click.echo("\n".join(wrapped(printable(f"{variable.name}  for server '{variable.server}'{about}"))))


def _draft(settings: Globals) -> Draft:
    """Open the configuration for an edit; one that was named must be there."""
    source = config_source(settings.config)
    if source.text is None and len(source.places) == 1:
        message = f"the configuration file '{source.path}' does not exist"
        raise ConfigInvalid([Problem(message=message, suggestion="Correct the path, or create the file.")])
    return Draft(source)


def _save(draft: Draft, settings: Globals, path: str) -> int:
    diff = draft.diff()
    warnings = draft.save()
    if settings.json:
        print_json({"path": str(draft.path), "changed": path if diff else None, "diff": diff, "warnings": warnings})
        return 0
    if not settings.quiet:
        print_problems(warnings, settings)
        say(printable(f"{'written to' if diff else 'nothing to change in'} {draft.path}"), settings)
    click.echo(printable(diff), nl=False)
    return 0


def _lines(view: ConfigView, path: str) -> Iterator[str]:
    """Yield the values as YAML with a comment on each that is not a default."""
    if isinstance(view.values, dict):
        yield from _entries(view.values, path, "", view)
    else:
        yield f"{msgspec.json.encode(view.values).decode()}{_comment(view, path)}"


def _entries(values: dict[str, JSONValue], above: str, indent: str, view: ConfigView) -> Iterator[str]:
    for key, value in values.items():
        path = show_path((*parse_path(above), key))
        if isinstance(value, dict) and value:
            yield f"{indent}{_key(key)}:"
            yield from _entries(value, path, f"{indent}  ", view)
        else:
            yield f"{indent}{_key(key)}: {_shown(value)}{_comment(view, path)}"


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else msgspec.json.encode(key).decode()


def _shown(value: JSONValue) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=-1).decode()


def _comment(view: ConfigView, path: str) -> str:
    source = view.sources.get(path) or view.sources.get(f"{path}[0]") or "default"
    return "" if source == "default" else f"  # {source}"
