"""`ael run`: the command and its options; `running` does the work, imported once the sandbox is on its way."""

from __future__ import annotations

import importlib

import click

from ael.app.early import start_early
from ael.interfaces.cli.options import Globals, check_pairs, global_options


@click.command("run")
@click.argument("workflow")
@click.option(
    "-i",
    "--input",
    "pairs",
    metavar="K=V",
    multiple=True,
    help="An input; typed by its declaration. @FILE reads a file, @@ is a literal @.",
)
@click.option("--input-file", metavar="F", help="A JSON or YAML file with inputs; - is standard input.")
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Limit of the whole execution.",
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of randomness in code; repeats a run.")
@click.option("--trace", is_flag=True, help="Show inputs and outputs of each step.")
@click.option("--dry-run", is_flag=True, help="Show what would run, call nothing.")
@global_options
@click.pass_obj
def run_command(
    settings: Globals,
    workflow: str,
    pairs: tuple[str, ...],
    input_file: str | None,
    timeout: float | None,
    seed: int | None,
    trace: bool,  # click passes flags so
    dry_run: bool,  # as above
) -> int:
    """Run WORKFLOW: a file, or the name of a registered workflow.

    A result that is text is printed as it is, anything else as JSON.
    """
    check_pairs(pairs)
    if seed is not None and seed >= 2**63:
        raise click.BadParameter("it takes more than 63 bits.", param_hint="--seed")
    early = None if dry_run else start_early(workflow)
    try:
        # The sandbox's process starts while this imports the rest.
        running = importlib.import_module("ael.interfaces.cli.running")
        command = running.Run(settings, workflow, pairs, input_file, timeout, seed, trace=trace, dry_run=dry_run)
        code: int = running.asyncio.run(command.main(early))
    except BaseException:
        if early is not None:
            early.stop()
        raise
    return code
