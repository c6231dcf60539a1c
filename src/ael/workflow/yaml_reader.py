"""YAML text → nodes with places → typed records, collecting every problem on the way.

PyYAML's C parser gives nodes with marks; scalars are resolved here by the core schema of YAML 1.2 (`on`, `yes` and
`no` are strings). `Reader.read` fills any msgspec Struct from its own annotations, so the types are the only
definition of what a file may hold; workflow files and the configuration are read by the same code.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterator
from functools import cache
from textwrap import shorten
from typing import Any, Literal, NewType, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from ael.errors import Location, Problem, did_you_mean, nearest
from ael.values import JSONValue
from ael.workflow.yaml_errors import explain

#: A node of PyYAML, whose kind its stubs do not know: `id` is scalar, sequence or mapping.
Node: TypeAlias = Any

#: Largest text, bytes, which is also the most text that aliases may add; deepest nesting; nodes that aliases may add.
MAX_TEXT = 1024 * 1024
MAX_DEPTH = 64
MAX_ALIASED = 10_000

#: Problems that are shown: comparing names and drawing carets is slow, and nobody reads more.
MAX_PROBLEMS = 100

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
#: What can open many levels on one line, and indentation, of which each level needs one column for two levels.
_OPENING = re.compile(r"[-?: ]{32,}")
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")
_UNITS = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
#: What comes before a key that stands in an item of a list.
_LISTED = re.compile(r"^.*\]\.")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
#: Keys that are reported wherever they stand.
_REPORTED_KEYS = frozenset({"", "<<"})
#: What the parser refuses, besides half surrogates, which are no UTF-8; compiled only when it has refused.
_FORBIDDEN = r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_KINDS = {"mapping": "a mapping", "sequence": "a list"}
_YES_NO = {
    "yes": "true",
    "on": "true",
    "y": "true",
    "no": "false",
    "off": "false",
    "n": "false",
    "true": "true",
    "false": "false",
}
#: What people write for a word of ours.
_MEANT = {
    **dict.fromkeys(("list", "tuple", "set"), "array"),
    **dict.fromkeys(("dict", "map", "mapping"), "object"),
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    **dict.fromkeys(("skip", "ignore"), "continue"),
    **dict.fromkeys(("abort", "stop"), "fail"),
    **dict.fromkeys(("done", "success", "succeeded"), "completed"),
}
_PLAIN_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})

_Record = TypeVar("_Record")


class Unreadable(Exception):
    """The text is no YAML that could be read further; holds the problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


class Reader:
    """Reads one document; `problems` grows."""

    def __init__(self, text: str | bytes, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.marks: dict[str, tuple[int, int]] = {}
        self.text = self._decoded(text)
        self.lines = self.text.splitlines()
        #: Nodes whose value was reported; they live as long as the tree does.
        self._reported: set[int] = set()
        #: Block scalar → where its text begins; an alias to it costs no second search.
        self._blocks: dict[int, tuple[int, int]] = {}

    # -- text → nodes -------------------------------------------------------------------------------------------

    def _decoded(self, text: str | bytes) -> str:
        if isinstance(text, str):
            try:
                text = text.encode()
            except UnicodeEncodeError:
                self._stop("the text holds half of a surrogate pair, which is no character", 1, 1, "")
                raise
        if len(text) > MAX_TEXT:
            self._stop(f"the file has {len(text)} bytes, the limit is {MAX_TEXT}", 1, 1, "Split it, or move data out.")
        try:
            return text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = text[: error.start]
            line = before.count(b"\n") + 1
            column = error.start - (before.rfind(b"\n") + 1) + 1
            self._stop("the file is not UTF-8", line, column, "Save it as UTF-8.")
            raise AssertionError from error

    def _stop(self, message: str, line: int, column: int, suggestion: str) -> None:
        lines = self.lines if hasattr(self, "lines") else []
        source = lines[line - 1] if 0 < line <= len(lines) else ""
        place = Location(file=self.file, line=line, column=column)
        raise Unreadable([Problem(message=message, location=place, source_line=source, suggestion=suggestion)])

    def is_empty(self) -> bool:
        """Say whether the text holds nothing but comments."""
        return all(line.strip() in {"", "---"} or line.lstrip().startswith("#") for line in self.lines)

    def root(self) -> Node:
        """Return the document's node; raises `Unreadable`."""
        import yaml  # noqa: PLC0415 # 17 ms to import; a plan that is remembered needs none of it

        loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        try:
            self._check_depth(yaml, loader)
            node = yaml.compose(self.text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            found = explain(error, self.lines)
            self._stop(found.message, found.line, found.column, found.suggestion)
        except yaml.YAMLError as error:
            self._refuse_character(error)
        if node is None:
            what = "holds nothing but comments" if self.text.strip() else "is empty"
            self._stop(f"the file {what}", 1, 1, "Run `ael schema workflow` to see what a workflow file holds.")
        self._inspect(node)
        return node

    def _refuse_character(self, error: Any) -> None:  # noqa: ANN401 # yaml is late
        """Say which character the parser refused and where."""
        for number, line in enumerate(self.lines, 1):
            found = re.search(_FORBIDDEN, line)
            if found:
                what = f"the character U+{ord(found[0]):04X}, which YAML forbids"
                hint = 'Write it as an escape in double quotes, as "\\x00".'
                self._stop(f"the file holds {what}", number, found.start() + 1, hint)
        self._stop(f"not YAML: {str(error).splitlines()[0]}", 1, 1, "")

    def _check_depth(self, yaml: Any, loader: Any) -> None:  # noqa: ANN401 # the module, imported late
        """Refuse deep nesting before the composer, which recurses, sees it."""
        brackets = self.text.count("[") + self.text.count("{")
        native = loader is not yaml.BaseLoader
        # The composer in C takes a few hundred levels with ease; the one in Python has a frame or more for each.
        if native and brackets + max(map(len, _OPENING.findall(self.text)), default=0) < 4 * MAX_DEPTH:
            return
        depth = 0
        for event in yaml.parse(self.text, Loader=loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    mark = event.start_mark
                    self._stop(f"nested deeper than {MAX_DEPTH} levels", mark.line + 1, mark.column + 1, "")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _inspect(self, root: Node) -> None:
        """Check depth, aliases, tags and keys of the whole tree; raises `Unreadable` where it cannot be walked."""
        seen: set[int] = set()
        aliased = aliased_text = 0
        walkable = True
        stack: list[tuple[Node, int, bool]] = [(root, 1, False)]
        while stack:
            node, depth, again = stack.pop()
            known = id(node) in seen
            again = again or known
            seen.add(id(node))
            aliased += again
            aliased_text += len(node.value) if again and node.id == "scalar" else 0
            if depth > MAX_DEPTH or aliased > MAX_ALIASED or aliased_text > MAX_TEXT:
                self._refuse_size(node, deep=depth > MAX_DEPTH, again=again, text=aliased_text > MAX_TEXT)
            if not known:
                walkable &= self._inspect_node(node)
            if node.id == "mapping":
                stack += [(part, depth + 1, again) for pair in reversed(node.value) for part in reversed(pair)]
            elif node.id == "sequence":
                stack += [(item, depth + 1, again) for item in reversed(node.value)]
        if not walkable:
            raise Unreadable(self.problems)

    def _refuse_size(self, node: Node, *, deep: bool, again: bool, text: bool) -> None:
        if deep and again:
            self.problem(node, f"an alias leads deeper than {MAX_DEPTH} levels, perhaps into itself", "")
        elif deep:
            self.problem(node, f"nested deeper than {MAX_DEPTH} levels", "")
        else:
            limit = f"{MAX_TEXT} bytes of text" if text else f"{MAX_ALIASED} nodes"
            self.problem(node, "aliases expand too far", f"The limit is {limit}.")
        raise Unreadable(self.problems)

    def _inspect_node(self, node: Node) -> bool:
        """Check tag and keys of a node; return whether every key is text."""
        if node.tag not in _PLAIN_TAGS:
            self.problem(node, f"the tag '{_short_tag(node.tag)}' is not known here", "Remove the tag.")
        return node.id != "mapping" or self._inspect_keys(node)

    def _inspect_keys(self, node: Node) -> bool:
        first: dict[str, Node] = {}
        for key, _ in node.value:
            if key.id != "scalar":
                if key.id == "mapping" and node.flow_style:
                    self.problem(node, "a value that starts with {{ needs quotes", "Put the whole value in quotes.")
                else:
                    self.problem(key, f"a key is {_KINDS[key.id]}, not text", "")
                return False
            if not key.value and not key.style:
                self.problem(key, "a key is empty", "Write `key: value`.")
            elif key.value == "<<" and not key.style:
                self.problem(key, "merge keys (`<<`) are not part of YAML 1.2", "Use `defaults`, or repeat the keys.")
            elif key.value in first:
                line = first[key.value].start_mark.line + 1
                self.problem(key, f"the key '{key.value}' stands twice, first on line {line}", "Remove one of them.")
            else:
                first[key.value] = key
        return True

    # -- problems and places ------------------------------------------------------------------------------------

    def problem(self, node: Node, message: str, suggestion: str = "", *, warning: bool = False) -> None:
        """Add a problem at a node."""
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self.problems.append(
            Problem(
                message=message,
                suggestion=suggestion,
                location=Location(file=self.file, line=line, column=column),
                source_line=self.lines[line - 1] if line <= len(self.lines) else "",
                severity="warning" if warning else "error",
            )
        )

    def in_order(self) -> list[Problem]:
        """Return every problem once, in file order; past a screenful the rest only counted."""
        order = sorted(dict.fromkeys(self.problems), key=_place)
        errors = [problem for problem in order if problem.severity == "error"]
        if len(errors) <= MAX_PROBLEMS:
            return order
        more = Problem(message=f"{len(errors) - MAX_PROBLEMS} more errors are not shown", path=self.file)
        return [*errors[:MAX_PROBLEMS], more]

    def mark(self, path: str, node: Node) -> None:
        """Remember where the value at `path` stands; see `model.Source.marks`."""
        if node.id == "scalar" and node.style in {"|", ">"}:
            known = self._blocks.get(id(node))
            if known is None:
                known = self._blocks[id(node)] = self._block_start(node)
            self.marks[path] = known
        else:
            self.marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)

    def _block_start(self, node: Node) -> tuple[int, int]:
        """Return the line below a block scalar's mark, and the column that its text is indented to."""
        line = node.start_mark.line + 1
        for number in range(line, len(self.lines)):
            content = self.lines[number]
            if content.strip():
                # Blank lines above the first one with content belong to the text.
                return line + 1, len(content) - len(content.lstrip(" ")) + 1
        return line + 1, node.start_mark.column + 1

    def entries(self, node: Node, path: str) -> dict[str, tuple[Node, Node]]:
        """Return a mapping's key and value nodes by key, remembering places."""
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            found[key.value] = (key, value)
            self.mark(join(path, key.value), value)
        return found

    def unknown_keys(
        self, entries: dict[str, tuple[Node, Node]], known: list[str], where: str, otherwise: str = ""
    ) -> None:
        """Report keys that are not known; `otherwise` is the suggestion where no known one is near."""
        for key, (node, _) in entries.items():
            if key not in known and key not in _REPORTED_KEYS:
                shown = key if len(key) <= 60 else key[:59] + "…"
                hint = ""
                if len(self.problems) < MAX_PROBLEMS:
                    alone = otherwise and nearest(shown, known) is None
                    hint = otherwise if alone else did_you_mean(shown, known, "key")
                self.problem(node, f"unknown key '{shown}' in {where}", hint)

    def misspelled(self, entries: dict[str, tuple[Node, Node]], key: str, known: list[str]) -> bool:
        """Say whether an absent key is there under a name near it, which is reported as unknown already."""
        if len(self.problems) >= MAX_PROBLEMS:
            return False
        return any(nearest(found[:60], known) == key for found in entries if found not in known)

    # -- nodes → values -----------------------------------------------------------------------------------------

    def json(self, node: Node, path: str) -> JSONValue:
        """Return any value as JSON."""
        self.mark(path, node)
        if node.id == "mapping":
            return {key.value: self.json(value, join(path, key.value)) for key, value in node.value}
        if node.id == "sequence":
            return [self.json(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        return self.scalar(node)

    def scalar(self, node: Node) -> JSONValue:
        """Resolve a scalar by the core schema of YAML 1.2."""
        text: str = node.value
        if node.style:
            return text
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _INTEGER.fullmatch(text) or _OTHER_BASE.fullmatch(text):
            number = int(text, 0 if text[:2] in {"0o", "0x"} else 10) if len(text) <= 32 else 2**64
            if -(2**63) <= number < 2**64:
                return number
            return self._refuse_number(node, "the number is beyond 64 bits")
        if _FLOAT.fullmatch(text):
            value = float(text)
            if math.isfinite(value):
                return value
        if _NOT_FINITE.fullmatch(text) or _FLOAT.fullmatch(text):
            return self._refuse_number(node, f"{text[:60]} is not a number that JSON can hold")
        return text

    def _refuse_number(self, node: Node, message: str) -> int:
        """Report a number once, however often its node is looked at; return one that no range refuses as well."""
        if id(node) not in self._reported:
            self._reported.add(id(node))
            self.problem(node, message, "Where text is meant, put it in quotes.")
        return 1

    def read(self, node: Node, hint: Any, path: str) -> Any:  # noqa: ANN401 # the value is of the hint's type
        """Return a node's value as `hint` asks, or None after reporting what is wrong."""
        self.mark(path, node)
        hint = _plain(hint)
        if hint is Any:
            return self.json(node, path)
        origin = get_origin(hint)
        if origin in {Union, types.UnionType}:
            return self._read_union(node, hint, path)
        if origin is Literal:
            return self._read_literal(node, get_args(hint), path)
        if origin is tuple:
            return self._read_list(node, get_args(hint)[0], path)
        if origin is dict:
            return self._read_dict(node, get_args(hint)[1], path)
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return self.read_record(node, hint, path)
        return self._read_scalar(node, hint, path)

    def read_record(self, node: Node, kind: type[_Record], path: str) -> _Record | None:
        """Return a Struct filled from a mapping, or None after reporting what is wrong."""
        # Which step of a list it is, the line shows.
        where = f"'{_LISTED.sub('', path)}'" if path else "the file"
        if node.id != "mapping":
            # As many as a line of a terminal holds.
            known = shorten(", ".join(record_fields(kind)), 66, placeholder=" …")  # type: ignore[arg-type]  # hashable
            self.problem(node, f"{where} is a mapping, not {describe(self, node)}", f"Its keys: {known}.")
            return None
        entries = self.entries(node, path)
        fields = record_fields(kind)  # type: ignore[arg-type]  # a type is hashable
        self.unknown_keys(entries, list(fields), where)
        values: dict[str, Any] = {}
        complete = True
        for key, (name, hint, required) in fields.items():
            if key not in entries:
                if required:
                    complete = False
                    if not self.misspelled(entries, key, list(fields)):
                        self.problem(node, f"{where} needs the key '{key}'", "")
                continue
            before = len(self.problems)
            value = self.read(entries[key][1], hint, join(path, key))
            if any(problem.severity == "error" for problem in self.problems[before:]):
                complete = False
            else:
                values[name] = value
        return kind(**values) if complete else None

    def _read_union(self, node: Node, hint: Any, path: str) -> Any:  # noqa: ANN401 # see read
        members = [_plain(member) for member in get_args(hint)]
        members = [member for member in members if member is not msgspec.UnsetType]
        optional = type(None) in members
        # The narrowest type first: a number also reads as text, and an integer as a number.
        members = sorted((member for member in members if member is not type(None)), key=_breadth)
        if Any in members:
            return self.json(node, path)
        if optional and node.id == "scalar" and self.scalar(node) is None:
            return None
        for member in members:
            if _accepts(self, node, member):
                return self.read(node, member, path)
        expected = " or ".join(_words(member) for member in members)
        self._wrong(node, path, expected, members)
        return None

    def _read_literal(self, node: Node, choices: tuple[Any, ...], path: str) -> Any:  # noqa: ANN401 # see read
        value = self.scalar(node) if node.id == "scalar" else None
        if value in choices:
            return value
        listed = ", ".join(map(str, choices))
        meant = _MEANT.get(str(value).lower())
        close = meant if meant in choices else nearest(str(value)[:60], map(str, choices))
        hint = f"Did you mean '{close}'?" if close else ""
        self.problem(node, f"'{_last(path)}' is one of {listed}, not {describe(self, node)}", hint)
        return None

    def _read_list(self, node: Node, hint: Any, path: str) -> Any:  # noqa: ANN401 # see read
        if node.id != "sequence":
            self._wrong(node, path, "a list", [])
            return None
        return tuple(self.read(item, hint, f"{path}[{index}]") for index, item in enumerate(node.value))

    def _read_dict(self, node: Node, hint: Any, path: str) -> Any:  # noqa: ANN401 # see read
        if node.id != "mapping":
            self._wrong(node, path, "a mapping", [])
            return None
        return {key: self.read(value, hint, join(path, key)) for key, (_, value) in self.entries(node, path).items()}

    def _read_scalar(self, node: Node, hint: Any, path: str) -> Any:  # noqa: ANN401 # see read
        if not _accepts(self, node, hint):
            self._wrong(node, path, _words(hint), [hint])
            return None
        value = self.scalar(node)
        if hint is float and isinstance(value, int):
            return float(value)
        if hint is str and not isinstance(value, str):
            return node.value
        return value

    def _wrong(self, node: Node, path: str, expected: str, members: list[Any]) -> None:
        name = _last(path)
        suggestion = ""
        if node.id == "scalar" and {int, float} & set(members):
            # What is counted in whole numbers is no time.
            number = as_seconds(node.value) if float in members or node.value.strip().isdigit() else ""
            suggestion = f"Write `{name}: {number}`." if number else ""
        elif node.id == "scalar" and bool in members:
            suggestion = f"Write `{name}: {_YES_NO[node.value.lower()]}`." if node.value.lower() in _YES_NO else ""
        elif expected == "a list" and node.id == "scalar":
            short = node.value and len(node.value) <= 60
            suggestion = f"Write `{name}: [{node.value}]`." if short else "Write `[]` for an empty list."
        elif expected == "a list" and node.id == "mapping":
            suggestion = "Put a dash before each item."
        elif expected == "a mapping" and node.id == "sequence":
            suggestion = f"Write `{name}: {{key: value}}`." if node.flow_style else "Remove the dash before each key."
        elif expected == "a mapping" and self.scalar(node) is None:
            suggestion = "Indent its keys under it, or remove it."
        self.problem(node, f"'{name}' is {expected}, not {describe(self, node)}", suggestion)


def child(node: Node, key: str) -> Node:
    """Return the value of a mapping's key where it has it, else the node: the best place for a problem."""
    found = [value for name, value in node.value if name.value == key] if node.id == "mapping" else []
    return found[-1] if found else node


def as_seconds(text: str) -> str:
    """Return the seconds that a text like `5s`, `2 min` or `"5"` means, as a number's text; else nothing."""
    match = _DURATION.fullmatch(text)
    if match and match[2].lower() in _UNITS:
        return f"{float(match[1]) * _UNITS[match[2].lower()]:.12g}"
    return text.strip() if _FLOAT.fullmatch(text.strip()) else ""


def join(path: str, key: str) -> str:
    """Return the path of a key below `path`."""
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{key!r}]"
    return f"{path}.{key}" if path else key


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.location.line, problem.location.column) if problem.location else (0, 0)


def _last(path: str) -> str:
    """Return the name that a path ends with: `retry_on[0]` of `steps[1].retry.retry_on[0]`."""
    found = re.search(r"(?:\.|^)([A-Za-z_][\w-]*(?:\[\d+\])*)$|\['(.*)'\]$", path)
    return (found[1] or found[2]) if found else path


def describe(reader: Reader, node: Node) -> str:
    """Name what a node holds, in words."""
    if node.id in _KINDS:
        return _KINDS[node.id]
    value = reader.scalar(node)
    if value is None:
        return "empty"
    if isinstance(value, str):
        return f"the text '{value if len(value) <= 40 else value[:37] + '…'}'"
    return str(value).lower() if isinstance(value, bool) else node.value[:40]


@cache
def record_fields(kind: type) -> dict[str, tuple[str, Any, bool]]:
    """Return key → (field name, annotation, is required) of a Struct."""
    hints = get_type_hints(kind)
    return {
        field.encode_name: (field.name, hints[field.name], field.required) for field in msgspec.structs.fields(kind)
    }


def _plain(hint: Any) -> Any:  # noqa: ANN401 # annotations are of any type
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    return hint


def _accepts(reader: Reader, node: Node, hint: Any) -> bool:  # noqa: ANN401 # annotations are of any type
    origin = get_origin(hint) or hint
    if node.id == "mapping":
        return origin is dict or (isinstance(hint, type) and issubclass(hint, msgspec.Struct))
    if node.id == "sequence":
        return origin is tuple
    value = reader.scalar(node)
    if origin is Literal:
        return value in get_args(hint)
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return type(value) is int
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    # A number or boolean where text is expected is taken as written; null is not.
    return hint is str and value is not None


def _breadth(hint: Any) -> int:  # noqa: ANN401 # annotations are of any type
    return {float: 1, str: 2}.get(hint, 0)


def _words(hint: Any) -> str:  # noqa: ANN401 # annotations are of any type
    known = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
    if hint in known:
        return known[hint]
    origin = get_origin(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return "a list" if origin is tuple else "a mapping"


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def plural(items: Iterator[str] | list[str]) -> str:
    """Join names for a sentence."""
    names = [f"'{item}'" for item in items]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
