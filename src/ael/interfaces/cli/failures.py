"""What goes wrong before or around a command. Imported only then: `ael version` must not pay for it."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterable
from difflib import get_close_matches

import click

from ael.interfaces.cli.options import Globals


def unknown_command(name: str, known: Iterable[str]) -> str:
    """Return what to tell about a command that does not exist."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean '{close[0]}'?" if close else "`ael --help` lists the commands."
    return f"There is no command '{name}'. {hint}"


def report_defect(error: Exception, settings: Globals) -> None:
    """Tell about a defect of AEL under an id; its stack only to who asks for it."""
    incident = os.urandom(4).hex()
    detail = f"report it as {incident}: {type(error).__name__}"
    suggestion = "Run the command again with -v to see the stack."
    if settings.json:
        record = {"code": "INTERNAL_ERROR", "category": "SYSTEM", "message": "Internal AEL error", "detail": detail}
        click.echo(json.dumps({"error": {**record, "suggestion": suggestion}}, indent=2))
    else:
        click.echo(f"INTERNAL_ERROR: Internal AEL error\n  {detail}\n→ {suggestion}", err=True)
    if settings.verbose:
        traceback.print_exception(error)
