"""Opens the application for one command, and tells what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ael.app.application import App
from ael.app.settings import Settings, load_settings
from ael.errors import AelError
from ael.interfaces.cli.options import Globals
from ael.interfaces.cli.render import print_failure
from ael.observe.logs import COMPONENTS, configure


def with_app(settings: Globals, work: Callable[[App], Awaitable[int]]) -> int:
    """Run `work` with an application and return its exit code, or 1 after printing its error."""

    async def main() -> int:
        async with App.open(read_settings(settings)) as app:
            return await work(app)

    try:
        return asyncio.run(main())
    except AelError as error:
        print_failure(error, settings)
        return 1


def read_settings(settings: Globals) -> Settings:
    """Read the configuration, and set up logging as it and -v say; raises `ConfigInvalid`."""
    read = load_settings(settings.config)
    section = read.file.logging
    level = ("DEBUG" if settings.verbose > 1 else "INFO") if settings.verbose else section.level or "WARNING"
    configure(
        "ERROR" if settings.quiet else level,
        section.format,
        tuple(name for name in COMPONENTS if not getattr(section.components, name)),
    )
    return read
