"""The group of commands. A command's module is imported when it is invoked: `ael version` imports click and no more."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from io import TextIOWrapper
from typing import Any, NoReturn, TextIO

import click

from ael import __version__
from ael.interfaces.cli.options import Globals, global_options

_INTERRUPTED = 130

#: Command → (module, its line in the help).
COMMANDS = {
    "run": ("run", "Run a workflow: a file or a registered name."),
    "validate": ("validate", "Check workflow files and name every mistake."),
    "test": ("test", "Run the tests that workflow files carry."),
    "schema": ("schema", "Print the JSON Schema of workflow or config files."),
    "workflows": ("workflows", "Look at registered workflows."),
    "list": ("workflows", "List registered workflows."),
    "executions": ("executions", "Look at what ran."),
    "tools": ("tools", "Look at tools and their servers, and call one."),
    "serve": ("serve", "Serve the workflows as MCP tools to agents."),
    "native-tools": ("native_tools", "Serve AEL's own tools to any MCP client."),
    "config": ("config", "Look at the configuration, edit it, import servers."),
    "install": ("install", "Add AEL to an MCP client."),
    "init": ("init", "Start a project: configuration, example, editor schema."),
    "doctor": ("doctor", "Check whether this machine can run it all."),
    "version": ("version", "Print the version."),
}


#: Characters of a message that repeats what was given.
_MOST_SAID = 1000


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
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest name for one that is unknown."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(_failures().unknown_command(args[0], COMMANDS), ctx)
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
@click.version_option(__version__, message="ael %(version)s")
def cli() -> None:
    """Run agent workflows the same way every time: LLMs plan, AEL executes."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 success, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated."""
    settings = Globals()
    _prepare_streams()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        _check_encoding(given)
        code: Any = cli.main(args=given, prog_name="ael", standalone_mode=False, obj=settings)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except OSError as error:
        code = _cannot_write(error)
    except Exception as error:  # noqa: BLE001 # a defect of AEL: told under an id, the stack only to who asks for it
        _failures().report_defect(error, settings)
        code = 1
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        # Nobody reads what we say besides the result; that is no failure.
        _discard(sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _failures() -> Any:  # noqa: ANN401 # the module
    return importlib.import_module("ael.interfaces.cli.failures")


def _prepare_streams() -> None:
    """Make sure that no character can stop us: what a program reads is UTF-8, what a terminal lacks is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = None if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _check_encoding(arguments: list[str]) -> None:
    """Refuse arguments that no JSON could hold."""
    for number, argument in enumerate(arguments, 1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode(errors="backslashreplace").decode()
            raise click.UsageError(f"Argument {number} is not UTF-8: {shown[:100]}") from None


def _cannot_write(error: OSError) -> int:
    """Tell that standard output takes no more, unless its reader has gone; return the exit code."""
    if not isinstance(error, BrokenPipeError):
        click.echo(f"ael: {str(error)[:_MOST_SAID]}", err=True)
    _discard(sys.stdout)
    return 1


def _discard(stream: TextIO | None) -> None:
    """Send the rest of a stream nowhere: what is left in its buffer would fail once more at exit."""
    if stream is None:
        # It was closed when we were started.
        return
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
