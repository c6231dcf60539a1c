"""Data tools: values against a JSON Schema."""

from __future__ import annotations

import asyncio

import msgspec

from native_tools import confined
from native_tools.data_check import check, may_take_long
from native_tools.environment import Environment
from native_tools.parameters import whole
from native_tools.schemas import SchemaUnusable
from native_tools.tool import READS, Arguments, Result, Tool, ToolError, closed

_MOST_VIOLATIONS = 100


async def _validate(arguments: Arguments, _: Environment) -> Result:
    most = arguments.get("max_errors", _MOST_VIOLATIONS)
    schema, value = msgspec.json.encode(arguments["schema"]), msgspec.json.encode(arguments["data"])
    if may_take_long(schema, value):
        return await confined.run({"operation": "check", "schema": schema, "value": value, "most": most})
    try:
        return await asyncio.to_thread(check, arguments["schema"], arguments["data"], most)
    except SchemaUnusable as error:
        raise ToolError(f"`schema` is not usable: {error}") from error


VALIDATE = Tool(
    name="data_validate",
    title="Validate data",
    description=(
        "Check a value against a JSON Schema and list everything that is wrong with it. "
        "References to other documents are not fetched; patterns take linear time."
    ),
    input_schema=closed(
        ("data", "schema"),
        data={"description": "The value to check: any JSON."},
        schema={"type": ["object", "boolean"], "description": "The JSON Schema (draft 2020-12 unless it says so)."},
        max_errors=whole(1, 1000, "How many violations are listed at most; all are counted.", default=_MOST_VIOLATIONS),
    ),
    output_schema=closed(
        ("valid", "errors", "error_count"),
        valid={"type": "boolean", "description": "Whether the value is as the schema wants it."},
        errors={
            "type": "array",
            "description": "What is wrong, in the order of the schema.",
            "items": closed(
                ("path", "message", "keyword"),
                path={"type": "string", "description": "The place in the value: `items[2].name`; empty: the whole."},
                message={"type": "string", "description": "What is wrong there."},
                keyword={"type": "string", "description": "The keyword of the schema that is broken."},
            ),
        },
        error_count={"type": "integer", "description": "How many violations there are in all."},
    ),
    annotations=READS,
    run=_validate,
)

TOOLS = (VALIDATE,)
