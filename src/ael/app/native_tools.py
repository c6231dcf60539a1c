"""How the native tools are started: a program of their own, told what it may reach by its environment."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ael.tools.servers import ServerConfig

#: The server's name of the tools that come with AEL; no other may have it.
NATIVE = "native_tools"

#: `-P`: a directory of that name where somebody happens to be is not imported.
ARGUMENTS = ("-P", "-m", "native_tools")

#: Variables for the services that tools speak to, for how they are found and trusted; the program gets no other.
_SERVICES = (
    *("FIRECRAWL_BASE_URL", "FIRECRAWL_API_KEY", "KAFKA_BOOTSTRAP_SERVERS", "OLLAMA_HOST"),
    *("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"),
    *("NATIVE_TOOLS_NAMESERVERS", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
#: Those of them that no output shows.
SECRETS = ("FIRECRAWL_API_KEY", "KAFKA_SASL_PASSWORD")

_WORKSPACE = "workspace"
_LOCK_FILE = "ael-tools.lock"
#: What stands beside a journal: SQLite's own files and the key that seals secrets.
_WITH_JOURNAL = ("", "-wal", "-shm", "-journal", ".key")


def native_server(
    *,
    base: Path,
    workspace: str | None,
    enabled: tuple[str, ...],
    allowed_hosts: tuple[str, ...],
    blocked_hosts: tuple[str, ...],
    protected: tuple[Path, ...],
    environment: Mapping[str, str],
) -> ServerConfig:
    """Return the server; a relative workspace is beside the configuration, which is in `base`."""
    lists = {
        "NATIVE_TOOLS_ENABLED": enabled,
        "NATIVE_TOOLS_ALLOWED_HOSTS": allowed_hosts,
        "NATIVE_TOOLS_BLOCKED_HOSTS": blocked_hosts,
        "NATIVE_TOOLS_PROTECTED": tuple(str(path.absolute()) for path in protected),
    }
    variables = {name: msgspec.json.encode(values).decode() for name, values in lists.items() if values}
    services = {name: environment[name] for name in _SERVICES if environment.get(name)}
    place = str((base / (workspace or _WORKSPACE)).absolute())
    return ServerConfig(
        command=shlex.join([sys.executable]),
        args=ARGUMENTS,
        env={"WORKSPACE_DIR": place, **variables, **services},
    )


def out_of_bounds(
    base: Path, path: Path | None, directories: tuple[Path, ...], journal: Path | None, state: Path | None
) -> tuple[Path, ...]:
    """Return what file tools may never reach: configuration, workflows, lock file, records, remembered plans."""
    places = [base / ".ael", base / _LOCK_FILE, *directories]
    places += [] if path is None else [path]
    places += [] if state is None else [state]
    places += [] if journal is None else [journal.with_name(journal.name + end) for end in _WITH_JOURNAL]
    return tuple(dict.fromkeys(places))
