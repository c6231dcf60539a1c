"""What `ael run` does: inputs, the run itself, what is shown of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from ael.app.application import (
    App,
    Execution,
    JSONValue,
    Preview,
    PreviewStep,
    Workflow,
    ZygoteProcess,
    other_problems,
    parse_document,
    parse_input,
)
from ael.app.settings import Settings
from ael.errors import AelError, ExecutionCancelled, InputInvalid, Problem
from ael.interfaces.cli.options import Globals
from ael.interfaces.cli.render import (
    LiveSteps,
    json_text,
    print_error,
    print_failure,
    print_json,
    print_problems,
    print_result,
    print_steps,
    printable,
    say,
)
from ael.interfaces.cli.session import Interruption, read_settings
from ael.workflow.model import Source


class Run:
    """One invocation."""

    def __init__(
        self,
        settings: Globals,
        reference: str,
        pairs: tuple[str, ...],
        input_file: str | None,
        timeout: float | None,
        seed: int | None,
        *,
        trace: bool,
        dry_run: bool,
    ) -> None:
        self.settings = settings
        self.reference = reference
        self.pairs = pairs
        self.input_file = input_file
        self.timeout = timeout
        self.seed = seed
        self.trace = trace
        self.dry_run = dry_run
        self.live = LiveSteps(settings)

    async def main(self, early: ZygoteProcess | None) -> int:
        """Run, render, and return the exit code; `early` is a sandbox that is starting already."""
        interruption = Interruption(self.settings)
        try:
            async with App.open(self._settings(early), early) as app:
                with app.masked_errors():
                    return await self._with(app, interruption)
        except AelError as error:
            self.live.clear()
            print_failure(error, self.settings)
            return 1
        except asyncio.CancelledError:
            self.live.clear()
            print_failure(ExecutionCancelled("it was stopped before it started"), self.settings)
            return interruption.exit_code

    def _settings(self, early: ZygoteProcess | None) -> Settings:
        try:
            return read_settings(self.settings)
        except AelError:
            if early is not None:
                early.stop()
            raise

    async def _with(self, app: App, interruption: Interruption) -> int:
        prepared = await app.prepare(self.reference)
        if prepared.warnings and not self.settings.quiet and not self.settings.json:
            print_problems(prepared.warnings, self.settings)
        inputs = self._inputs(prepared.plan.workflow)
        if self.dry_run:
            self._show_preview(await app.dry_run(prepared, inputs))
            return 0
        source = prepared.plan.definition.source
        try:
            execution = await app.run(prepared, inputs, seed=self.seed, timeout=self.timeout, on_event=self.live)
        except asyncio.CancelledError:
            if self.live.execution_id is None:
                raise
            self._show(await app.execution(self.live.execution_id), source)
            return interruption.exit_code
        interruption.ended()
        self._show(execution, source)
        return 0 if execution.status == "completed" else 1

    # -- inputs -------------------------------------------------------------------------------------------------

    def _inputs(self, workflow: Workflow) -> Mapping[str, JSONValue]:
        inputs: dict[str, JSONValue] = {}
        if self.input_file is not None:
            inputs |= parse_document(text_of(self.input_file), self.input_file)
        specs = {spec.name: spec for spec in workflow.inputs}
        problems: list[Problem] = []
        unread: set[str] = set()
        for pair in self.pairs:
            name, _, text = pair.partition("=")
            if name not in specs:
                # Refused below, together with what else is wrong.
                inputs[name] = text
                continue
            try:
                if text.startswith("@@"):
                    text = text[1:]
                elif text.startswith("@"):
                    text = text_of(text[1:], f"input '{name}': ")
                inputs[name] = parse_input(specs[name], text)
            except InputInvalid as error:
                unread.add(name)
                problems += error.problems
        if problems:
            raise InputInvalid([*problems, *other_problems(workflow, inputs, unread)])
        return inputs

    # -- output -------------------------------------------------------------------------------------------------

    def _show(self, execution: Execution, source: Source) -> None:
        self.live.clear()
        if self.settings.json:
            print_json(execution)
            return
        if self.trace:
            print_steps(execution, self.settings, trace=True)
        if execution.status == "completed":
            print_result(execution)
        elif execution.error is not None:
            print_error(execution.error, self.settings, source)
        if not self.settings.quiet and (self.trace or self.settings.verbose or execution.status != "completed"):
            say(f"execution {execution.execution_id} {execution.status}", self.settings)

    def _show_preview(self, preview: Preview) -> None:
        if self.settings.json:
            print_json(preview)
            return
        click.echo(f"{preview.workflow_id} {preview.workflow_version}, {len(preview.steps)} steps; nothing is called")
        click.echo(f"inputs: {json_text(preview.inputs)}")
        for number, step in enumerate(preview.steps, 1):
            for line in _preview_lines(number, step):
                click.echo(printable(line))


def _preview_lines(number: int, step: PreviewStep) -> list[str]:
    what = f"{step.kind} {step.target}" if step.target else step.kind
    after = f" after {', '.join(step.depends_on)}" if step.depends_on else ""
    lines = [f"{number}. {step.step_id}: {what}{after}"]
    if step.runs is False:
        lines.append("   is skipped: its condition is false")
    elif step.runs is None:
        lines.append("   may be skipped: its condition depends on results")
    if step.inputs is not None:
        lines += [f"   {line}" for line in json_text(step.inputs).splitlines()]
    if step.note:
        lines.append(f"   {step.note}")
    return lines


def text_of(path: str, what: str = "") -> str:
    """Return the text of a file, or of standard input where the path is `-`; `what` begins the error's message."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputInvalid([Problem(message=f"{what}'{path}' cannot be read: {reason}")]) from error
