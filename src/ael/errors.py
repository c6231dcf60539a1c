"""Every error that reaches a user, an agent, a log or a trace; imports nothing of ael.

    AelError
    ├── ToolUnavailable        TOOL_UNAVAILABLE      ├── InternalError        INTERNAL_ERROR
    ├── ToolTimeout            TOOL_TIMEOUT          ├── QueueFull            QUEUE_FULL
    ├── ToolRejected           TOOL_REJECTED         ├── JournalUnavailable   JOURNAL_UNAVAILABLE
    ├── ToolFailed             TOOL_FAILED           ├── WorkflowNotFound     WORKFLOW_NOT_FOUND
    ├── ParamInvalid           PARAM_INVALID         ├── StepTimeout          STEP_TIMEOUT
    ├── McpConnectionFailed    MCP_CONNECTION_FAILED ├── WorkflowTimeout      WORKFLOW_TIMEOUT
    ├── CodeRuntime            CODE_RUNTIME          ├── ExecutionNotFound    EXECUTION_NOT_FOUND
    ├── CodeTimeout            CODE_TIMEOUT          ├── ExecutionCancelled   EXECUTION_CANCELLED
    ├── CodeSecurity           CODE_SECURITY         ├── ExecutionConflict    EXECUTION_CONFLICT
    ├── CodeMemory             CODE_MEMORY           └── ProblemsError        lists every violation
    ├── CodeCrashed            CODE_CRASHED              ├── WorkflowInvalid     WORKFLOW_INVALID
    ├── ResourceExhausted      RESOURCE_EXHAUSTED        ├── StepNotFound        STEP_NOT_FOUND
    ├── SandboxUnavailable     SANDBOX_UNAVAILABLE       ├── CircularDependency  CIRCULAR_DEPENDENCY
    ├── TemplateFailed         TEMPLATE_ERROR            ├── CodeSyntax          CODE_SYNTAX
    ├── OutputInvalid          OUTPUT_INVALID            ├── CodeRefused         CODE_SECURITY, before it runs
    ├── ApprovalRejected       APPROVAL_REJECTED         ├── InputInvalid        INPUT_INVALID
    ├── ApprovalExpired        APPROVAL_EXPIRED          └── ConfigInvalid       CONFIG_INVALID
    └── ConfigPathInvalid      CONFIG_PATH_INVALID

A code joins the registry with the door that raises it, so that every code in it can be reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar, Literal

import msgspec

Category = Literal["TOOL", "EXECUTION", "VALIDATION", "WORKFLOW", "ACCESS", "SYSTEM"]


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


#: Characters of the message of one problem.
_LONGEST_PROBLEM = 2000


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a file or a value; a validation reports all of them at once."""

    message: str
    #: What to do, a whole sentence; empty when the message says it.
    suggestion: str = ""
    #: The place of the value in its document: `steps[2].params.url`; empty for the whole.
    path: str = ""
    location: Location | None = None
    #: The text of the line that `location` names, for the caret.
    source_line: str = ""
    severity: Literal["error", "warning"] = "error"

    def __post_init__(self) -> None:
        # It may repeat a value of any length; what is wrong stands at the end.
        if len(self.message) > _LONGEST_PROBLEM:
            half = _LONGEST_PROBLEM // 2
            msgspec.structs.force_setattr(self, "message", f"{self.message[:half]} … {self.message[-half:]}")

    def render(self) -> str:
        """Return at most four lines: place and message, the source line, a caret, the suggestion."""
        where = str(self.location) if self.location else self.path
        said = _visible(f"{self.severity}: {self.message}")
        lines = [f"{_visible(where)}: {said}" if where else said]
        if self.location and self.source_line.strip():
            shown, caret = _excerpt(self.source_line, self.location.column)
            lines += [f"  {shown}", f"  {' ' * caret}^"]
        if self.suggestion:
            lines.append(f"  {_visible(self.suggestion)}")
        return "\n".join(lines)


def _visible(text: str) -> str:
    """Escape what a terminal would act on or not show: names and values in a message come from anywhere."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _excerpt(line: str, column: int, width: int = 76) -> tuple[str, int]:
    """Cut `line` so that `column` (from 1) stays visible at 80 columns; return it and the caret's offset."""
    line = line.rstrip("\r\n")
    caret = max(0, min(column - 1, len(line)))
    start = max(0, min(caret - width // 2, len(line) - width))
    shown = line[start : start + width]
    if not shown.isprintable():
        # One character for each, so that the caret stays where it belongs.
        shown = "".join(one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in shown)
    return shown, caret - start


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as data: what the journal keeps and what every interface renders."""

    code: str
    category: Category
    message: str
    detail: str
    suggestion: str
    retryable: bool
    step_id: str | None = None
    tool_name: str | None = None
    attempt: int | None = None
    location: Location | None = None
    cause: str | None = None
    #: Seconds after which the same may be tried again at the earliest, where a server said so.
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"{self.message}: {self.detail}" if self.detail else self.message


#: Characters of a name in a message: whoever asks for what is not there may ask by a name of any length.
_LONGEST_NAME = 300


def _brief(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


class AelError(Exception):
    """Base of all errors; `detail` says what happened, `suggestion` what to do.

    `values` fill the class's message template and are kept as attributes of the same name.
    """

    code: ClassVar[str] = ""
    category: ClassVar[Category] = "SYSTEM"
    template: ClassVar[str] = ""
    #: Whether a retry may help, unless an instance says otherwise.
    retryable_by_default: ClassVar[bool] = False

    def __init__(
        self,
        detail: str = "",
        *,
        suggestion: str = "",
        retryable: bool | None = None,
        step_id: str | None = None,
        tool_name: str | None = None,
        attempt: int | None = None,
        location: Location | None = None,
        cause: str | None = None,
        retry_after: float | None = None,
        **values: object,
    ) -> None:
        self.detail = detail
        self.suggestion = suggestion
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.step_id = step_id
        self.tool_name = None if tool_name is None else _brief(tool_name)
        self.attempt = attempt
        self.location = location
        self.cause = cause
        self.retry_after = retry_after
        self.values = values
        self.message = self._worded()
        super().__init__(f"{self.message}: {detail}" if detail else self.message)

    def _worded(self) -> str:
        named = {"tool_name": self.tool_name, "step_id": self.step_id, **self.values}
        shown = {key: _brief(value) if isinstance(value, str) else value for key, value in named.items()}
        return self.template.format_map(shown)

    def record(self) -> ErrorRecord:
        """Return the error as data."""
        return ErrorRecord(
            code=self.code,
            category=self.category,
            message=self.message,
            detail=self.detail,
            suggestion=self.suggestion,
            retryable=self.retryable,
            step_id=self.step_id,
            tool_name=self.tool_name,
            attempt=self.attempt,
            location=self.location,
            cause=self.cause,
            retry_after=self.retry_after,
        )

    def of_tool(self, name: str) -> AelError:
        """Name the tool as whoever called it did, which its server does not know; return self."""
        if self.tool_name == name:
            return self
        self.tool_name = _brief(name)
        self.message = self._worded()
        self.args = (f"{self.message}: {self.detail}" if self.detail else self.message,)
        return self

    def at_step(self, step_id: str, attempt: int) -> AelError:
        """Name the step and attempt where they are not known yet; return self."""
        self.step_id = self.step_id or step_id
        self.attempt = self.attempt or attempt
        return self


class ProblemsError(AelError):
    """Base of errors that list every violation; the detail is their rendering."""

    def __init__(self, problems: Iterable[Problem], *, suggestion: str = "", **values: object) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        first = next((problem.location for problem in self.problems if problem.location), None)
        super().__init__(
            "\n".join(problem.render() for problem in self.problems),
            suggestion=suggestion,
            location=first,
            **values,  # type: ignore[arg-type]  # message values only; the other fields are the caller's
        )


class ToolUnavailable(AelError):
    """A tool is unknown, disabled, or on a server that is down; the detail says why."""

    code, category, template = "TOOL_UNAVAILABLE", "TOOL", "Tool '{tool_name}' is unavailable"
    retryable_by_default = True


class ToolTimeout(AelError):
    """A tool gave no answer in time; the call was cancelled at its server."""

    code, category, template = "TOOL_TIMEOUT", "TOOL", "Tool '{tool_name}' timed out after {timeout_seconds}s"
    retryable_by_default = True


class ToolRejected(AelError):
    """A call was refused: the tool is not in the workflow's scope, or code tried to run code."""

    code, category, template = "TOOL_REJECTED", "TOOL", "Tool '{tool_name}' rejected the request"


class ToolFailed(AelError):
    """A tool answered with an error; its own text is in the detail."""

    code, category, template = "TOOL_FAILED", "TOOL", "Tool execution failed"
    retryable_by_default = True


class CodeSyntax(ProblemsError):
    """Code does not parse; the location is in the YAML file."""

    code, category, template = "CODE_SYNTAX", "EXECUTION", "Syntax error in code block"


class CodeRefused(ProblemsError):
    """Code that was checked before it ran uses a forbidden import, name or attribute."""

    code, category, template = "CODE_SECURITY", "EXECUTION", "Security violation in code block"


class CodeRuntime(AelError):
    """Code raised an exception; the detail has its type and text, the location its line in the YAML file."""

    code, category, template = "CODE_RUNTIME", "EXECUTION", "Runtime error in code block"


class CodeTimeout(AelError):
    """Code was killed at its time limit."""

    code, category, template = "CODE_TIMEOUT", "EXECUTION", "Code execution timed out after {timeout_seconds}s"


class CodeSecurity(AelError):
    """Code used a forbidden import, name, attribute or system call while it ran."""

    code, category, template = "CODE_SECURITY", "EXECUTION", "Security violation in code block"


class CodeMemory(AelError):
    """Code needed more memory than its limit."""

    code, category, template = "CODE_MEMORY", "EXECUTION", "Code exceeded its memory limit"


class CodeCrashed(AelError):
    """The process that ran code died for another reason; the detail says what is known."""

    code, category, template = "CODE_CRASHED", "EXECUTION", "Code process died"


class ResourceExhausted(AelError):
    """Too many tool calls or steps, too large a result, or workflows nested too deep."""

    code, category, template = "RESOURCE_EXHAUSTED", "EXECUTION", "Resource limit reached"


class SandboxUnavailable(AelError):
    """The kernel's boundary around code cannot be set up here, so no code runs."""

    code, category, template = "SANDBOX_UNAVAILABLE", "SYSTEM", "Code sandbox is unavailable"


class TemplateFailed(AelError):
    """An expression failed: an undefined name, a wrong type, or a limit of evaluation."""

    code, category, template = "TEMPLATE_ERROR", "EXECUTION", "Template rendering failed"


class InputInvalid(ProblemsError):
    """The workflow's inputs break its declarations; all violations are listed."""

    code, category, template = "INPUT_INVALID", "VALIDATION", "Invalid workflow input"


class ParamInvalid(AelError):
    """The parameters of a call break the tool's schema; all violations are listed."""

    code, category, template = "PARAM_INVALID", "VALIDATION", "Invalid parameters for tool '{tool_name}'"


class OutputInvalid(AelError):
    """A result is not strict JSON, or breaks the path or schema of an output."""

    code, category, template = "OUTPUT_INVALID", "VALIDATION", "Invalid output"


class ConfigInvalid(ProblemsError):
    """The configuration file is wrong; all violations are listed with their places."""

    code, category, template = "CONFIG_INVALID", "SYSTEM", "Invalid configuration"


class ConfigPathInvalid(AelError):
    """No key of the configuration has this path, or nothing stands there."""

    code, category, template = "CONFIG_PATH_INVALID", "VALIDATION", "Invalid configuration path: {path}"


class WorkflowInvalid(ProblemsError):
    """The workflow file is wrong; all violations are listed with their places."""

    code, category, template = "WORKFLOW_INVALID", "VALIDATION", "Invalid workflow"


class WorkflowNotFound(AelError):
    """No registered workflow has this name or version, and no file this path."""

    code, category, template = "WORKFLOW_NOT_FOUND", "WORKFLOW", "Workflow '{workflow_id}' not found"


class StepNotFound(ProblemsError):
    """A step refers to another that does not exist."""

    code, category, template = "STEP_NOT_FOUND", "WORKFLOW", "Step '{missing}' not found"


class CircularDependency(ProblemsError):
    """Steps wait for each other; the detail shows the circle."""

    code, category, template = "CIRCULAR_DEPENDENCY", "WORKFLOW", "Circular dependency detected"


class StepTimeout(AelError):
    """An attempt of a step took longer than its time limit."""

    code, category, template = "STEP_TIMEOUT", "WORKFLOW", "Step '{step_id}' timed out after {timeout_seconds}s"
    retryable_by_default = True


class WorkflowTimeout(AelError):
    """The execution took longer than its time limit; time spent waiting on purpose does not count."""

    code, category, template = "WORKFLOW_TIMEOUT", "WORKFLOW", "Workflow timed out after {timeout_seconds}s"


class ApprovalRejected(AelError):
    """A person rejected what an approval step asked."""

    code, category, template = "APPROVAL_REJECTED", "WORKFLOW", "Approval of step '{step_id}' was rejected"


class ApprovalExpired(AelError):
    """Nobody decided about an approval step in time, and `on_timeout` is `fail`."""

    code, category, template = "APPROVAL_EXPIRED", "WORKFLOW", "Approval of step '{step_id}' expired"


class ExecutionNotFound(AelError):
    """No execution on record has this id."""

    code, category, template = "EXECUTION_NOT_FOUND", "WORKFLOW", "Execution '{execution_id}' not found"


class ExecutionCancelled(AelError):
    """The execution was stopped from outside."""

    code, category, template = "EXECUTION_CANCELLED", "WORKFLOW", "Execution was cancelled"


class ExecutionConflict(AelError):
    """Another process records the same execution, so this one stopped."""

    code, category, template = "EXECUTION_CONFLICT", "WORKFLOW", "Execution is changed by another process"


class McpConnectionFailed(AelError):
    """An MCP server that is needed cannot be started or reached; the detail has its command and last words."""

    code, category, template = "MCP_CONNECTION_FAILED", "SYSTEM", "Failed to connect to MCP server"
    retryable_by_default = True


class JournalUnavailable(AelError):
    """The record of executions cannot be read or written, so nothing goes on."""

    code, category, template = "JOURNAL_UNAVAILABLE", "SYSTEM", "Journal is unavailable"
    retryable_by_default = True


class QueueFull(AelError):
    """Too many executions run and wait; nothing was started."""

    code, category, template = "QUEUE_FULL", "SYSTEM", "Execution queue is full"
    retryable_by_default = True


class InternalError(AelError):
    """A defect of AEL: report the id; the log has the details."""

    code, category, template = "INTERNAL_ERROR", "SYSTEM", "Internal AEL error"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None when nothing is close."""
    names = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), names, n=1, cutoff=0.6)
    return names[found[0]] if found else None


def did_you_mean(name: str, known: Sequence[str] | Iterable[str], noun: str = "name") -> str:
    """Return a suggestion for an unknown `name`: the nearest one, else the short list of known ones."""
    candidates = sorted(known)
    close = nearest(name, candidates)
    if close is not None:
        return f"Did you mean '{close}'?"
    if not candidates:
        return ""
    # As many as stand on one line of a terminal of 80 columns.
    listed = candidates[0][:60]
    for candidate in candidates[1:]:
        if len(listed) + len(candidate) > 60:
            return f"Known {noun}s: {listed}, …"
        listed += f", {candidate}"
    return f"Known {noun}s: {listed}."


def registered() -> list[type[AelError]]:
    """Return every class that has a code."""
    found: list[type[AelError]] = []
    waiting: list[type[AelError]] = [AelError]
    while waiting:
        kind = waiting.pop()
        found += [kind] if kind.code else []
        waiting += kind.__subclasses__()
    return found


#: Every code and its class; of two classes of one code, the one that is made from a record.
REGISTRY: dict[str, type[AelError]] = {
    kind.code: kind for kind in sorted(registered(), key=lambda kind: not issubclass(kind, ProblemsError))
}


def from_record(record: ErrorRecord) -> AelError:
    """Return the error that a record describes, of the class of its code."""
    kind = REGISTRY.get(record.code, InternalError)
    error = kind.__new__(kind)
    Exception.__init__(error, str(record))
    for field in ErrorRecord.__struct_fields__:
        if field not in {"code", "category"}:
            setattr(error, field, getattr(record, field))
    error.values = {}
    return error
