"""Settings: the only reader of the environment and of configuration files.

Search order: named, `AEL_CONFIG_PATH` (or `AEL_CONFIG`), `./ael-config.yaml`, `~/.ael/config.yaml`. Variables fill
values after parsing, so they can never add structure. Without a file no YAML is imported.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from ael.app.config_file import ConfigFile, NativeTools
from ael.app.config_parsing import filled, parse_config, servers_of
from ael.app.files import is_directory
from ael.app.native_tools import NATIVE, SECRETS, native_server, out_of_bounds
from ael.errors import ConfigInvalid, Problem, nearest
from ael.observe.secret_forms import SHORTEST_NAMED
from ael.sandbox.contract import Limits
from ael.tools.servers import ServerConfig
from ael.workflow.yaml_reader import MAX_TEXT

FILE_NAME = "ael-config.yaml"
_JOURNAL_NAME = "ael.db"
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
    config = _overridden(parse_config(found.text, found.path, env, secrets), env)
    base = found.path.resolve().parent
    directories, journal = _directories(config, base), _journal(config, base, state, env)
    native = _native(config, base, out_of_bounds(base, found.path, directories, journal, state), env)
    servers = {name: _absolute(server, base) for name, server in servers_of(config).items()}
    if config.tools.native:
        servers[NATIVE] = native
        secrets += [native.env[name] for name in SECRETS if len(native.env.get(name, "")) >= SHORTEST_NAMED]
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
    parse_config(text, path, env, [], unset)
    return unset


def read_config(text: bytes, path: Path, environment: Mapping[str, str] | None = None) -> tuple[ConfigFile, list[str]]:
    """Return what a text means, and the secrets that variables brought; raises `ConfigInvalid`."""
    env = os.environ if environment is None else environment
    secrets: list[str] = []
    return _overridden(parse_config(text, path, env, secrets), env), secrets


def fill(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a value of a file with what variables bring."""
    return filled(text, os.environ if environment is None else environment)


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
    if home.startswith("/") and is_directory(Path(home)) and os.access(home, os.W_OK):
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
        found.append(beside if is_directory(beside) or not is_directory(Path(name)) else Path(name))
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
