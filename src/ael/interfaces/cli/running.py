"""What `ael run` does: inputs, the run itself, what is shown of it."""

from __future__ import annotations

import asyncio
import signal
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
    parse_document,
    parse_input,
)
from ael.app.settings import load_settings
from ael.errors import AelError, InputInvalid, Problem, did_you_mean
from ael.interfaces.cli.options import Globals
from ael.interfaces.cli.render import (
    LiveSteps,
    json_text,
    print_error,
    print_problems,
    print_result,
    print_steps,
    printable,
    say,
)

_TERMINATED = 143
INTERRUPTED = 130


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
        self.exit_code = INTERRUPTED

    async def main(self, early: ZygoteProcess | None) -> int:
        """Run, render, and return the exit code; `early` is a sandbox that is starting already."""
        task = asyncio.current_task()
        assert task is not None

        def stop(code: int) -> None:
            self.exit_code = code
            task.cancel()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop, _TERMINATED)
        loop.add_signal_handler(signal.SIGINT, stop, INTERRUPTED)
        try:
            async with App.open(load_settings(self.settings.config), early) as app:
                return await self._with(app, task)
        except AelError as error:
            self._show_error(error)
            return 1
        except asyncio.CancelledError:
            return self.exit_code

    async def _with(self, app: App, task: asyncio.Task[int]) -> int:
        prepared = await app.prepare(self.reference)
        if prepared.warnings and not self.settings.quiet and not self.settings.json:
            print_problems(prepared.warnings, self.settings)
        inputs = self._inputs(prepared.plan.workflow)
        if self.dry_run:
            self._show_preview(await app.dry_run(prepared, inputs))
            return 0
        try:
            execution = await app.run(prepared, inputs, seed=self.seed, timeout=self.timeout, on_event=self.live)
        except asyncio.CancelledError:
            if self.live.execution_id is None:
                raise
            task.uncancel()
            self._show(await app.execution(self.live.execution_id))
            return self.exit_code
        self._show(execution)
        return 0 if execution.status == "completed" else 1

    # -- inputs -------------------------------------------------------------------------------------------------

    def _inputs(self, workflow: Workflow) -> Mapping[str, JSONValue]:
        inputs: dict[str, JSONValue] = {}
        if self.input_file is not None:
            inputs |= parse_document(_text_of(self.input_file), self.input_file)
        specs = {spec.name: spec for spec in workflow.inputs}
        problems: list[Problem] = []
        for pair in self.pairs:
            name, _, text = pair.partition("=")
            if name not in specs:
                hint = did_you_mean(name, specs, "input") or "This workflow takes no inputs."
                problems.append(Problem(message=f"unknown input '{name}'", suggestion=hint))
                continue
            if text.startswith("@@"):
                text = text[1:]
            elif text.startswith("@"):
                text = _text_of(text[1:])
            try:
                inputs[name] = parse_input(specs[name], text)
            except InputInvalid as error:
                problems += error.problems
        if problems:
            raise InputInvalid(problems)
        return inputs

    # -- output -------------------------------------------------------------------------------------------------

    def _show(self, execution: Execution) -> None:
        self.live.clear()
        if self.settings.json:
            click.echo(json_text(execution))
            return
        if self.trace:
            print_steps(execution, self.settings, trace=True)
        if execution.status == "completed":
            print_result(execution)
        elif execution.error is not None:
            print_error(execution.error, self.settings)
        if not self.settings.quiet and (self.trace or self.settings.verbose or execution.status != "completed"):
            say(f"execution {execution.execution_id} {execution.status}", self.settings)

    def _show_error(self, error: AelError) -> None:
        self.live.clear()
        if self.settings.json:
            click.echo(json_text({"error": error.record()}))
        else:
            print_error(error, self.settings)

    def _show_preview(self, preview: Preview) -> None:
        if self.settings.json:
            click.echo(json_text(preview))
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


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputInvalid([Problem(message=f"'{path}' cannot be read: {reason}")]) from error
