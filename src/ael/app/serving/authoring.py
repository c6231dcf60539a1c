"""Tools with which agents write workflows (`mcp.authoring: true`): see, check, try, save, delete.

What is wrong with a definition is told with line, caret and repair, so that an agent can mend its own text. Files are
written inside the workflow directories only, whole or not at all.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ael.app.application import App, Prepared
from ael.app.definitions import MAX_FILE
from ael.app.serving.builtin import BuiltinTools, builtin_tool, problem_shown
from ael.app.serving.files import create_file, delete_file, read_file, replace_file
from ael.app.serving.names import WORKFLOW
from ael.app.serving.runs import Runs
from ael.app.serving.served import Answer, Caller
from ael.app.serving.workflows import WorkflowFile, WorkflowTools
from ael.app.tool_check import check_tools
from ael.app.tools import find, list_tools
from ael.errors import Problem, ProblemsError, ToolUnavailable, WorkflowInvalid, did_you_mean
from ael.observe.masking import MASK, Masker
from ael.values import JSONValue
from ael.workflow.load import load_text
from ael.workflow.schema import workflow_schema

_DRAFT = "draft.yaml"
_DEFINITION = {"type": "string", "description": "The whole workflow file, YAML. workflow_schema says what it holds."}
_NAME = {"type": "string", "maxLength": 200, "description": "The workflow's name."}
_VERSION = {"type": "string", "maxLength": 100, "description": "Of several versions this one; without, the latest."}


class Authoring(BuiltinTools):
    """Offers the authoring tools."""

    def __init__(self, app: App, runs: Runs, workflows: WorkflowTools) -> None:
        self._app = app
        self._runs = runs
        self._workflows = workflows
        self._masker = Masker(app.settings.secrets)
        reads, writes = {"readOnlyHint": True}, {"readOnlyHint": False, "destructiveHint": False}
        destroys = {"readOnlyHint": False, "destructiveHint": True}
        super().__init__(
            (
                builtin_tool(
                    "workflow_schema", "Return the JSON Schema of a workflow file.", {}, (), reads, self._schema
                ),
                builtin_tool(
                    "workflow_validate",
                    "Check a workflow without saving it: every mistake with line, caret and repair, unknown tools too.",
                    {"definition": _DEFINITION},
                    ("definition",),
                    reads,
                    self._validate,
                ),
                builtin_tool(
                    "workflow_run",
                    "Run a workflow that is not saved, as it would run once it is.",
                    {"definition": _DEFINITION, "inputs": {"type": "object", "description": "Its inputs."}},
                    ("definition",),
                    destroys,
                    self._run,
                ),
                builtin_tool(
                    "workflow_create",
                    "Save a new workflow; it is a tool from then on.",
                    {"definition": _DEFINITION},
                    ("definition",),
                    writes,
                    self._create,
                ),
                builtin_tool(
                    "workflow_update",
                    "Replace the file of a workflow; a changed version keeps no copy of the old one.",
                    {"name": _NAME, "definition": _DEFINITION, "version": _VERSION},
                    ("name", "definition"),
                    destroys,
                    self._update,
                ),
                builtin_tool(
                    "workflow_delete",
                    "Delete the file of a workflow.",
                    {"name": _NAME, "version": _VERSION},
                    ("name",),
                    destroys,
                    self._delete,
                ),
                builtin_tool(
                    "workflow_get",
                    "Return the file of a workflow as it is offered, and what is wrong with it as it is now.",
                    {"name": _NAME, "version": _VERSION},
                    ("name",),
                    reads,
                    self._get,
                ),
                builtin_tool(
                    "tool_schema",
                    "Return what a tool that workflows can call takes and gives; without a name, all tools.",
                    {"name": {"type": "string", "maxLength": 400, "description": "The tool, as a workflow names it."}},
                    (),
                    reads,
                    self._tool_schema,
                ),
            )
        )

    # -- see ----------------------------------------------------------------------------------------------------

    async def _schema(self, _: dict[str, Any], __: Caller) -> Answer:
        return Answer(value=workflow_schema())

    async def _tool_schema(self, arguments: dict[str, Any], _: Caller) -> Answer:
        report = await list_tools(self._app)
        if "name" not in arguments:
            rows: list[JSONValue] = [
                {"name": row.name, "description": row.description, "status": row.status, "reason": row.reason}
                for row in report.tools
            ]
            return Answer(value={"tools": rows})
        row = find(self._app, report, arguments["name"])
        if row is None:
            hint = did_you_mean(arguments["name"], [one.name for one in report.tools], "tool")
            raise ToolUnavailable("no server offers it", suggestion=hint, tool_name=arguments["name"], retryable=False)
        return Answer(value=msgspec.to_builtins(row))

    async def _get(self, arguments: dict[str, Any], _: Caller) -> Answer:
        await self._workflows.ready()
        broken = self._broken(arguments)
        if broken is not None:
            text = read_file(self._app.parts.definitions.directories, broken.path)
            told = {"name": broken.name, "file": broken.path, "definition": self._masker.text(text)}
            return Answer(value={**told, "error": self._masker.text(str(broken.error))})
        found = self._found(arguments)
        file = self._workflows.files.get(found.file)
        text = self._masker.text(found.plan.definition.source.text)
        shown: dict[str, JSONValue] = {
            "name": found.plan.workflow.name,
            "version": found.plan.workflow.version,
            "file": found.file,
            "definition": text,
        }
        if file is not None and file.error is not None:
            shown["error"] = self._masker.text(str(file.error))
        return Answer(value=shown)

    # -- check and try ------------------------------------------------------------------------------------------

    async def _validate(self, arguments: dict[str, Any], _: Caller) -> Answer:
        try:
            prepared = await self._prepare(arguments["definition"])
        except ProblemsError as error:
            return Answer(value={"valid": False, "problems": [problem_shown(one) for one in error.problems]})
        told = await check_tools(prepared.plan, self._app.parts.catalog(), self._app.parts.pins)
        problems = [*prepared.warnings, *map(self._masker.problem, told)]
        return Answer(
            value={
                "valid": all(one.severity == "warning" for one in problems),
                "name": prepared.plan.workflow.name,
                "problems": [problem_shown(one) for one in problems],
            }
        )

    async def _run(self, arguments: dict[str, Any], caller: Caller) -> Answer:
        prepared = await self._prepare(arguments["definition"])
        return await self._workflows.call(prepared, arguments.get("inputs", {}), caller)

    async def _prepare(self, text: str) -> Prepared:
        """Return a plan of a text; raises `ProblemsError` with all that is wrong."""
        if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE:
            raise WorkflowInvalid([Problem(message=f"the definition is longer than {MAX_FILE} bytes")])
        await self._workflows.ready()
        loaded = load_text(text, _DRAFT)
        definitions = self._app.parts.definitions
        plan = await definitions.plan(loaded.definition, loaded.warnings)
        await definitions.check_children(plan)
        return Prepared(plan=plan, file=_DRAFT, warnings=plan.warnings)

    # -- write --------------------------------------------------------------------------------------------------

    async def _create(self, arguments: dict[str, Any], _: Caller) -> Answer:
        await self._workflows.ready()
        prepared = await self._prepare(arguments["definition"])
        workflow = prepared.plan.workflow
        if workflow.name in self._workflows.names:
            message = f"there is a workflow named '{workflow.name}' already"
            raise WorkflowInvalid([Problem(message=message, suggestion="Change it with workflow_update, or rename.")])
        self._workflows.refuse_clash(workflow)
        directories = self._app.parts.definitions.directories
        path = create_file(directories, workflow.name, arguments["definition"])
        return await self._saved(prepared, path)

    async def _update(self, arguments: dict[str, Any], _: Caller) -> Answer:
        await self._workflows.ready()
        file = self._file(arguments)
        prepared = await self._prepare(arguments["definition"])
        name = prepared.plan.workflow.name
        if name != arguments["name"]:
            message = f"the definition is of '{name}', not of '{arguments['name']}'"
            raise WorkflowInvalid([Problem(message=message, suggestion="To rename: create the one, delete the other.")])
        self._workflows.refuse_clash(prepared.plan.workflow, file)
        directories = self._app.parts.definitions.directories
        self._refuse_masked(read_file(directories, file), arguments["definition"])
        replace_file(directories, file, arguments["definition"])
        return await self._saved(prepared, file)

    def _refuse_masked(self, before: str, after: str) -> None:
        """Raise `WorkflowInvalid` where a secret of the file would be replaced by what stood in its place."""
        if self._masker.text(before) != before and after.count(MASK) > before.count(MASK):
            message = f"the file holds a secret, which workflow_get shows as {MASK}: saving this would lose it"
            hint = "Have a person move it into the environment or into an input, then write the workflow."
            raise WorkflowInvalid([Problem(message=message, suggestion=hint)])

    async def _delete(self, arguments: dict[str, Any], _: Caller) -> Answer:
        await self._workflows.ready()
        file = self._file(arguments)
        delete_file(self._app.parts.definitions.directories, file)
        await self._workflows.refresh()
        return Answer(value={"deleted": file})

    async def _saved(self, prepared: Prepared, path: str) -> Answer:
        await self._workflows.refresh()
        told = await check_tools(prepared.plan, self._app.parts.catalog(), self._app.parts.pins)
        problems = [*prepared.warnings, *map(self._masker.problem, told)]
        workflow = prepared.plan.workflow
        return Answer(
            value={
                "tool": WORKFLOW + workflow.name,
                "version": workflow.version,
                "file": path,
                "problems": [problem_shown(one) for one in problems],
            }
        )

    def _file(self, arguments: dict[str, Any]) -> str:
        broken = self._broken(arguments)
        return self._found(arguments).file if broken is None else broken.path

    def _broken(self, arguments: dict[str, Any]) -> WorkflowFile | None:
        """Return the file that is meant where there was no good version of it: that is to be seen and mended too."""
        name = arguments["name"]
        return None if name in self._workflows.names or "version" in arguments else self._workflows.never_good(name)

    def _found(self, arguments: dict[str, Any]) -> Prepared:
        version = arguments.get("version")
        return self._workflows.registered(arguments["name"] + (f"@{version}" if version else ""))
