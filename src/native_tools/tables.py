"""Table tools: JSON to CSV and back (RFC 4180, and its dialects). What goes out comes back the same."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from native_tools.environment import Environment
from native_tools.excerpts import excerpt
from native_tools.files import in_thread
from native_tools.parameters import choice, switch
from native_tools.tool import READS, Arguments, Result, Schema, Tool, ToolError, closed

_LONGEST = 8 * 1024 * 1024
_MOST_CELLS = 1_000_000
_MOST_COLUMNS = 10_000

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?")

#: What spreadsheets take for a formula when a cell's text begins with it (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_Row = dict[str, Any]


# -- JSON to CSV ------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes cells; quotes only where reading would otherwise give something else."""

    def __init__(self, arguments: Arguments) -> None:
        self._delimiter: str = arguments.get("delimiter", ",")
        self._quote: str = arguments.get("quote", '"')
        _check_dialect(self._delimiter, self._quote)
        self._null: str = arguments.get("null_as", "")
        self._escape_formulas: bool = arguments.get("escape_formulas", False)
        # A byte order mark at the start of a text would be taken for one.
        self._special = re.compile(f"[{re.escape(self._delimiter + self._quote)}\r\n\ufeff]|^\\s|\\s$")

    def line(self, values: Iterable[Any]) -> str:
        cells = [self._cell(value) for value in values]
        # A line that is empty is no row at all.
        return self._delimiter.join(cells) if cells != [""] else self._quote * 2

    def _cell(self, value: Any) -> str:  # noqa: ANN401 # any JSON
        text = self._text(value)
        if self._special.search(text):
            return self._quote + text.replace(self._quote, self._quote * 2) + self._quote
        return text

    def _text(self, value: Any) -> str:  # noqa: ANN401 # any JSON
        if value is None:
            return self._null
        if isinstance(value, str):
            return "'" + value if self._escape_formulas and value.startswith(_FORMULA) else value
        return msgspec.json.encode(value).decode()


def _to_csv(arguments: Arguments, _: Environment) -> Result:
    data: list[Any] = arguments["data"]
    columns: list[str] | None = arguments.get("columns")
    if all(isinstance(row, dict) for row in data):
        columns = columns or list(dict.fromkeys(key for row in data for key in row))
        rows: Iterable[list[Any]] = ([row.get(column) for column in columns] for row in data)
        width = len(columns)
    elif all(isinstance(row, list) for row in data):
        width = max(map(len, data))
        rows = data
        if columns is not None and len(columns) != width:
            raise ToolError(f"`columns` names {len(columns)} columns, the longest row has {width}.")
    else:
        at = next(at for at, row in enumerate(data) if type(row) is not type(data[0]))
        raise ToolError(f"`data` holds objects or arrays, not both: data[{at}] is unlike data[0].")
    _check_cells(len(data), width)
    writer = _Writer(arguments)
    header = [writer.line(columns)] if columns and arguments.get("header", True) else []
    end: str = arguments.get("line_end", "\n")
    text = "".join(line + end for line in (*header, *map(writer.line, rows)))
    return {"csv": text, "row_count": len(data), "columns": columns}


def _check_cells(rows: int, columns: int) -> None:
    if rows * columns > _MOST_CELLS or columns > _MOST_COLUMNS:
        limits = f"at most {_MOST_CELLS} cells and {_MOST_COLUMNS} columns are converted at once"
        raise ToolError(f"the table has {rows} rows and {columns} columns; {limits}.")


def _check_dialect(delimiter: str, quote: str) -> None:
    if delimiter == quote:
        raise ToolError(f"`delimiter` and `quote` are both {delimiter!r}.")


# -- CSV to JSON ------------------------------------------------------------------------------------------------------


def _to_json(arguments: Arguments, _: Environment) -> Result:
    lines = _lines(arguments)
    given: list[str] | None = arguments.get("columns")
    number, first = next(lines, (0, []))
    has_header = arguments.get("header", True)
    columns = given or (first if has_header else [f"column_{at}" for at in range(1, len(first) + 1)])
    _check_columns(columns, given=given is not None)
    body = lines if has_header else ([(number, first), *lines] if number else lines)
    types = arguments.get("types", "text")
    readers = [_reader(types if isinstance(types, str) else types.get(column, "text")) for column in columns]
    _check_types(types, columns)
    rows: list[_Row] = []
    pads = arguments.get("pad_short_rows", False)
    for number, cells in body:
        _check_width(number, cells, columns, pads=pads)
        _check_cells(len(rows) + 1, len(columns))
        values = [read(cell, number, column) for read, cell, column in zip(readers, cells, columns, strict=False)]
        rows.append(dict(zip(columns, values + [None] * (len(columns) - len(values)), strict=True)))
    return {"rows": rows, "row_count": len(rows), "columns": columns}


def _lines(arguments: Arguments) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank with the number of the line each ends on; raises `ToolError`."""
    delimiter, quote = arguments.get("delimiter", ","), arguments.get("quote", '"')
    _check_dialect(delimiter, quote)
    csv.field_size_limit(_LONGEST)
    text = io.StringIO(arguments["csv"].removeprefix("\ufeff"), newline="")
    reader = csv.reader(text, delimiter=delimiter, quotechar=quote, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise ToolError(f"line {reader.line_num} of `csv` is not CSV: {error}. Check delimiter and quote.") from error


def _check_columns(columns: list[str], *, given: bool) -> None:
    where = "`columns`" if given else "the header"
    if len(columns) > _MOST_COLUMNS:
        raise ToolError(f"{where} has {len(columns)} columns, at most {_MOST_COLUMNS} are read.")
    double = next((name for at, name in enumerate(columns) if name in columns[:at]), None)
    if double is not None:
        raise ToolError(f"{where} names the column '{double}' twice. Give names of your own in `columns`.")


def _check_width(number: int, cells: list[str], columns: list[str], *, pads: bool) -> None:
    if len(cells) == len(columns) or (pads and len(cells) < len(columns)):
        return
    hint = " pad_short_rows: true fills them with null." if len(cells) < len(columns) else ""
    raise ToolError(f"the row on line {number} has {len(cells)} cells, there are {len(columns)} columns.{hint}")


def _check_types(types: Any, columns: list[str]) -> None:  # noqa: ANN401 # checked by the schema
    unknown = [name for name in types if name not in columns] if isinstance(types, dict) else []
    if unknown:
        raise ToolError(f"`types` names columns that there are not: {', '.join(unknown[:10])}.")


def _reader(kind: str) -> Any:  # noqa: ANN401 # a function of cell, line and column
    return {"text": _as_text, "infer": _as_inferred}.get(kind) or _as_kind(kind)


def _as_text(cell: str, _: int, __: str) -> Any:  # noqa: ANN401 # any JSON
    return cell


def _as_inferred(cell: str, _: int, __: str) -> Any:  # noqa: ANN401 # any JSON
    """Return what a cell plainly is: a code such as 007 stays text."""
    if not cell:
        return None
    if cell in {"true", "false"}:
        return cell == "true"
    if _INTEGER.fullmatch(cell):
        return int(cell)
    return _finite(cell, cell) if _NUMBER.fullmatch(cell) else cell


def _finite(cell: str, otherwise: Any) -> Any:  # noqa: ANN401 # any JSON
    value = float(cell)
    return value if abs(value) != float("inf") else otherwise


def _as_kind(kind: str) -> Any:  # noqa: ANN401 # a function of cell, line and column
    def read(cell: str, number: int, column: str) -> Any:  # noqa: ANN401 # any JSON
        text = cell.strip()
        if not text:
            return None
        found: Any = None
        if kind == "boolean":
            found = {"true": True, "false": False, "1": True, "0": False}.get(text.lower())
        elif kind == "integer" and _INTEGER.fullmatch(text):
            found = int(text)
        elif kind == "number" and _NUMBER.fullmatch(text):
            found = _finite(text, None)
        elif kind == "json":
            try:
                return msgspec.json.decode(text)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                found = None
        if found is None:
            raise ToolError(f"'{excerpt(cell, 80)}' in column '{column}' on line {number} is no {kind}.")
        return found

    return read


# -- the tools --------------------------------------------------------------------------------------------------------

_DIALECT: dict[str, Schema] = {
    "delimiter": {
        "type": "string",
        "minLength": 1,
        "maxLength": 1,
        "pattern": "^[^\r\n]$",
        "default": ",",
        "description": "What separates cells, such as `;` or a tab.",
    },
    "quote": {
        "type": "string",
        "minLength": 1,
        "maxLength": 1,
        "pattern": "^[^\r\n]$",
        "default": '"',
        "description": "What stands around cells that hold special characters; doubled inside.",
    },
}
_COLUMNS: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": _MOST_COLUMNS}
_COUNT: Schema = {"type": "integer", "description": "How many rows there are, without the header."}
_KINDS: Schema = {"enum": ["text", "infer", "integer", "number", "boolean", "json"]}

JSON_TO_CSV = Tool(
    name="data_json_to_csv",
    title="JSON to CSV",
    description=(
        "Write rows as CSV: a list of objects, or of arrays. Numbers and booleans are written as JSON does, nested "
        "values as JSON text."
    ),
    input_schema=closed(
        ("data",),
        data={
            "type": "array",
            "items": {"type": ["object", "array"]},
            "minItems": 1,
            "description": "The rows: all objects, or all arrays.",
        },
        columns={**_COLUMNS, "description": "The columns, in order; without it all keys, as they first come."},
        header=switch(True, "Whether the first line names the columns."),
        **_DIALECT,
        line_end=choice(("\n", "\r\n"), "\n", "What ends a line."),
        null_as={"type": "string", "maxLength": 100, "default": "", "description": "How null is written."},
        escape_formulas=switch(False, "Put a ' before texts that a spreadsheet would run as a formula (=, +, -, @)."),
    ),
    output_schema=closed(
        ("csv", "row_count", "columns"),
        csv={"type": "string", "description": "The table."},
        row_count=_COUNT,
        columns={
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "The columns; null for arrays without names.",
        },
    ),
    annotations=READS,
    run=in_thread(_to_csv),
)

CSV_TO_JSON = Tool(
    name="data_csv_to_json",
    title="CSV to JSON",
    description="Read CSV into a list of objects, one for each row. Blank lines are skipped; a byte order mark too.",
    input_schema=closed(
        ("csv",),
        csv={"type": "string", "maxLength": _LONGEST, "description": "The table."},
        columns={**_COLUMNS, "description": "Names for the columns, instead of those of the header."},
        header=switch(True, "Whether the first line names the columns."),
        **_DIALECT,
        types={
            "description": "How cells are read: text for all, infer for what each plainly is, or column → type.",
            "anyOf": [{"enum": ["text", "infer"]}, {"type": "object", "additionalProperties": _KINDS}],
            "default": "text",
        },
        pad_short_rows=switch(False, "Fill rows that have too few cells with null; else they are an error."),
    ),
    output_schema=closed(
        ("rows", "row_count", "columns"),
        rows={"type": "array", "items": {"type": "object"}, "description": "The rows: column → value."},
        row_count=_COUNT,
        columns={"type": "array", "items": {"type": "string"}, "description": "The columns, in order."},
    ),
    annotations=READS,
    run=in_thread(_to_json),
)

TOOLS = (JSON_TO_CSV, CSV_TO_JSON)
