"""`ael serve`: the command and its options; `serving` does the work, imported once the streams are safe."""

from __future__ import annotations

import importlib
from typing import Literal

import click

from ael.interfaces.cli.options import Globals, global_options


@click.command("serve")
@click.option("--transport", type=click.Choice(["stdio", "http"]), help="How clients reach it. Default: stdio.")
@click.option("--host", metavar="ADDRESS", help="Where HTTP listens. Default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Of HTTP; 0 takes a free one. Default: 8080.")
@click.option("--mode", type=click.Choice(["configuration", "running"]), help="Default: running with a configuration.")
@click.option("--no-watch", is_flag=True, help="Do not follow changes of workflow files.")
@click.option("--tool-names", type=click.Choice(["canonical", "safe"]), help="workflow:NAME or workflow_NAME.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name that clients use for this machine.")
@click.option("--insecure", is_flag=True, help="Let other machines in without authentication.")
@click.option("--tls-cert", metavar="F", help="Certificate of HTTPS, PEM.")
@click.option("--tls-key", metavar="F", help="Its key, PEM.")
@global_options
@click.pass_obj
def serve_command(
    settings: Globals,
    transport: Literal["stdio", "http"] | None,
    host: str | None,
    port: int | None,
    mode: Literal["configuration", "running"] | None,
    no_watch: bool,
    tool_names: Literal["canonical", "safe"] | None,
    hosts: tuple[str, ...],
    insecure: bool,
    tls_cert: str | None,
    tls_key: str | None,
) -> int:
    """Serve the workflows as MCP tools: to one client over stdio, or to many over HTTP."""
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    serving = importlib.import_module("ael.interfaces.cli.serving")
    command = serving.Serve(
        settings,
        serving.Options(
            transport=transport,
            host=host,
            port=port,
            mode=mode,
            watch=not no_watch,
            tool_names=tool_names,
            hosts=hosts,
            insecure=insecure,
            tls_cert=tls_cert,
            tls_key=tls_key,
        ),
    )
    code: int = command.main()
    return code
