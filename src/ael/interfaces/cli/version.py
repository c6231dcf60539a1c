"""`ael version`."""

from __future__ import annotations

import click

from ael import __version__
from ael.interfaces.cli.options import Globals, global_options


@click.command("version")
@global_options
@click.pass_obj
def version_command(settings: Globals) -> None:
    """Print the version."""
    click.echo(f'{{"version": "{__version__}"}}' if settings.json else f"ael {__version__}")
