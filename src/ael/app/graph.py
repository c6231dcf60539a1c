"""Drawings of a plan: the steps in layers, each below what it waits for. Pure.

ascii    for a terminal: one line a step
mermaid  for Markdown that renders it
svg      for a browser
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Literal

import msgspec

from ael.plan import Plan
from ael.workflow.model import ApprovalStep, CodeStep, Step, StepId, ToolStep, WaitStep, WorkflowStep

GraphFormat = Literal["ascii", "mermaid", "svg"]

#: Pixels: of a box, between boxes, between layers, around all.
_BOX_HEIGHT, _GAP, _LAYER_GAP, _MARGIN = 52, 24, 44, 20
#: Pixels of one character at 13 pixels of a monospaced font; narrowest and widest box in characters.
_CHARACTER, _NARROWEST, _WIDEST = 8.0, 12, 34
_FILLS = {"tool": "#dbeafe", "code": "#dcfce7", "workflow": "#f3e8ff", "approval": "#fef9c3", "wait": "#f1f5f9"}


class _Node(msgspec.Struct, frozen=True, kw_only=True):
    step: StepId
    kind: str
    #: What it calls or runs, and under which condition.
    about: str
    after: tuple[StepId, ...]


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """One section of the workflow, in layers."""

    title: str
    layers: list[list[_Node]]


def draw(plan: Plan, form: GraphFormat) -> str:
    """Return the graph of a plan as text, which ends in a line feed."""
    parts = list(_parts(plan))
    match form:
        case "ascii":
            return "\n".join(_ascii(plan, parts)) + "\n"
        case "mermaid":
            return "\n".join(_mermaid(parts)) + "\n"
        case "svg":
            return "\n".join(_svg(plan, parts)) + "\n"


def _parts(plan: Plan) -> Iterator[_Part]:
    sections: tuple[tuple[str, tuple[Step, ...]], ...] = (
        ("", plan.workflow.steps),
        ("on failure", plan.workflow.on_failure),
        ("finally", plan.workflow.finally_),
    )
    for title, steps in sections:
        own = {step.id for step in steps}
        depth: dict[StepId, int] = {}
        waiting = [
            _Node(
                step=step.id,
                kind=_kind(step),
                about=_about(step),
                after=tuple(before for before in plan.dependencies[step.id] if before in own),
            )
            for step in steps
        ]
        layers: list[list[_Node]] = []
        above: dict[StepId, set[StepId]] = {}
        while waiting:
            # A step may wait for one that stands below it in the file.
            ready = [node for node in waiting if all(before in depth for before in node.after)]
            for node in ready:
                above[node.step] = set(node.after).union(*(above[before] for before in node.after))
                level = depth[node.step] = 1 + max((depth[before] for before in node.after), default=-1)
                layers += [[] for _ in range(level + 1 - len(layers))]
                # What a step waits for through another one needs no arrow of its own.
                through: set[StepId] = set().union(*(above[before] for before in node.after))
                direct = tuple(before for before in node.after if before not in through)
                layers[level].append(msgspec.structs.replace(node, after=direct))
            waiting = [node for node in waiting if node.step not in depth]
        if layers:
            yield _Part(title=title, layers=layers)


def _kind(step: Step) -> str:
    return str(step.__struct_config__.tag)


def _about(step: Step) -> str:
    match step:
        case ToolStep():
            what = step.tool
        case WorkflowStep():
            what = step.workflow
        case WaitStep():
            seconds = f"{step.seconds:g}" if isinstance(step.seconds, float) else step.seconds
            what = f"until {step.until}" if seconds is None else f"{seconds}s"
        case CodeStep() | ApprovalStep():
            what = ""
    if step.foreach is not None:
        what += f" for each of {step.foreach.strip('{} ')}"
    if step.when is not None:
        when = str(step.when).lower() if isinstance(step.when, bool) else step.when.strip("{} ")
        what += f" when {when}"
    return " ".join(what.split())


def _ascii(plan: Plan, parts: Iterable[_Part]) -> Iterator[str]:
    workflow = plan.workflow
    yield f"{workflow.name} {workflow.version}"
    for part in parts:
        yield ""
        if part.title:
            yield f"{part.title}:"
        before: set[StepId] = set()
        for number, layer in enumerate(part.layers):
            if number:
                yield "  |"
            for node in layer:
                line = f"  {'+-- ' if len(layer) > 1 else ''}{node.step}".ljust(28) + f" {node.kind} {node.about}"
                if number and set(node.after) != before:
                    line = f"{line.rstrip()} after {', '.join(node.after)}"
                yield line.rstrip()
            before = {node.step for node in layer}


def _mermaid(parts: Iterable[_Part]) -> Iterator[str]:
    yield "flowchart TD"
    shapes = {
        "tool": ("[", "]"),
        "code": ("[[", "]]"),
        "workflow": ("[/", "/]"),
        "approval": ("{{", "}}"),
        "wait": ("([", "])"),
    }
    for index, part in enumerate(parts):
        indent = "  "
        if part.title:
            yield f'  subgraph part{index} ["{part.title}"]'
            indent = "    "
        # A step may be called `end`, which is a word of Mermaid's.
        nodes = [node for layer in part.layers for node in layer]
        for node in nodes:
            opening, closing = shapes[node.kind]
            label = "<br/>".join(_mermaid_text(line) for line in (node.step, f"{node.kind} {node.about}".strip()))
            yield f'{indent}step_{node.step}{opening}"{label}"{closing}'
        for node in nodes:
            for before in node.after:
                yield f"{indent}step_{before} --> step_{node.step}"
        if part.title:
            yield "  end"


def _mermaid_text(text: str) -> str:
    """Escape what Mermaid or the HTML in its labels would read."""
    return "".join(f"#{ord(one)};" if one in "\"'#;<>&`{}[]()|\\" or not one.isprintable() else one for one in text)


def _svg(plan: Plan, parts: Iterable[_Part]) -> Iterator[str]:
    rows = [(part, number, layer) for part in parts for number, layer in enumerate(part.layers)]
    names = [node for _, _, layer in rows for node in layer]
    characters = min(_WIDEST, max(_NARROWEST, *(max(len(node.step), len(_second(node))) for node in names)))
    box = characters * _CHARACTER + 20
    broadest = max(len(layer) for _, _, layer in rows)
    width = round(2 * _MARGIN + broadest * box + (broadest - 1) * _GAP)
    lines: list[str] = []
    places: dict[StepId, tuple[float, float]] = {}
    top = float(_MARGIN)
    for part, number, layer in rows:
        if part.title and not number:
            lines.append(f'<text class="title" x="{_MARGIN}" y="{top + 14:g}">{escape(part.title)}</text>')
            top += 26
        left = (width - len(layer) * box - (len(layer) - 1) * _GAP) / 2
        for node in layer:
            places[node.step] = (left + box / 2, top)
            lines += _box(node, left, top, box, characters)
            left += box + _GAP
        top += _BOX_HEIGHT + _LAYER_GAP
    height = round(top - _LAYER_GAP + _MARGIN)
    title = f"{plan.workflow.name} {plan.workflow.version}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
    )
    yield f"<title>{escape(title)}</title>"
    yield (
        "<style>text{font:13px ui-monospace,monospace;fill:#0f172a}.about{font-size:11px;fill:#475569}"
        ".title{font-weight:bold}path{fill:none;stroke:#64748b;stroke-width:1.5}rect{stroke:#94a3b8}</style>"
    )
    yield (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#64748b"/></marker></defs>'
    )
    for node in names:
        for before in node.after:
            yield _edge(places[before], places[node.step])
    yield from lines
    yield "</svg>"


def _second(node: _Node) -> str:
    return f"{node.kind} {node.about}".strip()


def _box(node: _Node, left: float, top: float, width: float, characters: int) -> list[str]:
    middle = left + width / 2
    full = escape(f"{node.step}: {_second(node)}")
    box = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{_BOX_HEIGHT}" rx="8" fill="{_FILLS[node.kind]}"'
    about = escape(_cut(_second(node), characters))
    return [
        f"<g><title>{full}</title><rect {box}/>",
        f'<text x="{middle:g}" y="{top + 21:g}" text-anchor="middle">{escape(_cut(node.step, characters))}</text>',
        f'<text class="about" x="{middle:g}" y="{top + 39:g}" text-anchor="middle">{about}</text></g>',
    ]


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y = start[0], start[1] + _BOX_HEIGHT
    to_x, to_y = end
    bend = (to_y - y) / 2
    curve = f"M{x:g} {y:g}C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}"
    return f'<path d="{curve}" marker-end="url(#tip)"/>'


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
