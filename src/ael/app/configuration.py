"""Edits of the configuration file, staged: comments and order stay, nothing is written before all of it is valid.

The command line makes one edit and saves; the configuration mode of the MCP server stages many. `ruamel.yaml` keeps
what people wrote; what the file means is read by the settings' own reader, before and after.
"""

from __future__ import annotations

import copy
import difflib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ael.app.config_excerpts import masked_lines, read_root, unreadable
from ael.app.config_paths import Part, parse_path, show_path, value_at
from ael.app.config_secrets import masker_of, refusal
from ael.app.config_text import has_lines_in_brackets, put_in_text, remove_in_text
from ael.app.files import alone, replace_file
from ael.app.settings import ConfigSource, check_config
from ael.errors import ConfigInvalid, ConfigPathInvalid, OutputInvalid, Problem
from ael.observe.secret_forms import find_secrets, mask_document
from ael.values import JSONValue, check
from ael.workflow.yaml_reader import Reader, Unreadable

#: Changes ruamel's document, with values as the second argument makes them.
_Edit = Callable[[Any, Callable[[JSONValue], Any]], None]

#: Returns a text after the same change; None where it cannot.
_EditText = Callable[[str], "str | None"]


class Draft:
    """A configuration with edits that are not written yet."""

    def __init__(self, source: ConfigSource, environment: Mapping[str, str] | None = None) -> None:
        """Begin with what is there; raises `ConfigInvalid` when that cannot be read."""
        self.source = source
        self._environment = environment
        self._before = source.text or b""
        self._text = self._before
        #: Read at once, so that a broken file is told before anything is staged.
        self._document = _read(self._before, source.path)

    @property
    def path(self) -> Path:
        """The file that this is about; it need not be there."""
        return self.source.path

    @property
    def text(self) -> str:
        """The whole text, edits included."""
        return self._text.decode("utf-8-sig")

    @property
    def changed(self) -> bool:
        """Whether anything is staged."""
        return self._text != self._before

    def get(self, path: str = "") -> JSONValue:
        """Return what the file says at a path, secrets masked; raises `ConfigPathInvalid` where it says nothing."""
        parts = parse_path(path)
        found = value_at(self._document, parts)
        if found is msgspec.UNSET:
            raise ConfigPathInvalid("the file says nothing there", path=path)
        masked = value_at(mask_document(self._document), parts)
        assert masked is not msgspec.UNSET
        # What stands in another place as well is none of the less a secret.
        return masker_of(self._document).value(masked)

    def servers(self) -> dict[str, JSONValue]:
        """Return the servers that both sections name, as the file has them."""
        found: dict[str, JSONValue] = {}
        for parts in (("mcp", "servers"), ("tools", "mcp_servers")):
            named = value_at(self._document, parts)
            found |= named if isinstance(named, dict) else {}
        return found

    def set(self, path: str, value: JSONValue) -> None:
        """Stage a value; raises `ConfigPathInvalid`, and `ConfigInvalid` for a secret that is written out."""
        self.set_all({path: value})

    def set_all(self, values: Mapping[str, JSONValue]) -> None:
        """Stage values by their paths, in one edit; raises as `set` does, and stages none of them then."""
        edits: list[tuple[tuple[Part, ...], JSONValue]] = []
        for path, value in values.items():
            parts = parse_path(path)
            if not parts:
                hint = "Set one section at a time."
                raise ConfigPathInvalid("the whole file cannot be set", suggestion=hint, path="")
            try:
                check(value, path=path)
            except OutputInvalid as error:
                raise ConfigInvalid([Problem(message=error.detail, suggestion=error.suggestion)]) from error
            edits.append((parts, value))

        def put(root: Any, written: Callable[[JSONValue], Any]) -> None:  # noqa: ANN401 # see _put
            for parts, value in edits:
                _put(root, parts, value, written)

        expected = copy.deepcopy(self._document) if isinstance(self._document, dict) else {}
        put(expected, lambda one: one)
        # In the whole document: what stands before a value may tell what it is, and a value what stands behind it.
        known = {(one.parts, one.text) for one in find_secrets(self._document) if one.written}
        literals = [
            refusal(one.parts, one.written[0].name)
            for one in find_secrets(expected)
            if one.written and (one.parts, one.text) not in known
        ]
        if literals:
            raise ConfigInvalid(literals)
        self._stage(expected, put, partial(_put_in_text, edits), edits[-1][0] if edits else ())

    def take(self, other: Draft) -> None:
        """Stage what another draft of the same file has staged."""
        self._text, self._document = other._text, other._document

    def unset(self, path: str) -> None:
        """Stage that the file says nothing at a path any more; raises `ConfigPathInvalid` where it does not anyway."""
        parts = parse_path(path)
        if not parts or value_at(self._document, parts) is msgspec.UNSET:
            raise ConfigPathInvalid("the file says nothing there", path=path)
        without = _without(self._document, parts)
        self._stage(without, partial(_remove, parts), lambda text: remove_in_text(text, parts), parts)

    def validate(self) -> list[Problem]:
        """Return what the staged text still needs from the environment; raises `ConfigInvalid` for what is wrong."""
        return check_config(self._text, self.path, self._environment)

    def diff(self) -> str:
        """Return the staged edits as a unified diff, secrets masked; empty without any."""
        if not self.changed:
            return ""
        before, after = (masked_lines(text, str(self.path)) for text in (self._before, self._text))
        lines = difflib.unified_diff(before, after, f"{self.path} (as it is)", f"{self.path} (staged)", lineterm="")
        return "".join(f"{line}\n" for line in lines)

    def save(self, path: Path | None = None) -> list[Problem]:
        """Write the file, or another place of the search order; return what `validate` returns.

        Raises `ConfigInvalid` when it is wrong, has changed meanwhile, or cannot be written.
        """
        target = self.path if path is None else path
        if target not in self.source.places:
            listed = ", ".join(map(str, self.source.places))
            message = f"'{target}' is no place where AEL looks for its configuration"
            raise ConfigInvalid([Problem(message=message, suggestion=f"Write to one of: {listed}.")])
        if self.source.distrust:
            raise ConfigInvalid([Problem(message=self.source.distrust)])
        warnings = self.validate()
        try:
            with alone(target):
                self._check_unchanged(target)
                replace_file(target, self._text)
        except OSError as error:
            message = f"the configuration file '{target}' cannot be written: {error.strerror}"
            raise ConfigInvalid([Problem(message=message)]) from error
        self.source = msgspec.structs.replace(self.source, path=target, text=self._text)
        self._before = self._text
        return warnings

    def _check_unchanged(self, target: Path) -> None:
        expected = self.source.text if target == self.source.path else None
        now = target.read_bytes() if target.exists() else None
        if now != expected:
            what = "has changed since it was read" if expected is not None else "is there already"
            message = f"the configuration file '{target}' {what}"
            hint = "Look at it, then make the edit again (in configuration mode, after config_reset)."
            raise ConfigInvalid([Problem(message=message, suggestion=hint)])

    def _stage(self, expected: JSONValue, edit: _Edit, in_text: _EditText, parts: tuple[Part, ...]) -> None:
        """Edit the text and keep it if it means just what the edit means."""
        unread: ConfigInvalid | None = None
        for text in _texts(self._text, edit, in_text):
            try:
                found = _read(text, self.path)
            except ConfigInvalid as error:
                unread = error
                continue
            if found == expected:
                self._text, self._document = text, found
                return
        if unread is not None:
            raise unread
        # An alias makes one place of the text several of the document.
        message = f"'{show_path(parts)}' shares its text with another key, so it cannot be edited alone"
        raise ConfigInvalid([Problem(message=message, suggestion=f"Edit {self.path} by hand.")])


def _read(text: bytes, path: Path) -> JSONValue:
    """Return what a text says, variables unfilled; raises `ConfigInvalid` when it cannot be read."""
    try:
        reader = Reader(text, str(path))
        if reader.is_empty():
            return {}
        found = reader.json(read_root(reader), "")
    except Unreadable as error:
        raise unreadable(error.problems, text) from error
    if reader.problems:
        raise ConfigInvalid(reader.problems)
    return found


# -- the meaning of an edit -------------------------------------------------------------------------------------------


def _put(root: Any, parts: tuple[Part, ...], value: JSONValue, written: Callable[[JSONValue], Any]) -> None:  # noqa: ANN401 # dicts and lists, ours or ruamel's
    """Set a value; what is missing on the way to it is made. `written` makes of a value what the document holds."""
    at: Any = root
    rest = list(parts)
    while len(rest) > 1:
        inner = at.get(rest[0]) if isinstance(at, dict) else at[rest[0]] if rest[0] in range(len(at)) else None
        if not isinstance(inner, dict | list):
            break
        at, rest = inner, rest[1:]
    key, *missing = rest
    for part in reversed(missing):
        value = {part: value} if isinstance(part, str) else [value]
    length = len(at) if isinstance(at, list) else 0
    if (isinstance(key, int) and key > length) or any(part for part in missing if isinstance(part, int)):
        raise ConfigPathInvalid(f"the list has {length} items; the next is [{length}]", path=show_path(parts))
    if isinstance(key, int) and key == length:
        at.append(written(value))
    elif isinstance(key, int) or key in at:
        at[key] = written(value)
    else:
        at[written(key)] = written(value)


def _without(document: JSONValue, parts: tuple[Part, ...]) -> JSONValue:
    root = copy.deepcopy(document)
    above: Any = value_at(root, parts[:-1])
    del above[parts[-1]]
    return root


# -- the text ---------------------------------------------------------------------------------------------------------


def _texts(text: bytes, edit: _Edit, in_text: _EditText) -> Iterator[bytes]:
    """Yield what a text may be after an edit, the best first."""
    source = text.decode("utf-8-sig")
    newline = "\r\n" if "\r\n" in source else "\n"
    source = source.replace("\r\n", "\n")
    if has_lines_in_brackets(source):
        from yaml import YAMLError  # noqa: PLC0415 # 17 ms to import, for commands that edit

        try:
            made = in_text(source)
        except YAMLError:
            # The first of several edits made something else of the text.
            made = None
        if made is not None:
            yield made.replace("\n", newline).encode()
    # What one library writes without quotes, another may not read so; with quotes it does.
    for quoted in (False, True):
        yield _edited(text, edit, partial(_node, quoted=quoted))


def _put_in_text(edits: Iterable[tuple[tuple[Part, ...], JSONValue]], text: str) -> str | None:
    made: str | None = text
    for parts, value in edits:
        made = None if made is None else put_in_text(made, parts, value)
    return made


def _edited(text: bytes, edit: _Edit, written: Callable[[JSONValue], Any]) -> bytes:
    """Return a text after an edit of the document that it holds."""
    from ruamel.yaml import YAML  # noqa: PLC0415 # 60 ms to import, for commands that edit
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415 # as above
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 # as above
    from ruamel.yaml.util import load_yaml_guess_indent  # noqa: PLC0415 # as above

    source = text.decode("utf-8-sig")
    newline = "\r\n" if "\r\n" in source else "\n"
    source = source.replace("\r\n", "\n")
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 100_000
    yaml.allow_unicode = True
    _, indent, offset = load_yaml_guess_indent(source) if source.strip() else (None, 2, 0)
    yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    try:
        root = yaml.load(source)
    except YAMLError as error:
        # What one reader takes and the other does not is rare, and nothing to guess about.
        message = f"the file cannot be edited by a program: {str(error).splitlines()[0]}"
        raise ConfigInvalid([Problem(message=message, suggestion="Edit it by hand.")]) from error
    kept = ""
    if root is None:
        # Comments and nothing else: the document begins after them.
        kept = source if not source or source.endswith("\n") else source + "\n"
        root = CommentedMap()
    edit(root, written)
    stream = io.StringIO()
    yaml.dump(root, stream)
    made = kept + stream.getvalue()
    return made.replace("\n", newline).encode()


def _remove(parts: tuple[Part, ...], root: Any, _: Callable[[JSONValue], Any]) -> None:  # noqa: ANN401 # ruamel's types
    above = root
    for part in parts[:-1]:
        above = above[part]
    del above[parts[-1]]


def _node(value: JSONValue, *, quoted: bool) -> Any:  # noqa: ANN401 # ruamel's types
    """Return a value as it is written: mappings in blocks, lists of scalars on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq  # noqa: PLC0415 # see _edited
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415 # see _edited

    if isinstance(value, dict):
        made = CommentedMap()
        for key, item in value.items():
            made[_node(key, quoted=quoted)] = _node(item, quoted=quoted)
        return made
    if isinstance(value, list):
        listed = CommentedSeq(_node(item, quoted=quoted) for item in value)
        if not any(isinstance(item, dict | list) for item in value):
            listed.fa.set_flow_style()
        return listed
    return DoubleQuotedScalarString(value) if quoted and isinstance(value, str) else value
