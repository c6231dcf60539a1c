"""`ael schema`."""

from __future__ import annotations

import click

from ael.app.application import config_schema, workflow_schema
from ael.interfaces.cli.options import global_options
from ael.interfaces.cli.render import print_json


@click.command("schema")
@click.argument("what", type=click.Choice(["workflow", "config"]), default="workflow")
@global_options
def schema_command(what: str) -> None:
    """Print the JSON Schema of workflow files or of the configuration file."""
    print_json(workflow_schema() if what == "workflow" else config_schema())
