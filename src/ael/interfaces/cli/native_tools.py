"""`ael native-tools`: becomes the server of native tools, which any MCP client may use."""

from __future__ import annotations

import os
import shlex

import click

from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.session import read_settings_or_exit


@click.command("native-tools")
@click.option("--transport", type=click.Choice(["stdio", "http"]), default="stdio", help="How clients reach it.")
@click.option("--host", metavar="ADDRESS", help="Where it listens; NATIVE_TOOLS_HOST, else 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="NATIVE_TOOLS_PORT, else 8081; 0: any free one.")
@click.option("--workspace", metavar="DIR", help="The only directory that file tools reach.")
@click.option("--enable", metavar="NAME", multiple=True, help="Offer only this tool, group or pattern. Repeatable.")
@click.option("--server-name", metavar="NAME", multiple=True, help="A host name by which clients reach it. Repeatable.")
@click.option("--insecure", is_flag=True, help="Listen beyond loopback, without authentication.")
@global_options
@click.pass_obj
def native_tools_command(
    settings: Globals,
    transport: str,
    host: str | None,
    port: int | None,
    workspace: str | None,
    enable: tuple[str, ...],
    server_name: tuple[str, ...],
    insecure: bool,
) -> None:
    """Serve AEL's own tools: files, data, extraction, network.

    What is not given is read from the environment, then from `tools.native` of the configuration.
    """
    read = read_settings_or_exit(settings)
    given = {"--transport": transport, "--host": host, "--port": port, "--workspace": workspace}
    options = [text for name, value in given.items() if value is not None for text in (name, str(value))]
    options += [text for one in enable for text in ("--enable", one)]
    options += [text for one in server_name for text in ("--server-name", one)]
    options += ["--insecure"] if insecure else []
    program = [*shlex.split(read.native.command or ""), *read.native.args, *options]
    os.execve(program[0], program, {**read.native.env, **os.environ})  # noqa: S606 # our own program, no shell
