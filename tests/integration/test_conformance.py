"""The published conformance suite against `ael serve`, in both revisions of the protocol.

The tools that it calls are those of a server behind AEL. What is expected to fail stands in a file for each revision,
each with its reason; what passes though it stands there fails too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXPECTED = Path(__file__).parent / "conformance"

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_published_suite_passes_but_for_what_is_listed(
    revision: str, others: Path, node: str, configure: Callable[..., None], serve: Callable[..., Any]
) -> None:
    configure()
    suite = others / "npm/node_modules/@modelcontextprotocol/conformance/dist/index.js"
    choice = ["--suite", "all", "--spec-version", revision]
    listed = ["--expected-failures", str(EXPECTED / f"{revision}.yaml")]
    done = subprocess.run(
        [node, str(suite), "server", "--url", serve().url, *choice, *listed],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("=== SUMMARY") :] + done.stderr
