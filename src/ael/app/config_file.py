"""The configuration file as types: a record for each section, with the defaults of each key.

`config_parsing` reads it, `settings` finds it; the reference and the schema are made from here.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ael import __version__
from ael.tools.servers import ServerConfig
from ael.workflow.model import RetryPolicy


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


#: Seconds of a tool step where nothing says otherwise.
_STEP_TIMEOUT = 30.0


def step_timeout(execution: ExecutionSection) -> float:
    """Return the seconds of a tool step that names none; those of the whole execution, where given, move them."""
    whole, step = execution.default_timeout, execution.step_timeout
    if step is None:
        return whole or _STEP_TIMEOUT
    return step if whole is None else min(step, whole)
