"""The command line: `python -m native_tools`. Serves over standard streams, or over HTTP."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

import msgspec

from native_tools import __version__
from native_tools.environment import Environment, EnvironmentInvalid, read_environment

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Serve until the client leaves; return the exit code."""
    try:
        return _serve(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _serve(arguments: list[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.transport != "http" and (options.port, options.host, options.server_name) != (None, None, None):
        parser.error("--host, --port and --server-name are of HTTP: say --transport http too.")
    try:
        environment = _chosen(read_environment(os.environ), options)
        from native_tools.server import NativeTools  # noqa: PLC0415 # not for --help

        tools = NativeTools(environment)
    except EnvironmentInvalid as error:
        parser.error(str(error))
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    if options.transport == "http":
        from native_tools import http  # noqa: PLC0415 # for those who need it

        return http.serve(tools, environment)
    from native_tools import pipes  # noqa: PLC0415 # for those who need it

    asyncio.run(pipes.serve(tools))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="native_tools",
        description="The native tools of AEL, as an MCP server.",
        epilog="What is not given is read from the environment: WORKSPACE_DIR, NATIVE_TOOLS_HOST, NATIVE_TOOLS_PORT.",
    )
    parser.add_argument("--transport", choices=["stdio", "http"], default="stdio", help="How clients reach it.")
    parser.add_argument("--host", help="The address to listen at; 127.0.0.1.")
    parser.add_argument("--port", type=int, help="The port to listen at, 0 for any free one; 8081.")
    parser.add_argument("--workspace", metavar="DIR", help="The only directory that file tools reach; ./workspace.")
    parser.add_argument("--enable", metavar="NAME", action="append", help="Offer only this tool, group or pattern.")
    parser.add_argument(
        "--server-name", metavar="NAME", action="append", help="A host name by which clients may reach it over HTTP."
    )
    parser.add_argument("--insecure", action="store_true", help="Listen beyond loopback, without authentication.")
    parser.add_argument("--version", action="version", version=f"native_tools {__version__}")
    return parser


def _chosen(environment: Environment, options: argparse.Namespace) -> Environment:
    """Return the environment with what the command line says instead; raises `EnvironmentInvalid`."""
    if options.port is not None and not 0 <= options.port <= 65535:
        raise EnvironmentInvalid(f"--port is {options.port}. Write a port, 0 to 65535.")
    given = {
        "host": options.host,
        "port": options.port,
        "workspace": None if options.workspace is None else Path(options.workspace),
        "enabled": None if options.enable is None else tuple(options.enable),
        "server_names": None if options.server_name is None else tuple(options.server_name),
        "insecure": options.insecure or None,
    }
    return msgspec.structs.replace(environment, **{key: value for key, value in given.items() if value is not None})


if __name__ == "__main__":
    sys.exit(main())
