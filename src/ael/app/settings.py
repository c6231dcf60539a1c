"""Settings: the only reader of the environment and of configuration files.

Search order: named, `AEL_CONFIG_PATH` (or `AEL_CONFIG`), `./ael-config.yaml`, `~/.ael/config.yaml`. Variables fill
values after parsing, so they can never add structure. Without a file no YAML is imported.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ael import __version__
from ael.errors import ConfigInvalid, Location, Problem
from ael.sandbox.contract import Limits
from ael.tools.servers import ServerConfig
from ael.workflow.model import RetryPolicy
from ael.workflow.yaml_reader import Reader, Unreadable

if TYPE_CHECKING:
    from yaml import Node

FILE_NAME = "ael-config.yaml"
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)([^}]*))?\})")

#: Values that variables bring into these keys are secrets from this length on.
_SECRET_KEYS = frozenset({"env", "headers", "auth"})
_SHORTEST_SECRET = 8


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

    enabled: tuple[str, ...] = ()
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
    step_timeout: float = 30.0
    max_steps: int = 1000
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

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
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


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an installation is told, from file and environment."""

    file: ConfigFile = ConfigFile()
    #: The configuration file, None without one.
    path: Path | None = None
    servers: dict[str, ServerConfig] = {}
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


def load_settings(named: str | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises `ConfigInvalid`."""
    env = os.environ if environment is None else environment
    path, was_named = _find(named, env)
    state = _state_directory(env)
    if path is None:
        journal = Path(env["AEL_DB"]) if env.get("AEL_DB") else None if state is None else state / "ael.db"
        here = (Path("workflows"),)
        return Settings(state=state, journal=journal, directories=here)
    text = _read(path)
    secrets: list[str] = []
    config = _parse(text, path, env, secrets)
    base = path.resolve().parent
    template_env = {name: env[name] for name in config.security.template_env if name in env}
    return Settings(
        file=config,
        path=path,
        servers={name: _absolute(server, base) for name, server in _servers(config, path).items()},
        servers_refused="" if was_named else _untrusted(path),
        directories=_directories(config, base),
        state=state,
        journal=_journal(config, base, env),
        template_env=template_env,
        secrets=tuple(dict.fromkeys(secrets)),
    )


def _find(named: str | None, env: Mapping[str, str]) -> tuple[Path | None, bool]:
    """Return the file and whether it was named."""
    given = named or env.get("AEL_CONFIG_PATH") or env.get("AEL_CONFIG")
    if given:
        path = Path(given)
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "does not exist"
            hint = f"Name the file in it: {path / FILE_NAME}." if path.is_dir() else "Run `ael init` to make one."
            raise ConfigInvalid([Problem(message=f"the configuration file '{given}' {what}", suggestion=hint)])
        return path, True
    for candidate in (Path(FILE_NAME), *([Path(home) / ".ael" / "config.yaml"] if (home := env.get("HOME")) else [])):
        if candidate.is_file():
            return candidate, False
    return None, False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigInvalid([Problem(message=f"'{path}' cannot be read: {error.strerror}")]) from error


def _untrusted(path: Path) -> str:
    """Return why a file that was found, not named, may not start processes."""
    status = path.stat()
    if hasattr(os, "geteuid") and status.st_uid not in {os.geteuid(), 0}:
        return f"{path} belongs to another user; name it with --config to use its servers"
    if status.st_mode & 0o022:
        return f"others can write to {path}; run `chmod go-w {path}`, or name it with --config to use its servers"
    return ""


def _state_directory(env: Mapping[str, str]) -> Path | None:
    """Return our directory for state; without a home a private one for this user."""
    if env.get("XDG_STATE_HOME"):
        return Path(env["XDG_STATE_HOME"]) / "ael"
    if env.get("HOME") and Path(env["HOME"]).is_dir() and os.access(env["HOME"], os.W_OK):
        return Path(env["HOME"]) / ".local" / "state" / "ael"
    private = Path(tempfile.gettempdir()) / f"ael-{os.geteuid()}"
    try:
        private.mkdir(mode=0o700, exist_ok=True)
        status = private.lstat()
    except OSError:
        return None
    ours = private.is_dir() and not private.is_symlink() and status.st_uid == os.geteuid()
    return private if ours and not status.st_mode & 0o077 else None


def _journal(config: ConfigFile, base: Path, env: Mapping[str, str]) -> Path:
    if env.get("AEL_DB"):
        return Path(env["AEL_DB"])
    if config.execution.journal is not None:
        return base / config.execution.journal
    return base / ".ael" / "ael.db"


def _directories(config: ConfigFile, base: Path) -> tuple[Path, ...]:
    section = config.workflows
    named = [*section.directories, *([section.directory] if section.directory else [])] or ["./workflows"]
    found: list[Path] = []
    for name in named:
        beside = base / name
        # A configuration on a read-only mount has its workflows elsewhere.
        found.append(beside if beside.is_dir() or not Path(name).is_dir() else Path(name))
    return tuple(found)


def _absolute(server: ServerConfig, base: Path) -> ServerConfig:
    if server.cwd is None:
        return server
    return msgspec.structs.replace(server, cwd=str(base / server.cwd))


def _servers(config: ConfigFile, path: Path) -> dict[str, ServerConfig]:
    """Merge the two sections that name servers."""
    merged = dict(config.mcp.servers)
    problems: list[Problem] = []
    for name, server in config.tools.mcp_servers.items():
        if merged.setdefault(name, server) != server:
            problems.append(
                Problem(
                    message=f"server '{name}' is defined differently in mcp.servers and tools.mcp_servers",
                    suggestion="Keep one of them.",
                    location=Location(file=str(path), line=1, column=1),
                )
            )
    for name, server in merged.items():
        where = f"mcp.servers.{name}"
        if "__" in name:
            problems.append(Problem(message=f"{where}: a server's name holds no '__'", suggestion="Use one `_`."))
        if (server.command is None) == (server.url is None):
            problems.append(Problem(message=f"{where} needs exactly one of 'command' and 'url'"))
    if problems:
        raise ConfigInvalid(problems)
    return merged


# -- parsing ---------------------------------------------------------------------------------------------------------


def _parse(text: bytes, path: Path, env: Mapping[str, str], secrets: list[str]) -> ConfigFile:
    try:
        reader = Reader(text, str(path))
        if not reader.text.strip():
            return ConfigFile()
        root = reader.root()
    except Unreadable as error:
        raise ConfigInvalid(error.problems) from error
    for node, keys in _scalars(root, ()):
        _fill(reader, node, keys, env, secrets)
    config = reader.read_record(root, ConfigFile, "")
    errors = [problem for problem in reader.problems if problem.severity == "error"]
    if errors or config is None:
        errors.sort(key=lambda one: (one.location.line, one.location.column) if one.location else (0, 0))
        raise ConfigInvalid(errors)
    return config


def _scalars(node: Node, keys: tuple[str, ...]) -> Iterator[tuple[Node, tuple[str, ...]]]:
    if node.id == "mapping":
        for key, value in node.value:
            yield from _scalars(value, (*keys, key.value))
    elif node.id == "sequence":
        for item in node.value:
            yield from _scalars(item, keys)
    else:
        yield node, keys


def _fill(reader: Reader, node: Node, keys: tuple[str, ...], env: Mapping[str, str], secrets: list[str]) -> None:
    """Replace `${VAR}` in one value; what variables bring is text, or a number where it stands alone."""
    text: str = node.value
    if "$" not in text:
        return
    is_secret = bool(_SECRET_KEYS & set(keys))

    def value_of(match: re.Match[str]) -> str:
        name, operator, argument = match.groups()
        if name is None:
            return "$"
        value = env.get(name)
        if value:
            if is_secret and len(value) >= _SHORTEST_SECRET:
                secrets.append(value)
            return value
        if operator == ":-":
            return str(argument)
        message = argument if operator == ":?" and argument else f"the variable {name} is not set"
        reader.problem(node, message, f"Set {name} in the environment, or write ${{{name}:-default}}.")
        return ""

    filled: Any = _VARIABLE.sub(value_of, text)
    node.value = filled
    if _VARIABLE.fullmatch(text) is None or is_secret:
        # A text with a variable in it stays text, whatever it looks like.
        node.style = node.style or '"'
