"""The group of commands. A command's module is imported when it is invoked: `ael version` imports click and no more."""

from __future__ import annotations

import importlib
import sys
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from ael.interfaces.cli.options import Globals, global_options

#: Command → (module, its line in the help).
COMMANDS = {
    "run": ("run", "Run a workflow: a file or a registered name."),
    "validate": ("validate", "Check workflow files and name every mistake."),
    "schema": ("schema", "Print the JSON Schema of workflow or config files."),
    "workflows": ("workflows", "Look at registered workflows."),
    "list": ("workflows", "List registered workflows."),
    "executions": ("executions", "Look at what ran."),
    "doctor": ("doctor", "Check whether this machine can run it all."),
    "version": ("version", "Print the version."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports them late."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ael.interfaces.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest name for one that is unknown."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = get_close_matches(args[0], COMMANDS, n=1, cutoff=0.5)
            hint = f" Did you mean '{close[0]}'?" if close else " `ael --help` lists the commands."
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Shell completion: eval "$(_AEL_COMPLETE=bash_source ael)"; zsh_source and fish_source work too.',
)
@global_options
@click.version_option(package_name="ael", message="ael %(version)s")
def cli() -> None:
    """Run agent workflows the same way every time: LLMs plan, AEL executes."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 success, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        code: Any = cli.main(args=arguments, prog_name="ael", standalone_mode=False, obj=Globals())
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read us has gone; there is nobody to tell, and flushing at exit would fail once more.
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
