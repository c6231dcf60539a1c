"""The one reader of environment variables: everything that this program is told, once, at the start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

_TRUE = frozenset({"1", "true", "yes", "on"})


class EnvironmentInvalid(Exception):
    """A variable whose value means nothing; the message names it and says what to write."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment says."""

    #: The only directory that file tools reach.
    workspace: Path
    #: Files and directories that file tools refuse, though they are inside.
    protected: tuple[Path, ...] = ()
    #: Names, groups or patterns of the tools that are offered; empty: all.
    enabled: tuple[str, ...] = ()
    #: Hosts, patterns (`*.example.org`), addresses and networks that the network tools may reach; empty: any public.
    allowed_hosts: tuple[str, ...] = ()
    #: Those that they never reach.
    blocked_hosts: tuple[str, ...] = ()
    #: Name servers that are asked instead of this machine's, `ADDRESS` or `ADDRESS:PORT`.
    nameservers: tuple[str, ...] = ()
    firecrawl_base_url: str = "https://api.firecrawl.dev"
    firecrawl_api_key: str = ""
    #: `HOST:PORT`, several with commas; empty: none.
    kafka_bootstrap_servers: str = ""
    #: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, as Kafka's own clients call them.
    kafka_security_protocol: str = "PLAINTEXT"
    #: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    kafka_sasl_mechanism: str = "PLAIN"
    kafka_sasl_username: str = ""
    kafka_sasl_password: str = ""
    #: The address of Ollama; empty: none.
    ollama_host: str = ""
    host: str = "127.0.0.1"
    port: int = 8081
    #: Names besides loopback and addresses by which clients may reach it over HTTP.
    server_names: tuple[str, ...] = ()
    #: Whether it may listen beyond loopback.
    insecure: bool = False


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the variables; raises `EnvironmentInvalid`. Lists are JSON, or words with commas."""
    return Environment(
        workspace=Path(variables.get("WORKSPACE_DIR") or "workspace"),
        protected=tuple(Path(one) for one in _words(variables, "NATIVE_TOOLS_PROTECTED")),
        enabled=_words(variables, "NATIVE_TOOLS_ENABLED"),
        allowed_hosts=_words(variables, "NATIVE_TOOLS_ALLOWED_HOSTS"),
        blocked_hosts=_words(variables, "NATIVE_TOOLS_BLOCKED_HOSTS"),
        nameservers=_words(variables, "NATIVE_TOOLS_NAMESERVERS"),
        firecrawl_base_url=(variables.get("FIRECRAWL_BASE_URL") or "https://api.firecrawl.dev").rstrip("/"),
        firecrawl_api_key=variables.get("FIRECRAWL_API_KEY", ""),
        kafka_bootstrap_servers=variables.get("KAFKA_BOOTSTRAP_SERVERS", ""),
        kafka_security_protocol=(variables.get("KAFKA_SECURITY_PROTOCOL") or "PLAINTEXT").upper(),
        kafka_sasl_mechanism=(variables.get("KAFKA_SASL_MECHANISM") or "PLAIN").upper(),
        kafka_sasl_username=variables.get("KAFKA_SASL_USERNAME", ""),
        kafka_sasl_password=variables.get("KAFKA_SASL_PASSWORD", ""),
        ollama_host=variables.get("OLLAMA_HOST", ""),
        host=variables.get("NATIVE_TOOLS_HOST") or "127.0.0.1",
        port=_port(variables.get("NATIVE_TOOLS_PORT") or "8081"),
        server_names=_words(variables, "NATIVE_TOOLS_SERVER_NAMES"),
        insecure=variables.get("AEL_INSECURE", "").lower() in _TRUE,
    )


def _words(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    text = variables.get(name, "").strip()
    if not text.startswith("["):
        return tuple(word for part in text.split(",") if (word := part.strip()))
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise EnvironmentInvalid(f'{name} is no JSON list of texts: {error}. Write ["one", "two"].') from error


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 <= int(text) <= 65535:
        return int(text)
    raise EnvironmentInvalid(f"NATIVE_TOOLS_PORT is '{text[:40]}'. Write a port, 0 to 65535.")
