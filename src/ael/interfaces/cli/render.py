"""Executions, errors and values as text for people, readable at 80 columns; and as JSON for programs."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

import click
import msgspec

from ael.app.application import ErrorRecord, Event, Execution, ItemRun, Problem, StepRun, events
from ael.errors import AelError, ProblemsError
from ael.interfaces.cli.options import Globals

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MARKS = {"completed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("○", "yellow"), "cancelled": ("✗", "yellow")}
_WIDTH = 80


def json_text(value: Any, *, indent: int = 2) -> str:  # noqa: ANN401 # any value that encodes
    """Return a value as JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent).decode()


def printable(text: str) -> str:
    """Return a text whose control characters cannot steer a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def duration(milliseconds: float | None) -> str:
    """Return a duration in the unit that reads best."""
    if milliseconds is None:
        return ""
    if milliseconds < 1:
        return f"{milliseconds * 1000:.0f} µs"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.2f} s"


def print_result(execution: Execution) -> None:
    """Print an execution's outputs on standard output: a string as it is, anything else as JSON."""
    outputs = execution.outputs
    text = outputs if isinstance(outputs, str) else json_text(outputs)
    click.echo(printable(text) if sys.stdout.isatty() else text)


def print_error(error: AelError | ErrorRecord, settings: Globals) -> None:
    """Print an error on standard error."""
    record = error.record() if isinstance(error, AelError) else error
    problems = error.problems if isinstance(error, ProblemsError) else ()
    say(click.style(f"{record.code}: {printable(record.message)}", fg="red", bold=True), settings)
    if problems:
        print_problems(problems, settings)
    else:
        for line in printable(record.detail).splitlines():
            say("\n".join(_wrapped(line)), settings)
    where = [f"step '{record.step_id}'"] if record.step_id else []
    if record.attempt and record.attempt > 1:
        where.append(f"attempt {record.attempt}")
    if record.location and not problems:
        where.append(str(record.location))
    if where:
        say(f"  in {', '.join(where)}", settings)
    if record.suggestion:
        say("\n".join(_wrapped(f"→ {printable(record.suggestion)}")), settings)


def _wrapped(line: str) -> list[str]:
    if len(line) + 2 <= _WIDTH or line.startswith("  "):
        return [f"  {line}"]
    return textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def print_problems(problems: Iterable[Problem], settings: Globals) -> None:
    """Print problems with their places and carets."""
    for problem in problems:
        say(printable(problem.render()), settings)


def say(text: str, settings: Globals) -> None:
    """Write a line to standard error."""
    click.echo(text, err=True, color=settings.color)


def step_line(step: StepRun | ItemRun, name: str) -> str:
    """Return one line about a step."""
    mark, color = _MARKS.get(step.status, ("·", "white"))
    line = f"{click.style(mark, fg=color)} {name:<24} {duration(step.duration_ms):>9}"
    if step.status == "skipped":
        why = "condition is false" if step.reason == "when" else "failed and was passed over"
        line += f"  {why}"
    if len(step.attempts) > 1:
        line += f"  {len(step.attempts)} attempts"
    if step.error is not None:
        line += f"  {step.error.code}"
    return line


def print_steps(execution: Execution, settings: Globals, *, trace: bool) -> None:
    """Print a line a step; with `trace` inputs, outputs, calls and printed text too."""
    for step in execution.steps:
        say(step_line(step, step.step_id), settings)
        if trace:
            _print_details(step, settings)
            for item in step.items or ():
                say("  " + step_line(item, f"{step.step_id}[{item.index}]"), settings)
                _print_details(item, settings)


def _print_details(step: StepRun | ItemRun, settings: Globals) -> None:
    if step.inputs is not None:
        _print_value("inputs", step.inputs, settings)
    for call in step.calls:
        _print_value(f"call {call.number} {call.tool}", call.params, settings)
        if call.error is not None:
            _print_value("  error", str(call.error), settings)
        else:
            _print_value("  result", call.result, settings)
    if step.printed:
        _print_value("printed", step.printed, settings)
    if step.status == "completed":
        _print_value("output", step.output, settings)
    if step.error is not None:
        _print_value("error", str(step.error), settings)


def _print_value(name: str, value: object, settings: Globals) -> None:
    text = value if isinstance(value, str) else json_text(value)
    lines = printable(text).splitlines() or [""]
    first = f"    {name}: {lines[0]}"
    say("\n".join([first, *(f"      {line}" for line in lines[1:])]), settings)


class LiveSteps:
    """Lines about steps as they happen."""

    def __init__(self, settings: Globals) -> None:
        self._settings = settings
        self._running: dict[str, None] = {}
        self.execution_id: str | None = None

    def __call__(self, execution_id: str, event: Event) -> None:
        """Take an event; those of child executions are not shown."""
        self.execution_id = self.execution_id or execution_id
        if execution_id != self.execution_id:
            return
        if not (self._settings.live or (self._settings.verbose and not self._settings.json)):
            return
        index = getattr(event, "index", None)
        if index is not None:
            return
        match event:
            case events.StepStarted():
                self._running[event.step_id] = None
            case events.StepSucceeded() | events.StepFailed() | events.StepSkipped() | events.StepCancelled():
                self._running.pop(event.step_id, None)
                self._finish(event)
            case _:
                return
        self._redraw()

    def _finish(self, event: Any) -> None:  # noqa: ANN401 # one of the four above
        statuses = {"StepSucceeded": "completed", "StepFailed": "failed", "StepSkipped": "skipped"}
        status: Any = statuses.get(type(event).__name__, "cancelled")
        step = StepRun(
            step_id=event.step_id,
            kind="",
            status=status,
            reason=getattr(event, "reason", None),
            duration_ms=event.duration_ms,
            error=getattr(event, "error", None),
        )
        self.clear()
        say(step_line(step, event.step_id), self._settings)

    def _redraw(self) -> None:
        if self._settings.live and self._running:
            names = ", ".join(self._running)
            click.echo(f"\r\x1b[K… {names[: _WIDTH - 4]}", err=True, nl=False, color=True)

    def clear(self) -> None:
        """Take back the line about running steps."""
        if self._settings.live:
            click.echo("\r\x1b[K", err=True, nl=False, color=True)
