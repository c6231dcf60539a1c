"""Times the code step of ploston-core, run by that package's own interpreter: one JSON line of figures.

python peer_sandbox.py STEPS AT_ONCE
"""

import asyncio
import json
import statistics
import sys
import time

from ploston_core.sandbox.sandbox import PythonExecSandbox  # type: ignore[import-not-found]  # its own environment


async def main() -> None:
    """Time steps one after another, then many at once."""
    steps, at_once = int(sys.argv[1]), int(sys.argv[2])
    sandbox = PythonExecSandbox()

    async def once() -> float:
        begun = time.perf_counter()
        done = await sandbox.execute("result = 1", {})
        assert done.success, done.error
        assert done.result == 1
        return time.perf_counter() - begun

    await once()
    each = [await once() for _ in range(steps)]
    begun = time.perf_counter()
    await asyncio.gather(*(once() for _ in range(at_once)))
    print(json.dumps({"p50": statistics.median(each), "rate": at_once / (time.perf_counter() - begun)}))


if __name__ == "__main__":
    asyncio.run(main())
