"""Filters and tests of templates: pure functions over JSON, each charged for before it runs.

A filter is called as (fuel, value, *arguments); a wrong argument is `TemplateFailed` that names the filter. Regular
expressions are RE2's dialect (linear time).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import msgspec

from ael.errors import TemplateFailed
from ael.values import MAX_DEPTH, JSONValue, check, decode, text
from ael.workflow.expressions.bounds import Fuel, check_number, check_size, kind_of

# Filters take arguments of any kind and check them themselves; a precise type would be a wrong promise.
_Filter: TypeAlias = Callable[..., JSONValue]

#: Most matches of one regular expression.
_MOST_MATCHES = 10_000
_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")


def call(
    name: str, function: _Filter, fuel: Fuel, value: JSONValue, args: Sequence[JSONValue], named: dict[str, JSONValue]
) -> JSONValue:
    """Call a filter; wrong arguments become `TemplateFailed`."""
    try:
        return function(fuel, value, *args, **named)
    except TemplateFailed as error:
        if not error.detail.startswith("filter '"):
            error.detail = f"filter '{name}': {error.detail}"
        raise
    except (TypeError, ValueError, OverflowError, LookupError, RecursionError) as error:
        shown = str(error).split("\n")[0].replace(f"_{name}()", f"'{name}'")
        raise TemplateFailed(f"filter '{name}' cannot take {kind_of(value)} with these arguments: {shown}") from error


def weight(value: JSONValue) -> int:
    """Return how many parts a value has, itself included."""
    total, stack = 0, [value]
    while stack:
        part = stack.pop()
        total += 1
        if isinstance(part, list):
            stack.extend(part)
        elif isinstance(part, dict):
            stack.extend(part.values())
        elif isinstance(part, str):
            total += len(part) // 64
    return total


def _string(value: JSONValue, what: str = "the value") -> str:
    if not isinstance(value, str):
        raise TemplateFailed(f"{what} is {kind_of(value)}, not a string")
    return value


def _integer(value: JSONValue, what: str) -> int:
    if type(value) is not int:
        raise TemplateFailed(f"{what} is {kind_of(value)}, not an integer")
    return value


def _items(fuel: Fuel, value: JSONValue) -> list[JSONValue]:
    """Return the items of a list, the keys of an object or the characters of a string."""
    if not isinstance(value, list | dict | str):
        raise TemplateFailed(f"the value is {kind_of(value)}, not a list")
    fuel.charge(len(value))
    return list(value)


def _mapping(fuel: Fuel, value: JSONValue) -> dict[str, JSONValue]:
    if not isinstance(value, dict):
        raise TemplateFailed(f"the value is {kind_of(value)}, not an object")
    fuel.charge(len(value))
    return value


def _sized(made: str) -> str:
    check_size(len(made))
    return made


def _at(item: JSONValue, attribute: JSONValue) -> JSONValue:
    """Return `item.a.b` for the attribute "a.b"; null where a part is absent."""
    if attribute is None:
        return item
    parts = str(attribute).split(".") if not isinstance(attribute, int) else [attribute]
    for part in parts:
        if isinstance(item, dict):
            item = item.get(str(part))
        elif isinstance(item, list) and str(part).lstrip("-").isdigit() and -len(item) <= int(part) < len(item):
            item = item[int(part)]
        else:
            return None
    return item


# -- text ------------------------------------------------------------------------------------------------------------


def _lower(fuel: Fuel, value: JSONValue) -> JSONValue:
    return _sized(_string(value).lower())


def _upper(fuel: Fuel, value: JSONValue) -> JSONValue:
    return _sized(_string(value).upper())


def _title(fuel: Fuel, value: JSONValue) -> JSONValue:
    return _sized(_string(value).title())


def _trim(fuel: Fuel, value: JSONValue, chars: JSONValue = None) -> JSONValue:
    return _string(value).strip(None if chars is None else _string(chars, "the characters"))


def _replace(fuel: Fuel, value: JSONValue, old: JSONValue, new: JSONValue, count: JSONValue = None) -> JSONValue:
    source, before, after = _string(value), _string(old, "the old text"), text(new)
    times = source.count(before) if count is None else min(_integer(count, "the count"), source.count(before))
    fuel.charge(times + len(source) // 64)
    check_size(len(source) + times * max(0, len(after) - len(before)))
    return source.replace(before, after, -1 if count is None else times)


def _split(fuel: Fuel, value: JSONValue, separator: JSONValue = None, limit: JSONValue = -1) -> JSONValue:
    source = _string(value)
    fuel.charge(len(source))
    if separator == "":
        raise TemplateFailed("the separator is empty")
    return [*source.split(None if separator is None else _string(separator), _integer(limit, "the limit"))]


def _join(fuel: Fuel, value: JSONValue, separator: JSONValue = "", attribute: JSONValue = None) -> JSONValue:
    parts = [text(_at(item, attribute)) for item in _items(fuel, value)]
    glue = text(separator)
    check_size(sum(map(len, parts)) + len(glue) * max(0, len(parts) - 1))
    return glue.join(parts)


def _slugify(fuel: Fuel, value: JSONValue, separator: JSONValue = "-") -> JSONValue:
    source = text(value)
    fuel.charge(len(source))
    plain = unicodedata.normalize("NFKD", source).encode("ascii", "ignore").decode().lower()
    return _string(separator).join(part for part in re.split(r"[^a-z0-9]+", plain) if part)


def _urlencode(fuel: Fuel, value: JSONValue) -> JSONValue:
    if isinstance(value, dict):
        fuel.charge(len(value))
        return _sized(urlencode({key: text(item) for key, item in value.items()}))
    source = text(value)
    check_size(len(source))
    return _sized(quote(source, safe="/"))


def _b64encode(fuel: Fuel, value: JSONValue) -> JSONValue:
    source = text(value)
    check_size(len(source))
    return base64.b64encode(source.encode()).decode()


def _b64decode(fuel: Fuel, value: JSONValue) -> JSONValue:
    source = _string(value)
    check_size(len(source))
    try:
        return base64.b64decode(source, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise TemplateFailed(f"the text is not base64 of UTF-8: {error}") from error


def _hash(fuel: Fuel, value: JSONValue, algorithm: JSONValue = "sha256") -> JSONValue:
    if algorithm not in _HASHES:
        raise TemplateFailed(f"unknown algorithm {algorithm!r}; known are {', '.join(_HASHES)}")
    source = text(value)
    fuel.charge(len(source) // 64)
    return hashlib.new(str(algorithm), source.encode(), usedforsecurity=False).hexdigest()


# -- numbers ---------------------------------------------------------------------------------------------------------


def _int(fuel: Fuel, value: JSONValue, default: JSONValue = 0, base: JSONValue = 10) -> JSONValue:
    try:
        if isinstance(value, str):
            if len(value) > 64:
                return default
            stripped = value.strip()
            try:
                return check_number(int(stripped, _integer(base, "the base")))
            except ValueError:
                return check_number(int(float(stripped)))
        if isinstance(value, bool | int | float):
            return check_number(int(value))
    except (ValueError, OverflowError):
        return default
    return default


def _float(fuel: Fuel, value: JSONValue, default: JSONValue = 0.0) -> JSONValue:
    try:
        if isinstance(value, str | int | float):
            number = float(value[:400]) if isinstance(value, str) else float(value)
            return number if math.isfinite(number) else default
    except (ValueError, OverflowError):
        return default
    return default


def _round(fuel: Fuel, value: JSONValue, precision: JSONValue = 0, method: JSONValue = "common") -> JSONValue:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TemplateFailed(f"the value is {kind_of(value)}, not a number")
    digits = _integer(precision, "the precision")
    if not -20 <= digits <= 20:
        raise TemplateFailed("the precision is between -20 and 20")
    if isinstance(value, int) and digits >= 0:
        return value
    if method == "common":
        return check_number(round(value, digits))
    if method in {"ceil", "floor"}:
        scale = 10.0**digits
        return check_number((math.ceil if method == "ceil" else math.floor)(value * scale) / scale)
    raise TemplateFailed(f"unknown method {method!r}; known are common, ceil, floor")


def _abs(fuel: Fuel, value: JSONValue) -> JSONValue:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TemplateFailed(f"the value is {kind_of(value)}, not a number")
    return check_number(abs(value))


def _sum(fuel: Fuel, value: JSONValue, attribute: JSONValue = None, start: JSONValue = 0) -> JSONValue:
    total: Any = start
    for item in _items(fuel, value):
        number = _at(item, attribute)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TemplateFailed(f"an item is {kind_of(number)}, not a number")
        total = check_number(total + number)
    return check_number(total)


# -- lists and objects -----------------------------------------------------------------------------------------------


def _length(fuel: Fuel, value: JSONValue) -> JSONValue:
    if not isinstance(value, list | dict | str):
        raise TemplateFailed(f"{kind_of(value)} has no length")
    return len(value)


def _first(fuel: Fuel, value: JSONValue) -> JSONValue:
    items = _items(fuel, value)
    return items[0] if items else None


def _last(fuel: Fuel, value: JSONValue) -> JSONValue:
    items = _items(fuel, value)
    return items[-1] if items else None


def _order(value: JSONValue, case_sensitive: JSONValue) -> Any:  # noqa: ANN401 # a sort key of any kind
    return value.casefold() if isinstance(value, str) and not case_sensitive else value


def _sorted(
    fuel: Fuel, value: JSONValue, attribute: JSONValue, case_sensitive: JSONValue, *, reverse: bool = False
) -> list[JSONValue]:
    items = _items(fuel, value)
    fuel.charge(len(items) * max(1, len(items).bit_length()))
    try:
        return sorted(items, key=lambda item: _order(_at(item, attribute), case_sensitive), reverse=reverse)
    except TypeError:
        raise TemplateFailed("the items have no order: they are of different kinds, or null") from None


def _sort(
    fuel: Fuel,
    value: JSONValue,
    reverse: JSONValue = False,
    case_sensitive: JSONValue = False,
    attribute: JSONValue = None,
) -> JSONValue:
    return _sorted(fuel, value, attribute, case_sensitive, reverse=bool(reverse))


def _min(fuel: Fuel, value: JSONValue, case_sensitive: JSONValue = False, attribute: JSONValue = None) -> JSONValue:
    found = _sorted(fuel, value, attribute, case_sensitive)
    return found[0] if found else None


def _max(fuel: Fuel, value: JSONValue, case_sensitive: JSONValue = False, attribute: JSONValue = None) -> JSONValue:
    found = _sorted(fuel, value, attribute, case_sensitive)
    return found[-1] if found else None


def _unique(fuel: Fuel, value: JSONValue, case_sensitive: JSONValue = False, attribute: JSONValue = None) -> JSONValue:
    seen: set[str] = set()
    kept: list[JSONValue] = []
    for item in _items(fuel, value):
        key = _order(_at(item, attribute), case_sensitive)
        fuel.charge(weight(key))
        mark = json.dumps(key, sort_keys=True)
        if mark not in seen:
            seen.add(mark)
            kept.append(item)
    return kept


def _map(
    fuel: Fuel,
    value: JSONValue,
    name: JSONValue = None,
    *args: JSONValue,
    attribute: JSONValue = None,
    default: JSONValue = None,
    **named: JSONValue,
) -> JSONValue:
    items = _items(fuel, value)
    if name is None:
        if attribute is None:
            raise TemplateFailed("it needs the name of a filter, or an attribute")
        return [default if (found := _at(item, attribute)) is None else found for item in items]
    function = FILTERS[str(name)]
    return [call(str(name), function, fuel, item, args, named) for item in items]


def _chosen(
    fuel: Fuel, value: JSONValue, attribute: JSONValue, test: Sequence[JSONValue], *, wanted: bool
) -> JSONValue:
    def holds(item: JSONValue) -> bool:
        subject = _at(item, attribute)
        return run_test(str(test[0]), fuel, subject, test[1:]) if test else bool(subject)

    return [item for item in _items(fuel, value) if holds(item) is wanted]


def _select(fuel: Fuel, value: JSONValue, *test: JSONValue) -> JSONValue:
    return _chosen(fuel, value, None, test, wanted=True)


def _reject(fuel: Fuel, value: JSONValue, *test: JSONValue) -> JSONValue:
    return _chosen(fuel, value, None, test, wanted=False)


def _selectattr(fuel: Fuel, value: JSONValue, attribute: JSONValue, *test: JSONValue) -> JSONValue:
    return _chosen(fuel, value, attribute, test, wanted=True)


def _rejectattr(fuel: Fuel, value: JSONValue, attribute: JSONValue, *test: JSONValue) -> JSONValue:
    return _chosen(fuel, value, attribute, test, wanted=False)


def _groupby(fuel: Fuel, value: JSONValue, attribute: JSONValue, default: JSONValue = None) -> JSONValue:
    groups: dict[str, dict[str, JSONValue]] = {}
    for item in _sorted(fuel, value, attribute, case_sensitive=True):
        found = _at(item, attribute)
        key = default if found is None else found
        group = groups.setdefault(json.dumps(key, sort_keys=True), {"grouper": key, "list": []})
        members = group["list"]
        assert isinstance(members, list)
        members.append(item)
    return [*groups.values()]


def _list(fuel: Fuel, value: JSONValue) -> JSONValue:
    return _items(fuel, value)


def _reverse(fuel: Fuel, value: JSONValue) -> JSONValue:
    return value[::-1] if isinstance(value, str) else _items(fuel, value)[::-1]


def _dictsort(
    fuel: Fuel,
    value: JSONValue,
    case_sensitive: JSONValue = False,
    by: JSONValue = "key",
    reverse: JSONValue = False,
) -> JSONValue:
    if by not in {"key", "value"}:
        raise TemplateFailed("`by` is 'key' or 'value'")
    pairs: list[JSONValue] = [[key, item] for key, item in _mapping(fuel, value).items()]
    return _sorted(fuel, pairs, 0 if by == "key" else 1, case_sensitive, reverse=bool(reverse))


def _pairs(fuel: Fuel, value: JSONValue) -> JSONValue:
    return [[key, item] for key, item in _mapping(fuel, value).items()]


def _keys(fuel: Fuel, value: JSONValue) -> JSONValue:
    return [*_mapping(fuel, value)]


def _values(fuel: Fuel, value: JSONValue) -> JSONValue:
    return [*_mapping(fuel, value).values()]


def _text(fuel: Fuel, value: JSONValue) -> JSONValue:
    fuel.charge(weight(value))
    return _sized(text(value))


def _tojson(fuel: Fuel, value: JSONValue, indent: JSONValue = None) -> JSONValue:
    fuel.charge(weight(value))
    step = None if indent is None else _integer(indent, "the indent")
    if step is not None and not 0 <= step <= 16:
        raise TemplateFailed("the indent is between 0 and 16")
    return _sized(json.dumps(value, ensure_ascii=False, indent=step))


def _fromjson(fuel: Fuel, value: JSONValue) -> JSONValue:
    source = _string(value)
    check_size(len(source))
    fuel.charge(len(source) // 16)
    if source.count("[") + source.count("{") > MAX_DEPTH:
        _refuse_deep(source)
    try:
        found = decode(source)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise TemplateFailed(f"the text is not JSON: {error}") from error
    check(found)
    return found


def _refuse_deep(source: str) -> None:
    deepest = depth = 0
    for character in source:
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    if deepest > 4 * MAX_DEPTH:
        raise TemplateFailed(f"the JSON is nested deeper than {MAX_DEPTH} levels")


def _jmespath(fuel: Fuel, value: JSONValue, expression: JSONValue) -> JSONValue:
    import jmespath  # noqa: PLC0415 # 17 ms to import, needed only by this filter

    source = _string(expression, "the expression")
    if len(source) > 1000:
        raise TemplateFailed("the expression is longer than 1000 characters")
    fuel.charge(weight(value) * max(1, len(source) // 8))
    try:
        found: JSONValue = jmespath.search(source, value)
    except jmespath.exceptions.JMESPathError as error:
        raise TemplateFailed(f"JMESPath: {error}".split("\n", maxsplit=1)[0]) from error
    check(found)
    return found


# -- regular expressions ---------------------------------------------------------------------------------------------


def _pattern(pattern: JSONValue) -> Any:  # noqa: ANN401 # re2 has no types
    import re2  # noqa: PLC0415 # needed only by these filters

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        return re2.compile(_string(pattern, "the pattern"), options)
    except re2.error as error:
        # Some of its messages are bytes.
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
        raise TemplateFailed(f"not a regular expression of RE2's dialect: {why}") from error


def _regex_match(fuel: Fuel, value: JSONValue, pattern: JSONValue) -> JSONValue:
    source = _string(value)
    fuel.charge(len(source) // 16)
    return _pattern(pattern).search(source) is not None


def _regex_replace(fuel: Fuel, value: JSONValue, pattern: JSONValue, replacement: JSONValue = "") -> JSONValue:
    source, new = _string(value), _string(replacement, "the replacement")
    fuel.charge(len(source) // 16)
    compiled = _pattern(pattern)
    pieces: list[str] = []
    position = size = 0
    for count, match in enumerate(compiled.finditer(source)):
        _check_matches(count)
        made = _expand(match, new)
        pieces += [source[position : match.start()], made]
        size += match.start() - position + len(made)
        check_size(size)
        position = match.end()
    pieces.append(source[position:])
    return _sized("".join(pieces))


def _expand(match: Any, replacement: str) -> str:  # noqa: ANN401 # re2 has no types
    def group(reference: re.Match[str]) -> str:
        try:
            return match.group(int(reference[1])) or ""
        except IndexError:
            raise TemplateFailed(f"the replacement names group {reference[1]}, which the pattern lacks") from None

    return re.sub(r"\\(\d)", group, replacement)


def _regex_findall(fuel: Fuel, value: JSONValue, pattern: JSONValue) -> JSONValue:
    source = _string(value)
    fuel.charge(len(source) // 16)
    found: list[JSONValue] = []
    for count, match in enumerate(_pattern(pattern).finditer(source)):
        _check_matches(count)
        groups = match.groups()
        if not groups:
            found.append(match.group())
        else:
            found.append(groups[0] or "" if len(groups) == 1 else [part or "" for part in groups])
    return found


def _check_matches(count: int) -> None:
    if count >= _MOST_MATCHES:
        raise TemplateFailed(f"there are more than {_MOST_MATCHES} matches")


#: Every filter by name; `default` is part of the evaluator, since it takes what is undefined.
FILTERS: dict[str, _Filter] = {
    "abs": _abs,
    "b64decode": _b64decode,
    "b64encode": _b64encode,
    "default": _text,
    "dictsort": _dictsort,
    "first": _first,
    "float": _float,
    "fromjson": _fromjson,
    "groupby": _groupby,
    "hash": _hash,
    "int": _int,
    "items": _pairs,
    "jmespath": _jmespath,
    "join": _join,
    "keys": _keys,
    "last": _last,
    "length": _length,
    "list": _list,
    "lower": _lower,
    "map": _map,
    "max": _max,
    "min": _min,
    "regex_findall": _regex_findall,
    "regex_match": _regex_match,
    "regex_replace": _regex_replace,
    "reject": _reject,
    "rejectattr": _rejectattr,
    "replace": _replace,
    "reverse": _reverse,
    "round": _round,
    "select": _select,
    "selectattr": _selectattr,
    "slugify": _slugify,
    "sort": _sort,
    "split": _split,
    "string": _text,
    "sum": _sum,
    "title": _title,
    "tojson": _tojson,
    "trim": _trim,
    "unique": _unique,
    "upper": _upper,
    "urlencode": _urlencode,
    "values": _values,
}


# -- tests -----------------------------------------------------------------------------------------------------------


def _is_number(value: JSONValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: dict[str, Callable[[JSONValue], bool]] = {
    "none": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: type(value) is int,
    "float": lambda value: type(value) is float,
    "boolean": lambda value: isinstance(value, bool),
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "mapping": lambda value: isinstance(value, dict),
    "sequence": lambda value: isinstance(value, list | str),
    "iterable": lambda value: isinstance(value, list | str | dict),
    "lower": lambda value: isinstance(value, str) and value.islower(),
    "upper": lambda value: isinstance(value, str) and value.isupper(),
    "even": lambda value: _integer(value, "the value") % 2 == 0,
    "odd": lambda value: _integer(value, "the value") % 2 == 1,
}
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, other: bool(value == other),
    "ne": lambda value, other: bool(value != other),
    "lt": lambda value, other: bool(value < other),
    "le": lambda value, other: bool(value <= other),
    "gt": lambda value, other: bool(value > other),
    "ge": lambda value, other: bool(value >= other),
    "in": lambda value, other: value in other,
    "divisibleby": lambda value, other: value % other == 0,
}
_ALIASES = {
    "equalto": "eq",
    "==": "eq",
    "!=": "ne",
    "lessthan": "lt",
    "<": "lt",
    "<=": "le",
    "greaterthan": "gt",
    ">": "gt",
    ">=": "ge",
}

#: The name of every test.
TESTS: tuple[str, ...] = ("defined", "undefined", *_KINDS, *_RELATIONS, *_ALIASES)


def run_test(name: str, fuel: Fuel, value: JSONValue, args: Sequence[JSONValue]) -> bool:
    """Return whether a test holds; raises `TemplateFailed`."""
    name = _ALIASES.get(name, name)
    if name in {"defined", "undefined"}:
        return (value is None) is (name == "undefined")
    relation = _RELATIONS.get(name)
    if len(args) != (relation is not None):
        raise TemplateFailed(f"test '{name}' takes {'one value' if relation else 'no values'}")
    if relation is None:
        return _KINDS[name](value)
    fuel.charge(weight(value) + weight(args[0]))
    if name == "divisibleby" and not (_is_number(value) and _is_number(args[0]) and args[0]):
        raise TemplateFailed("test 'divisibleby' needs numbers, the second not 0")
    try:
        return relation(value, args[0])
    except TypeError:
        raise TemplateFailed(f"test '{name}' cannot relate {kind_of(value)} and {kind_of(args[0])}") from None
