"""What agents may read: definitions of workflows and records of executions, both masked."""

from __future__ import annotations

from urllib.parse import quote, unquote

import msgspec

from ael.app.application import App
from ael.app.serving.workflows import WorkflowTools
from ael.errors import ErrorRecord, WorkflowNotFound, did_you_mean
from ael.observe.masking import Masker

WORKFLOWS, EXECUTIONS = "ael://workflows/", "ael://executions/"

#: Executions that a listing shows, the latest.
_LISTED = 50

#: Characters of a URI of ours, each of which may be spelled by three.
_LONGEST_URI = 1000


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the list."""

    uri: str
    name: str
    description: str
    mime_type: str


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a resource holds."""

    mime_type: str
    text: str
    #: What is wrong with a workflow's file as it is now; the text is its last good version then.
    problem: ErrorRecord | None = None


class Resources:
    """The resources of this installation."""

    def __init__(self, app: App, workflows: WorkflowTools) -> None:
        self._app = app
        self._workflows = workflows
        self._masker = Masker(app.settings.secrets)

    async def listed(self) -> list[Resource]:
        """Return the exposed workflows, and the latest executions."""
        await self._workflows.ready()
        found: list[Resource] = []
        for tool in self._workflows.tools():
            name = tool.name.partition(":")[2]
            found.append(
                Resource(
                    uri=WORKFLOWS + name,
                    name=name,
                    description=f"Definition: {tool.definition['description']}",
                    mime_type="application/yaml",
                )
            )
        ran = [
            Resource(
                uri=EXECUTIONS + one.execution_id,
                name=one.execution_id,
                description=f"{one.workflow} {one.version}, {one.status}",
                mime_type="application/json",
            )
            for one in await self._app.executions(limit=_LISTED)
        ]
        return found + ran

    async def read(self, uri: str) -> Content | None:
        """Return what a URI names; None for one that is none of ours.

        Raises `WorkflowNotFound`, `ExecutionNotFound`, `JournalUnavailable`.
        """
        if len(uri) > _LONGEST_URI:
            return None
        if uri.startswith(WORKFLOWS):
            return await self._definition(unquote(uri.removeprefix(WORKFLOWS)))
        if uri.startswith(EXECUTIONS):
            execution = await self._app.execution(unquote(uri.removeprefix(EXECUTIONS)))
            text = msgspec.json.format(msgspec.json.encode(execution), indent=2).decode()
            return Content(mime_type="application/json", text=text)
        return None

    async def _definition(self, reference: str) -> Content:
        await self._workflows.ready()
        try:
            found = self._workflows.registered(reference)
        except WorkflowNotFound as error:
            raise self._unknown(reference) from error
        if not found.plan.workflow.expose:
            # One that agents may not see looks like one that is not there.
            raise self._unknown(reference)
        file = self._workflows.files.get(found.file)
        problem = None if file is None or file.error is None else self._masker.record(file.error)
        text = self._masker.text(found.plan.definition.source.text)
        return Content(mime_type="application/yaml", text=text, problem=problem)

    def _unknown(self, reference: str) -> WorkflowNotFound:
        known = [tool.name.partition(":")[2] for tool in self._workflows.tools()]
        hint = did_you_mean(reference, known, "workflow") or "No workflow is offered."
        return WorkflowNotFound("no workflow that is offered has this name", suggestion=hint, workflow_id=reference)


def workflow_uri(name: str) -> str:
    """Return the URI of a workflow's definition."""
    return WORKFLOWS + quote(name, safe="@")
