"""Executions, errors and values as text for people, readable at 80 columns; and as JSON for programs."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import textwrap
from collections.abc import Iterable
from typing import Any, TextIO

import click
import msgspec

from ael.app.application import ErrorRecord, Event, Execution, ItemRun, Problem, StepRun, events
from ael.errors import AelError, Location, ProblemsError
from ael.interfaces.cli.options import Globals
from ael.workflow.model import Source

#: Control characters but tab and line feed, and those that turn the direction of text or end a line in disguise.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
#: What JSON may hold as it is and a terminal would still obey.
_BARE_IN_JSON = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MARKS = {
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("○", "yellow"),
    "cancelled": ("✗", "yellow"),
    "compensated": ("↺", "yellow"),
}
_WIDTH = 80


def json_text(value: Any, *, indent: int = 2) -> str:  # noqa: ANN401 # any value that encodes
    """Return a value as JSON that is safe to show: such characters stand in its strings only, so escapes are equal."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=indent).decode()
    if text.isascii() and "\x7f" not in text:
        # There is nothing to look for, and looking takes longer than all the rest.
        return text
    return _BARE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable(text: str) -> str:
    """Return a text whose control characters cannot steer a terminal."""
    return _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


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
    if sys.stdout is None:
        return
    # click would take escape sequences out of what goes into a pipe, and a result is nobody's to change.
    sys.stdout.write((printable(text) if sys.stdout.isatty() else text) + "\n")
    sys.stdout.flush()


def print_json(value: Any) -> None:  # noqa: ANN401 # any value that encodes
    """Print a value as JSON on standard output."""
    click.echo(json_text(value))


def print_failure(error: AelError, settings: Globals) -> None:
    """Print an error that left nothing else to show: on standard output as JSON where that was asked for."""
    if settings.json:
        problems = {"problems": error.problems} if isinstance(error, ProblemsError) else {}
        print_json({"error": {**msgspec.to_builtins(error.record()), **problems}})
    else:
        print_error(error, settings)


def print_error(error: AelError | ErrorRecord, settings: Globals, source: Source | None = None) -> None:
    """Print an error on standard error; `source` is the file that its place may be in."""
    record = error.record() if isinstance(error, AelError) else error
    problems = error.problems if isinstance(error, ProblemsError) else ()
    say(click.style(f"{record.code}: {printable(record.message)}", fg="red", bold=True), settings)
    if problems:
        print_problems(problems, settings)
    else:
        for line in printable(record.detail).splitlines():
            say("\n".join(wrapped(line)), settings)
    where = [f"step '{record.step_id}'"] if record.step_id else []
    if record.attempt and record.attempt > 1:
        where.append(f"attempt {record.attempt}")
    if record.location and not problems:
        where.append(str(record.location))
    if where:
        say(printable(f"  in {', '.join(where)}"), settings)
    if record.location and not problems:
        for line in _excerpt(record.location, source):
            say(printable(line), settings)
    if record.suggestion:
        say("\n".join(wrapped(f"→ {printable(record.suggestion)}")), settings)


def _excerpt(location: Location, source: Source | None) -> list[str]:
    """Return the line that a place is in and a caret, where its file is at hand."""
    if source is None or source.file != location.file:
        return []
    lines = source.text.splitlines()
    if not 0 < location.line <= len(lines):
        return []
    line = lines[location.line - 1]
    # Python's errors name a line and no column: the caret then stands at its first word.
    column = max(location.column, len(line) - len(line.lstrip()) + 1)
    place = msgspec.structs.replace(location, column=column)
    return Problem(message="", location=place, source_line=line).render().splitlines()[1:]


def wrapped(line: str, indent: str = "  ") -> list[str]:
    """Return an indented line as lines of at most 80 columns; one that is indented already stays as it is."""
    if len(line) + len(indent) <= _WIDTH or line.startswith("  "):
        return [f"{indent}{line}"]
    # A name or path that is broken at its hyphens could not be copied.
    return textwrap.wrap(
        line, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def print_problems(problems: Iterable[Problem], settings: Globals) -> None:
    """Print problems with their places and carets."""
    stream = sys.stdout if settings.says_results else sys.stderr
    for problem in problems:
        said, *rest = printable(problem.render()).split("\n")
        say("\n".join([*fitted(said, stream), *rest]), settings)


def fitted(line: str, stream: TextIO | None) -> list[str]:
    """Return a line as lines that fit the terminal where its words allow it, all but the first indented.

    Programs read one line each, so what goes elsewhere stays one.
    """
    if stream is None or not stream.isatty():
        return [line]
    mark = line[:2] if line[1:2] == " " else ""
    # Not alone on its line where a long path follows it.
    made = textwrap.wrap(
        line.removeprefix(mark),
        max(columns(stream), 40),
        initial_indent=mark,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return made or [line]


def say(text: str, settings: Globals) -> None:
    """Write a line to standard error; where that has gone there is nobody to tell, and a result may still go out.

    It goes to standard output where the lines are themselves what was asked for.
    """
    if settings.says_results:
        click.echo(text, color=settings.color)
        return
    with contextlib.suppress(OSError):
        click.echo(text, err=True, color=settings.color)


def print_total(count: int, noun: str, settings: Globals) -> None:
    """Say how many rows a listing had."""
    if not settings.quiet:
        say(f"{count} {noun}{'s' * (count != 1)}", settings)


def step_line(step: StepRun | ItemRun, name: str) -> str:
    """Return one line about a step."""
    mark, color = _MARKS.get(step.status, ("·", "white"))
    took = duration(step.duration_ms if step.attempts or step.duration_ms else None)
    line = f"{click.style(mark, fg=color)} {printable(name):<24} {took:>9}"
    if step.status == "skipped":
        why = "condition is false" if step.reason == "when" else "failed and was passed over"
        line += f"  {why}"
    if step.status == "compensated":
        line += "  was undone"
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
        self._live = settings.live
        self._shows = self._live or (settings.verbose > 0 and not settings.json)
        self._running: dict[str, None] = {}
        self._is_drawn = False
        self.execution_id: str | None = None

    def __call__(self, execution_id: str, event: Event) -> None:
        """Take an event; those of child executions are not shown."""
        self.execution_id = self.execution_id or execution_id
        if execution_id != self.execution_id:
            return
        if not self._shows:
            return
        try:
            self._show(event)
        except OSError:
            # Standard error is gone: the execution goes on without its lines.
            self._shows = self._live = False

    def _show(self, event: Event) -> None:
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
        if self._live and self._running:
            line = f"… {', '.join(self._running)}"
            # A line that wraps could not be taken back.
            click.echo(f"\r\x1b[K{line[: columns(sys.stderr) - 1]}", err=True, nl=False, color=True)
            self._is_drawn = True

    def clear(self) -> None:
        """Take back the line about running steps."""
        if self._is_drawn:
            click.echo("\r\x1b[K", err=True, nl=False, color=True)
            self._is_drawn = False


def cut(text: str, width: int) -> str:
    """Return what of a text has room in a line."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def columns(stream: TextIO | None) -> int:
    """Return the width of the terminal that a stream writes to; 80 where it is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH if stream is not None else _WIDTH
    except (OSError, ValueError):
        return _WIDTH
