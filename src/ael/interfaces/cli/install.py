"""`ael install`."""

from __future__ import annotations

from typing import Literal

import click

from ael.app.installing import Installation, Installer
from ael.errors import AelError
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import print_failure, print_json, printable, say

_CLIENTS = {
    "claude-desktop": "Claude Desktop",
    "claude-code": "Claude Code",
    "cursor": "Cursor",
    "vscode": "VS Code",
}
_MARKS = {"added": "+", "updated": "~", "unchanged": "=", "removed": "-", "restored": "~", "absent": "="}
_SAID = {
    "added": "AEL was added to",
    "updated": "AEL's entry was updated in",
    "unchanged": "AEL is there already, in",
    "removed": "AEL was taken out of",
    "restored": "the first entry was put back in",
    "absent": "AEL is not in",
}


@click.command("install")
@click.argument("client", type=click.Choice(list(_CLIENTS)))
@click.option("--scope", type=click.Choice(["user", "project"]), default="user", help="For you, or this directory.")
@click.option("--name", default="ael", metavar="NAME", help="What the client calls it.", show_default=True)
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
@click.option("--undo", is_flag=True, help="Take the entry out again.")
@global_options
@click.pass_obj
def install_command(
    settings: Globals,
    client: Literal["claude-desktop", "claude-code", "cursor", "vscode"],
    scope: Literal["user", "project"],
    name: str,
    dry_run: bool,
    undo: bool,
) -> int:
    """Add AEL to an MCP client, so that its agent can run the workflows.

    The client's file keeps everything else as it is; a copy of it is kept beside it the first time.
    """
    if not name.strip() or not name.isprintable():
        raise click.UsageError("--name is a text that can be shown.")
    try:
        installer = Installer(client, scope, name=name, config=settings.config)
        done = installer.undo(dry_run=dry_run) if undo else installer.install(dry_run=dry_run)
    except AelError as error:
        print_failure(error, settings)
        return 1
    if settings.json:
        print_json(done)
        return 0
    _show(done, settings, dry_run=dry_run)
    return 0


def _show(done: Installation, settings: Globals, *, dry_run: bool) -> None:
    if dry_run:
        click.echo(printable(done.diff) if done.diff else "nothing would change")
        return
    click.echo(printable(f"{_MARKS[done.outcome]} {_SAID[done.outcome]} {done.path}"))
    if done.written and not settings.quiet:
        if done.backup:
            say(printable(f"  as it was before: {done.backup}"), settings)
        if done.unconfigured:
            say("  there is no configuration yet: the agent is offered tools to make one; or run `ael init`,", settings)
            say("  then this command again in that directory", settings)
        say(f"  restart {_CLIENTS[done.client]} to see it", settings)
