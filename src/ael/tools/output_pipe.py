"""An output stream of a child process, read straight by the event loop.

asyncio's own pipe to a child passes what it read on in the next turn of the loop; a call of a tool is so short that one
turn more or less is an eighth of what it costs us.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress

#: Bytes that a pipe holds, where the kernel allows it, and what is read in one go. More would use up what the kernel
#: grants a user for all pipes (64 MiB), and then it cuts down those of others.
WIDE = 256 * 1024


class OutputPipe:
    """A pipe whose one end is given to a child, and whose other end is read here."""

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None], *, is_wide: bool) -> None:
        """Make the pipe; `on_end` is called once, at the end of the stream, and not after `close`."""
        self._loop = asyncio.get_running_loop()
        self._on_data = on_data
        self._on_end = on_end
        self._end, self.childs_end = os.pipe()
        self._is_open = True
        self._is_reading = False
        os.set_blocking(self._end, False)
        if is_wide:
            with suppress(OSError, AttributeError):
                # Four times as much in one go; a system that has no such call reads in smaller parts.
                fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, WIDE)

    def release(self) -> None:
        """Close the child's end here: the child has it now, or there is none."""
        os.close(self.childs_end)

    def resume(self) -> None:
        """Read whenever there is something."""
        if self._is_open and not self._is_reading:
            self._is_reading = True
            self._loop.add_reader(self._end, self.read)

    def pause(self) -> None:
        """Leave what comes in the pipe, until the writer has to wait."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._end)

    def read(self) -> bool:
        """Take what is there; return whether there was something."""
        if not self._is_open:
            return False
        try:
            data = os.read(self._end, WIDE)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if data:
            self._on_data(data)
            return True
        self.close()
        self._on_end()
        return False

    def close(self) -> None:
        """Read no more."""
        self.pause()
        if self._is_open:
            self._is_open = False
            os.close(self._end)
