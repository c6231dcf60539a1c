"""The result of an execution: `output`, `outputs`, or the last step's output where the file names neither."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ael.errors import AelError, OutputInvalid
from ael.plan import Plan
from ael.values import JSONValue
from ael.workflow.expressions import render_value
from ael.workflow.model import OutputSpec, Schema
from ael.workflow.paths import follow, parse_path


def results(plan: Plan, scope: Mapping[str, JSONValue]) -> JSONValue:
    """Return what the execution gives; raises `OutputInvalid` or `TemplateFailed`."""
    workflow = plan.workflow
    if workflow.output is not msgspec.UNSET:
        return render_value(workflow.output, plan.templates, scope)
    if workflow.outputs:
        return {spec.name: _named(spec, plan, scope) for spec in workflow.outputs}
    steps = scope["steps"]
    assert isinstance(steps, dict)
    last = steps[workflow.steps[-1].id]
    assert isinstance(last, dict)
    return last["output"]


def _named(spec: OutputSpec, plan: Plan, scope: Mapping[str, JSONValue]) -> JSONValue:
    try:
        if spec.from_path is not None:
            value = follow(dict(scope), parse_path(spec.from_path), shown=spec.from_path)
        else:
            assert spec.value is not msgspec.UNSET
            value = render_value(spec.value, plan.templates, scope)
    except AelError as error:
        if spec.default is not msgspec.UNSET:
            return spec.default
        error.detail = f"output '{spec.name}': {error.detail}"
        raise
    if spec.schema is not None:
        _check_schema(spec.name, spec.schema, value)
    return value


def _check_schema(name: str, schema: Schema, value: JSONValue) -> None:
    import jsonschema_rs  # noqa: PLC0415 # 25 ms to import, needed only by outputs with a schema

    found = [f"{'/'.join(map(str, error.instance_path)) or 'value'}: {error.message}"
             for error in jsonschema_rs.iter_errors(schema, value)]  # fmt: skip
    if found:
        raise OutputInvalid(f"output '{name}' does not match its schema: " + "; ".join(found[:10]))
