"""App: the use cases. Interfaces translate a request, call one method, and render what comes back.

What leaves this room is masked: no secret is in an `Execution`, an event or an error that a method gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ael.app.build import Parts, build
from ael.app.config_file import ConfigFile
from ael.app.definitions import Definitions, Prepared
from ael.app.doctor import Check, check_installation
from ael.app.secrets import input_secrets, recorded_secrets
from ael.app.settings import Settings
from ael.app.tool_check import check_tools
from ael.engine.engine import Request, new_execution_id, new_seed
from ael.engine.preview import Preview, PreviewStep, preview
from ael.errors import AelError, ErrorRecord, InputInvalid, Location, Problem, ProblemsError
from ael.journal import ExecutionSummary, events
from ael.journal.events import Event, ExecutionStarted
from ael.journal.fold import Execution, ItemRun, StepRun, fold
from ael.observe.masking import Masker
from ael.sandbox.spawn import ZygoteProcess
from ael.tools import Refusal, ToolRef
from ael.values import JSONValue, decode, iso
from ael.workflow.inputs import parse_input, validate_inputs
from ael.workflow.load import load_file
from ael.workflow.model import Workflow
from ael.workflow.schema import input_schema, record_schema, workflow_schema
from ael.workflow.yaml_reader import Reader, Unreadable

#: What interfaces need of the rooms below, which they may not import themselves.
__all__ = [
    "App",
    "Check",
    "ErrorRecord",
    "Event",
    "Execution",
    "ExecutionSummary",
    "ItemRun",
    "JSONValue",
    "Prepared",
    "Preview",
    "PreviewStep",
    "Problem",
    "StepRun",
    "ValidationReport",
    "Workflow",
    "ZygoteProcess",
    "config_schema",
    "events",
    "input_schema",
    "iso",
    "other_problems",
    "parse_document",
    "parse_input",
    "workflow_schema",
]

#: Told of every event as it happens, masked: (execution id, event).
OnEvent = Callable[[str, Event], None]


class ValidationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one file."""

    file: str
    #: Empty when the file is too broken to have one.
    name: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        """No problem is an error."""
        return all(problem.severity == "warning" for problem in self.problems)


class App:
    """One installation of AEL in this process; an async context manager."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        #: The assembled parts, for the use cases in this room.
        self.parts = parts
        self._definitions: Definitions = parts.definitions
        self._masker = Masker(settings.secrets)

    @classmethod
    def open(cls, settings: Settings, early: ZygoteProcess | None = None) -> Self:
        """Assemble the application; nothing is started or opened before it is needed.

        `early` is a sandbox process that `ael.app.early` started; it is the application's from here on.
        """
        parts = build(settings)
        if early is not None:
            parts.adopt(early)
        return cls(settings, parts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.parts.close()

    @contextmanager
    def masked_errors(self) -> Iterator[None]:
        """Take the secrets of the configuration out of every error that leaves the block."""
        try:
            yield
        except AelError as error:
            self._masker.error(error)
            raise

    # -- workflows ----------------------------------------------------------------------------------------------

    async def prepare(self, reference: str) -> Prepared:
        """Return the workflow of a file path, a `NAME` or a `NAME@VERSION`.

        Raises `WorkflowNotFound`, `WorkflowInvalid` or its kin, `SandboxUnavailable`.
        """
        return await self._definitions.prepare(reference)

    async def validate(self, path: str, *, tools: bool = False) -> ValidationReport:
        """Return all that is wrong with one file, with `tools` also what is wrong with the tools that it names.

        Raises `SandboxUnavailable` where code cannot be checked. Checking tools starts the servers that offer them.
        """
        name = ""
        try:
            loaded = load_file(path)
            name = loaded.definition.workflow.name
            plan = await self._definitions.plan(loaded.definition, loaded.warnings)
            await self._definitions.check_children(plan)
        except ProblemsError as error:
            self._masker.error(error)
            return ValidationReport(file=path, name=name, problems=error.problems)
        problems = await check_tools(plan, self.parts.catalog(), self.parts.pins) if tools else []
        shown = map(self._masker.problem, (*plan.warnings, *problems))
        return ValidationReport(file=path, name=name, problems=tuple(shown))

    def workflow_files(self) -> list[Path]:
        """Return the files of the registered directories."""
        return self._definitions.files()

    # -- executions ---------------------------------------------------------------------------------------------

    async def run(
        self,
        prepared: Prepared,
        inputs: Mapping[str, JSONValue],
        *,
        seed: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 # the execution's limit, recorded; not this call's
        principal: str = "local",
        execution_id: str | None = None,
        on_event: OnEvent | None = None,
        on_progress: Callable[[float, float | None, str | None], None] | None = None,
        on_result: Callable[[dict[str, JSONValue] | Refusal], None] | None = None,
        resolved: Mapping[str, ToolRef] | None = None,
    ) -> Execution:
        """Run a workflow to its end; a failed one is a result.

        `on_progress` and `on_result` are told of its own tool calls' progress and unchanged answers; `resolved` has
        names of tools that the catalog does not know.

        Cancelling the task cancels the execution, which is recorded before `CancelledError` goes on. Raises
        `InputInvalid`, `QueueFull`, `JournalUnavailable`.
        """
        workflow = prepared.plan.workflow
        checked = validate_inputs(workflow, inputs)
        secrets = (*self.settings.secrets, *input_secrets(workflow, checked))
        masker = Masker(secrets) if secrets else self._masker
        request = Request(
            plan=prepared.plan,
            inputs=checked,
            execution_id=execution_id or new_execution_id(),
            seed=new_seed() if seed is None else seed,
            timeout_seconds=timeout,
            principal=principal,
            secrets=secrets,
            on_progress=on_progress,
            on_result=on_result,
            resolved=resolved or {},
        )
        execution = await self.parts.engine().run(request, _masked(on_event, masker))
        return masker.record(execution)

    async def dry_run(self, prepared: Prepared, inputs: Mapping[str, JSONValue]) -> Preview:
        """Return the plan and what the first steps would run with; calls nothing."""
        workflow = prepared.plan.workflow
        checked = validate_inputs(workflow, inputs)
        shown = preview(prepared.plan, checked, self.parts.options.template_env)
        return Masker((*self.settings.secrets, *input_secrets(workflow, checked))).record(shown)

    async def execution(self, execution_id: str) -> Execution:
        """Return one execution; the id may be shortened. Raises `ExecutionNotFound`, `JournalUnavailable`."""
        full, record = await self.parts.journal().read(execution_id)
        return Masker(recorded_secrets(record, self.settings.secrets)).record(fold(full, record))

    async def executions(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> list[ExecutionSummary]:
        """Return executions, newest first; `since` and `until` bound their start, in UTC milliseconds."""
        return await self.parts.journal().summaries(
            status=status, workflow=workflow, since=since, until=until, limit=limit
        )

    async def executed_workflows(self) -> list[str]:
        """Return the names of all workflows that have been executed, as far as there is a record."""
        return await self.parts.journal().workflows()

    async def doctor(self) -> list[Check]:
        """Return how this installation is doing."""
        checks = await check_installation(self.settings, self.parts)
        texts = self._masker.text
        return [
            msgspec.structs.replace(one, detail=texts(one.detail), suggestion=texts(one.suggestion)) for one in checks
        ]


def _masked(on_event: OnEvent | None, masker: Masker) -> OnEvent | None:
    if on_event is None:
        return None

    def tell(execution_id: str, event: Event) -> None:
        if masker and isinstance(event, ExecutionStarted):
            # The definition is the file, which its readers have; its JSON is not taken apart for them.
            event = msgspec.structs.replace(event, definition=msgspec.Raw(b"null"), secrets=(), env={})
        on_event(execution_id, masker.record(event))

    return tell


def config_schema() -> dict[str, JSONValue]:
    """Return the JSON Schema of the configuration file."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "AEL configuration", **record_schema(ConfigFile)}


def other_problems(workflow: Workflow, inputs: Mapping[str, JSONValue], unread: set[str]) -> list[Problem]:
    """Return what is wrong with inputs besides those that could not be read."""
    specs = tuple(spec for spec in workflow.inputs if spec.name not in unread)
    try:
        validate_inputs(msgspec.structs.replace(workflow, inputs=specs), inputs)
    except InputInvalid as error:
        return list(error.problems)
    return []


def parse_document(text: str, name: str) -> dict[str, JSONValue]:
    """Return the mapping that a JSON or YAML text holds; raises `InputInvalid`."""
    given = _json_object(text)
    if given is not None:
        return given
    try:
        reader = Reader(text, name)
        if reader.is_empty():
            return {}
        found = reader.json(reader.root(), "")
    except Unreadable as error:
        raise InputInvalid(error.problems) from error
    if reader.problems:
        raise InputInvalid(reader.problems)
    if name.endswith(".json"):
        _refuse_json(text, name)
    if not isinstance(found, dict):
        raise InputInvalid([Problem(message=f"'{name}' holds no mapping of inputs", suggestion="Write `name: value`.")])
    return found


def _refuse_json(text: str, name: str) -> None:
    """Raise `InputInvalid` where a JSON file is no JSON: YAML would make something else of it."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        lines = text.splitlines()
        problem = Problem(
            message=f"not JSON: {error.msg}",
            location=Location(file=name, line=error.lineno, column=error.colno),
            source_line=lines[error.lineno - 1] if error.lineno <= len(lines) else "",
        )
        raise InputInvalid([problem]) from error
    except RecursionError:
        return


def _json_object(text: str) -> dict[str, JSONValue] | None:
    r"""Return an object in JSON, which YAML would misread where it writes an emoji as `"\ud83d\ude00"`.

    None for all else, also for JSON that is wrong: the YAML reader says what and where.
    """
    if text.lstrip()[:1] != "{":
        return None
    try:
        decode(text)
        found: dict[str, JSONValue] = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    return found


def _without_duplicates(pairs: list[tuple[str, JSONValue]]) -> dict[str, JSONValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
