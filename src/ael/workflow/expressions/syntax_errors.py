"""What is wrong with a text that is no expression, in the author's words: place, reason, repair.

Jinja2 says neither where, nor what to write instead; most such texts are another language's operators.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}

#: Other languages' operators → what to write here.
_FOREIGN = (
    (r"!==", "Write `!=`."),
    (r"===", "Write `==`."),
    (r"&&?", "Write `and`."),
    (r"\|\|", "Write `or`."),
    (r"<>", "Write `!=`."),
    (r"=>", "Use the filters `map` and `select`."),
    (r"\?\?", "Write `value | default(other)`."),
    (r"\?\.", "Write `.`, and `| default(…)` where it may be missing."),
    (r"\?", "Write `A if CONDITION else B`."),
    (r"!(?!=)", "Write `not`."),
    (r"\$\{?", "Names have no `$`: write `inputs.NAME`, `steps.ID.output` or `env.NAME`."),
    (r"(?<![=!<>])=(?!=)", "Write `==` to compare."),
)
_WORD = re.compile(r"\w+|[^\w\s]")
_GOT = re.compile(r"(?:got|unexpected(?: char)?) '([^']+)'")
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "for"})

#: Most places that are tried.
_TRIED = 50


def explain(source: str, message: str, parses: Callable[[str], bool]) -> tuple[int, str, str]:
    """Return offset, message and repair for a source that the parser refused with `message`.

    `parses` says whether a text is an expression.
    """
    bare = _STRING.sub(lambda match: "_" * len(match[0]), source)
    quote = re.search(r"['\"]", bare)
    if quote is not None:
        return quote.start(), f"the quote `{quote[0]}` is not closed", f"Close it with `{quote[0]}`."
    found = _foreign(bare) or _bracket(bare)
    if found is not None:
        return found
    got = _GOT.search(message)
    if got is None or got[1].startswith("end of"):
        return len(source.rstrip()), "the expression ends too early", "Something is missing here."
    words = [*_WORD.finditer(bare)]
    for before, word in pairwise(words[:_TRIED]):
        until = source[: word.end()]
        if (
            word[0] not in _CLOSING
            and parses(source[: word.start()])
            and not parses(until)
            and not parses(f"{until} x")
        ):
            plain = not {before[0], word[0]} & _KEYWORDS
            repair = "An operator is missing (`and`, `==`, `~`), or a quote around text." if plain else ""
            return word.start(), f"`{_whole(source, word)}` cannot follow what stands before it", repair
    same = [word for word in words if word[0] == got[1]]
    if not same:
        return len(source) - len(source.lstrip()), "this is no expression", ""
    # Where a value was expected.
    place = next((word for word in same[:_TRIED] if parses(f"{source[: word.start()]} x")), same[0])
    return place.start(), f"`{got[1]}` cannot stand here", ""


def _whole(source: str, word: re.Match[str]) -> str:
    string = _STRING.match(source, word.start())
    return string[0] if string else word[0]


def _foreign(bare: str) -> tuple[int, str, str] | None:
    """Return the first operator of another language."""
    hits = []
    for pattern, repair in _FOREIGN:
        for match in re.finditer(pattern, bare):
            # In brackets `=` names an argument of a filter.
            if match[0] != "=" or _depth(bare[: match.start()]) == 0:
                hits.append((match.start(), f"`{match[0]}` does not exist in expressions", repair))
                break
    return min(hits, key=lambda hit: hit[0], default=None)


def _depth(text: str) -> int:
    return sum(text.count(opening) - text.count(closing) for opening, closing in _CLOSING.items())


def _bracket(bare: str) -> tuple[int, str, str] | None:
    """Return the bracket that has no partner."""
    open_: list[tuple[int, str]] = []
    for offset, character in enumerate(bare):
        if character in _CLOSING:
            open_.append((offset, character))
        elif character in _CLOSING.values():
            if not open_ or _CLOSING[open_[-1][1]] != character:
                ends = "A template ends with `}}`." if character == "}" else "Remove it, or open the bracket before."
                return offset, f"`{character}` closes nothing", ends
            open_.pop()
    if open_:
        offset, character = open_[-1]
        return offset, f"`{character}` is not closed", f"Add `{_CLOSING[character]}`."
    return None
