"""Settings: the only reader of the environment and of configuration files.

Search order: named, `AEL_CONFIG_PATH` (or `AEL_CONFIG`), `./ael-config.yaml`, `~/.ael/config.yaml`. Variables fill
values after parsing, so they can never add structure. Without a file no YAML is imported.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from ael import __version__
from ael.app.native_tools import NATIVE, SECRETS, native_server, out_of_bounds
from ael.app.secret_forms import SECRET_KEYS, VARIABLE, secret_texts
from ael.errors import ConfigInvalid, Location, Problem, nearest
from ael.observe.masking import Masker
from ael.sandbox.contract import Limits
from ael.tools.servers import ServerConfig
from ael.workflow.model import RetryPolicy
from ael.workflow.yaml_reader import MAX_TEXT, Node, Reader, Unreadable, join

FILE_NAME = "ael-config.yaml"
_JOURNAL_NAME = "ael.db"
#: A token of RFC 9110, section 5.6.2.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

#: Secrets are masked from this length on.
_SHORTEST_SECRET = 8

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

#: Path → the variable that wins over it.
_OVERRIDES = {
    "logging.level": "LOG_LEVEL",
    "telemetry.enabled": "AEL_TELEMETRY_ENABLED",
    "telemetry.metrics": "AEL_METRICS_ENABLED",
    "telemetry.traces": "AEL_TRACES_ENABLED",
}

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_SPOKEN_LEVELS = {"WARN": "WARNING", "FATAL": "CRITICAL"}
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class _Section(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the sections of the file."""


class ServerSection(_Section, frozen=True, kw_only=True):
    """`server`: how AEL introduces itself."""

    name: str = "ael"
    version: str = __version__


class McpSection(_Section, frozen=True, kw_only=True):
    """`mcp`: the servers whose tools workflows call, and how AEL serves."""

    servers: dict[str, ServerConfig] = {}
    expose_tools: Literal["all", "none"] | tuple[str, ...] = "all"
    tool_names: Literal["canonical", "safe"] = "canonical"
    authoring: bool = False
    config_tools: bool = False


class NativeTools(_Section, frozen=True, kw_only=True):
    """`tools.native` in its long form."""

    #: Names, groups or patterns of tools; none: all.
    enabled: tuple[str, ...] = ()
    #: The only directory that file tools reach; `workspace` beside the configuration.
    workspace: str | None = None


class ToolsSection(_Section, frozen=True, kw_only=True):
    """`tools`."""

    builtins: tuple[str, ...] = ("python_exec",)
    #: The same as `mcp.servers`.
    mcp_servers: dict[str, ServerConfig] = {}
    native: bool | NativeTools = False


class WorkflowsSection(_Section, frozen=True, kw_only=True):
    """`workflows`: where registered ones are."""

    directory: str | None = None
    directories: tuple[str, ...] = ()
    hot_reload: bool = True


class Retention(_Section, frozen=True, kw_only=True):
    """`execution.retention`: what is kept; None keeps all."""

    days: int | None = None
    count: int | None = None


class ExecutionSection(_Section, frozen=True, kw_only=True):
    """`execution`: limits and defaults; seconds."""

    max_concurrent: int = 10
    queue_limit: int = 1000
    parallel: bool = True
    max_parallel_steps: int = 8
    default_timeout: float | None = None
    step_timeout: float | None = None
    max_steps: int = 1000
    #: Bytes of all steps' outputs together.
    max_output: int = 256 * 1024 * 1024
    retention: Retention = Retention()
    on_disconnect: Literal["cancel", "continue"] = "cancel"
    retry: RetryPolicy = RetryPolicy()
    durability: Literal["off", "lazy", "commit", "fsync"] = "commit"
    journal: str | None = None


class PythonExecSection(_Section, frozen=True, kw_only=True):
    """`python_exec`: limits of code steps; seconds and bytes."""

    timeout: float = 30.0
    max_memory: int = 512 * 1024 * 1024
    max_tool_calls: int = 10
    allowed_imports: tuple[str, ...] = ()
    max_output: int = 16 * 1024 * 1024
    isolation: Literal["execution", "step"] = "execution"
    boundary: Literal["kernel", "process"] = "kernel"
    max_workers: int | None = None
    clock: Literal["step", "real"] = "step"


class LogComponents(_Section, frozen=True, kw_only=True):
    """`logging.components`: what is logged."""

    workflow: bool = True
    step: bool = True
    tool: bool = True
    sandbox: bool = True


class LogOptions(_Section, frozen=True, kw_only=True):
    """`logging.options`."""

    show_params: bool = False
    show_results: bool = False
    truncate_at: int = 1000


class LoggingSection(_Section, frozen=True, kw_only=True):
    """`logging`."""

    #: None: INFO where AEL serves, WARNING in a command that ends by itself.
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None = None
    format: Literal["text", "json"] = "text"
    components: LogComponents = LogComponents()
    options: LogOptions = LogOptions()


class SecuritySection(_Section, frozen=True, kw_only=True):
    """`security`."""

    allowed_hosts: tuple[str, ...] = ()
    blocked_hosts: tuple[str, ...] = ()
    #: Environment variables that templates may read as `env.NAME`.
    template_env: tuple[str, ...] = ()


class Oidc(_Section, frozen=True, kw_only=True):
    """`auth.oidc`."""

    issuer: str
    audience: str
    jwks_url: str | None = None


class AuthSection(_Section, frozen=True, kw_only=True):
    """`auth`."""

    required: bool = False
    oidc: Oidc | None = None


class TelemetrySection(_Section, frozen=True, kw_only=True):
    """`telemetry`."""

    enabled: bool = False
    endpoint: str | None = None
    metrics: bool = True
    metrics_port: int | None = None
    traces: bool = True
    include_payloads: bool = False


class ConfigFile(_Section, frozen=True, kw_only=True):
    """The whole file."""

    server: ServerSection = ServerSection()
    mcp: McpSection = McpSection()
    tools: ToolsSection = ToolsSection()
    workflows: WorkflowsSection = WorkflowsSection()
    execution: ExecutionSection = ExecutionSection()
    python_exec: PythonExecSection = PythonExecSection()
    logging: LoggingSection = LoggingSection()
    security: SecuritySection = SecuritySection()
    auth: AuthSection = AuthSection()
    telemetry: TelemetrySection = TelemetrySection()


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """How `ael serve` is reached, as the environment says it."""

    transport: Literal["stdio", "http"] = "stdio"
    host: str = "127.0.0.1"
    port: int = 8080
    #: Beyond this machine without authentication.
    insecure: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an installation is told, from file and environment."""

    file: ConfigFile = ConfigFile()
    #: The configuration file, None without one.
    path: Path | None = None
    #: Where the configuration was looked for; the last one is none.
    searched: tuple[str, ...] = ()
    listening: Listening = Listening()
    servers: dict[str, ServerConfig] = {}
    #: How the native tools are started, by `tools.native` or `ael native-tools`.
    native: ServerConfig = ServerConfig()
    #: Why no servers are started, when the file may not be trusted with that.
    servers_refused: str = ""
    directories: tuple[Path, ...] = ()
    #: Where plans are remembered and, without a configuration file, the journal is; None: nowhere.
    state: Path | None = None
    journal: Path | None = None
    template_env: dict[str, str] = {}
    #: Values that every output masks.
    secrets: tuple[str, ...] = ()

    @property
    def limits(self) -> Limits:
        """Limits of code steps where nobody says otherwise."""
        code = self.file.python_exec
        return Limits(
            timeout_seconds=code.timeout,
            max_memory=code.max_memory,
            max_tool_calls=code.max_tool_calls,
            max_output=code.max_output,
        )


def load_settings(
    named: str | None = None, environment: Mapping[str, str] | None = None, *, may_be_missing: bool = False
) -> Settings:
    """Read the settings; raises `ConfigInvalid`.

    With `may_be_missing` a file that is named and does not exist is as good as none.
    """
    env = os.environ if environment is None else environment
    given = _given(named, env)
    searched = (given,) if given is not None else (f"./{FILE_NAME}", "~/.ael/config.yaml")
    missing = may_be_missing and given is not None and not os.path.lexists(given)
    found = None if missing else _find(given, env)
    state = _state_directory(env)
    if found is None:
        directories: tuple[Path, ...] = (Path("workflows"),)
        journal = _named_journal(env) or (state and state / _JOURNAL_NAME)
        bounds = out_of_bounds(Path(), None, directories, journal, state)
        return Settings(
            file=_overridden(ConfigFile(), env),
            native=_native(ConfigFile(), Path(), bounds, env),
            directories=directories,
            searched=searched,
            listening=_listening(env),
            state=state,
            journal=journal,
        )
    secrets: list[str] = []
    config = _overridden(_parse(found.text, found.path, env, secrets), env)
    base = found.path.resolve().parent
    directories, journal = _directories(config, base), _journal(config, base, state, env)
    native = _native(config, base, out_of_bounds(base, found.path, directories, journal, state), env)
    servers = {name: _absolute(server, base) for name, server in _servers(config).items()}
    if config.tools.native:
        servers[NATIVE] = native
        secrets += [native.env[name] for name in SECRETS if len(native.env.get(name, "")) >= _SHORTEST_SECRET]
    return Settings(
        file=config,
        path=found.path,
        servers=servers,
        native=native,
        searched=searched,
        listening=_listening(env),
        servers_refused=found.distrust,
        directories=directories,
        state=state,
        journal=journal,
        template_env={name: env[name] for name in config.security.template_env if name in env},
        secrets=tuple(dict.fromkeys(secrets)),
    )


class UserFolders(msgspec.Struct, frozen=True, kw_only=True):
    """Where a user's programs keep their settings."""

    home: Path
    #: Of desktop programs: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    settings: Path
    #: Of Claude Code.
    claude: Path


def user_folders(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> UserFolders:
    """Return the folders of whoever runs us."""
    env = os.environ if environment is None else environment
    home = Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    if platform == "darwin":
        settings = home / "Library" / "Application Support"
    elif platform == "win32":
        settings = Path(env.get("APPDATA") or home / "AppData" / "Roaming")
    else:
        named = env.get("XDG_CONFIG_HOME", "")
        settings = Path(named) if named.startswith("/") else home / ".config"
    return UserFolders(home=home, settings=settings, claude=Path(env.get("CLAUDE_CONFIG_DIR") or home))


class ConfigSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the configuration is, or would be written first."""

    path: Path
    #: As it is there; None when there is no file.
    text: bytes | None = None
    #: Why a file that was found may not start processes; empty when it may.
    distrust: str = ""
    #: The places that are searched; a file that was named is the only one.
    places: tuple[Path, ...] = ()


def config_source(named: str | None = None, environment: Mapping[str, str] | None = None) -> ConfigSource:
    """Find the configuration without reading its meaning; one that was named and is missing has no text.

    Raises `ConfigInvalid` where a file cannot be read.
    """
    env = os.environ if environment is None else environment
    given = _given(named, env)
    if given is not None:
        path = Path(given)
        text = _read(path)[0] if path.exists() else None
        return ConfigSource(path=path, text=text, places=(path,))
    places = _places(env)
    found = _find(None, env)
    if found is None:
        return ConfigSource(path=places[0], places=places)
    return ConfigSource(path=found.path, text=found.text, distrust=found.distrust, places=places)


def check_config(text: bytes, path: Path, environment: Mapping[str, str] | None = None) -> list[Problem]:
    """Return what a configuration still needs from the environment; raises `ConfigInvalid` for all that is wrong.

    A variable that is not set is no mistake of a text that is about to be written: it may be set before it is read.
    """
    env = os.environ if environment is None else environment
    unset: list[Problem] = []
    _parse(text, path, env, [], unset)
    return unset


def read_config(text: bytes, path: Path, environment: Mapping[str, str] | None = None) -> tuple[ConfigFile, list[str]]:
    """Return what a text means, and the secrets that variables brought; raises `ConfigInvalid`."""
    env = os.environ if environment is None else environment
    secrets: list[str] = []
    return _overridden(_parse(text, path, env, secrets), env), secrets


def environment_overrides(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return path → variable of what the environment says instead of the file."""
    env = os.environ if environment is None else environment
    return {path: name for path, name in _OVERRIDES.items() if env.get(name)}


# -- the file ---------------------------------------------------------------------------------------------------------


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration file as it was read."""

    path: Path
    text: bytes
    #: Why it may not start processes; empty when it may.
    distrust: str = ""


def _given(named: str | None, env: Mapping[str, str]) -> str | None:
    return named if named is not None else env.get("AEL_CONFIG_PATH") or env.get("AEL_CONFIG") or None


def _places(env: Mapping[str, str]) -> tuple[Path, ...]:
    home = env.get("HOME")
    return (Path(FILE_NAME), *([Path(home) / ".ael" / "config.yaml"] if home else []))


def _find(given: str | None, env: Mapping[str, str]) -> _Found | None:
    """Read the file that is given, else the first of the search order; None when there is none."""
    if given is not None:
        return _Found(path=Path(given), text=_read(Path(given))[0])
    for candidate in _places(env):
        try:
            # Looked at by the name too: a link that somebody else planted is not ours, whatever it points to.
            link = candidate.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _unreadable(candidate, error) from error
        text, status = _read(candidate)
        return _Found(path=candidate, text=text, distrust=_untrusted(candidate, link, status))
    return None


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    """Return a file's text and the status of that very file, whatever happens to its name meanwhile."""
    try:
        # Without O_NONBLOCK a named pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        message = f"the configuration file '{path}' does not exist"
        raise ConfigInvalid([Problem(message=message, suggestion="Correct the path, or create the file.")]) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        is_directory = stat.S_ISDIR(status.st_mode)
        message = f"the configuration file '{path}' is {'a directory' if is_directory else 'not a regular file'}"
        hint = f"Name the file in it: {path / FILE_NAME}." if is_directory else ""
        raise ConfigInvalid([Problem(message=message, suggestion=hint)])
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_TEXT + 1), status


def _unreadable(path: Path, error: Exception) -> ConfigInvalid:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ConfigInvalid([Problem(message=f"the configuration file '{path}' cannot be read: {reason}")])


def _untrusted(path: Path, link: os.stat_result, file: os.stat_result) -> str:
    """Return why a file that was found, not named, may not start processes."""
    if {link.st_uid, file.st_uid} - {os.geteuid(), 0}:
        return f"{path} belongs to another user; name it with --config to use its servers"
    if file.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write to {path}; run `chmod go-w {path}`, or name it with --config to use its servers"
    return ""


# -- the environment --------------------------------------------------------------------------------------------------


def _overridden(config: ConfigFile, env: Mapping[str, str]) -> ConfigFile:
    """Return the configuration with what the environment says instead."""
    logging, telemetry = config.logging, config.telemetry
    if env.get("LOG_LEVEL"):
        logging = msgspec.structs.replace(logging, level=_level(env["LOG_LEVEL"]))
    switches = {
        path.removeprefix("telemetry."): _switch(name, env[name])
        for path, name in _OVERRIDES.items()
        if path.startswith("telemetry.") and env.get(name)
    }
    if switches:
        telemetry = msgspec.structs.replace(telemetry, **switches)
    return msgspec.structs.replace(config, logging=logging, telemetry=telemetry)


def _level(text: str) -> str:
    level = _SPOKEN_LEVELS.get(text.upper(), text.upper())
    if level not in _LEVELS:
        close = nearest(level, _LEVELS)
        hint = f"Did you mean '{close}'?" if close else f"Write one of: {', '.join(_LEVELS)}."
        raise ConfigInvalid([Problem(message=f"LOG_LEVEL is '{text[:40]}' in the environment", suggestion=hint)])
    return level


def _switch(name: str, text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ConfigInvalid([Problem(message=f"{name} is '{text[:40]}' in the environment", suggestion="Write 1 or 0.")])


def _listening(env: Mapping[str, str]) -> Listening:
    transport, port = env.get("AEL_TRANSPORT") or "stdio", env.get("AEL_PORT") or "8080"
    if transport not in {"stdio", "http"}:
        message = f"AEL_TRANSPORT is '{transport[:40]}' in the environment"
        raise ConfigInvalid([Problem(message=message, suggestion="Write stdio or http.")])
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        message = f"AEL_PORT is '{port[:40]}' in the environment"
        raise ConfigInvalid([Problem(message=message, suggestion="Write a port, 0 to 65535.")])
    return Listening(
        transport="http" if transport == "http" else "stdio",
        host=env.get("AEL_HOST") or "127.0.0.1",
        port=int(port),
        insecure=bool(env.get("AEL_INSECURE")) and _switch("AEL_INSECURE", env["AEL_INSECURE"]),
    )


def _state_directory(env: Mapping[str, str]) -> Path | None:
    """Return our directory for state; without a home a private one for this user."""
    named = env.get("XDG_STATE_HOME", "")
    if named.startswith("/"):
        # The XDG specification has relative paths ignored.
        return Path(named) / "ael"
    home = env.get("HOME", "")
    if home.startswith("/") and Path(home).is_dir() and os.access(home, os.W_OK):
        return Path(home) / ".local" / "state" / "ael"
    private = Path(tempfile.gettempdir()) / f"ael-{os.geteuid()}"
    try:
        private.mkdir(mode=0o700, exist_ok=True)
        status = private.lstat()
    except OSError:
        return None
    # Anybody may have made it before us: a directory, not a link, of ours, and of nobody else.
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return private if ours and not status.st_mode & 0o077 else None


# -- places -----------------------------------------------------------------------------------------------------------


def _named_journal(env: Mapping[str, str]) -> Path | None:
    return Path(env["AEL_DB"]) if env.get("AEL_DB") else None


def _journal(config: ConfigFile, base: Path, state: Path | None, env: Mapping[str, str]) -> Path:
    named = _named_journal(env)
    if named is not None:
        return named
    if config.execution.journal is not None:
        return base / config.execution.journal
    beside = base / ".ael"
    if state is None or os.access(beside if beside.is_dir() else base, os.W_OK | os.X_OK):
        return beside / _JOURNAL_NAME
    # A configuration on a read-only mount, or in somebody else's directory.
    return state / _JOURNAL_NAME


def _directories(config: ConfigFile, base: Path) -> tuple[Path, ...]:
    section = config.workflows
    named = [*section.directories, *([section.directory] if section.directory else [])] or ["./workflows"]
    found: list[Path] = []
    for name in named:
        beside = base / name
        # A configuration on a read-only mount has its workflows elsewhere.
        found.append(beside if beside.is_dir() or not Path(name).is_dir() else Path(name))
    return tuple(found)


def _native(config: ConfigFile, base: Path, protected: tuple[Path, ...], env: Mapping[str, str]) -> ServerConfig:
    """Return how the native tools are started, whether they are or not."""
    section = config.tools.native if isinstance(config.tools.native, NativeTools) else NativeTools()
    return native_server(
        base=base,
        workspace=section.workspace,
        enabled=section.enabled,
        allowed_hosts=config.security.allowed_hosts,
        blocked_hosts=config.security.blocked_hosts,
        protected=protected,
        environment=env,
    )


def _absolute(server: ServerConfig, base: Path) -> ServerConfig:
    """Return a server whose paths no longer depend on where we are."""
    if server.cwd is not None:
        server = msgspec.structs.replace(server, cwd=str(base / server.cwd))
    words = shlex.split(server.command or "")
    if words and "/" in words[0] and not words[0].startswith("/"):
        server = msgspec.structs.replace(server, command=shlex.join([str(base / words[0]), *words[1:]]))
    return server


# -- parsing ----------------------------------------------------------------------------------------------------------


def _parse(
    text: bytes, path: Path, env: Mapping[str, str], secrets: list[str], unset: list[Problem] | None = None
) -> ConfigFile:
    """Return the configuration; variables that are not set go to `unset` where it is given, else they are errors."""
    try:
        reader = Reader(text, str(path))
        if reader.is_empty():
            return ConfigFile()
        root = reader.root()
    except Unreadable as error:
        raise ConfigInvalid(error.problems) from error
    seen: set[int] = set()
    for node, keys in _scalars(root, ()):
        # An alias is the same node again: filling it twice would read `$${X}` as a variable after all.
        if id(node) not in seen:
            seen.add(id(node))
            _fill(reader, node, keys, env, secrets, may_lack=unset is not None)
    unfilled = list(reader.problems)
    if unset is not None:
        unset += [one for one in unfilled if one.severity == "warning"]
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
    masker = Masker(secrets)
    problems.sort(key=lambda one: (one.location.line, one.location.column) if one.location else (0, 0))
    return [
        msgspec.structs.replace(one, message=masker.text(one.message), suggestion=masker.text(one.suggestion))
        for one in problems
    ]


def _scalars(node: Node, keys: tuple[str, ...]) -> Iterator[tuple[Node, tuple[str, ...]]]:
    if node.id == "mapping":
        for key, value in node.value:
            yield from _scalars(value, (*keys, key.value))
    elif node.id == "sequence":
        for item in node.value:
            yield from _scalars(item, keys)
    else:
        yield node, keys


def _fill(
    reader: Reader,
    node: Node,
    keys: tuple[str, ...],
    env: Mapping[str, str],
    secrets: list[str],
    *,
    may_lack: bool = False,
) -> None:
    """Replace `${VAR}` in one value; what variables bring is text, or a number where it stands alone."""
    text: str = node.value
    # What is written out is masked as well.
    secrets += [secret for secret in secret_texts(keys, text) if len(secret) >= _SHORTEST_SECRET]
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
        value = env.get(name)
        if value:
            if is_secret and len(value) >= _SHORTEST_SECRET:
                secrets.append(value)
            return value
        if operator == ":-":
            return str(argument)
        message = argument if operator == ":?" and argument else f"the variable {name} is not set, or empty"
        hint = f"Set {name} in the environment, or write ${{{name}:-default}}."
        reader.problem(node, message, hint, warning=may_lack)
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
        if config.mcp.servers.get(name, server) != server:
            message = f"server '{name}' is defined differently in mcp.servers and tools.mcp_servers"
            _wrong(reader, join("tools.mcp_servers", name), message, "Keep one of them.")


def _check_server(name: str, server: ServerConfig, path: str, reader: Reader) -> None:
    if not name or "__" in name:
        _wrong(reader, path, f"the server name '{name}' is empty or holds '__'", "Use one `_`.")
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


def _servers(config: ConfigFile) -> dict[str, ServerConfig]:
    """Merge the two sections that name servers; they were checked to agree."""
    return {**config.mcp.servers, **config.tools.mcp_servers}
