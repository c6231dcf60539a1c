"""`ael doctor`."""

from __future__ import annotations

import asyncio

import click

from ael.app.application import App, Check
from ael.app.settings import load_settings
from ael.errors import AelError
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import json_text, print_error, printable

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}


@click.command("doctor")
@global_options
@click.pass_obj
def doctor_command(settings: Globals) -> int:
    """Check Python, sandbox layers, configuration, servers and journal."""
    try:
        checks = asyncio.run(_look(settings))
    except AelError as error:
        print_error(error, settings)
        return 1
    if settings.json:
        click.echo(json_text(checks))
    else:
        for check in checks:
            mark, color = _MARKS[check.status]
            shown = click.style(mark, fg=color) if settings.color else mark
            click.echo(f"{shown} {check.name}: {printable(check.detail)}")
            if check.suggestion and check.status != "ok":
                click.echo(f"    → {printable(check.suggestion)}")
    return 1 if any(check.status == "failed" for check in checks) else 0


async def _look(settings: Globals) -> list[Check]:
    async with App.open(load_settings(settings.config)) as app:
        return await app.doctor()
