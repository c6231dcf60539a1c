"""The graph of a workflow: order, inference, refusals. Pure, so checked on many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.errors import CircularDependency, ProblemsError, StepNotFound, WorkflowInvalid
from ael.plan import Plan
from ael.plan.graph import find_cycle, topological
from ael.plan.planner import make_plan
from ael.workflow.load import load_text
from ael.workflow.model import StepId


def plan_of(text: str) -> Plan:
    return make_plan(load_text(f"name: p\nversion: 1\n{text}", "p.yaml").definition, {}, {})


def edges_of(text: str) -> dict[str, tuple[str, ...]]:
    return {str(name): tuple(map(str, wanted)) for name, wanted in plan_of(text).dependencies.items()}


def test_steps_run_in_file_order_unless_they_say_otherwise() -> None:
    assert edges_of(
        """
steps:
  - {id: a, tool: t}
  - {id: b, tool: t}
  - {id: c, tool: t, depends_on: a}
  - {id: d, tool: t, depends_on: []}
  - {id: e, tool: t}
"""
    ) == {"a": (), "b": ("a",), "c": ("a",), "d": (), "e": ("b", "c", "d")}


def test_a_reference_is_a_dependency_wherever_it_stands() -> None:
    assert edges_of(
        """
steps:
  - {id: a, tool: t}
  - {id: b, tool: t, depends_on: [], params: {deep: [{x: "{{ steps.a.output }}"}]}}
  - {id: c, tool: t, depends_on: [], when: "steps.b.output.ok"}
  - {id: d, tool: t, depends_on: [], foreach: steps.c.output}
"""
    ) == {"a": (), "b": ("a",), "c": ("b",), "d": ("c",)}


def test_a_step_may_wait_for_a_later_one_that_does_not_wait_for_it() -> None:
    edges = edges_of(
        """
steps:
  - {id: a, tool: t, params: {x: "{{ steps.b.output }}"}}
  - {id: b, tool: t, depends_on: []}
"""
    )
    assert edges == {"a": ("b",), "b": ()}


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        (
            "steps: [{id: a, tool: t, params: {x: '{{ steps.b.output }}'}}, {id: b, tool: t}]",
            CircularDependency,
            "further down",
        ),
        ("steps: [{id: a, tool: t, depends_on: b}, {id: b, tool: t, depends_on: a}]", CircularDependency, "a → b → a"),
        ("steps: [{id: a, tool: t, depends_on: a}]", CircularDependency, "depends on itself"),
        ("steps: [{id: a, tool: t, when: steps.a.output}]", CircularDependency, "its own result"),
        ("steps: [{id: a, tool: t, depends_on: bb}, {id: b, tool: t}]", StepNotFound, "Did you mean 'b'?"),
        ("steps: [{id: fetch, tool: t}]\noutput: '{{ steps.fech.output }}'", StepNotFound, "Did you mean 'fetch'?"),
        ("steps: [{id: a, tool: t}]\noutputs: {x: {from_path: steps.b.output}}", StepNotFound, "unknown step 'b'"),
        ("steps: [{id: a, tool: t, when: inputs.x}]", WorkflowInvalid, "unknown input 'x'"),
        ("steps: [{id: a, tool: t, when: item}]", WorkflowInvalid, "only inside a step with foreach"),
        ("steps: [{id: a, tool: t, when: error.code}]", WorkflowInvalid, "only in on_failure"),
        (
            "inputs: [url]\nsteps: [{id: a, tool: t, params: {x: '{{ url }}'}}]",
            WorkflowInvalid,
            "Did you mean 'inputs.url'?",
        ),
        ("steps: [{id: a, tool: t, params: {x: '{{ 1 + }}'}}]", WorkflowInvalid, "the expression ends too early"),
        (
            "steps: [{id: a, tool: t}]\noutputs: {x: {from_path: a.output}}",
            WorkflowInvalid,
            "Did you mean 'steps.a.output'?",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(text: str, kind: type[ProblemsError], part: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        plan_of(text)
    assert type(caught.value) is kind
    assert part in caught.value.detail
    assert all(problem.location is not None for problem in caught.value.problems)


def test_every_problem_is_reported_at_once_in_file_order() -> None:
    with pytest.raises(WorkflowInvalid) as caught:
        plan_of(
            """
steps:
  - {id: a, tool: t, when: inputs.x}
  - {id: b, tool: t, depends_on: zzz}
output: "{{ steps.nope.output | uper }}"
"""
        )
    lines = [problem.location.line for problem in caught.value.problems if problem.location]
    assert len(lines) == 3
    assert lines == sorted(lines)


@given(st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12)), max_size=13))
def test_an_order_exists_exactly_where_there_is_no_cycle(graph: dict[int, set[int]]) -> None:
    edges = {
        StepId(f"s{node}"): tuple(StepId(f"s{one}") for one in sorted(wanted) if one in graph)
        for node, wanted in graph.items()
    }
    cycle = find_cycle(edges)
    order = topological(edges)
    if cycle:
        assert len(order) < len(edges)
        assert all(after in edges[before] for before, after in zip(cycle, (*cycle[1:], cycle[0]), strict=True))
    else:
        place = {name: index for index, name in enumerate(order)}
        assert sorted(order) == sorted(edges)
        assert all(place[before] < place[name] for name, wanted in edges.items() for before in wanted)


@given(st.lists(st.none() | st.sets(st.integers(0, 9)), min_size=1, max_size=10))
def test_a_step_without_depends_on_waits_for_every_step_above_it(declared: list[set[int] | None]) -> None:
    lines = []
    for index, wanted in enumerate(declared):
        names = (
            "" if wanted is None else f", depends_on: [{', '.join(f's{one}' for one in sorted(wanted) if one < index)}]"
        )
        lines.append(f"  - {{id: s{index}, tool: t{names}}}")
    edges = edges_of("steps:\n" + "\n".join(lines))

    def before(name: str) -> set[str]:
        return {name_ for one in edges[name] for name_ in ({one} | before(one))}

    for index, wanted in enumerate(declared):
        if wanted is None:
            assert before(f"s{index}") == {f"s{above}" for above in range(index)}


def test_a_thousand_steps_in_a_row_have_few_edges() -> None:
    text = "steps:\n" + "".join(f"  - {{id: s{index}, tool: t}}\n" for index in range(1000))
    assert sum(map(len, edges_of(text).values())) == 999
