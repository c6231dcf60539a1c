"""The fuzz targets, for a moment."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.parametrize("seed", range(3))
async def test_neither_damaged_frames_nor_random_code_surprise_the_host(seed: int) -> None:
    spec = importlib.util.spec_from_file_location("fuzz_sandbox", Path(__file__).parents[1] / "fuzz/sandbox.py")
    assert spec is not None
    assert spec.loader is not None
    target = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(target)
    await target.fuzz(seed, frames=1000, programs=150)
