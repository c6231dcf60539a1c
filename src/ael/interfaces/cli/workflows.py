"""`ael workflows`, and `ael list`."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from ael.app.application import App, input_schema
from ael.app.settings import load_settings
from ael.errors import AelError, ProblemsError
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import json_text, print_error, say


@click.group("workflows", invoke_without_command=True)
@global_options
@click.pass_context
def workflows_command(ctx: click.Context) -> int | None:
    """Look at registered workflows."""
    return _list(ctx.obj) if ctx.invoked_subcommand is None else None


@click.command("list")
@global_options
@click.pass_obj
def list_command(settings: Globals) -> int:
    """List registered workflows."""
    return _list(settings)


workflows_command.add_command(list_command)


@workflows_command.command("show")
@click.argument("name")
@global_options
@click.pass_obj
def show_command(settings: Globals, name: str) -> int:
    """Show one workflow: what it takes, and its steps."""

    async def main() -> dict[str, Any]:
        async with App.open(load_settings(settings.config)) as app:
            prepared = await app.prepare(name)
            workflow = prepared.plan.workflow
            steps = [
                {
                    "id": step.id,
                    "kind": str(step.__struct_config__.tag),
                    "depends_on": prepared.plan.dependencies[step.id],
                }
                for step in workflow.steps
            ]
            return {
                "name": workflow.name,
                "version": workflow.version,
                "description": workflow.description,
                "file": prepared.file,
                "inputs": input_schema(workflow),
                "steps": steps,
                "tools": prepared.plan.tools,
            }

    try:
        click.echo(json_text(asyncio.run(main())))
    except AelError as error:
        print_error(error, settings)
        return 1
    return 0


def _list(settings: Globals) -> int:
    async def main() -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        async with App.open(load_settings(settings.config)) as app:
            for path in app.workflow_files():
                try:
                    workflow = (await app.prepare(str(path))).plan.workflow
                except ProblemsError as error:
                    found.append({"name": "", "version": "", "file": str(path), "error": error.problems[0].message})
                    continue
                about = workflow.description.split("\n")[0]
                found.append(
                    {"name": workflow.name, "version": workflow.version, "file": str(path), "description": about}
                )
        return found

    try:
        found = asyncio.run(main())
    except AelError as error:
        print_error(error, settings)
        return 1
    if settings.json:
        click.echo(json_text(found))
        return 0
    for one in found:
        if "error" in one:
            say(f"✗ {one['file']}: {one['error']} (see `ael validate`)", settings)
        else:
            click.echo(f"{one['name']:<28} {one['version']:<8} {one['description']}")
    say(f"{len(found)} workflows", settings)
    return 0
