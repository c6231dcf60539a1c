"""Opens the application for one command, and tells what goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import click

from ael.app.application import App
from ael.app.settings import Settings, load_settings
from ael.errors import AelError, ExecutionCancelled
from ael.interfaces.cli.options import Globals
from ael.interfaces.cli.render import print_failure, say
from ael.observe.logs import COMPONENTS, configure

_INTERRUPTED = 130
_EXIT_CODES = {signal.SIGINT: _INTERRUPTED, signal.SIGTERM: 143, signal.SIGHUP: 129}

#: This many signals end us at once.
_PATIENCE = 3


class Interruption:
    """Turns signals into the cancellation of one task: what it was doing is put on record before we end."""

    def __init__(self, settings: Globals) -> None:
        """Watch the signals for the current task."""
        self.exit_code = _INTERRUPTED
        self._settings = settings
        self._signals = 0
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number, code in _EXIT_CODES.items():
            # What whoever started us has told us to ignore (nohup, a background job) stays ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, self._stop, code)

    def ended(self) -> None:
        """Say that the work is done: there is nothing left to cancel."""
        self._task = None

    def _stop(self, code: int) -> None:
        """Cancel the task at the first signal; the second waits for its record too, the third does not."""
        self._signals += 1
        if self._signals >= _PATIENCE:
            # The sandbox goes when it sees our end of its socket close.
            os._exit(code)
        if self._task is not None:
            self.exit_code = code
            self._task.cancel()
            self._task = None
        elif not self._settings.quiet:
            say("stopping; once more stops at once, without a record", self._settings)


def with_app(settings: Globals, work: Callable[[App], Awaitable[int]]) -> int:
    """Run `work` with an application and return its exit code, or 1 after printing its error."""

    async def main() -> int:
        interruption = Interruption(settings)
        try:
            async with App.open(read_settings(settings)) as app:
                with app.masked_errors():
                    return await work(app)
        except asyncio.CancelledError:
            print_failure(ExecutionCancelled("it was stopped by a signal"), settings)
            return interruption.exit_code

    try:
        return asyncio.run(main())
    except AelError as error:
        print_failure(error, settings)
        return 1


def read_settings_or_exit(settings: Globals) -> Settings:
    """Read the configuration for a command without an application; prints what is wrong with it and exits."""
    try:
        return read_settings(settings)
    except AelError as error:
        print_failure(error, settings)
        raise click.exceptions.Exit(1) from error


def read_settings(settings: Globals) -> Settings:
    """Read the configuration, and set up logging as it and -v say; raises `ConfigInvalid`."""
    read = load_settings(settings.config)
    set_up_logging(settings, read)
    return read


def set_up_logging(settings: Globals, read: Settings, usual: str = "WARNING") -> None:
    """Log as the configuration and -v say, else from the `usual` level on."""
    section = read.file.logging
    level = ("DEBUG" if settings.verbose > 1 else "INFO") if settings.verbose else section.level or usual
    configure(
        "ERROR" if settings.quiet else level,
        section.format,
        tuple(name for name in COMPONENTS if not getattr(section.components, name)),
        read.secrets,
    )
