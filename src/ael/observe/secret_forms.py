"""What secrets look like: by the names of keys, options and headers, and by the forms of values.

The one place that knows it. Whoever reads a configuration asks here what to mask; whoever writes, shows or pins one
asks what to leave out. `masking` then finds the secrets themselves, wherever else they turn up.

A text is judged with its references to variables unfilled: each of them is one opaque piece, so that nothing that a
variable holds can move the border of a secret. Every pattern here takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from urllib.parse import unquote

import msgspec

from ael.observe.masking import MASK
from ael.values import JSONValue, text

_Path = tuple[str | int, ...]
_Span = tuple[int, int, str]

#: `$$`, `${NAME}`, `${NAME:-default}`, `${NAME:?message}`; a `${` that is none of them is matched alone and refused.
VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)([^}]*))?\}|(\{))")

#: A reference that is left to the program that gets it.
_LATER = re.compile(r"\$\$\{[A-Za-z_][A-Za-z0-9_]*\}")

#: Values that variables bring into these keys are secrets.
SECRET_KEYS = frozenset({"env", "headers", "auth"})

#: What is named or formed like a secret is masked from this length on; what only variables tell of, from eight.
SHORTEST_NAMED, SHORTEST_SECRET = 4, 8

#: Names of variables, headers, options and keys whose values are secrets.
_TELLING = (
    r"(?i)token(?!iz)|secret|passw|passphrase|passcode|pwd|credential|authorization|bearer|cookie|signature"
    r"|api[-_.]?key|access[-_.]?key|private[-_.]?key"
    r"|(^|[-_.])(auth|key|pat|sig|pass|jwt|hmac)$|(?-i:[a-z](Auth|Key|Pat|Sig|Pass)$)"
)
#: Names that only sound like them.
_NOT_TELLING = (
    r"(?i)^no[-_]|(file|path|dir|url|uri|host|endpoint|name|id|type|timeout|limit|count|budget|mode|size|ttl|length"
    r"|version|enabled)s?$"
)
#: Names whose values are secrets even where they are numbers.
_NEVER_A_NUMBER = r"(?i)passw|passphrase|passcode|pwd|secret|credential|api[-_.]?key"
#: What a URL's query says besides.
_QUERY_NAME = r"(?i)code|k|pw"

#: Forms that providers give to their keys, and those of JWT and PEM.
_FORMS = (
    r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant|or)?[-_]?[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|\bhf_[A-Za-z0-9]{20,}|\bnpm_[A-Za-z0-9]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"
)
#: Name and password in a URL. A password may hold `@` and, where that is no port, `/`.
_USERINFO = r'([^\s/?#@:"]*)(?::((?!\d{1,5}[/?#])[^\s@"]*(?:@[^\s/?#@"]*(?=@))*))?@'
#: A name before its value: `name=`, `"name": `; an option before its value, also where both are texts of a list.
_NAME = r"""(?<![\w.-])(?<!://)([\w.-]{1,80})["']?\s*[=:]\s*"""
_OPTION = r"""(?<![\w-])(-{1,2}[A-Za-z][\w.-]{0,79})["']?[\s,]+(?!-)"""
#: The value after it.
_VALUE = r""""([^"]*)|'([^']*)|([^\s"'&;,}\])]+)"""
#: A word that is an option with its value, a variable or a header.
_WORD = r"-{0,2}([\w.-]{1,80})\s*[=:]\s*"
#: One whose value is the next word.
_PLAIN_OPTION = r"-{1,2}[\w.-]{1,80}"
#: What stands before a credential in a header.
_SCHEME = r"(?i)\s*(?:bearer|basic|token|apikey|digest)\s+"
#: What a shell would run: that is code, and a lock file has to show it.
_CODE = r"\$\(|`"
#: Options whose value is a program.
_TAKES_CODE = frozenset({"-c", "-lc", "-ic", "-ec", "--command", "--eval"})
#: Settings rather than secrets, whatever their names.
_SETTING = (
    r"(?i)\d{1,12}|true|false|yes|no|on|off|none|null|auto|default|env|stdin|prompt"
    r"|basic|bearer|digest|jwt|oauth2?|oidc|saml|iam|mtls"
)
_NUMBER = r"\d{4,12}"
_LONG_WORD = r"[A-Za-z0-9+/=_.~-]{24,}"
_UUID = r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: A part of a URL's path, or a value of its query.
_URL_PART = r"(?:/|[?&#]([^=&#/?]{0,80})=)([^/?&#=]+)"
#: Stands for each character of a reference; nobody writes it.
_OPAQUE = "\ue000"


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a text that is a secret."""

    start: int
    end: int
    #: What stands there; quotes of a shell are taken off.
    value: str
    #: Of the option, key or header that tells; empty where the form does.
    name: str = ""

    @property
    def is_written(self) -> bool:
        """Whether something of it is written out, and not all brought by variables, here or by the program itself."""
        return bool(literal_of(_LATER.sub("", self.value)).strip())


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A text of a document with secrets in it."""

    parts: _Path
    text: str
    regions: tuple[Region, ...]

    @property
    def written(self) -> tuple[Region, ...]:
        """The regions that are written out."""
        return tuple(region for region in self.regions if region.is_written)


# -- documents and texts ----------------------------------------------------------------------------------------------


def find_secrets(document: JSONValue, parts: _Path = ()) -> Iterator[Secret]:
    """Yield every text of a configuration, unfilled, that has secrets in it, also those that variables bring."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from find_secrets(value, (*parts, key))
    elif isinstance(document, list):
        before = ""
        for index, value in enumerate(document):
            if isinstance(value, dict | list):
                yield from find_secrets(value, (*parts, index))
            else:
                yield from _found((*parts, index), value, before)
            before = value if isinstance(value, str) else ""
    else:
        yield from _found(parts, document, "")


def _found(parts: _Path, value: JSONValue, before: str) -> Iterator[Secret]:
    if value is None or isinstance(value, bool):
        return
    written = text(value)
    regions = find_regions(parts, written, before)
    if regions:
        yield Secret(parts=parts, text=written, regions=regions)


def find_regions(parts: Sequence[str | int], written: str, before: str = "") -> tuple[Region, ...]:
    """Return the secrets in a text at a path; `before` is the argument that stands before it."""
    shadow = VARIABLE.sub(lambda found: _OPAQUE * len(found[0]) if found[2] else found[0], written)
    last = parts[-1] if parts else ""
    if len(parts) > 1 and parts[-2] in {"args", "command"} and isinstance(last, int):
        spans = _in_word(shadow, before)
    elif last == "command":
        return _in_command(written, shadow)
    elif last == "url":
        spans = [*_in_text(shadow), *_in_url(shadow)]
    elif SECRET_KEYS & set(parts):
        spans = _in_value(str(last), shadow)
    elif names_secret(str(last)):
        # Where it has no business being, as in a file that is indented wrongly.
        spans = _credential(shadow, 0, len(shadow), str(last))
    else:
        spans = [*_in_text(shadow)]
    return _joined(written, spans)


def masked(written: str, regions: Sequence[Region], mark: Callable[[str], str] = lambda _: MASK) -> str:
    """Return a text with `***`, or another mark, where its secrets are."""
    shown, at = "", 0
    for region in regions:
        shown += written[at : region.start] + mark(written[region.start : region.end])
        at = region.end
    return shown + written[at:]


def mask_document(document: JSONValue, parts: _Path = ()) -> JSONValue:
    """Return what stands at a path of a configuration, without the secrets that are written out there."""
    hidden = {one.parts: masked(one.text, one.written) for one in find_secrets(document, parts) if one.written}
    return _replaced(document, parts, hidden) if hidden else document


def _replaced(value: JSONValue, parts: _Path, hidden: Mapping[_Path, str]) -> JSONValue:
    if isinstance(value, dict):
        return {key: _replaced(item, (*parts, key), hidden) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, (*parts, index), hidden) for index, item in enumerate(value)]
    return hidden.get(parts, value)


def secret_texts(regions: Sequence[Region], fill: Callable[[str], str] = str) -> list[str]:
    """Return what has to be masked wherever it turns up: each secret, as it is written and as `fill` fills it."""
    found: list[str] = []
    for region in regions:
        brought = [fill(one[0]) for one in VARIABLE.finditer(region.value) if one[2]]
        for value in (literal_of(region.value), fill(region.value), *brought):
            # A URL has it escaped, what reads the URL has not.
            values = [value, unquote(value)] if "%" in value else [value]
            found += [one for one in values if len(one) >= SHORTEST_NAMED and not _is_setting(one, region.name)]
    return list(dict.fromkeys(found))


def literal_of(value: str) -> str:
    """Return a value's own text: without references to variables, with the defaults that they carry."""
    return VARIABLE.sub(lambda found: "$" if found[1] else (found[4] or "") if found[3] == ":-" else "", value)


def names_secret(name: str) -> bool:
    """Say whether what has such a name is a secret."""
    bare = name.lstrip("-")
    return bool(_pattern(_TELLING).search(bare)) and not _pattern(_NOT_TELLING).search(bare)


def is_random(word: str) -> bool:
    """Say whether a text is one long word of letters and digits that no person would write."""
    found = _pattern(_LONG_WORD).fullmatch(word.strip())
    if found is None or word.count("/") > 1:
        return False
    kinds = (any(map(str.isdigit, word)), any(map(str.islower, word)), any(map(str.isupper, word)))
    return kinds[0] and (sum(kinds) == 3 or len(set(word)) >= 12) and "." not in word


def variable_name(written: str) -> str:
    """Return a name for a variable of the environment after any text."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", written).strip("_").upper()
    return f"_{name}" if name[:1].isdigit() else name or "VALUE"


# -- what is about to be shown ----------------------------------------------------------------------------------------


def mask_command(command: str, arguments: Sequence[str]) -> str:
    """Return how a process is started, variables filled, without its secrets."""
    words = [masked(command, find_regions(("command",), command))]
    for at, (before, word) in enumerate(zip(["", *arguments], arguments, strict=False)):
        words.append(masked(word, find_regions(("args", at), word, before)))
    return " ".join(words)


def mask_url(url: str) -> str:
    """Return a URL, variables filled, without its secrets."""
    return masked(url, find_regions(("url",), url))


# -- the forms --------------------------------------------------------------------------------------------------------


@cache
def _pattern(source: str) -> re.Pattern[str]:
    """Return a pattern; made late, since who has no configuration needs none."""
    return re.compile(source)


def _joined(written: str, spans: Sequence[_Span]) -> tuple[Region, ...]:
    """Return regions in order, those that overlap as one, without what is no secret for all its name."""
    made: list[Region] = []
    for start, end, name in sorted(spans, key=lambda span: (span[0], -span[1])):
        if made and start < made[-1].end:
            first, last = made[-1].start, max(made[-1].end, end)
            made[-1] = Region(start=first, end=last, value=written[first:last], name=made[-1].name)
        else:
            made.append(Region(start=start, end=end, value=written[start:end], name=name))
    return tuple(region for region in made if _counts(region))


def _counts(region: Region) -> bool:
    return bool(region.value.strip()) and not _is_setting(region.value.strip(), region.name)


def _is_setting(value: str, name: str) -> bool:
    """Say whether a value is a number or a switch, whatever its name; a password may be a number."""
    if _pattern(_NUMBER).fullmatch(value) and _pattern(_NEVER_A_NUMBER).search(name):
        return False
    return bool(_pattern(_SETTING).fullmatch(value))


def _credential(shadow: str, start: int, end: int, name: str) -> list[_Span]:
    """Return the span of a value that something names: without the scheme of a header, of which alone is none."""
    scheme = _pattern(_SCHEME).match(shadow, start, end)
    if scheme is not None:
        start = scheme.end()
    elif _pattern(_SCHEME).fullmatch(f"{shadow[start:end]} "):
        return []
    return [(start, end, name)] if shadow[start:end].strip() else []


def _in_value(name: str, shadow: str) -> list[_Span]:
    """Find secrets in a variable of a process, or a header."""
    whole = _credential(shadow, 0, len(shadow), name)
    start = whole[0][0] if whole else 0
    value = shadow[start:].replace(_OPAQUE, "")
    # Nothing but a credential follows the word Bearer, whatever the variable is called.
    is_bearer = shadow[:start].strip().lower() == "bearer" and len(value) >= SHORTEST_SECRET and " " not in value
    if whole and (names_secret(name) or is_bearer or is_random(value)):
        return whole
    return [*_in_text(shadow)]


def _in_word(shadow: str, before: str) -> list[_Span]:
    """Find secrets in an argument of a program."""
    if before in _TAKES_CODE:
        return [*_in_text(shadow)]
    if _pattern(_PLAIN_OPTION).fullmatch(before) and names_secret(before) and not shadow.startswith("-"):
        return _credential(shadow, 0, len(shadow), before.lstrip("-"))
    own = _pattern(_WORD).match(shadow)
    if own is not None and names_secret(own[1]):
        return _credential(shadow, own.end(), len(shadow), own[1])
    return [*_in_text(shadow)]


def _in_command(written: str, shadow: str) -> tuple[Region, ...]:
    """Find secrets in a command that is split like a shell would."""
    found: list[Region] = []
    before = ""
    for places in _shell_words(shadow):
        word = "".join(shadow[at] for at in places)
        for region in _joined("".join(written[at] for at in places), _in_word(word, before)):
            start, end = places[region.start], places[region.end - 1] + 1
            found.append(Region(start=start, end=end, value=region.value, name=region.name))
        before = word
    return tuple(found)


def _shell_words(command: str) -> Iterator[list[int]]:
    """Yield the words of a command as `shlex.split` makes them, as the places of their characters."""
    places: list[int] = []
    quote, is_word, is_escaped = "", False, False
    for at, character in enumerate(command):
        if is_escaped:
            is_escaped = False
            places.append(at)
        elif character == "\\" and (not quote or (quote == '"' and command[at + 1 : at + 2] in {'"', "\\"})):
            is_escaped = is_word = True
        elif quote:
            if character == quote:
                quote = ""
            else:
                places.append(at)
        elif character in "'\"":
            quote, is_word = character, True
        elif character in " \t\r\n":
            if is_word:
                yield places
            places, is_word = [], False
        else:
            is_word = True
            places.append(at)
    if is_word:
        yield places


def _in_text(shadow: str) -> Iterator[_Span]:
    """Find secrets anywhere in a text: keys of providers, passwords in URLs, values after telling names."""
    for found in _pattern(_FORMS).finditer(shadow):
        yield (*found.span(), "")
    yield from _in_userinfo(shadow)
    yield from _named(shadow, _NAME, _VALUE)
    yield from _named(shadow, _OPTION, _VALUE)


def _in_userinfo(shadow: str) -> Iterator[_Span]:
    """Find passwords in URLs, and names that are tokens; each URL is looked at as far as the next one."""
    head, *rest = shadow.split("://")
    at = len(head) + 3
    for piece in rest:
        found = _pattern(_USERINFO).match(piece)
        if found is not None:
            user, password = found[1], found[2]
            if password:
                yield at + found.start(2), at + found.end(2), "password"
            if user and (password == "" or _is_token(user)):
                yield at + found.start(1), at + found.end(1), "password"
        at += len(piece) + 3


def _named(shadow: str, names: str, values: str) -> Iterator[_Span]:
    """Find the values that telling names stand before."""
    at = 0
    while (name := _pattern(names).search(shadow, at)) is not None:
        at = name.end()
        if not names_secret(name[1]):
            continue
        value = _pattern(values).match(shadow, at)
        if value is not None and value.lastindex is not None:
            start, end = value.span(value.lastindex)
            at = max(at, end)
            if not _pattern(_CODE).search(shadow, start, end):
                yield from _credential(shadow, start, end, name[1].lstrip("-"))


def _in_url(shadow: str) -> Iterator[_Span]:
    """Find what else is a secret in a server's URL: whatever stands before its host, and words that nobody writes."""
    head, _, rest = shadow.partition("://")
    start = len(head) + 3
    own = _pattern(_USERINFO).match(rest)
    if own is not None and own[1]:
        yield start, start + own.end(1), "url"
    for found in _pattern(_URL_PART).finditer(rest):
        value = found[2].replace(_OPAQUE, "")
        named = found[1] is not None and bool(_pattern(_QUERY_NAME).fullmatch(found[1]))
        if named or (is_random(value) and not _pattern(_UUID).fullmatch(value)):
            yield start + found.start(2), start + found.end(2), found[1] or "url"


def _is_token(user: str) -> bool:
    """Say whether the name in a URL is a token: people's names are shorter, and have fewer digits."""
    return len(user) >= 16 and sum(map(str.isdigit, user)) >= 2
