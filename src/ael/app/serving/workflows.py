"""Workflows as tools. What is offered is kept in memory, follows the files, and never loses a tool to a bad save."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ael.app.application import App, Prepared
from ael.app.definitions import name_in, version_key
from ael.app.files import is_directory
from ael.app.serving.names import WORKFLOW, safe_name
from ael.app.serving.progress import StepProgress
from ael.app.serving.runs import Runs
from ael.app.serving.served import Answer, Caller, ServedTool
from ael.app.serving.watching import Signature, look, next_change
from ael.engine.engine import new_execution_id
from ael.errors import (
    AelError,
    ErrorRecord,
    InternalError,
    Problem,
    ProblemsError,
    WorkflowInvalid,
    WorkflowNotFound,
    did_you_mean,
)
from ael.observe.masking import Masker
from ael.values import JSONValue, shortened
from ael.workflow.model import Workflow
from ael.workflow.schema import input_schema, output_schema

_log = logging.getLogger("ael.workflow")


class WorkflowFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the workflow directories."""

    path: str
    #: Of the workflow in it; empty where nobody can tell.
    name: str
    #: Its last good version; None when there was none.
    prepared: Prepared | None = None
    #: What is wrong with it as it is now.
    error: ErrorRecord | None = None


class WorkflowTools:
    """Offers every workflow that its file exposes; implements `Provider`."""

    def __init__(self, app: App, runs: Runs) -> None:
        self._app = app
        self._runs = runs
        self._masker = Masker(app.settings.secrets)
        self._seen: dict[str, Signature] = {}
        self._files: dict[str, WorkflowFile] = {}
        #: Name → version → workflow, the latest first.
        self._by_name: dict[str, dict[str, Prepared]] = {}
        self._tools: tuple[ServedTool, ...] = ()
        self._loaded = asyncio.Event()
        self._taking = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []

    # -- the Protocol -------------------------------------------------------------------------------------------

    def tools(self) -> Sequence[ServedTool]:
        """See `Provider.tools`: the latest version of each."""
        return self._tools

    def find(self, name: str) -> ServedTool | None:
        """See `Provider.find`: `workflow:NAME@VERSION`; of a file that was never good, what tells its error."""
        reference = name.removeprefix(WORKFLOW)
        bare, separator, version = reference.partition("@")
        found = self._by_name.get(bare, {}).get(version) if separator and reference != name else None
        if found is not None:
            return self._tool(found, name) if found.plan.workflow.expose else None
        broken = self.never_good(bare) if reference != name else self._never_good(name)
        if broken is None or broken.error is None:
            return None
        # It shows the line that it is about.
        error = self._masker.record(broken.error)
        definition = {"description": str(error), "inputSchema": {"type": "object"}}
        return ServedTool(name=name, safe_name=safe_name(name), definition=definition, call=partial(_tell_error, error))

    def never_good(self, name: str) -> WorkflowFile | None:
        """Return the file of a workflow of which there was no good version, if there is one."""
        return self._never_good(safe_name(WORKFLOW + name))

    def _never_good(self, called: str) -> WorkflowFile | None:
        files = (one for one in self._files.values() if one.name and one.prepared is None)
        return next((one for one in files if safe_name(WORKFLOW + one.name) == called), None)

    def missing(self) -> str:
        """See `Provider.missing`: nothing, since `ready` waits for all files."""
        return ""

    async def ready(self) -> None:
        """See `Provider.ready`."""
        await self._loaded.wait()

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """See `Provider.subscribe`."""
        self._listeners.append(on_change)

    # -- files --------------------------------------------------------------------------------------------------

    @property
    def files(self) -> Mapping[str, WorkflowFile]:
        """The files by path, with what is wrong with them."""
        return self._files

    @property
    def names(self) -> Sequence[str]:
        """The names of all workflows, sorted."""
        return list(self._by_name)

    def with_code(self) -> list[Workflow]:
        """Return the latest of the workflows that run code."""
        latest = [next(iter(versions.values())).plan for versions in self._by_name.values()]
        return [plan.workflow for plan in latest if plan.code]

    def registered(self, reference: str) -> Prepared:
        """Return what `NAME` or `NAME@VERSION` means; raises `WorkflowNotFound`."""
        name, _, version = reference.partition("@")
        versions = self._by_name.get(name, {})
        found = versions.get(version) if version else next(iter(versions.values()), None)
        if found is not None:
            return found
        where = ", ".join(str(path) for path in self._app.parts.definitions.directories) or "no directory"
        raise WorkflowNotFound(
            f"no file in {where} has the name '{shortened(name, 100)}'"
            + (f" and version '{shortened(version, 100)}'" if version else ""),
            suggestion=did_you_mean(name[:100], self._by_name, "workflow") or "Add a file there.",
            workflow_id=reference,
        )

    def refuse_clash(self, workflow: Workflow, file: str | None = None) -> None:
        """Raise `WorkflowInvalid` where a workflow could not be offered beside those of other files.

        `file` is the one that it replaces.
        """
        others = [one.prepared for one in self._files.values() if one.path != file]
        for other in (prepared.plan.workflow for prepared in others if prepared is not None):
            message = ""
            if other.name == workflow.name:
                if other.version == workflow.version:
                    message = f"there is a workflow '{other.name}' of version '{other.version}' already"
            elif _folded(other.name) == _folded(workflow.name):
                message = f"'{other.name}' and '{workflow.name}' differ only in case or - and _"
            if message:
                raise WorkflowInvalid([Problem(message=message, suggestion="Choose another.")])

    def have_none(self) -> None:
        """Be ready without a look at any directory."""
        self._loaded.set()

    async def load(self) -> None:
        """Read the directories once."""
        self._app.parts.definitions.use(self.registered)
        await self.refresh()
        self._loaded.set()
        for listener in self._listeners:
            listener()

    async def watch(self) -> None:
        """Follow the files, for ever."""
        while True:
            await next_change(self._app.parts.definitions.directories, self._seen)
            await self.refresh()

    async def refresh(self) -> None:
        """Look at the files now."""
        async with self._taking:
            await self._take(await asyncio.to_thread(look, self._app.parts.definitions.directories))

    async def _take(self, seen: dict[str, Signature]) -> None:
        """Read what is new or changed, and offer it all at once."""
        lost = self._seen.keys() - seen.keys()
        if lost:
            await asyncio.to_thread(self._tell_gone, lost)
        files: dict[str, WorkflowFile] = {}
        for path, signature in seen.items():
            known = self._files.get(path)
            if known is None or self._seen.get(path) != signature:
                # Between two files others get their turn: the first answer does not wait for a thousand of them.
                await asyncio.sleep(0)
                known = await self._read(path, None if known is None else known.prepared)
            files[path] = known
        self._seen, self._files = seen, files
        self._offer()

    def _tell_gone(self, lost: Collection[str]) -> None:
        """Say which directories are why files are lost."""
        for directory in self._app.parts.definitions.directories:
            had_some = any(Path(path).is_relative_to(directory) for path in lost)
            if had_some and not (os.access(directory, os.R_OK | os.X_OK) and is_directory(directory)):
                _log.warning(
                    "the directory %s is gone, or cannot be read: its workflows are offered again once it is back",
                    directory,
                )

    async def _read(self, path: str, last: Prepared | None) -> WorkflowFile:
        try:
            prepared = await self._app.parts.definitions.prepare_file(path)
        except Exception as error:  # noqa: BLE001 # a defect too: one file must not cost the others
            failure = error if isinstance(error, AelError) else InternalError(f"{path} cannot be read")
            kept = f"the last good version of {last.plan.workflow.name} stays: " if last is not None else ""
            _log.error("%s%s", kept, _in_a_line(failure), exc_info=None if failure is error else error)
            name = last.plan.workflow.name if last is not None else await asyncio.to_thread(name_in, path)
            return WorkflowFile(path=path, name=name, prepared=last, error=failure.record())
        return WorkflowFile(path=path, name=prepared.plan.workflow.name, prepared=prepared)

    def _offer(self) -> None:
        by_name: dict[str, dict[str, Prepared]] = {}
        folded: dict[str, str] = {}
        # What is offered already stays, whatever comes before it now.
        offered = {one.file for versions in self._by_name.values() for one in versions.values()}
        for file in sorted(self._files.values(), key=lambda one: one.path not in offered):
            if file.prepared is None:
                continue
            workflow = file.prepared.plan.workflow
            first = folded.setdefault(_folded(workflow.name), workflow.name)
            versions = by_name.setdefault(workflow.name, {})
            other = versions.get(workflow.version)
            if first != workflow.name:
                self._refuse(file, f"'{first}' and '{workflow.name}' differ only in case or - and _")
                del by_name[workflow.name]
            elif other is not None:
                self._refuse(file, f"{other.file} defines '{workflow.name}' with the same version")
            else:
                versions[workflow.version] = file.prepared
        self._by_name = {
            name: dict(sorted(by_name[name].items(), key=lambda one: version_key(one[0]), reverse=True))
            for name in sorted(by_name)
        }
        known = {tool.name: tool for tool in self._tools}
        latest = (next(iter(versions.values())) for versions in self._by_name.values())
        shown = [one for one in latest if one.plan.workflow.expose]
        self._tools = tuple(self._kept(known, one) for one in shown)
        if self._loaded.is_set():
            for listener in self._listeners:
                listener()

    def _refuse(self, file: WorkflowFile, message: str) -> None:
        """Leave a file out because another has its name, and say so once."""
        problem = Problem(message=f"{file.path}: {message}", suggestion="Rename one of them.")
        error = WorkflowInvalid([problem])
        if file.error is None:
            _log.error("%s", _in_a_line(error))
        self._files[file.path] = msgspec.structs.replace(file, error=error.record())

    def _kept(self, known: Mapping[str, ServedTool], prepared: Prepared) -> ServedTool:
        """Return the tool of a workflow, the same one when it is offered already and its file is as it was."""
        name = WORKFLOW + prepared.plan.workflow.name
        tool = known.get(name)
        if tool is not None and isinstance(tool.call, partial) and tool.call.args[0] is prepared:
            return tool
        return self._tool(prepared, name)

    # -- calls --------------------------------------------------------------------------------------------------

    def _tool(self, prepared: Prepared, name: str) -> ServedTool:
        definition = self._masker.value(definition_of(prepared.plan.workflow))
        assert isinstance(definition, dict)
        return ServedTool(
            name=name,
            safe_name=safe_name(name),
            definition=definition,
            call=partial(self.call, prepared),
        )

    async def call(self, prepared: Prepared, arguments: dict[str, JSONValue], caller: Caller) -> Answer:
        """Run a workflow for an agent; a failed one is an answer."""
        workflow = prepared.plan.workflow
        await self._app.parts.definitions.check_children(prepared.plan)
        execution_id = new_execution_id()
        told = None if caller.on_progress is None else StepProgress(execution_id, workflow, caller.on_progress)
        work = self._app.run(prepared, arguments, principal=caller.principal, execution_id=execution_id, on_event=told)
        execution = await self._runs.run(work, caller, execution_id)
        meta: dict[str, JSONValue] = {
            "execution_id": execution_id,
            "workflow_id": workflow.name,
            "workflow_version": workflow.version,
            "duration_ms": execution.duration_ms,
        }
        if execution.error is not None:
            return Answer(error=execution.error, meta=meta)
        return Answer(value=execution.outputs, meta=meta)


def _in_a_line(error: AelError) -> str:
    """Return an error for the log, where an event is one line: no carets."""
    if not isinstance(error, ProblemsError):
        return str(error)
    told = [
        f"{one.location or one.path}: {one.message}. {one.suggestion}".removeprefix(": ").strip()
        for one in error.problems
    ]
    return f"{error.message}: {' '.join(told)}"


def _folded(name: str) -> str:
    """Return what two names have in common that are too alike to stand beside each other."""
    return name.casefold().replace("-", "_")


async def _tell_error(error: ErrorRecord, _: dict[str, JSONValue], __: Caller) -> Answer:
    return Answer(error=error)


def definition_of(workflow: Workflow) -> dict[str, Any]:
    """Return a workflow as the tool object of MCP, without its name."""
    made: dict[str, Any] = {}
    if workflow.title:
        made["title"] = workflow.title
    made["description"] = workflow.description or f"Runs the workflow {workflow.name}."
    made["inputSchema"] = input_schema(workflow)
    schema = output_schema(workflow)
    if schema is not None:
        made["outputSchema"] = schema
    if workflow.annotations is not None:
        hints = msgspec.to_builtins(workflow.annotations)
        made["annotations"] = {key: value for key, value in hints.items() if value is not None}
    return made
