"""Options that every command takes, before and after its name.

NO_COLOR and TERM are read here: they say what a terminal can show, and settings would cost `ael version` their import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click


class Globals:
    """What the global options say."""

    def __init__(self) -> None:
        self.config: str | None = None
        self.verbose = 0
        self.quiet = False
        self.json = False
        self.no_color = False
        self.plain = False
        #: What is said is what was asked for: a record, which goes to standard output.
        self.says_results = False

    @property
    def color(self) -> bool | None:
        """False: no colors; None: where the stream is a terminal (click's meaning of `color`)."""
        return False if self.no_color or self.plain or os.environ.get("NO_COLOR") else None

    @property
    def live(self) -> bool:
        """Whether lines on standard error may be rewritten in place."""
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        return is_terminal and not (self.plain or self.quiet or self.json) and os.environ.get("TERM") != "dumb"


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> Any:  # noqa: ANN401 # click's signature
    """Remember an option wherever it stood; one that is not given changes nothing."""
    name = str(param.name).removeprefix("global_")
    settings = ctx.ensure_object(Globals)
    if value:
        setattr(settings, name, getattr(settings, name) + value if name == "verbose" else value)
    return value


def _option(*names: str, **attributes: Any) -> tuple[tuple[str, ...], dict[str, Any]]:  # noqa: ANN401 # click's
    return names, attributes


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    _option("-c", "--config", "global_config", metavar="PATH", help="The configuration file."),
    _option("-v", "--verbose", "global_verbose", count=True, help="Say more; may be repeated."),
    _option("-q", "--quiet", "global_quiet", is_flag=True, help="Say nothing but results and errors."),
    _option("--json", "global_json", is_flag=True, help="Print JSON."),
    _option("--no-color", "global_no_color", is_flag=True, help="No colors."),
    _option("--plain", "global_plain", is_flag=True, help="No colors, no lines rewritten in place."),
)


def global_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the global options to a command; their values are in `Globals`, not in its arguments."""

    def without(*args: Any, **named: Any) -> Any:  # noqa: ANN401 # whatever the command takes
        return function(*args, **{key: value for key, value in named.items() if not key.startswith("global_")})

    without.__name__ = function.__name__
    without.__doc__ = function.__doc__
    without.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]  # click's place
    decorated: Callable[..., Any] = without
    for names, attributes in reversed(_OPTIONS):
        decorated = click.option(*names, callback=_keep, **attributes)(decorated)
    return decorated


def check_pairs(pairs: tuple[str, ...], option: str = "-i") -> None:
    """Refuse what was given for an option and is not `NAME=VALUE`."""
    for pair in pairs:
        name, separator, _ = pair.partition("=")
        if not separator or not name:
            lacks = "no name before" if separator else "no"
            raise click.BadParameter(f"'{pair}' has {lacks} '='. Write {option} NAME=VALUE.", param_hint=option)
