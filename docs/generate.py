"""Writes the pages that the code itself knows best: `uv run python docs/generate.py`. A test holds them to it."""

from __future__ import annotations

from pathlib import Path

from ael.errors import registered

PAGES = Path(__file__).parent

_ERRORS = """# Errors

Every error that reaches a person, an agent, a log or a record has `code`, `category`, `message`, `detail`,
`suggestion` and `retryable`, and where they apply `step_id`, `tool_name`, `attempt`, `location` (file, line, column)
and `cause`. In templates `steps.ID.error` and `error` are that object; in code `ToolError` has `code`, `message`,
`detail` and `retryable`; under `--json` commands print it whole.

*Retryable* says whether `on_error: retry` tries again by itself; `retry_on` adds codes to that. A tool may say no for
one call: an error answer with `retryable: false` or an HTTP status of the 4xx kind other than 408, 425 and 429.

Commands exit with 0 for success, 1 when the workflow, the file, the configuration or the check is wrong or failed,
2 for wrong use of the command line, 130 when interrupted and 143 when terminated.
"""

_HEADINGS = {
    "TOOL": "Tools",
    "EXECUTION": "Code and templates",
    "VALIDATION": "Files and values",
    "WORKFLOW": "Workflows and executions",
    "ACCESS": "Access",
    "SYSTEM": "The installation",
}


def errors_page() -> str:
    """Return the page of all errors."""
    parts = [_ERRORS]
    for category, heading in _HEADINGS.items():
        codes = sorted({kind.code for kind in registered() if kind.category == category})
        if codes:
            parts.append(f"## {heading}\n\n| code | message | retryable | when |\n|---|---|---|---|")
            parts += map(_row, codes)
            parts.append("")
    return "\n".join(parts)


def _row(code: str) -> str:
    kinds = sorted((kind for kind in registered() if kind.code == code), key=lambda kind: kind.__name__)
    retryable = "yes" if kinds[0].retryable_by_default else "no"
    return f"| `{code}` | {kinds[0].template} | {retryable} | {' '.join(str(kind.__doc__) for kind in kinds)} |"


GENERATED = {"errors.md": errors_page}


def main() -> None:
    """Write every page."""
    for name, page in GENERATED.items():
        (PAGES / name).write_text(page())


if __name__ == "__main__":
    main()
