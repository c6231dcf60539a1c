"""`ael workflows`, and `ael list`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import click
from msgspec import UNSET

from ael.app.application import App, Prepared, input_schema
from ael.app.graph import GraphFormat, draw
from ael.errors import ProblemsError
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import columns, cut, fitted, print_json, print_total, printable, say
from ael.interfaces.cli.session import with_app
from ael.values import text


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

    async def show(app: App) -> int:
        prepared = await app.prepare(name)
        workflow = prepared.plan.workflow
        steps = [
            {"id": step.id, "kind": str(step.__struct_config__.tag), "depends_on": prepared.plan.dependencies[step.id]}
            for step in workflow.steps
        ]
        if settings.json:
            print_json(
                {
                    "name": workflow.name,
                    "version": workflow.version,
                    "description": workflow.description,
                    "file": prepared.file,
                    "inputs": input_schema(workflow),
                    "steps": steps,
                    "tools": prepared.plan.tools,
                }
            )
        else:
            for line in _lines(prepared):
                click.echo("\n".join(fitted(printable(line), sys.stdout)))
        return 0

    return with_app(settings, show)


@workflows_command.command("graph")
@click.argument("name")
@click.option(
    "--format", "form", type=click.Choice(["ascii", "mermaid", "svg"]), default="ascii", help="What to draw it for."
)
@global_options
@click.pass_obj
def graph_command(settings: Globals, name: str, form: GraphFormat) -> int:
    """Draw the steps of one workflow, each below what it waits for."""

    async def show(app: App) -> int:
        plan = (await app.prepare(name)).plan
        drawn = draw(plan, form)
        if settings.json:
            print_json({"name": plan.workflow.name, "format": form, "graph": drawn})
        else:
            click.echo("\n".join(map(printable, drawn.splitlines())))
        return 0

    return with_app(settings, show)


def _lines(prepared: Prepared) -> Iterator[str]:
    """Yield what people want to know of a workflow."""
    workflow = prepared.plan.workflow
    yield f"{workflow.name} {workflow.version}  {prepared.file}"
    yield from (f"  {line}" for line in workflow.description.splitlines())
    if workflow.inputs:
        yield "inputs"
    for spec in workflow.inputs:
        need = "required" if spec.required else "optional"
        if not spec.required and not spec.secret and spec.default is not UNSET:
            need = f"default {text(spec.default)}"
        yield f"  {spec.name}: {spec.type}, {need}" + (f"  {spec.description}" if spec.description else "")
    yield "steps"
    for step in workflow.steps:
        after = prepared.plan.dependencies[step.id]
        yield f"  {step.id}: {step.__struct_config__.tag}" + (f" after {', '.join(after)}" if after else "")
    if prepared.plan.tools:
        yield f"tools: {', '.join(prepared.plan.tools)}"


def _list(settings: Globals) -> int:
    async def show(app: App) -> int:
        found = [await _row(app, str(path)) for path in app.workflow_files()]
        if settings.json:
            print_json(found)
            return 0
        for one in found:
            if "error" in one:
                said = f"✗ {one['file']}: {one['error']} (see `ael validate`)"
                say("\n".join(fitted(printable(said), sys.stderr)), settings)
            else:
                about = " ".join(str(one["description"]).split())
                said = printable(f"{one['name']:<28} {one['version']:<8} {about}".rstrip())
                click.echo(cut(said, columns(sys.stdout)) if sys.stdout.isatty() else said)
        print_total(len(found), "workflow", settings)
        return 0

    return with_app(settings, show)


async def _row(app: App, path: str) -> dict[str, str]:
    try:
        workflow = (await app.prepare(path)).plan.workflow
    except ProblemsError as error:
        shown = os.fsencode(path).decode("utf-8", "replace")
        return {"name": "", "version": "", "file": shown, "error": error.problems[0].message}
    about = workflow.description.split("\n")[0]
    return {"name": workflow.name, "version": workflow.version, "file": path, "description": about}
