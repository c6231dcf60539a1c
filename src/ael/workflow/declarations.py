"""What a workflow takes and gives: the inputs and outputs that its file declares, as lists or mappings."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ael.workflow.inputs import TYPE_OF, check_default, compile_pattern, enum_violations, schema_problem
from ael.workflow.model import InputSpec, OutputSpec, Schema
from ael.workflow.yaml_reader import Node, Reader, describe, join, plural, record_fields

#: Names that templates and code can write as they are.
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONSTRAINTS = {
    "pattern": {"string"},
    "min_length": {"string"},
    "max_length": {"string"},
    "minimum": {"integer", "number"},
    "maximum": {"integer", "number"},
    "items": {"array"},
    "properties": {"object"},
}


class DeclarationReader:
    """Reads `inputs` and `outputs` of one file."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def inputs(self, node: Node) -> tuple[InputSpec, ...]:
        """Return what is declared; problems are the reader's."""
        found: list[InputSpec] = []
        names: dict[str, Node] = {}
        for name, key, value, path in self._declarations(node, "inputs"):
            if name in names:
                self.reader.problem(key, f"the input '{name}' is declared twice", "Remove one of them.")
            names[name] = key
            if not WORD.fullmatch(name):
                hint = f"Write '{underscored(name)}'."
                self.reader.problem(key, f"the input name '{name}' is not letters, digits and _", hint)
            spec = self._input(name, key, value, path)
            if spec is not None:
                found.append(spec)
        return tuple(found)

    def _declarations(self, node: Node, section: str) -> list[tuple[str, Node, Node | None, str]]:
        """Return (name, key node, value node, path) of inputs or outputs in the list or mapping form."""
        found: list[tuple[str, Node, Node | None, str]] = []
        if node.id == "mapping":
            return [(key.value, key, value, join(section, key.value)) for key, value in node.value]
        if node.id != "sequence":
            what = describe(self.reader, node)
            self.reader.problem(node, f"'{section}' is a list or a mapping, not {what}", "")
            return found
        for index, item in enumerate(node.value):
            path = f"{section}[{index}]"
            if item.id == "scalar" and section == "inputs":
                found.append((item.value, item, None, path))
            elif item.id == "mapping" and len(item.value) == 1:
                key, value = item.value[0]
                found.append((key.value, key, value, join(path, key.value)))
            elif item.id == "mapping" and any(key.value == "name" for key, _ in item.value):
                name = next(value for key, value in item.value if key.value == "name")
                found.append((name.value if name.id == "scalar" else "", name, item, path))
            else:
                self.reader.problem(
                    item,
                    f"an entry of '{section}' is one name with its declaration, not {_count(self.reader, item)}",
                    "Write `- NAME: {…}`, one dash for each.",
                )
        return found

    def _input(self, name: str, key: Node, node: Node | None, path: str) -> InputSpec | None:
        reader = self.reader
        if node is None:
            return InputSpec(name=name)
        if node.id != "mapping":
            default = reader.json(node, path)
            if default is None:
                # `- url:` declares, as `- url` does.
                return InputSpec(name=name)
            return InputSpec(name=name, default=default, required=False, type=TYPE_OF[type(default)])
        entries = {found: pair for found, pair in reader.entries(node, path).items() if found != "name"}
        fields = record_fields(InputSpec)
        reader.unknown_keys(entries, [known for known in fields if known != "name"], f"input '{name}'")
        before = len(reader.problems)
        values: dict[str, Any] = {
            found: reader.read(pair[1], fields[found][1], join(path, found))
            for found, pair in entries.items()
            if found in fields
        }
        if len(reader.problems) > before:
            return None
        default = values.get("default", msgspec.UNSET)
        if "type" not in values:
            values["type"] = (
                TYPE_OF[type(default)] if default is not msgspec.UNSET and default is not None else "string"
            )
        if default is not msgspec.UNSET:
            values["required"] = False
        spec = InputSpec(name=name, **values)
        self._check_input(spec, entries)
        return spec

    def _check_input(self, spec: InputSpec, entries: dict[str, tuple[Node, Node]]) -> None:
        reader = self.reader
        for key, kinds in _CONSTRAINTS.items():
            if key in entries and spec.type not in kinds:
                reader.problem(
                    entries[key][0], f"'{key}' has no effect on an input of type {spec.type}", "", warning=True
                )
        if spec.pattern is not None:
            reason = compile_pattern(spec.pattern)
            if isinstance(reason, str):
                reader.problem(entries["pattern"][1], f"the pattern is not a regular expression: {reason}", "")
                return
        self._check_ranges(spec, entries)
        for message in enum_violations(spec):
            reader.problem(entries["enum"][1], message, "")
        before = len(reader.problems)
        for key in ("items", "properties"):
            if key in entries:
                self._check_schema(entries[key][1], {key: getattr(spec, key)})
        if "default" in entries and len(reader.problems) == before:
            for message in check_default(spec):
                reader.problem(entries["default"][1], f"the default of '{spec.name}' {message}", "")

    def _check_ranges(self, spec: InputSpec, entries: dict[str, tuple[Node, Node]]) -> None:
        reader = self.reader
        for key in ("min_length", "max_length"):
            length = getattr(spec, key)
            if length is not None and length < 0:
                reader.problem(entries[key][1], f"'{key}' is not below 0, as {length} is", "")
        for least, most in (("minimum", "maximum"), ("min_length", "max_length")):
            low, high = getattr(spec, least), getattr(spec, most)
            if low is not None and high is not None and low > high:
                reader.problem(entries[most][1], f"'{most}' {high:g} is below '{least}' {low:g}", "Exchange them.")

    def _check_schema(self, node: Node, schema: Schema) -> None:
        problem = schema_problem(schema)
        if problem:
            self.reader.problem(node, f"not a JSON Schema: {problem}", "")

    def outputs(self, node: Node) -> tuple[OutputSpec, ...]:
        """See `inputs`."""
        found: list[OutputSpec] = []
        names: set[str] = set()
        for name, key, value, path in self._declarations(node, "outputs"):
            if name in names:
                self.reader.problem(key, f"the output '{name}' is declared twice", "Remove one of them.")
            names.add(name)
            if value is None or value.id != "mapping":
                hint = f"Write `{name}: {{value: …}}` or `{name}: {{from_path: …}}`."
                self.reader.problem(key, f"the output '{name}' is a mapping", hint)
                continue
            self.reader.mark(path, value)
            spec = self._output(name, key, value, path)
            if spec is not None:
                found.append(spec)
        return tuple(found)

    def _output(self, name: str, key: Node, node: Node, path: str) -> OutputSpec | None:
        reader = self.reader
        entries = {found: pair for found, pair in reader.entries(node, path).items() if found != "name"}
        fields = record_fields(OutputSpec)
        reader.unknown_keys(entries, [known for known in fields if known != "name"], f"output '{name}'")
        given = [found for found in ("from_path", "value") if found in entries]
        if len(given) != 1:
            message = "has both 'from_path' and 'value'" if given else "needs 'from_path' or 'value'"
            if not any(reader.misspelled(entries, found, list(fields)) for found in ("from_path", "value")):
                reader.problem(key, f"the output '{name}' {message}", "")
            return None
        before = len(reader.problems)
        values = {
            found: reader.read(pair[1], fields[found][1], join(path, found))
            for found, pair in entries.items()
            if found in fields
        }
        if len(reader.problems) > before:
            return None
        spec = OutputSpec(name=name, **values)
        if spec.schema is not None:
            self._check_schema(entries["schema"][1], spec.schema)
        return spec


def _count(reader: Reader, node: Node) -> str:
    """Say what an entry is instead of one name."""
    if node.id == "mapping":
        return plural([key.value for key, _ in node.value]) if 1 < len(node.value) <= 4 else f"{len(node.value)} names"
    return describe(reader, node)


def underscored(name: str) -> str:
    """Return the nearest name that is a word."""
    made = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return made if re.match(r"[A-Za-z_]", made) else f"_{made}"
