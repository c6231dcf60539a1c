"""Starts a zygote's process. Imports next to nothing, so that a command can do it before it imports the rest."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

# pathlib would cost a third of this module's import.
_SCRIPT = os.path.dirname(os.path.abspath(__file__)) + "/child/zygote.py"  # noqa: PTH100, PTH120 # see above

_MINIMAL = ("json", "re", "datetime", "math")
_STANDARD = (
    *_MINIMAL,
    *("random", "typing", "collections", "collections.abc", "itertools", "functools", "hashlib", "uuid", "base64"),
    *("urllib.parse", "decimal", "statistics", "operator", "copy", "time", "string", "textwrap", "enum"),
    *("dataclasses", "fractions", "asyncio"),
)
_PROFILES = {"minimal": _MINIMAL, "standard": _STANDARD, "data_science": (*_STANDARD, "numpy", "pandas")}

#: Built from nothing: no secret can be in it. A fixed hash seed and one BLAS thread repeat.
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "MALLOC_ARENA_MAX": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class ZygoteProcess:
    """A process that is starting, and the host's end of its control socket."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process = process
        self.control = control
        self.pid = process.pid

    def stop(self) -> None:
        """Kill the process and let go of the socket; idempotent."""
        self.control.close()
        self._process.kill()
        self._process.wait()


def spawn(
    profile: str = "standard", additional: tuple[str, ...] = (), *, guarded: bool = True, skip: tuple[str, ...] = ()
) -> ZygoteProcess:
    """Start a zygote for a set of packages."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    config = {
        "descriptor": theirs.fileno(),
        "modules": [*_PROFILES[profile], *additional],
        "additional": [*additional],
        "paths": _site_packages() if profile == "data_science" or additional else [],
        "guarded": guarded,
        "skip": list(skip),
    }
    with theirs:
        process = subprocess.Popen(  # noqa: S603 # our own interpreter and script
            [sys.executable, "-s", "-S", "-P", _SCRIPT, json.dumps(config)],
            pass_fds=(theirs.fileno(),),
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ZygoteProcess(process, ours)


def _site_packages() -> list[str]:
    import sysconfig  # noqa: PLC0415 # needed only for packages beyond the standard library

    paths = sysconfig.get_paths()
    return list(dict.fromkeys(paths[name] for name in ("purelib", "platlib")))
