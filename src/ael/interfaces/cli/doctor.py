"""`ael doctor`."""

from __future__ import annotations

import sys

import click

from ael.app.application import App, Check
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import fitted, print_json, printable, wrapped
from ael.interfaces.cli.session import with_app

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}


@click.command("doctor")
@global_options
@click.pass_obj
def doctor_command(settings: Globals) -> int:
    """Check Python, sandbox layers, configuration, servers and journal."""

    async def look(app: App) -> int:
        checks = await app.doctor()
        if settings.json:
            print_json(checks)
        else:
            _show(checks, settings)
        return 1 if any(check.status == "failed" for check in checks) else 0

    return with_app(settings, look)


def _show(checks: list[Check], settings: Globals) -> None:
    for check in checks:
        mark, color = _MARKS[check.status]
        said = "\n".join(fitted(f"{mark} {check.name}: {printable(check.detail)}", sys.stdout))
        click.echo(f"{click.style(mark, fg=color)}{said.removeprefix(mark)}", color=settings.color)
        if check.suggestion and check.status != "ok":
            click.echo("\n".join(wrapped(f"→ {printable(check.suggestion)}", "    ")))
