"""What an execution and all its children may use together: steps and bytes of output."""

from __future__ import annotations

from ael.errors import ResourceExhausted
from ael.values import JSONValue, bulk, encode


class Budget:
    """Counts against the limits of one execution; its child executions share it. Raises `ResourceExhausted`."""

    def __init__(self, max_steps: int, max_output: int) -> None:
        """Take the most steps, in which each `foreach` item counts, and the most bytes of all outputs as JSON."""
        self._max_steps = max_steps
        self._max_output = max_output
        self._steps = 0
        self._output = 0
        #: The last large value and its bytes: the output of the last step is often that of the execution.
        self._large: JSONValue = None
        self._large_bytes = 0

    def take_steps(self, number: int) -> None:
        """Count steps or items that are about to run."""
        self._steps += number
        if self._steps > self._max_steps:
            raise ResourceExhausted(
                f"the execution runs more than {self._max_steps} steps (foreach items and steps of children count)",
                suggestion="Raise execution.max_steps in the configuration.",
            )

    async def take_output(self, value: JSONValue) -> None:
        """Count the output of a step, of an item, or of the whole execution."""
        self._output += await self._size_of_large(value) if bulk.is_large(value) else _size(value)
        if self._output > self._max_output:
            raise ResourceExhausted(
                f"the outputs of the execution take more than {self._max_output:,} bytes together",
                suggestion="Return less from the steps, or raise execution.max_output in the configuration.",
            )

    async def _size_of_large(self, value: JSONValue) -> int:
        if value is not self._large:
            self._large_bytes = await bulk.in_thread(bulk.size, value)
            self._large = value
        return self._large_bytes


def _size(value: JSONValue) -> int:
    """Return about how many bytes a value takes as JSON; exact for objects and lists."""
    if isinstance(value, dict | list):
        return len(encode(value))
    return len(value) + 2 if isinstance(value, str) else 8
