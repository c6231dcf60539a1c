"""`ael init`."""

from __future__ import annotations

import shlex

import click

from ael.app.starting import start_project
from ael.errors import AelError
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import print_failure, print_json, printable


@click.command("init")
@click.argument("directory", default=".", metavar="[DIR]")
@global_options
@click.pass_obj
def init_command(settings: Globals, directory: str) -> int:
    """Write a configuration, an example workflow with tests, and a schema for editors; overwrites nothing."""
    try:
        found = start_project(directory)
    except AelError as error:
        print_failure(error, settings)
        return 1
    if settings.json:
        print_json(found)
        return 0
    for one in found:
        mark = "+" if one.outcome == "written" else "="
        kept = "" if one.outcome == "written" else "  is there already"
        click.echo(printable(f"{mark} {one.path}{kept}"))
    if not settings.quiet:
        where = "" if directory == "." else f"cd {shlex.quote(directory)} && "
        click.echo(printable(f"\nNow try: {where}ael run order-total -i customer=Ada\n    and: {where}ael test"))
    return 0
