"""Which texts an execution must never show: those of the configuration, and of its secret inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ael.journal.events import Event, ExecutionStarted
from ael.observe.masking import leaves
from ael.values import JSONValue
from ael.workflow.model import Workflow


def input_secrets(workflow: Workflow, inputs: Mapping[str, JSONValue]) -> tuple[str, ...]:
    """Return the texts in the values of a workflow's secret inputs."""
    found: list[str] = []
    for spec in workflow.inputs:
        if spec.secret and spec.name in inputs:
            found += leaves(inputs[spec.name])
    return tuple(dict.fromkeys(value for value in found if value))


def recorded_secrets(record: Sequence[Event], configured: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts that the readers of a record mask."""
    recorded = [event.secrets for event in record[:1] if isinstance(event, ExecutionStarted)]
    return tuple(dict.fromkeys((*configured, *(value for values in recorded for value in values))))
