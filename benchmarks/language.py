"""The workflow language: loading and planning, expressions, large `foreach`, many layers. Called by `run.py`."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import yaml

from ael.engine.engine import Engine, EngineOptions, Request, new_execution_id
from ael.journal.memory import MemoryJournal
from ael.journal.sqlite import SqliteJournal
from ael.plan import Plan
from ael.plan.planner import make_plan
from ael.sandbox.pool import KernelSandbox
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import Gateway
from ael.tools.scripted import ScriptedTools
from ael.values import JSONValue
from ael.workflow.expressions import parse_template, render
from ael.workflow.load import load_text


class Row(Protocol):
    """Prints one figure beside its target."""

    def __call__(self, what: str, figure: str, target: str, *, met: bool | None = None) -> None:
        """See `run.row`."""
        ...


def long_workflow(count: int) -> str:
    """A workflow of so many steps as people write them: parameters with templates, conditions, retries."""
    steps = "".join(
        f"""  - id: step_{index}
    description: Step number {index}
    tool: http_request
    when: inputs.limit > {index % 7}
    params:
      method: POST
      url: "https://api.test/{{{{ inputs.name }}}}/{index}"
      json: {{previous: "{{{{ steps.step_{max(index - 1, 0)}.output }}}}", number: {index}, tags: [a, b]}}
    timeout: 10
    retry: {{max_attempts: 3, initial_delay: 0.5}}
"""
        for index in range(1, count)
    )
    head = "name: long\nversion: 1\ninputs: [{name: x}, {limit: 5}]\nsteps:\n"
    return f"{head}  - {{id: step_0, tool: http_request, params: {{url: start}}}}\n{steps}"


def layers(deep: int, wide: int) -> str:
    """A workflow of layers: each step waits for all of the layer above."""
    steps = []
    for layer in range(deep):
        above = [f"s{layer - 1}_{place}" for place in range(wide)] if layer else []
        steps += [
            f"  - {{id: s{layer}_{place}, tool: nothing, depends_on: [{', '.join(above)}]}}\n" for place in range(wide)
        ]
    return "name: layers\nversion: 1\nsteps:\n" + "".join(steps)


def plan_of(text: str) -> Plan:
    """Return the plan of a workflow without code."""
    return make_plan(load_text(text, "bench.yaml").definition, {}, {})


def median_ms(work: Callable[[], object], rounds: int) -> float:
    """Return the median of some rounds, in milliseconds."""
    times = []
    for _ in range(rounds):
        gc.collect()
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def loading(row: Row, rounds: int) -> None:
    """A thousand steps from text to plan, against PyYAML's C composer on the same text."""
    text = long_workflow(1000)
    plan_of(text)
    composed = median_ms(lambda: yaml.compose(text, Loader=yaml.CSafeLoader), rounds)
    loaded = median_ms(lambda: load_text(text, "bench.yaml"), rounds)
    planned = median_ms(lambda: plan_of(text), rounds)
    row(
        "language: 1,000 steps from text to plan",
        f"{planned / composed:.1f} x ({planned:.0f} ms)",
        "<= 10 x PyYAML's C composer",
        met=planned / composed <= 10,
    )
    row("language: of that the loading", f"{loaded / composed:.1f} x ({loaded:.0f} ms)", "")


def expressions(row: Row, rounds: int) -> None:
    """What one evaluation takes once a template has been parsed."""
    scope: dict[str, JSONValue] = {
        "inputs": {"price": 12.5, "name": "Ada"},
        "steps": {"a": {"output": {"items": [{"n": n} for n in range(100)]}, "status": "completed"}},
    }
    for text, target in (
        ("{{ inputs.price * 2 }}", 20),
        ("{{ steps.a.output.items[3].n }}", 20),
        ("Hello, {{ inputs.name | upper }}: {{ inputs.price }}", 20),
        ("{{ steps.a.output.items | map(attribute='n') | sum }}", None),
    ):
        template = parse_template(text)
        render(template, scope)

        def thousand() -> None:
            for _ in range(1000):
                render(template, scope)  # called before the next round

        each = median_ms(thousand, rounds)
        met = None if target is None else each <= target
        row(f"expression: {text[:52]}", f"{each:.1f} us", f"<= {target} us" if target else "100 items", met=met)


async def running(row: Row, rounds: int, directory: str) -> None:
    """Ten thousand items, and five hundred steps in layers, over a tool in this process."""
    for journal in (MemoryJournal(), SqliteJournal(Path(directory) / "language.db", "commit")):
        sandbox = KernelSandbox()
        engine = Engine(
            journal=journal,
            gateway=Gateway(ToolCatalog([ScriptedTools({"nothing": 1})])),
            sandbox=sandbox,
            resolve=_nobody,
            options=EngineOptions(max_steps=1_000_000),
        )
        mode = "off" if isinstance(journal, MemoryJournal) else "commit"
        for parallel in (1, 8):
            plan = plan_of(_items(parallel))
            times = [await _seconds(_run(engine, plan, 10_000)) for _ in range(max(1, rounds // 5))]
            rate = 10_000 / statistics.median(times)
            row(
                f"foreach: 10,000 items, {parallel} at a time, {mode}",
                f"{rate:.0f} items/s",
                ">= 2000 items/s",
                met=rate >= 2000,
            )
        plan = plan_of(layers(50, 10))
        await _run(engine, plan)
        each = statistics.median([await _seconds(_run(engine, plan)) for _ in range(rounds)]) / 500 * 1e6
        row(f"500 steps in layers 10 wide, {mode}", f"{each:.0f} us a step", "")
        if mode == "commit":
            # Watching memory makes it ten times slower.
            few = min(5_000, 500 * rounds)
            small, large = [await _peak(engine, plan_of(_items(1)), count) for count in (few, 4 * few)]
            row(
                f"foreach: memory an item, between {few:,} and {4 * few:,} items",
                f"{(large - small) / (3 * few):.0f} bytes",
                f"linear: {large / small:.1f} x for 4 x",
                met=large / small <= 4.4,
            )
        await sandbox.close()
        await journal.close()


def _items(parallel: int) -> str:
    params = "params: {n: '{{ item }}'}"
    return (
        "name: items\nversion: 1\ninputs: [{items: {type: array, default: []}}]\nsteps:\n"
        f"  - {{id: each, foreach: inputs.items, max_parallel: {parallel}, tool: nothing, {params}}}\n"
    )


async def _run(engine: Engine, plan: Plan, items: int = 0) -> None:
    request = Request(
        plan=plan, inputs={"items": [*range(items)]}, execution_id=new_execution_id(), seed=1, timeout_seconds=600
    )
    ended = await engine.run(request)
    assert ended.status == "completed", ended.error


async def _seconds(work: Awaitable[None]) -> float:
    gc.collect()
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


async def _peak(engine: Engine, plan: Plan, items: int) -> int:
    tracemalloc.start()
    await _run(engine, plan, items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


async def _nobody(reference: str) -> Plan:
    raise LookupError(reference)


def language(row: Row, rounds: int, directory: str) -> None:
    """All of it."""
    loading(row, rounds)
    expressions(row, rounds)
    asyncio.run(running(row, rounds, directory))
