"""The text of a configuration file → its record: variables filled in, and everything that is wrong with its place."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ael.app.config_excerpts import read_root, unreadable
from ael.app.config_file import ConfigFile, ExecutionSection, step_timeout
from ael.app.native_tools import NATIVE
from ael.errors import ConfigInvalid, Location, Problem
from ael.observe.masking import Masker
from ael.observe.secret_forms import SECRET_KEYS, SHORTEST_SECRET, VARIABLE, find_regions, secret_texts
from ael.tools.servers import ServerConfig
from ael.workflow.yaml_reader import Node, Reader, Unreadable, join

#: A token of RFC 9110, section 5.6.2.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

#: Smallest values of numbers in the file; those under `_ABOVE_ZERO` may be any fraction above it.
_AT_LEAST = {
    "execution.max_concurrent": 1,
    "execution.queue_limit": 0,
    "execution.max_parallel_steps": 1,
    "execution.max_steps": 1,
    "execution.retention.days": 0,
    "execution.retention.count": 0,
    "execution.retry.max_attempts": 1,
    "execution.retry.initial_delay": 0,
    "execution.retry.max_delay": 0,
    "execution.retry.backoff_multiplier": 1,
    "execution.retry.jitter": 0,
    "python_exec.max_memory": 16 * 1024 * 1024,
    "python_exec.max_tool_calls": 0,
    "python_exec.max_output": 1024,
    "python_exec.max_workers": 1,
    "logging.options.truncate_at": 0,
    "telemetry.metrics_port": 1,
}
_ABOVE_ZERO = ("execution.default_timeout", "execution.step_timeout", "python_exec.timeout")
_SERVER_AT_LEAST = {"max_result_bytes": 1, "max_concurrency": 1}
_SERVER_ABOVE_ZERO = ("timeout", "startup_timeout")


def parse_config(
    text: bytes, path: Path, env: Mapping[str, str], secrets: list[str], unset: list[Problem] | None = None
) -> ConfigFile:
    """Return the configuration; variables that are not set go to `unset` where it is given, else they are errors."""
    try:
        reader = Reader(text, str(path))
        if reader.is_empty():
            return ConfigFile()
        root = read_root(reader)
    except Unreadable as error:
        raise unreadable(error.problems, text) from error
    # Before any is filled: what stands before a value tells what it is, and an alias may tell otherwise.
    for node, keys, before in _scalars(root, ()):
        secrets += secret_texts(find_regions(keys, node.value, before), partial(filled, env=env))
    seen: set[int] = set()
    for node, keys, _ in _scalars(root, ()):
        # An alias is the same node again: filling it twice would read `$${X}` as a variable after all.
        if id(node) not in seen:
            seen.add(id(node))
            _fill(reader, node, keys, env, secrets, may_lack=unset is not None)
    unfilled = list(reader.problems)
    if unset is not None:
        unset += _masked([one for one in unfilled if one.severity == "warning"], secrets)
    config = reader.read_record(root, ConfigFile, "")
    if config is not None:
        _check_numbers(config, reader)
        _check_servers(config, reader)
    # A value that could not be filled is wrong for one reason only, whatever else its emptiness breaks.
    known = {problem.location for problem in unfilled}
    later = reader.problems[len(unfilled) :]
    errors = [one for one in unfilled if one.severity == "error"]
    errors += [one for one in later if one.severity == "error" and one.location not in known]
    if config is None and not errors and unset:
        return ConfigFile()
    if errors or config is None:
        raise ConfigInvalid(_masked(errors, secrets))
    return config


def _masked(problems: list[Problem], secrets: list[str]) -> list[Problem]:
    """Return problems in file order, without the values that variables brought."""
    problems.sort(key=lambda one: (one.location.line, one.location.column) if one.location else (0, 0))
    return list(map(Masker(secrets).problem, problems))


def _scalars(
    node: Node, keys: tuple[str | int, ...], before: str = ""
) -> Iterator[tuple[Node, tuple[str | int, ...], str]]:
    """Yield every scalar with its path, and the text of the item before it in a list."""
    if node.id == "mapping":
        for key, value in node.value:
            yield from _scalars(value, (*keys, key.value))
    elif node.id == "sequence":
        for index, item in enumerate(node.value):
            yield from _scalars(item, (*keys, index), before)
            before = item.value if item.id == "scalar" else ""
    else:
        yield node, keys, before


def filled(text: str, env: Mapping[str, str]) -> str:
    """Return a text with what variables bring; those that are not set are told of elsewhere."""

    def value_of(match: re.Match[str]) -> str:
        dollar, name, operator, argument, _ = match.groups()
        return "$" if dollar else env.get(name or "") or (argument if operator == ":-" else "")

    return VARIABLE.sub(value_of, text)


def _fill(
    reader: Reader,
    node: Node,
    keys: tuple[str | int, ...],
    env: Mapping[str, str],
    secrets: list[str],
    *,
    may_lack: bool = False,
) -> None:
    """Replace `${VAR}` in one value; what variables bring is text, or a number where it stands alone."""
    text: str = node.value
    if "$" not in text:
        return
    is_secret = bool(SECRET_KEYS & set(keys))

    def value_of(match: re.Match[str]) -> str:
        dollar, name, operator, argument, stray = match.groups()
        if dollar:
            return "$"
        if stray:
            reader.problem(node, "'${' begins no variable", "Write ${NAME}, or $${ for a dollar and a brace.")
            return ""
        if "${" in (argument or ""):
            # It would end at the first brace, and the second one would be a part of every value.
            hint = f"Set {name} in the environment to what it shall be."
            reader.problem(node, f"what stands behind ${{{name}{operator} begins another variable", hint)
            return ""
        value = env.get(name)
        if value:
            if is_secret and len(value) >= SHORTEST_SECRET:
                secrets.append(value)
            return value
        if operator == ":-":
            return str(argument)
        message = argument if operator == ":?" and argument else f"the variable {name} is not set, or empty"
        hint = f"Set {name} in the environment, or write ${{{name}:-default}}."
        reader.problem(node, message, hint, warning=may_lack)
        # Text, of which there is none yet, and not nothing: what needs the value has one.
        node.style = node.style or '"'
        return ""

    filled: Any = VARIABLE.sub(value_of, text)
    node.value = filled
    if VARIABLE.fullmatch(text) is None or is_secret:
        # A text with a variable in it stays text, whatever it looks like.
        node.style = node.style or '"'


# -- checking ---------------------------------------------------------------------------------------------------------


def _wrong(reader: Reader, path: str, message: str, suggestion: str = "") -> None:
    """Add a problem at the value of `path`."""
    line, column = reader.marks.get(path, (1, 1))
    reader.problems.append(
        Problem(
            message=message,
            suggestion=suggestion,
            path=path,
            location=Location(file=reader.file, line=line, column=column),
            source_line=reader.lines[line - 1] if line <= len(reader.lines) else "",
        )
    )


def _check_numbers(config: ConfigFile, reader: Reader) -> None:
    for path, least in _AT_LEAST.items():
        _check_number(reader, path, _value_at(config, path), least)
    for path in _ABOVE_ZERO:
        _check_number(reader, path, _value_at(config, path), None)
    port = config.telemetry.metrics_port
    if port is not None and port > 65535:
        _wrong(reader, "telemetry.metrics_port", "'metrics_port' is at most 65535")


def _check_number(reader: Reader, path: str, value: float | None, least: int | None) -> None:
    """Report a value below `least`, or one that is not above zero where that is None."""
    if value is None or (value >= least if least is not None else value > 0):
        return
    limit = f"at least {least}" if least is not None else "above 0"
    _wrong(reader, path, f"'{path.rsplit('.', 1)[-1]}' is {limit}, not {value:g}")


def _value_at(config: ConfigFile, path: str) -> float | None:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    found: float | None = value
    return found


def _check_servers(config: ConfigFile, reader: Reader) -> None:
    sections = (("mcp.servers", config.mcp.servers), ("tools.mcp_servers", config.tools.mcp_servers))
    for section, servers in sections:
        for name, server in servers.items():
            _check_server(name, server, join(section, name), reader)
    for name, server in config.tools.mcp_servers.items():
        other = config.mcp.servers.get(name, server)
        if _filled(other, config.execution) != _filled(server, config.execution):
            message = f"server '{name}' is defined differently in mcp.servers and tools.mcp_servers"
            _wrong(reader, join("tools.mcp_servers", name), message, "Keep one of them.")


def _filled(server: ServerConfig, execution: ExecutionSection) -> ServerConfig:
    """Return a server with the defaults that do not stand in its own type."""
    return msgspec.structs.replace(
        server,
        timeout=server.timeout or step_timeout(execution),
        transport=server.transport or ("stdio" if server.url is None else None),
    )


def _check_server(name: str, server: ServerConfig, path: str, reader: Reader) -> None:
    if not name or "__" in name:
        _wrong(reader, path, f"the server name '{name}' is empty or holds '__'", "Use one `_`.")
    elif name.endswith("_"):
        hint = "In `server__tool` nobody could tell where it ends."
        _wrong(reader, path, f"the server name '{name}' ends with '_'", hint)
    elif not name.isprintable():
        _wrong(reader, path, f"the server name {name!r} holds what cannot be printed", "Use letters, digits and `-`.")
    if name == NATIVE:
        message = f"'{NATIVE}' is the name of the tools that come with AEL"
        _wrong(reader, path, message, "Give it another name; `tools.native: true` offers AEL's own tools.")
    if (server.command is None) == (server.url is None):
        _wrong(reader, path, f"server '{name}' needs exactly one of 'command' and 'url'")
    _check_reach(name, server, path, reader)
    if server.command is not None:
        try:
            words = shlex.split(server.command)
        except ValueError as error:
            _wrong(
                reader, f"{path}.command", f"the command is not split like a shell would: {error}", "Close the quote."
            )
        else:
            if not words:
                _wrong(reader, f"{path}.command", "the command is empty", "Name a program.")
    for key, least in _SERVER_AT_LEAST.items():
        _check_number(reader, f"{path}.{key}", getattr(server, key), least)
    for key in _SERVER_ABOVE_ZERO:
        _check_number(reader, f"{path}.{key}", getattr(server, key), None)


def _check_reach(name: str, server: ServerConfig, path: str, reader: Reader) -> None:
    """Check the URL of a server and its headers, and that nothing is set that its kind of server ignores."""
    if server.url is None:
        wrong = "headers" if server.headers else "transport" if server.transport in {"http", "sse"} else ""
        if wrong and server.command is not None:
            _wrong(reader, f"{path}.{wrong}", f"server '{name}' is a process: '{wrong}' is for servers with a 'url'")
        return
    if server.command is not None:
        return
    for key in ("args", "env", "cwd"):
        if getattr(server, key):
            _wrong(reader, f"{path}.{key}", f"server '{name}' is reached by its 'url': '{key}' is for a 'command'")
    if server.transport == "stdio":
        _wrong(reader, f"{path}.transport", "a server with a 'url' is reached by 'http' or 'sse'")
    try:
        parts = urlsplit(server.url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or not server.url.isprintable() or " " in server.url:
        _wrong(reader, f"{path}.url", "the URL is not usable", "Write it in full: https://host/mcp")
    elif parts.username is not None or parts.password is not None:
        _wrong(reader, f"{path}.url", "the URL holds credentials, which errors would show", "Use `headers`.")
    for header, value in server.headers.items():
        if not _HEADER_NAME.fullmatch(header) or not value.isascii() or not value.isprintable():
            message = f"the header '{header}' cannot be sent: names are tokens, values are printable ASCII"
            _wrong(reader, f"{path}.headers", message)


def servers_of(config: ConfigFile) -> dict[str, ServerConfig]:
    """Merge the two sections that name servers; they were checked to agree."""
    return {**config.mcp.servers, **config.tools.mcp_servers}
