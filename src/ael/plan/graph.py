"""The order of steps that wait for each other. No part of it knows what a step is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush

from ael.workflow.model import (
    StepId,
)


def find_cycle(edges: Mapping[StepId, Sequence[StepId]]) -> tuple[StepId, ...]:
    """Return the steps of one cycle, in the order in which they wait for each other; empty when there is none."""
    done: set[StepId] = set()
    for start in edges:
        trail: list[StepId] = []
        on_trail: set[StepId] = set()
        stack: list[tuple[StepId, Iterator[StepId]]] = []
        if start not in done:
            trail.append(start)
            on_trail.add(start)
            stack.append((start, iter(edges[start])))
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                trail.pop()
                on_trail.discard(node)
                done.add(node)
            elif following in on_trail:
                return tuple(trail[trail.index(following) :])
            elif following not in done and following in edges:
                trail.append(following)
                on_trail.add(following)
                stack.append((following, iter(edges[following])))
    return ()


def topological(edges: Mapping[StepId, Sequence[StepId]]) -> list[StepId]:
    """Return the steps in an order in which each follows all it waits for; among ready ones, file order."""
    order = list(edges)
    position = {name: index for index, name in enumerate(order)}
    missing = {name: len(edges[name]) for name in order}
    dependents: dict[StepId, list[StepId]] = {name: [] for name in order}
    for name, wanted in edges.items():
        for before in wanted:
            dependents[before].append(name)
    ready = [position[name] for name in order if not missing[name]]
    heapify(ready)
    result: list[StepId] = []
    while ready:
        name = order[heappop(ready)]
        result.append(name)
        for after in dependents[name]:
            missing[after] -= 1
            if not missing[after]:
                heappush(ready, position[after])
    return result
