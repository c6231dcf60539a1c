"""File tools: read, write, list and delete inside the workspace, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from native_tools.environment import Environment
from native_tools.file_contents import MOST_BYTES, read_file, write_file
from native_tools.file_trees import delete, list_directory
from native_tools.parameters import choice, switch, whole
from native_tools.tool import READS, Arguments, Hints, Result, Run, Schema, Tool, closed

#: A second append adds once more, a second delete fails: after a crash neither is repeated unasked.
_CHANGES = Hints(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)

_PATH: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 4096,
    "description": "The path from the workspace down, with `/`; no `..`, not absolute.",
}
_UNDERSTOOD: Schema = {"type": "string", "description": "The path, as it was understood."}
_MEGABYTES = MOST_BYTES // (1024 * 1024)


def in_thread(work: Callable[[Arguments, Environment], Result]) -> Run:
    """Return a tool's `run` out of a function that blocks."""

    async def run(arguments: Arguments, environment: Environment) -> Result:
        return await asyncio.to_thread(work, arguments, environment)

    return run


READ = Tool(
    name="fs_read",
    title="Read a file",
    description=(
        f"Read a file of the workspace, as text or as base64. At most {_MEGABYTES} MiB at once: "
        "read larger ones in parts, with `offset` and `length`."
    ),
    input_schema=closed(
        ("path",),
        path=_PATH,
        encoding=choice(
            ("utf-8", "latin-1", "base64"), "utf-8", "How the bytes become text; base64 for files that are none."
        ),
        offset=whole(0, 2**62, "The byte to begin at.", default=0),
        length=whole(1, MOST_BYTES, "How many bytes to read at most; without it the whole file."),
    ),
    output_schema=closed(
        ("path", "content", "size", "next_offset"),
        path=_UNDERSTOOD,
        content={"type": "string", "description": "What is in the file, or in the part."},
        size={"type": "integer", "description": "Bytes of the whole file."},
        next_offset={"type": ["integer", "null"], "description": "Where the next part begins; null at the end."},
    ),
    annotations=READS,
    run=in_thread(read_file),
)

WRITE = Tool(
    name="fs_write",
    title="Write a file",
    description=(
        "Write a file of the workspace. It is replaced at once: readers see the old content or the new one, never a "
        f"half; its permissions stay. At most {_MEGABYTES} MiB at once."
    ),
    input_schema=closed(
        ("path", "content"),
        path=_PATH,
        content={"type": "string", "description": "The text, or bytes as base64."},
        encoding=choice(("utf-8", "latin-1", "base64"), "utf-8", "How the text becomes bytes."),
        mode=choice(
            ("overwrite", "create", "append"),
            "overwrite",
            "create: fail where there is such a file; append: write at its end, making it if need be.",
        ),
        create_directories=switch(True, "Make the directories of the path that are missing."),
    ),
    output_schema=closed(
        ("path", "size", "created"),
        path=_UNDERSTOOD,
        size={"type": "integer", "description": "Bytes of the file now."},
        created={"type": "boolean", "description": "Whether it is a new file."},
    ),
    annotations=_CHANGES,
    run=in_thread(write_file),
)

LIST = Tool(
    name="fs_list",
    title="List a directory",
    description=(
        "List a directory of the workspace, sorted by name. Links are shown and not followed; what belongs to AEL "
        "itself is left out."
    ),
    input_schema=closed(
        path={**_PATH, "default": ".", "description": f"{_PATH['description']} `.` is the workspace."},
        recursive=switch(False, "Also what is in its directories."),
        pattern={
            "type": "string",
            "minLength": 1,
            "maxLength": 256,
            "description": "Only these: `*.csv` by the last name, `reports/**/*.csv` by the path below `path`.",
        },
        limit=whole(1, 10_000, "How many entries at most.", default=1000),
    ),
    output_schema=closed(
        ("path", "entries", "truncated", "unreadable"),
        path=_UNDERSTOOD,
        entries={
            "type": "array",
            "description": "What is there.",
            "items": closed(
                ("path", "type", "size", "modified"),
                path={"type": "string", "description": "The path below the listed directory."},
                type={"enum": ["file", "directory", "link", "other"], "description": "What it is."},
                size={"type": ["integer", "null"], "description": "Bytes of a file."},
                modified={"type": "string", "description": "When it was changed, ISO 8601 in UTC."},
            ),
        },
        truncated={"type": "boolean", "description": "Whether there is more than is listed."},
        unreadable={"type": "integer", "description": "Entries left out: not for us, or their names are not UTF-8."},
    ),
    annotations=READS,
    run=in_thread(list_directory),
)

DELETE = Tool(
    name="fs_delete",
    title="Delete a file or directory",
    description=(
        "Delete a file of the workspace; a link is deleted, not what it leads to. A directory only with "
        "`recursive`, and only when nothing in it belongs to AEL itself."
    ),
    input_schema=closed(
        ("path",),
        path=_PATH,
        recursive=switch(False, "Delete a directory and all that is in it."),
        missing_ok=switch(False, "Do not fail where there is nothing."),
    ),
    output_schema=closed(
        ("path", "deleted"),
        path=_UNDERSTOOD,
        deleted={"type": "integer", "description": "How many files and directories are gone."},
    ),
    annotations=_CHANGES,
    run=in_thread(delete),
)

TOOLS = (READ, WRITE, LIST, DELETE)
