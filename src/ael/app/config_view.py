"""The configuration as it takes effect: every value, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ael.app.config_paths import Part, leaves_of, parse_path, show_path, value_at
from ael.app.settings import (
    ConfigSource,
    config_source,
    environment_overrides,
    fill,
    read_config,
)
from ael.errors import ConfigInvalid, ConfigPathInvalid, Problem, did_you_mean
from ael.observe.masking import MASK, Masker
from ael.observe.secret_forms import SECRET_KEYS, VARIABLE, find_secrets, masked
from ael.values import JSONValue, decode
from ael.workflow.yaml_reader import Reader


class ConfigView(msgspec.Struct, frozen=True, kw_only=True):
    """Values in effect, secrets masked."""

    #: The file; empty without one.
    path: str
    values: JSONValue
    #: Path of each single value → `default`, `FILE:LINE` or `environment NAME`.
    sources: dict[str, str]


def view_config(path: str = "", named: str | None = None, environment: Mapping[str, str] | None = None) -> ConfigView:
    """Return what is in effect at a path, empty for all; raises `ConfigInvalid` or `ConfigPathInvalid`."""
    parts = parse_path(path)
    source = config_source(named, environment)
    if named is not None and source.text is None:
        message = f"the configuration file '{named}' does not exist"
        raise ConfigInvalid([Problem(message=message, suggestion="Correct the path, or create the file.")])
    config, secrets = read_config(source.text or b"", source.path, environment)
    values: JSONValue = decode(msgspec.json.encode(config))
    raw, marks = _written(source)
    overridden = environment_overrides(environment)
    found = value_at(values, parts)
    if found is msgspec.UNSET:
        raise ConfigPathInvalid("nothing stands there", suggestion=_near(values, parts), path=path)
    sources: dict[str, str] = {}
    masker = Masker(secrets)
    shown = masker.value(found)
    secret = {one.parts: one for one in find_secrets(raw)}
    for inner, value in list(leaves_of(found)):
        whole = (*parts, *inner)
        written = value_at(raw, whole)
        sources[show_path(whole)] = _origin(whole, written, source, marks, overridden)
        if value and _brings_secret(whole, written):
            shown = _replaced(shown, inner, MASK)
        elif value and whole in secret:
            rest = fill(masked(secret[whole].text, secret[whole].regions), environment)
            shown = _replaced(shown, inner, masker.text(rest))
    return ConfigView(path="" if source.text is None else str(source.path), values=shown, sources=sources)


def _written(source: ConfigSource) -> tuple[JSONValue, dict[str, tuple[int, int]]]:
    """Return the file's own values, variables unfilled, and where they stand."""
    reader = Reader(source.text or b"", str(source.path))
    return ({}, {}) if reader.is_empty() else (reader.json(reader.root(), ""), reader.marks)


def _origin(
    parts: tuple[Part, ...],
    written: JSONValue | msgspec.UnsetType,
    source: ConfigSource,
    marks: Mapping[str, tuple[int, int]],
    overridden: Mapping[str, str],
) -> str:
    path = show_path(parts)
    if path in overridden:
        return f"environment {overridden[path]}"
    if written is msgspec.UNSET:
        return "default"
    place = f"{source.path}:{marks[path][0]}" if path in marks else str(source.path)
    names = [found[2] for found in VARIABLE.finditer(written) if found[2]] if isinstance(written, str) else []
    return f"{place} ({', '.join(f'${{{name}}}' for name in names)})" if names else place


def _brings_secret(parts: tuple[Part, ...], written: object) -> bool:
    """Say whether a variable brings something to where secrets are."""
    brings = isinstance(written, str) and any(one[2] for one in VARIABLE.finditer(written))
    return brings and bool(SECRET_KEYS & set(parts))


def _replaced(value: JSONValue, parts: tuple[Part, ...], shown: str) -> JSONValue:
    if not parts:
        return shown
    if isinstance(value, dict):
        return {key: _replaced(item, parts[1:], shown) if key == parts[0] else item for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, parts[1:], shown) if index == parts[0] else item for index, item in enumerate(value)]
    return value


def _near(values: JSONValue, parts: tuple[Part, ...]) -> str:
    above = value_at(values, parts[:-1])
    return did_you_mean(str(parts[-1]), above, "key") if isinstance(above, dict) else ""
