"""The definition of a workflow as frozen types: what a file means once it is read.

`load` makes these from YAML, `schema` renders them as JSON Schema, `plan` orders them. The field names are the
file's keys (spec: the workflow language), so a reader of one can read the other. Shorthand forms of the file
(inputs as a list, a bare default, `depends_on` as one name) are gone here: `load` has resolved them.
"""

from __future__ import annotations

from typing import Literal, NewType, TypeAlias

import msgspec

from ael.values import JSONValue

StepId = NewType("StepId", str)
InputType = Literal["string", "integer", "number", "boolean", "array", "object"]
OnError = Literal["fail", "continue", "retry"]
PackageProfile = Literal["minimal", "standard", "data_science"]
Schema: TypeAlias = dict[str, JSONValue]


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of definition types."""


class InputSpec(_Record, frozen=True, kw_only=True):
    """One input of a workflow."""

    #: Letters, digits and `_`.
    name: str
    #: Absent: the type of the default, else string.
    type: InputType = "string"
    #: Absent: true unless there is a default.
    required: bool = True
    #: Used where the input is not given. An explicit null is a default too, and exempt from type and enum.
    default: JSONValue | msgspec.UnsetType = msgspec.UNSET
    #: For people and agents.
    description: str = ""
    #: The only values allowed.
    enum: tuple[JSONValue, ...] | None = None
    #: A regular expression (RE2) that is found in the text; ^ and $ tie it to the ends.
    pattern: str | None = None
    #: The smallest number.
    minimum: float | int | None = None
    #: The largest number.
    maximum: float | int | None = None
    #: Fewest characters of a text.
    min_length: int | None = None
    #: Most characters of a text.
    max_length: int | None = None
    #: JSON Schema of each item of an array.
    items: Schema | None = None
    #: Key → JSON Schema of its value in an object.
    properties: Schema | None = None
    #: Masked in every record, log and trace.
    secret: bool = False


class OutputSpec(_Record, frozen=True, kw_only=True):
    """One named result; exactly one of `from_path` and `value`."""

    #: The key of the result.
    name: str
    #: A path like `steps.process.output.items[0].name`.
    from_path: str | None = None
    #: A value with templates.
    value: JSONValue | msgspec.UnsetType = msgspec.UNSET
    #: For people and agents.
    description: str = ""
    #: What the output is where the path or the template finds nothing.
    default: JSONValue | msgspec.UnsetType = msgspec.UNSET
    #: JSON Schema that the value must match.
    schema: Schema | None = None


class RetryPolicy(_Record, frozen=True, kw_only=True):
    """How a failed attempt is repeated; what is absent, the level above decides."""

    #: Counts the first attempt.
    max_attempts: int | None = None
    #: Seconds before the second attempt.
    initial_delay: float | None = None
    #: Seconds between two attempts at most, also where a server asks to wait longer.
    max_delay: float | None = None
    #: What each delay is multiplied by to give the next.
    backoff_multiplier: float | None = None
    #: Fraction of the delay that is added at random, from the execution's seed.
    jitter: float | None = None
    #: How delays grow: by `backoff_multiplier`, by `initial_delay`, not at all.
    backoff: Literal["exponential", "linear", "fixed"] | None = None
    #: Error codes that are repeated besides those that are retryable.
    retry_on: tuple[str, ...] | None = None
    #: What the last failure means.
    on_exhausted: Literal["fail", "continue"] | None = None


class Compensation(_Record, frozen=True, kw_only=True):
    """What undoes a completed step: exactly one of tool, code and workflow."""

    #: A tool of the catalog, with `output` (the step's output) in the scope of its `params`.
    tool: str | None = None
    #: Python; `output` is a variable.
    code: str | None = None
    #: NAME or NAME@VERSION.
    workflow: str | None = None
    #: What the tool or the workflow is given, with templates at any depth.
    params: dict[str, JSONValue] = {}
    #: Seconds, of one attempt.
    timeout: float | None = None
    #: How it is repeated when it fails; without it, it is not.
    retry: RetryPolicy | None = None


class _StepBase(_Record, frozen=True, kw_only=True):
    #: Unique in the file: letters, digits and `_`.
    id: StepId
    #: For people.
    description: str = ""
    #: A step or a list of steps to wait for. Absent: every step above.
    depends_on: tuple[StepId, ...] | None = None
    #: An expression (bare or in braces) or a boolean; where it is false the step is skipped.
    when: str | bool | None = None
    #: An expression that gives a list (or a mapping): the step runs once for each item.
    foreach: str | None = None
    #: The name that stands for the item in templates and code.
    item_name: str = "item"
    #: How many items at the same time.
    max_parallel: int = 1
    #: What the failure of an item means: the step fails, or the item's output is null.
    on_item_error: Literal["fail", "continue"] = "fail"
    #: Seconds, of one attempt.
    timeout: float | None = None
    #: What the failure of the step means. `retry:` alone means `retry`.
    on_error: OnError | None = None
    #: How a failed attempt is repeated.
    retry: RetryPolicy | None = None
    #: Safe to run again after a crash.
    idempotent: bool = False
    #: What undoes the step.
    compensate: Compensation | None = None


class ToolStep(_StepBase, tag="tool", tag_field="kind", frozen=True, kw_only=True):
    """Call a tool of the catalog."""

    #: The catalog's name: `fs_read`, or `server__tool`.
    tool: str
    #: What the tool is given, with templates at any depth.
    params: dict[str, JSONValue] = {}


class CodeStep(_StepBase, tag="code", tag_field="kind", frozen=True, kw_only=True):
    """Run Python in the sandbox; also `tool: python_exec` with literal code, which then shows as a tool call."""

    #: Python; the result is what it returns.
    code: str
    #: False: braces in the code are Python's own.
    templates: bool = True
    #: Written as `tool: python_exec`.
    as_tool: bool = False


class WorkflowStep(_StepBase, tag="workflow", tag_field="kind", frozen=True, kw_only=True):
    """Run another workflow as a child execution; NAME or NAME@VERSION."""

    #: NAME or NAME@VERSION.
    workflow: str
    #: The inputs of the workflow, with templates at any depth.
    params: dict[str, JSONValue] = {}


class ApprovalStep(_StepBase, tag="approval", tag_field="kind", frozen=True, kw_only=True):
    """Ask a person."""

    message: str
    approvers: tuple[str, ...] = ()
    #: Seconds until `on_timeout` decides; None waits for ever. (`timeout` of the step is not used.)
    expires_after: float | None = None
    on_timeout: Literal["fail", "approve", "reject"] = "fail"
    choices: tuple[str, ...] = ()


class WaitStep(_StepBase, tag="wait", tag_field="kind", frozen=True, kw_only=True):
    """Wait; exactly one of the two, each a value or a template."""

    seconds: float | str | None = None
    until: str | None = None


Step: TypeAlias = ToolStep | CodeStep | WorkflowStep | ApprovalStep | WaitStep


class SandboxDefaults(_Record, frozen=True, kw_only=True):
    """`defaults.sandbox`: limits of code steps."""

    #: Seconds, of one attempt.
    timeout: float | None = None
    #: Tool calls, of one attempt.
    max_tool_calls: int | None = None
    #: Bytes.
    max_memory: int | None = None
    #: Modules that code may import besides those of the profile.
    allowed_imports: tuple[str, ...] = ()


class Defaults(_Record, frozen=True, kw_only=True):
    """`defaults`: for every step that does not say otherwise."""

    #: Seconds, of one attempt.
    timeout: float | None = None
    #: What the failure of a step means.
    on_error: OnError | None = None
    #: How a failed attempt is repeated, where `on_error` is `retry`.
    retry: RetryPolicy | None = None
    #: Limits of code steps.
    sandbox: SandboxDefaults = SandboxDefaults()


class Packages(_Record, frozen=True, kw_only=True):
    """What code steps may import."""

    #: A set of modules, see [the sandbox](sandbox.md).
    profile: PackageProfile = "standard"
    #: Installed modules besides those.
    additional: tuple[str, ...] = ()


class Annotations(_Record, rename="camel", frozen=True, kw_only=True):
    """MCP tool annotations, passed to clients."""

    #: A name for people.
    title: str | None = None
    #: It changes nothing.
    read_only_hint: bool | None = None
    #: It may destroy something.
    destructive_hint: bool | None = None
    #: A second time changes nothing more.
    idempotent_hint: bool | None = None
    #: It reaches beyond this installation.
    open_world_hint: bool | None = None


class Answer(_Record, frozen=True, kw_only=True):
    """What a mocked tool answers: a value, or an error with a code."""

    #: Only to calls whose parameters have these; such an answer is not used up.
    params: dict[str, JSONValue] | None = None
    value: JSONValue = None
    error: str | None = None
    detail: str = ""
    #: None: as the error's code has it.
    retryable: bool | None = None


class Mock(_Record, frozen=True, kw_only=True):
    """The answers of one tool, or of all whose name matches a pattern."""

    tool: str
    answers: tuple[Answer, ...]
    #: Each call takes the next one; else the only one answers every call.
    successive: bool = False


class ExpectedCalls(_Record, frozen=True, kw_only=True):
    """How often a tool, or all that match a pattern, are called; and with what, where that is said."""

    tool: str
    count: int
    #: What the parameters of each call have, in order.
    params: tuple[dict[str, JSONValue], ...] | None = None


class Expectation(_Record, frozen=True, kw_only=True):
    """What a test expects; what is absent is not compared."""

    status: str | None = None
    #: The execution ends with an error.
    fails: bool = False
    output: JSONValue | msgspec.UnsetType = msgspec.UNSET
    output_contains: JSONValue | msgspec.UnsetType = msgspec.UNSET
    output_schema: Schema | None = None
    error_code: str | None = None
    error_contains: str | None = None
    error_step: StepId | None = None
    steps: dict[str, str] = {}
    calls: tuple[ExpectedCalls, ...] = ()


class FileTest(_Record, frozen=True, kw_only=True):
    """A test that a workflow carries (see `file_tests`, which reads it)."""

    name: str
    description: str = ""
    inputs: dict[str, JSONValue] = {}
    mocks: tuple[Mock, ...] = ()
    #: Step → {verdict, by, comment, choice}.
    approvals: dict[str, dict[str, JSONValue]] = {}
    expect: Expectation = Expectation()
    seed: int = 0
    #: UTC milliseconds at which the execution stands.
    time_ms: int
    env: dict[str, str] = {}


class Workflow(_Record, frozen=True, kw_only=True):
    """A whole definition."""

    #: Letters, digits, `-` and `_`, a letter first.
    name: str
    #: The text as written: unquoted 1.10 is "1.10".
    version: str
    #: For people and agents.
    description: str = ""
    #: A name for people.
    title: str = ""
    #: For people, to find it by.
    tags: tuple[str, ...] = ()
    #: What it takes, as a list or a mapping; a name alone is a required string, a scalar is a default.
    inputs: tuple[InputSpec, ...] = ()
    #: What it does, at least one step.
    steps: tuple[Step, ...]
    #: The result, with templates; excludes `outputs`. Without either the last step's output is the result.
    output: JSONValue | msgspec.UnsetType = msgspec.UNSET
    #: Named results, as a list or a mapping.
    outputs: tuple[OutputSpec, ...] = ()
    #: For every step that does not say otherwise.
    defaults: Defaults = Defaults()
    #: Seconds, of the whole execution.
    timeout: float | None = None
    #: What code steps may import.
    packages: Packages = Packages()
    #: Names and patterns of the only tools it may call. Absent: those of its steps, and those its code names literally.
    tools: tuple[str, ...] | None = None
    #: Steps that run after a failure, with `error` in scope.
    on_failure: tuple[Step, ...] = ()
    #: Steps that always run at the end.
    finally_: tuple[Step, ...] = msgspec.field(default=(), name="finally")
    #: What `ael test` runs.
    tests: tuple[FileTest, ...] = ()
    #: Whether agents see it as a tool.
    expose: bool = True
    #: MCP tool annotations, passed to clients.
    annotations: Annotations | None = None


class Source(_Record, frozen=True, kw_only=True):
    """Where a definition came from, for locations in errors that arise after loading."""

    #: The path as the user wrote it, or `<stdin>` and the like.
    file: str
    text: str
    #: Path of a value in the document (`steps[0].params.url`) → (line, column), from 1, of the value's first
    #: character; for a block scalar (`code: |`) the first line of its content and the column of its indentation.
    marks: dict[str, tuple[int, int]] = {}


class Definition(_Record, frozen=True, kw_only=True):
    """A workflow together with its source; the pair that loading returns and that an execution stores."""

    workflow: Workflow
    source: Source
